"""What the fuzzing has found, one input a find: each is answered by an error that names it."""
import contextlib
import io
import json
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from targets import COCO, LABELME, META, TARGETS, graph_of, read_onnx_text, written

from fcn_plugin.annotations.formats import read_file
from fcn_plugin.checkpoints.loading import find_config
from fcn_plugin.checkpoints.naming import peek
from fcn_plugin.checkpoints.reading import read_checkpoint
from fcn_plugin.checkpoints.safe_config import read_config_text
from fcn_plugin.datasets.list_dataset import ListDataset
from fcn_plugin.datasets.sbd import sbd_to_voc
from fcn_plugin.images.multichannel import read_channels
from fcn_plugin.large_images.tiff_windows import open_windows
from fcn_plugin.masks.class_names import read_class_names
from fcn_plugin.masks.mask_values import find_encoding
from fcn_plugin.masks.reading import read_mask
from fcn_plugin.modalities.siftflow import SCENES, siftflow_to_folders
from fcn_plugin.runtimes.onnxruntime_graph import OnnxruntimeGraph
from fcn_plugin.utils.errors import InputError

TOP = 2 ** 31 - 1
HUGE = 10 ** 400  # JSON's integers have no end, a float's do

# --- checkpoints --------------------------------------------------------------------------


def test_a_text_that_is_no_utf8_in_a_checkpoint(tmp_path):
    file = io.BytesIO()
    torch.save(dict(state_dict={}, meta=dict(cfg='abcd')), file,
               _use_new_zipfile_serialization=False)
    path = written(tmp_path, 'net.pth', file.getvalue().replace(b'abcd', b'ab\xffd'))
    with pytest.raises(InputError, match='net.pth.*could run code'):
        read_checkpoint(path)
    assert peek(path) == {}


@pytest.mark.parametrize('text', [
    'a = 1\0', 'a = "\udcd6"', "a = -'b'", 'a = {[]: 1}', 'a = {**b}', 'a = dict({[1]: 1})',
    'pretty_text = 1', 'a = ' + '[' * 300 + ']' * 300, 'a = ' + '-' * 3000 + '1', 'a = 1 +'])
def test_a_config_s_text_is_refused_by_one_kind_of_error(text):
    with pytest.raises(InputError, match='no config|more than plain data'):
        read_config_text(text)


@pytest.mark.parametrize('text', ['a = 1', 'model = 1', 'model = [dict(type="FCN")]'])
def test_a_config_without_a_model(text):
    with pytest.raises(InputError, match='config in the checkpoint cannot .* has no model'):
        find_config(None, dict(cfg=text))


# --- masks and images ---------------------------------------------------------------------


@pytest.mark.parametrize('values', [[TOP], [-5, TOP], [TOP - 1, TOP], [1, TOP]])
def test_huge_values_make_no_list_of_classes(values):
    found = find_encoding(dict.fromkeys(values, 9), False)
    assert found.faults or len(found.classes) == len(values)
    assert len(found.classes) < 3


def test_values_that_can_be_class_numbers():
    assert len(find_encoding({254: 9}, False).classes) == 255
    assert find_encoding({1: 9, 2: 9, 3: 9}, False).label_map == {1: 0, 2: 1, 3: 2}


@pytest.mark.parametrize('tag', [273, 279])
def test_a_tiff_whose_whole_numbers_are_fractions(tmp_path, tag):
    file = io.BytesIO()
    Image.new('L', (6, 4)).save(file, 'TIFF')
    data = bytearray(file.getvalue())
    at = data.index(struct.pack('<HH', tag, 4), 8)
    data[at:at + 12] = struct.pack('<HHIf', tag, 11, 1, 8.5)
    with contextlib.suppress(InputError):  # which of the two is read is Pillow's
        read_mask(written(tmp_path, 'mask.png', bytes(data)))


@pytest.mark.parametrize('number', ['0\u00b3', '9' * 5000])
def test_numbers_that_are_none_in_a_list_of_classes(tmp_path, number):
    written(tmp_path, '_classes.csv', f'0, a\n{number}, b\n'.encode())
    with pytest.raises(InputError, match='_classes.csv.*is not of the form VALUE, NAME'):
        read_class_names(tmp_path)


