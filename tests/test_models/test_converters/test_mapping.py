import re

import numpy as np
import pytest
import torch
from caffe_nets import (
    FC,
    WIDTHS,
    bilinear,
    encode,
    message,
    narrow_trunk,
    paper_net,
    two_task_net,
)
from mmseg.registry import MODELS

from fcn_plugin.models import FCNSkipHead
from fcn_plugin.models.converters import (
    Layer,
    convert_layers,
    our_net,
    read_caffemodel,
    reorder_classes,
)
from fcn_plugin.models.converters.layers import is_bilinear

STRIDES = {'32s': (32, ), '16s': (16, 32), '8s': (8, 16, 32), 'at-once': (8, 16, 32)}
CHANNELS = {8: WIDTHS[2], 16: WIDTHS[3], 32: FC}
# Places of the 13 convolutions in VGG16's features, where each pooling takes one too.
FEATURES = {
    'conv1_1': 0, 'conv1_2': 1, 'conv2_1': 3, 'conv2_2': 4, 'conv3_1': 6, 'conv3_2': 7,
    'conv3_3': 8, 'conv4_1': 10, 'conv4_2': 11, 'conv4_3': 12, 'conv5_1': 14,
    'conv5_2': 15, 'conv5_3': 16}
PLACES = {name: f'backbone.features.{i}.conv' for name, i in FEATURES.items()}
PLACES.update(fc6='backbone.conv6.conv', fc7='backbone.conv7.conv',
              score_fr='decode_head.score.stride32',
              score_pool4='decode_head.score.stride16',
              score_pool3='decode_head.score.stride8')


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(our_net, 'build_backbone', narrow_trunk)


def convert(net, variant=None, **how):
    return convert_layers([Layer(name, kind, tuple(arrays))
                           for name, (kind, arrays) in net.items()], variant, **how)


def head_for(conversion):
    """The head that a conversion asks for, filled with its weights."""
    strides = conversion.decode_head['in_strides']
    head = FCNSkipHead([CHANNELS[s] for s in strides], list(range(len(strides))),
                       **conversion.decode_head)
    head.load_state_dict({key.removeprefix('decode_head.'): value
                          for key, value in conversion.state_dict.items()
                          if key.startswith('decode_head.')})
    return head.eval()


# --- what is refused ---------------------------------------------------------


@pytest.mark.parametrize('variant', STRIDES)
def test_a_missing_layer_is_named(variant):
    net = paper_net(variant)
    for name in [name for name, (_, arrays) in net.items() if arrays]:
        with pytest.raises(ValueError, match=f"lacks {name}|none of the paper's nets"):
            convert({other: layer for other, layer in net.items() if other != name})


@pytest.mark.parametrize('variant, name, layer', [
    ('8s', 'score_geo', ('Convolution', [np.zeros((3, FC, 1, 1)), np.zeros(3)])),
    ('16s', 'scale_pool4', ('Scale', [np.ones(32)])),
    ('32s', 'conv1_1_bgrd', ('Convolution', [np.zeros((4, 4, 3, 3)), np.zeros(4)]))])
def test_what_has_no_place_is_named(variant, name, layer):
    with pytest.raises(ValueError, match=rf'FCN {variant}.*no place for {name} \('):
        convert({**paper_net(variant), name: layer})


def test_two_layers_of_one_name():
    layer = Layer('conv1_1', 'Convolution', (np.zeros((4, 3, 3, 3)), np.zeros(4)))
    with pytest.raises(ValueError, match="two layers with weights.* 'conv1_1'"):
        convert_layers([layer, layer])


def test_a_classifier_is_none_of_these_nets():
    net = {name: layer for name, layer in paper_net('32s').items()
           if not name.startswith(('score', 'upscore'))}
    with pytest.raises(
            ValueError, match=r'layers upscore, upscore16, upscore8 and fc8.*are 15 layers '
            r'with weights \(conv1_1, conv1_2, conv2_1 ... fc7\)'):
        convert(net)


