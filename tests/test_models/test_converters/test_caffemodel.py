import struct
import tracemalloc

import numpy as np
import pytest
from caffe_nets import UNKNOWN, blob, layer, message, number, varint

from fcn_plugin.models.converters import caffemodel, read_caffemodel

WEIGHT = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
BIAS = np.array([0.5, -1.5], np.float32)
JPEG = bytes.fromhex('ffd8ffe000104a46494600010100000100010000ffdb004300')


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / 'net.caffemodel'
        path.unlink(missing_ok=True)  # never into a file that is still mapped
        path.write_bytes(content)
        return read_caffemodel(path)
    return read


# --- what is refused ---------------------------------------------------------


@pytest.mark.parametrize('content, message', [
    (b'', 'the file is empty'),
    (b'\x0a', 'byte 1 of 1: expected a number, found the end'),
    (JPEG, 'byte 0 of 24: .*found wire type|expected wire type 0, 1, 2 or 5, found 7'),
    (b'name: "fcn"\nlayer { name: "conv1_1" }', 'expected .*complete binary'),
    (message(1, b'net'), 'expected layers, found none'),
    (varint(100 << 3 | 2) + varint(2**62), f'expected {2**62} bytes for field 100, '
     'found 0 left'),
    (b'\x80' * 11, 'at most 64 bits'),
    (b'\xff' * 9 + b'\x02', 'at most 64 bits'),
    (b'\x02\x00', 'field number from 1'),
    (b'\x0b' * 100_000, 'groups'),
    (message(100, b'\x0b' * 1000), 'groups'),
    (number(100, 5), 'expected wire type 2 for field 100, found 0'),
    (message(100, message(1, b'\xff\xfe')), 'name in UTF-8'),
    (message(100, message(1, b'a' * 257)), 'at most 256 bytes, found 257'),
    (message(2, message(1, b'V0')), 'V0.*upgrade_net_proto_binary'),
    (message(100, message(7, message(5, b'12345'))), 'multiple of 4 bytes'),
    (message(100, message(7, b'')), "expected a single values.*layer '', found 0"),
    (message(100, message(7, number(1, 2**64 - 1) + message(5, b'1234'))), 'found 1'),
])
def test_no_caffe_model(read, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(content)
    assert 'net.caffemodel' in str(caught.value)


def test_a_missing_file_is_no_fault_of_the_format(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_caffemodel(tmp_path / 'none.caffemodel')


@pytest.mark.parametrize('dims', [
    [], [23], [2, 3, 2], [2**31, 2**31], [2**63] * 3, [0], [24, 0], [1] * 33,
    [1] * 10**5])
def test_dims_must_make_up_the_values(read, dims):
    shape = message(7, message(1, b''.join(map(varint, dims))))
    data = message(5, WEIGHT.tobytes())
    tracemalloc.start()
    with pytest.raises(ValueError, match="values in a blob of layer 'a', found 24"
                       if len(dims) < 33 else 'at most 32 dimensions'):
        read(message(100, message(1, b'a') + message(7, shape + data)))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_the_number_of_fields_is_bounded(read, monkeypatch):
    net = layer('a', 'ReLU') * 50
    assert len(read(net).layers) == 50
    monkeypatch.setattr(caffemodel, '_MAX_FIELDS', 149)  # each layer has 3
    with pytest.raises(ValueError, match='at most 149 fields in all'):
        read(net)


@pytest.mark.parametrize('old', [False, True])
@pytest.mark.parametrize('packed', [False, True])
def test_truncated_anywhere(read, old, packed):
    net = message(1, b'net') + layer('a', 'Convolution', [WEIGHT, BIAS], old=old,
                                     packed=packed, legacy=old, unknown=UNKNOWN)
    read(net)
    for stop in range(len(net)):
        with pytest.raises(ValueError, match='cannot read'):
            read(net[:stop])


def test_bytes_flipped_at_random(read):
    random = np.random.RandomState(0)
    net = b''.join(layer('a', 'Convolution', [WEIGHT[:1, :1], BIAS], old=old,
                         packed=packed, legacy=old, double=not packed, unknown=UNKNOWN)
                   for old in (False, True) for packed in (False, True))
    refused = 0
    for _ in range(600):
        broken = bytearray(net)
        for at in random.randint(len(net), size=random.randint(1, 4)):
            broken[at] = random.randint(256)
        try:
            read(bytes(broken))
        except ValueError as error:
            assert 'expected' in str(error)
            refused += 1
    assert 50 < refused < 600


# --- what is read ------------------------------------------------------------


@pytest.mark.parametrize('how', [
    dict(), dict(packed=False), dict(legacy=True), dict(packed=False, legacy=True),
    dict(double=True), dict(double=True, packed=False), dict(diff=True),
    dict(diff=True, packed=False), dict(unknown=UNKNOWN),
    dict(unknown=UNKNOWN, packed=False)])
@pytest.mark.parametrize('old', [False, True])
def test_layers(read, old, how):
    first, silent, second = read(
        layer('a', 'Convolution', [WEIGHT, BIAS], old=old, **how)
        + layer('relu', 'ReLU', old=old)
        + layer('b', 'InnerProduct', [BIAS], old=old, **how)).layers
    assert (first.name, first.type) == ('a', 'Convolution')
    assert (second.name, second.type) == ('b', 'InnerProduct')
    assert silent.name == 'relu' and silent.blobs == ()
    np.testing.assert_array_equal(first.blobs[0], WEIGHT)
    bias = first.blobs[1]
    assert bias.shape == ((1, 1, 1, 2) if how.get('legacy') else (2, ))
    np.testing.assert_array_equal(bias.ravel(), BIAS)
    assert bias.dtype == (np.float64 if how.get('double') else np.float32)


@pytest.mark.parametrize('packed', [True, False])
def test_weights_are_views_of_the_file(read, packed):
    """So that reading a file of any size takes no memory of its own."""
    large = np.arange(70_000, dtype=np.float32).reshape(7, 10_000)
    model = read(layer('a', 'Convolution', [large, BIAS], packed=packed))
    assert isinstance(model.data, np.memmap)
    for array, expected in zip(model.layers[0].blobs, (large, BIAS)):
        np.testing.assert_array_equal(array, expected)
        assert np.shares_memory(array, model.data)
        assert not array.flags.writeable


def test_data_in_pieces(read):
    """Packed, single, with a padded tag, gradients between: all of it, in order."""
    single = varint(5 << 3 | 5) + struct.pack('<f', 3)
    padded = b'\xad\x00' + struct.pack('<f', 4)
    gradients = (varint(6 << 3 | 5) + struct.pack('<f', 9)) * 3
    values = [1, 2, 3, 3, 4, 3, 5]
    content = (message(7, message(1, varint(len(values)))) + message(5, struct.pack(
        '<2f', 1, 2)) + single * 2 + padded + gradients + single)
    for rest in (message(5, struct.pack('<f', 5)) + number(7 << 3 | 1, 0),
                 single[:1] + struct.pack('<f', 5) + number(9, 0)):  # a short one at the end
        found, = read(message(100, message(7, content + rest))).layers[0].blobs
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize('legacy_first', [True, False])
def test_of_two_shapes_the_old_one_counts(read, legacy_first):
    """As in Caffe's Blob::FromProto: where there is num, channels, ..., shape is not read."""
    legacy = b''.join(number(i, dim) for i, dim in enumerate(WEIGHT.shape, 1))
    shape = message(7, message(1, varint(WEIGHT.size)))
    content = message(5, WEIGHT.tobytes())
    content = legacy + shape + content if legacy_first else shape + legacy + content
    found, = read(message(100, message(7, content))).layers[0].blobs
    np.testing.assert_array_equal(found, WEIGHT)


def test_a_field_ends_within_its_message(read):
    content = message(1, b'a') + varint(7 << 3 | 2) + varint(30)
    with pytest.raises(ValueError, match='expected 30 bytes for field 7, found 0 left in its'):
        read(message(100, content) + message(1, bytes(50)))


def test_sides_that_the_old_shape_leaves_out_are_0(read):
    content = number(1, WEIGHT.size) + message(5, WEIGHT.tobytes())
    with pytest.raises(ValueError, match='expected 24x0x0x0 values'):
        read(message(100, message(7, content)))


def test_one_value_needs_no_shape(read):
    found, = read(message(100, message(7, message(5, b'\0' * 4)))).layers[0].blobs
    assert found.shape == () and found == 0


def test_nested_unknown_messages_are_not_entered(read):
    nested = b''
    for _ in range(2000):
        nested = message(9, nested)
    content = message(1, b'a') + message(200, nested) + message(7, blob(BIAS))
    assert read(message(100, content)).layers[0].blobs[0].tolist() == BIAS.tolist()


@pytest.mark.parametrize('old', [False, True])
def test_how_layers_are_joined(read, old):
    content = layer('pool', 'Pooling', old=old, bottoms=('a', 'b'), tops=('c', ),
                    settings={1: 1, 2: 3}) + layer('relu', 'ReLU', old=old, settings={1: 0.5})
    pool, relu = read(content).layers
    assert (pool.bottoms, pool.tops) == (('a', 'b'), ('c', ))
    assert pool.settings == {1: (1, ), 2: (3, )}
    assert relu.settings == {1: (0.5, )} and relu.bottoms == relu.tops == ()


def test_settings_in_parts_are_one(read):
    """As protobuf has it: a message that comes twice is merged; fillers are no numbers."""
    parts = number(3, 1) + message(7, message(1, b'xavier')), number(3, 2) + number(4, 5)
    content = message(1, b'conv') + b''.join(message(106, part) for part in parts)
    found, = read(message(100, content + message(2, b'Convolution'))).layers
    assert found.settings == {3: (1, 2), 4: (5, )}