def test_colours_take_four_bytes_a_pixel(tmp_path):
    """Eight, and three copies of it, were 20 GB for the most that Pillow reads."""
    for mode, pixel, value in (('RGB', (1, 2, 3), 0x010203), ('RGBA', (9, 9, 9, 0), 0),
                               ('RGBA', (9, 9, 9, 1), 9), ('L', 255, 255)):
        Image.new(mode, (3, 2), pixel).save(tmp_path / 'mask.png')
        values = read_mask(tmp_path / 'mask.png').values
        assert values.dtype == np.int32 and (values == value).all(), mode


def test_a_png_of_more_pixels_than_opencv_reads():
    """An error of OpenCV's own, which names no file."""
    header = struct.pack('>IIBBBBB', 262144, 393216, 16, 0, 0, 0, 0)
    content = b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in ((b'IHDR', header), (b'IDAT', zlib.compress(b'0')), (b'IEND', b'')))
    with pytest.raises(InputError, match="image 'a.png': OpenCV refuses it .*PIXELS"):
        read_channels(content, 'a.png')


def test_tiff_directories_that_lie_over_one_another():
    """Of a few kilobytes, they kept tifffile busy for minutes."""
    chained = b''.join(struct.pack('<HHHII', 400, 256, 3, 1, 1) for _ in range(300))
    data = b'II*\0' + struct.pack('<I', 8) + chained
    with pytest.raises(InputError, match="'a.tif': it is damaged, as its directories"):
        read_channels(data, 'a.tif')


def test_a_tiff_that_ends_within_its_directory():
    """tifffile read the same directory for ever."""
    pytest.importorskip('tifffile', reason="the extra 'multispectral' is not installed")
    entries = b''.join(struct.pack('<HHII', tag, 3, 1, 4) for tag in (256, 257)) + bytes(24)
    for end in (b'', b'\0\0'):
        data = b'II*\0' + struct.pack('<IH', 8, 4) + entries + end
        with pytest.raises(InputError, match="'a.tif': it is damaged, as its directories"):
            read_channels(data, 'a.tif')


def test_a_tiff_without_its_pixels():
    pytest.importorskip('tifffile', reason="the extra 'multispectral' is not installed")
    first, *_ = TARGETS['channels'].seeds()
    data = first.replace(b'\x0e\x01\x02\0', b'\x0e""\x02\0', 1)  # moves the tags that follow
    assert len(data) == len(first) + 1
    with pytest.raises(InputError, match="'a.tif': it is damaged, as it lists 0 tiles or"):
        read_channels(data, 'a.tif')


def test_a_tiff_that_promises_more_than_it_can_hold():
    tifffile = pytest.importorskip('tifffile')
    file = io.BytesIO()
    tifffile.imwrite(file, np.ones((4, 6), np.uint16), photometric='minisblack', metadata=None)
    data = bytearray(file.getvalue())
    for tag, kind in ((256, 4), (257, 4), (278, 4)):  # width, height, rows of a strip
        at = data.index(struct.pack('<HH', tag, kind), 8)
        data[at + 8:at + 12] = struct.pack('<I', 60_000)
    with pytest.raises(InputError, match="'a.tif': .* bytes cannot hold the 7200000000"):
        read_channels(bytes(data), 'a.tif')


@pytest.mark.parametrize('tag, at, number, words', [
    (273, 4, 3, 'it lists 3 tiles or strips, expected 5'),  # how many offsets there are
    (279, 4, 2, 'it lists 2 tiles or strips, expected 5'),
    (279, 8, 2 ** 24, 'all its tiles or strips are empty')])  # where their lengths are
def test_strips_that_a_tiff_lacks(tag, at, number, words):
    """They were read as zeros; 210 bytes that lacked eight millions took 40 seconds."""
    tifffile = pytest.importorskip('tifffile')
    file = io.BytesIO()
    pixels = np.arange(10 * 6, dtype=np.uint8).reshape(10, 6)
    tifffile.imwrite(file, pixels, photometric='minisblack', metadata=None, rowsperstrip=2,
                     compression='zlib')
    data = bytearray(file.getvalue())
    assert (read_channels(bytes(data), 'a.tif')[..., 0] == pixels).all()
    entry = data.index(struct.pack('<H', tag), 8)
    if at == 4:
        data[entry + 4:entry + 8] = struct.pack('<I', number)
    else:
        where, = struct.unpack_from('<I', data, entry + 8)
        data[where:where + 10] = bytes(10)
    with pytest.raises(InputError, match=f"'a.tif': .*{words}"):
        read_channels(bytes(data), 'a.tif')