@pytest.mark.parametrize('name, arrays, message', [
    ('conv1_1', [np.zeros((4, 3, 5, 5)), np.zeros(4)], '4x3x5x5, expected 4x3x3x3'),
    ('conv1_1', [np.zeros((4, 3, 3, 3)), np.zeros(5)], 'shape 5, expected 4'),
    ('conv1_1', [np.zeros((4, 3, 3, 3))], r'1 sets of weights.*expected 2'),
    ('fc7', [np.zeros((FC, FC)), np.zeros(FC)], f'{FC}x{FC}, expected {FC}x{FC}x1x1'),
    ('fc6', [np.full((FC, 32, 7, 7), np.nan), np.zeros(FC)], 'infinite values or NaN'),
    ('fc7', [np.full((FC, FC, 1, 1), 1e300), np.zeros(FC)], 'infinite values or NaN'),
    ('fc7', [-1e300 * np.eye(FC)[..., None, None], np.zeros(FC)], 'infinite values or NaN'),
    ('score_fr', [np.zeros((6, FC, 1, 1)), np.zeros(5)], 'expected 5x16x1x1'),
    ('score_fr', [np.zeros((5, FC, 1, 1))], r'1 sets of weights.*expected 2'),
    ('score_pool4', [np.zeros((5, 31, 1, 1)), np.zeros(5)], 'expected 5x32x1x1'),
    ('scale_pool4', [np.ones(31)], 'shape 31, expected 32'),
    ('scale_pool4', [np.ones(32), np.ones(32)], '2 sets of weights.*expected 1'),
    ('upscore2', [np.zeros((5, 5, 3, 3))], 'shape 5x5x3x3, expected 5x5x4x4'),
    ('upscore2', [np.ones((10**6, 1, 1, 1))], 'shape 1000000x1x1x1'),  # no terabytes
    ('upscore2', [np.ones(())], 'shape a single value, expected 5x5x4x4'),
    ('upscore2', [bilinear(4, 2)], 'shape 4x4x4x4, expected 5x5x4x4'),
    ('upscore8', [bilinear(5, 8), np.zeros(5)], '2 sets of weights.*expected 1')])
def test_weights_that_do_not_fit(name, arrays, message):
    net = paper_net('at-once')
    net[name] = (net[name][0], arrays)
    with pytest.raises(ValueError, match=f"'{name}'.*{message}"):
        convert(net)


def test_a_layer_of_another_type():
    net = paper_net('8s')
    net['upscore2'] = ('Convolution', net['upscore2'][1])
    with pytest.raises(ValueError, match="'upscore2' is of type Convolution, exp"):
        convert(net)


@pytest.mark.parametrize('variant, classes, forced', [
    ('32s', 5, '16s'), ('8s', 5, '16s'), ('8s', 5, 'at-once'), ('at-once', 5, '8s'),
    ('8s', 21, 'pascalcontext')])
def test_a_variant_that_contradicts_the_layers(variant, classes, forced):
    with pytest.raises(ValueError, match=f'--variant {forced} contradicts.*FCN '
                       f'{variant} with {classes} classes'):
        convert(paper_net(variant, classes), forced)


def test_an_unknown_variant():
    with pytest.raises(ValueError, match="no variant '4s': choose from 32s, 16s"):
        convert(paper_net('8s'), '4s')


# --- what is made ------------------------------------------------------------


@pytest.mark.parametrize('variant', STRIDES)
def test_every_weight_gets_its_place(variant):
    net = paper_net(variant)
    conversion = convert(net)
    assert conversion.variant == variant and conversion.num_classes == 5
    assert conversion.notes == []
    expected = {
        f'{PLACES[name]}.{parameter}': array
        for name, (kind, arrays) in net.items() if kind == 'Convolution'
        for parameter, array in zip(('weight', 'bias'), arrays)}
    assert conversion.state_dict.keys() == expected.keys()
    for key, value in conversion.state_dict.items():
        assert value.dtype == torch.float32
        np.testing.assert_array_equal(value, expected[key])
    settings = dict(in_strides=STRIDES[variant], num_classes=5)
    if variant == 'at-once':
        settings['skip_scales'] = (0.0001, 0.01, 1)
    assert conversion.decode_head == settings
    head_for(conversion)
    report = conversion.report()
    for name, (_, arrays) in net.items():
        assert len(re.findall(rf'^  {name} ', report, re.M)) == bool(arrays)