@pytest.mark.parametrize('tag, kind, value, words', [
    (256, 11, 0x41c00000, 'a tag of it is damaged .*float'),  # a width of 24.0
    (273, 9, 2 ** 32 - 80, '1 of 1 tiles or strips are missing')])  # before the file's start
def test_tags_of_windows_of_other_types(tmp_path, tag, kind, value, words):
    tifffile = pytest.importorskip('tifffile')
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, np.ones((40, 24, 3), np.uint8), photometric='rgb',
                     compression='zlib', metadata=None)
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack('<H', tag), 8)
    data[at + 2:at + 12] = struct.pack('<HII', kind, 1, value)
    path.write_bytes(data)
    with pytest.raises(InputError, match=f'a.tif.: .*{words}'), open_windows(path):
        pass


def test_a_chunk_of_a_png_that_reaches_beyond_its_end():
    """OpenCV took 4 GB for 90 bytes of the kind."""
    file = io.BytesIO()
    Image.new('L', (6, 4)).save(file, 'PNG')
    data = file.getvalue() + b'more'  # what follows the end is nobody's business
    assert read_channels(data, 'a.png').shape == (4, 6, 1)
    at = data.index(b'IEND') - 4
    for size, kind in ((2 ** 30, b'teXt'), (4, b'IEND')):  # the end has no content
        changed = data[:at] + struct.pack('>I', size) + kind + data[at + 8:]
        with pytest.raises(InputError, match="'a.png': it is cut or damaged, as a chunk"):
            read_channels(changed, 'a.png')


# --- annotations --------------------------------------------------------------------------


def annotated(folder, content, name='a.json'):
    return read_file(written(folder, name, json.dumps(content).encode()))[1]


@pytest.mark.parametrize('change', [
    dict(label='a', shape_type='mask', points=[[HUGE, 1]], mask=''),
    dict(label='a', shape_type='circle', points=[[1, 2], [HUGE, 0.5]]),
    dict(label='a', shape_type='polygon', points=[[1, 2], [HUGE, 0.5], [1, 9]]),
    dict(label='a', shape_type='rectangle', points=[[1, 2], [5, 6]], score=HUGE)])
def test_numbers_without_end(tmp_path, change):
    found = annotated(tmp_path, dict(LABELME, shapes=[change]))
    assert 'a.png, shape 1' in found.images[0].fault


@pytest.mark.parametrize('key, value', [
    ('supercategory', [1]), ('id', {}), ('name', None)])
def test_categories_that_are_none(tmp_path, key, value):
    first, second = COCO['categories']
    content = dict(COCO, categories=[dict(first, **{key: value}), second])
    if key == 'name':
        del content['categories'][0]['name']
    with pytest.raises(InputError, match='a.json: an image or a category has'):
        annotated(tmp_path, content)


@pytest.mark.parametrize('annotation', [7, dict(COCO['annotations'][0], image_id=[1])])
def test_annotations_that_are_none(tmp_path, annotation):
    with pytest.raises(InputError, match='a.json: an annotation is of no image'):
        annotated(tmp_path, dict(COCO, annotations=[annotation]))


# --- graphs -------------------------------------------------------------------------------


@pytest.mark.parametrize('change, words', [
    ('{"classes"', 'no JSON'), ([1], 'is a list'), (dict(classes=[]), "'classes': []"),
    (dict(classes=['a', 1]), "'classes': ['a', 1]"), (dict(palette=[[0, 0, 0]]), "'palette'"),
    (dict(palette=[[0, 0, 0], [0, 0, 256]]), "'palette'"),
    (dict(background=2), "'background'"),
    (dict(scores=1), "'scores': 1"), (dict(preprocess=None), "'preprocess'"),
    (dict(channels=0), "'channels': 0"), (dict(tasks=[1]), "'tasks'"),
    (dict(preprocess=False), "'bgr_to_rgb': None"),
    (dict(preprocess=False, bgr_to_rgb=True, pipeline=[1], mean=None), "'pipeline'"),
    (dict(preprocess=False, bgr_to_rgb=True, pipeline=[], mean=[1, 2], std=[1, 1]), "'mean'"),
    (dict(preprocess=False, bgr_to_rgb=True, pipeline=[], mean=[1], std=[0]), "'std'"),
    (dict(preprocess=False, bgr_to_rgb=True, mean=None, std=None, pipeline=[
        dict(type='Resize', width=3)]), 'pipeline that .* cannot be built')])