def test_the_full_width_is_that_of_our_segmentor(monkeypatch):
    monkeypatch.undo()
    with torch.device('meta'):
        model = MODELS.build(dict(
            type='FCNSegmentor', backbone=dict(type='FullyConvVGG', depth=16),
            decode_head=dict(type='FCNSkipHead', in_channels=(256, 512, 4096),
                             in_index=(0, 1, 2), in_strides=(8, 16, 32),
                             num_classes=21)))
    assert our_net.target_shapes('8s', 21) == {
        key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert our_net.target_shapes('32s', 21)['decode_head.score.stride32.weight'] == (
        21, 4096, 1, 1)


@pytest.mark.parametrize('classes', [59, 60])
@pytest.mark.parametrize('variant', ['16s', '8s'])
def test_pascal_context_by_its_classes(classes, variant):
    net = paper_net(variant, classes)
    for forced in (None, 'pascalcontext', variant):
        conversion = convert(net, forced)
        assert conversion.variant == f'pascalcontext-{variant}'
    assert conversion.num_classes == classes
    with pytest.raises(ValueError, match=f'3 classes, expected the {classes} of PASCAL'):
        reorder_classes(conversion, ('wood', 'water', 'fire'))


def test_matrices_of_a_classifier_are_kernels():
    net = paper_net('32s')
    expected = convert(net).state_dict
    for name in ('fc6', 'fc7', 'score_fr'):
        weight, bias = net[name][1]
        shape = (1, 1) if name == 'fc6' else ()  # as the old format has it
        net[name] = ('InnerProduct', [weight.reshape(*shape, len(weight), -1), bias])
    converted = convert(net).state_dict
    assert all(torch.equal(converted[key], expected[key]) for key in expected)
    weight, bias = net['conv1_1'][1]
    net['conv1_1'] = ('InnerProduct', [weight.reshape(4, -1), bias])
    with pytest.raises(ValueError, match="'conv1_1' is of type InnerProduct"):
        convert(net)


@pytest.mark.parametrize('how', [dict(old=True, legacy=True), dict(double=True), {}])
def test_from_file(tmp_path, how):
    net = paper_net('16s')
    net.pop('data')
    path = tmp_path / 'net.caffemodel'
    path.write_bytes(encode(net, **how))
    model = read_caffemodel(path)
    converted = convert_layers(model.layers).state_dict
    expected = convert(net).state_dict
    for key, value in expected.items():
        assert torch.equal(converted[key], value)
        assert converted[key].shape == value.shape
        # Nothing dangles when the file goes.
        assert not np.shares_memory(converted[key].numpy(), model.data)
        converted[key].zero_()


def test_a_file_cut_between_layers_lacks_one(tmp_path):
    net, content = paper_net('8s'), message(1, b'net')
    for name, layer in net.items():
        path = tmp_path / f'{name}.caffemodel'
        path.write_bytes(content)
        with pytest.raises(ValueError, match="lacks|none of the pap|expected layers"):
            convert_layers(read_caffemodel(path).layers)
        content += encode({name: layer})[len(message(1, b'net')):]
    path.write_bytes(content)
    convert_layers(read_caffemodel(path).layers)


def test_bytes_flipped_among_the_layers_heads(tmp_path):
    net = paper_net('at-once')
    content = encode(net)
    # Where names, types, sizes and shapes stand.
    heads = [at for name in net for at in range(content.find(name.encode()) - 8,
                                                content.find(name.encode()) + 60)]
    random, refused = np.random.RandomState(0), 0
    for i in range(60):
        broken = bytearray(content)
        broken[heads[random.randint(len(heads))]] = random.randint(256)
        path = tmp_path / f'{i}.caffemodel'
        path.write_bytes(broken)
        try:
            convert_layers(read_caffemodel(path).layers)
        except ValueError:
            refused += 1
        path.unlink()
    assert refused > 20


# --- upsampling --------------------------------------------------------------


@pytest.mark.parametrize('variant, learned, stored, setting', [
    ('32s', 'upscore', {'upsample_image'}, 'final_upsampler'),
    ('16s', 'upscore2', {'upsample.stride32'}, 'upsampler'),
    # one setting for both, so both are stored
    ('8s', 'upscore_pool4', {'upsample.stride16', 'upsample.stride32'}, 'upsampler'),
    ('8s', 'upscore8', {'upsample_image'}, 'final_upsampler')])
@pytest.mark.parametrize('change', ['crosstalk', 'shape'])
def test_learned_kernels_are_kept(variant, learned, stored, setting, change):
    net = paper_net(variant)
    kernel = net[learned][1][0].copy()
    kernel[(1, 2, 0, 0) if change == 'crosstalk' else (2, 2, 1, 1)] += 1e-4
    net[learned] = ('Deconvolution', [kernel])
    conversion = convert(net)
    keys = {key for key in conversion.state_dict if '.upsample' in key}
    assert keys == {f'decode_head.{name}.weight' for name in stored}
    assert conversion.decode_head[setting] == dict(
        type='BilinearDeconv', learnable=True, per_class=False)
    assert learned in conversion.notes[0] and 'learned' in conversion.notes[0]
    head = head_for(conversion)
    module = head.upsample_image if setting == 'final_upsampler' else head.upsample[
        'stride16' if learned == 'upscore_pool4' else 'stride32']
    np.testing.assert_array_equal(module.weight.detach(), kernel)


@pytest.mark.parametrize('make, variant, factor', [
    (paper_net, '32s', 1), (paper_net, '32s', 1.5), (paper_net, '8s', 1),
    (paper_net, '8s', 1.5), (two_task_net, '8s', 1)])  # of two tasks none may be learned
@pytest.mark.parametrize('says_so', [True, False])  # a port's state dict has no settings
def test_one_kernel_a_class(make, variant, factor, says_so):
    net = make(variant)
    layers = {name: Layer(name, *layer) for name, layer in net.items()}
    for name, (kind, arrays) in net.items():
        if kind == 'Deconvolution':
            arrays[0] *= np.float32(factor)
            classes = range(len(arrays[0]))
            layers[name] = Layer(name, kind, (arrays[0][classes, classes][:, None], ),
                                 settings={5: (len(classes), )} if says_so else {})
    expected, found = convert(net), convert_layers(layers.values())
    assert any('upsample' in key for key in found.state_dict) == (factor != 1)
    assert found.decode_head == expected.decode_head
    assert found.state_dict.keys() == expected.state_dict.keys()
    for key, value in expected.state_dict.items():
        assert torch.equal(found.state_dict[key], value)


def test_upsampling_to_one_channel_is_no_kernel_a_class():
    net = {name: Layer(name, *layer) for name, layer in paper_net('32s').items()}
    kernel = net['upscore'].blobs[0][:, :1]
    net['upscore'] = Layer('upscore', 'Deconvolution', (kernel, ), settings={1: (1, )})
    with pytest.raises(ValueError, match="'upscore': weights of shape 5x1x64x64"):
        convert_layers(net.values())


def test_kernels_that_were_learned_a_little():
    kernel = bilinear(2, 8)
    assert is_bilinear(kernel) and is_bilinear(kernel * np.float32(1 + 2e-7))  # rounded
    assert not is_bilinear(kernel * np.float32(1 + 5e-6))


# --- scales ------------------------------------------------------------------


@pytest.mark.parametrize('pool, stride, scales', [('pool4', 16, (0.0001, 1, 1)),
                                                  ('pool3', 8, (1, 0.01, 1))])
@pytest.mark.parametrize('kind', ['constant', 'rising', 'one other', 'nearly'])
def test_other_scales_are_folded_into_their_scores(pool, stride, scales, kind):
    net = paper_net('at-once')
    width = CHANNELS[stride]
    scale = np.full(width, 0.5, np.float32) if kind == 'constant' else np.linspace(
        0.5, 2, width, dtype=np.float32)
    if kind == 'one other':  # than the published one
        scale[1:] = {'pool4': 0.01, 'pool3': 0.0001}[pool]
    elif kind == 'nearly':
        scale[:] = {'pool4': 0.0101, 'pool3': 0.000101}[pool]
    net[f'scale_{pool}'] = ('Scale', [scale])
    conversion = convert(net)
    assert conversion.decode_head['skip_scales'] == scales
    assert f'scale_{pool} is not' in conversion.notes[0]
    # What the authors' graph computes: scale the map, then score it.
    maps = {s: torch.randn(2, CHANNELS[s], 3, 4, dtype=torch.float64) for s in (8, 16)}
    head = head_for(conversion).double()
    weight, bias = (torch.from_numpy(a).double() for a in net[f'score_{pool}'][1])
    expected = torch.einsum('ncyx,c,oc->noyx', maps[stride], torch.from_numpy(
        scale).double(), weight[..., 0, 0]) + bias[:, None, None]
    scored = head.score[f'stride{stride}'](maps[stride])
    torch.testing.assert_close(scored, expected, atol=1e-5, rtol=1e-5)