def test_what_a_graph_says_of_itself(tmp_path, change, words):
    pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
    text = change if isinstance(change, str) else json.dumps(
        change if isinstance(change, list) else META | change)
    with pytest.raises(InputError, match='net.onnx') as raised:
        read_onnx_text(text.encode(), tmp_path)
    assert words.split(' .* ')[0] in str(raised.value)
    assert words.split(' .* ')[-1] in str(raised.value)


@pytest.mark.parametrize('step', [
    dict(type='Resize', scale=[]), dict(type='Resize', scale='8'),
    dict(type='Pad', size_divisor='a')])
def test_a_step_of_a_graph_with_arguments_that_it_cannot_use(tmp_path, step):
    pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
    text = json.dumps(META | dict(preprocess=False, bgr_to_rgb=True, mean=None, std=None,
                                  pipeline=[step, dict(type='PackSegInputs')]))
    with pytest.raises(InputError, match='pipeline cannot take an image of 8x8 pixels: '):
        read_onnx_text(text.encode(), tmp_path)


def test_a_graph_s_text_that_is_no_utf8(tmp_path):
    pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
    data = graph_of('{"abcd": 1}').replace(b'abcd', b'ab\xffd')
    with pytest.raises(InputError, match='net.onnx'):
        OnnxruntimeGraph(written(tmp_path, 'net.onnx', data), 'cpu')


# --- lists and archives -------------------------------------------------------------------


def test_lists_that_are_no_utf8(tmp_path):
    path = written(tmp_path, 'train.txt', b'a\xff.jpg\ta.png')
    with pytest.raises(InputError, match='train.txt is no text in UTF-8'):
        ListDataset(str(path), pipeline=[])
    written(tmp_path, f'Images/{SCENES}/a.jpg', b'')
    with pytest.raises(InputError, match='train.txt is no text in UTF-8'):
        siftflow_to_folders(tmp_path, path, tmp_path / 'out')


def test_a_list_of_nothing(tmp_path):
    with pytest.raises(InputError, match='train.txt is an empty list'):
        ListDataset(str(written(tmp_path, 'train.txt', b' \n')), pipeline=[])


def test_a_list_may_begin_with_a_mark(tmp_path):
    path = written(tmp_path, 'train.txt', 'a.jpg\ta.png'.encode('utf-8-sig'))
    assert ListDataset(str(path), pipeline=[])[0]['img_path'] == 'a.jpg'


def test_a_name_that_is_no_file_s(tmp_path):
    for name in ('train', 'val'):
        written(tmp_path, f'sbd/{name}.txt', b'9' * 300)
        written(tmp_path, f'voc/ImageSets/Segmentation/{name}.txt', b'')
    (tmp_path / 'sbd' / 'cls').mkdir()
    with pytest.raises(InputError, match='train.txt.*is not the name of an image'):
        sbd_to_voc(tmp_path / 'sbd', tmp_path / 'voc')


@pytest.mark.parametrize('change, words', [
    (lambda file: file.__delitem__('labels'), "has no 'labels'"),
    (lambda file: (file.__delitem__('labels'), file.create_group('labels')), r'shape \(\)'),
    (lambda file: (file.__delitem__('labels'), file.create_dataset(
        'labels', (1, 4, 4), 'S3')), 'expected numbers'),
    (lambda file: [(file.__delitem__(key), file.create_dataset(
        key, shape, 'u1')) for key, shape in (
            ('images', (1, 3, 10 ** 6, 10 ** 6)), ('depths', (1, 10 ** 6, 10 ** 6)),
            ('rawDepths', (1, 10 ** 6, 10 ** 6)), ('labels', (1, 10 ** 6, 10 ** 6)))],
     'not what NYUDv2 has')])
def test_an_archive_of_nyud_that_is_none(tmp_path, change, words):
    h5py = pytest.importorskip('h5py')
    pytest.importorskip('scipy')
    seed, = TARGETS['nyud'].seeds()
    path = written(tmp_path, 'made.mat', seed)
    with h5py.File(path, 'r+') as file:
        change(file)
    with pytest.raises(InputError, match=f'nyu.mat.*{words}'):
        TARGETS['nyud'].read(path.read_bytes(), tmp_path)
    with pytest.raises(InputError, match='nyu.mat cannot be read'):
        TARGETS['nyud'].read(seed[:-200], tmp_path)
    assert not (tmp_path / 'out').exists()
