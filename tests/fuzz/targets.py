"""What is fuzzed: every reader of foreign bytes, in one table."""
import base64
import contextlib
import io
import json
import random
import re
import shutil
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import yaml
from caffe_nets import UNKNOWN, layer
from label_studio_brush import brushed
from PIL import Image

from fcn_plugin.annotations.drawing import draw
from fcn_plugin.annotations.files import read_json
from fcn_plugin.annotations.formats import read_file
from fcn_plugin.annotations.label_studio import read as read_tasks
from fcn_plugin.checkpoints.loading import find_config
from fcn_plugin.checkpoints.reading import read_checkpoint
from fcn_plugin.checkpoints.safe_config import config_from_text
from fcn_plugin.checkpoints.safe_file import write_safetensors
from fcn_plugin.datasets.bad_samples import check_file
from fcn_plugin.datasets.list_dataset import ListDataset
from fcn_plugin.datasets.sbd import read_sbd_labels, sbd_to_voc
from fcn_plugin.downloads.archives import extract
from fcn_plugin.images.multichannel import read_channels, tiff_size
from fcn_plugin.images.reading import read_image
from fcn_plugin.large_images.label_tiff import LabelledWindow, write_label_tiff
from fcn_plugin.large_images.tiff_windows import open_windows
from fcn_plugin.masks.class_names import read_class_names
from fcn_plugin.masks.encoding import to_labels
from fcn_plugin.masks.mask_values import find_encoding
from fcn_plugin.masks.mat_files import read_mat
from fcn_plugin.masks.reading import read_mask
from fcn_plugin.modalities.nyud_archive import nyud_to_folders
from fcn_plugin.modalities.siftflow import SCENES, siftflow_to_folders
from fcn_plugin.models.converters import convert_layers, read_caffemodel
from fcn_plugin.runtimes.graph import META_KEY
from fcn_plugin.runtimes.graph_backend import GraphBackend
from fcn_plugin.runtimes.onnxruntime_graph import OnnxruntimeGraph
from fcn_plugin.utils.errors import UserError

MOST_BYTES = 4096  # of an input: longer ones find little more, more slowly


class Target(NamedTuple):
    """A reader and what it is fed with.

    Attributes:
        read (Callable): Takes bytes, and a folder of its own.
        seeds (Callable): Makes the inputs from which others are made.
        answers (tuple): Errors that are an answer to bytes without sense.
        mended (Callable): Repairs the checksums that would end the reading of a changed
            input at once. Defaults to None: it has none.
    """
    read: Callable[[bytes, Path], object]
    seeds: Callable[[], Iterable[bytes]]
    answers: tuple[type[Exception], ...] = (UserError, )
    mended: Callable[[bytes], bytes] = bytes

    def answer(self, data: bytes, folder: Path) -> None:
        """Reads an input; an error that is no answer is a find."""
        try:
            self.read(data, folder)
        except self.answers as error:
            assert str(error).strip(), f'a {type(error).__name__} that says nothing'


def written(folder: Path, name: str, data: bytes) -> Path:
    """A new file; the one before may still be mapped into memory."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


# --- inputs out of inputs -----------------------------------------------------------------

_TOKEN = re.compile(rb'-?\d+(?:\.\d+)?|"[^"]*"|\'[^\']*\'|\w+')
_ODD = (b'', b'0', b'-1', b'0.5', b'1e999', b'NaN', b'null', b'None', b'[]', b'{}', b'""',
        b'true', b'9' * 25, b'9' * 400, b'65536', b'\xff\xfe', b'\0', b'../x',
        b'[[1]]', b'dict()')


def mutated(data: bytes, random: random.Random) -> bytes:
    """An input with a word, a number or some bytes changed, left out or twice."""
    for _ in range(random.choice((1, 1, 2, 4))):
        words = list(_TOKEN.finditer(data))
        place, size = random.randrange(len(data) + 1), random.choice((1, 1, 4, 16, 256))
        start, stop = place, place + size
        if words and random.random() < 0.6:
            start, stop = random.choice(words).span()
        new = random.choice((
            random.choice(_ODD), random.randbytes(1), b'', data[start:stop] * 2,
            random.choice(words)[0] if words else b'\xff'))
        data = data[:start] + new + data[stop:]
    return data[:MOST_BYTES]


def png_mended(data: bytes) -> bytes:
    """With the checksum of each chunk put right."""
    if data[:8] != b'\x89PNG\r\n\x1a\n':
        return data
    found, at = bytearray(data), 8
    while at + 12 <= len(found):
        size, = struct.unpack_from('>I', found, at)
        if at + 12 + size > len(found):
            break
        struct.pack_into('>I', found, at + 8 + size, zlib.crc32(found[at + 4:at + 8 + size]))
        at += 12 + size
    return bytes(found)


def tar_mended(data: bytes) -> bytes:
    """With the checksum of each header put right."""
    found = bytearray(data)
    for at in range(0, len(found) - 511, 512):
        if found[at + 257:at + 262] == b'ustar':
            found[at + 148:at + 156] = b' ' * 8
            found[at + 148:at + 156] = b'%06o\0 ' % sum(found[at:at + 512])
    return bytes(found)


# --- weights ------------------------------------------------------------------------------


def read_caffe(data, folder):
    layers = read_caffemodel(written(folder, 'net.caffemodel', data)).layers
    with contextlib.suppress(UserError):  # small ones are no net of the paper
        convert_layers(layers)


def caffe_seeds():
    array = np.arange(6.).reshape(2, 3)
    for how in (dict(), dict(packed=False, unknown=UNKNOWN), dict(old=True, legacy=True),
                dict(double=True, diff=True)):
        yield layer('fc6', 'Convolution', [array, array[0]], **how) + layer('relu', 'ReLU')


CONFIG = """
default_scope = 'mmseg'
custom_imports = dict(imports=['fcn_plugin'], allow_failed_imports=False)
model = dict(type='EncoderDecoder', backbone=dict(type='mmpretrain.VGG', depth=16),
             decode_head=dict(type='FCNHead', loss_decode=[dict(w=-1.5)], in_index=(0, 1)))
test_pipeline = [dict({'type': 'LoadImageFromFile', 'a-b': inf}), {1, nan}]
"""


def read_config(data, folder):
    config_from_text(data.decode('utf-8', 'surrogateescape'))


def read_weights(suffix):
    def read(data, folder):
        find_config(None, read_checkpoint(written(folder, f'net{suffix}', data))['meta'])
    return read


def checkpoint_seeds():
    meta = dict(cfg=CONFIG, dataset_meta=dict(classes=('a', 'b'), palette=[[0, 0, 0]] * 2))
    content = dict(state_dict=dict(w=torch.zeros(2)), meta=meta)
    for new in (False, True):
        file = io.BytesIO()
        torch.save(content, file, _use_new_zipfile_serialization=new)
        yield file.getvalue()


def safetensors_seeds():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'net.safetensors')
        write_safetensors(path, dict(w=torch.zeros(2)), dict(cfg=CONFIG, dataset_meta={}))
        yield path.read_bytes()
        yield path.read_bytes().replace(b'sha256', b'sha-no')  # so that meta is read


# --- images and masks -----------------------------------------------------------------------


def pictures():
    """Small pictures of many kinds, some turned by EXIF."""
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode, kind in (('RGB', 'PNG'), ('P', 'PNG'), ('RGBA', 'PNG'), ('1', 'PNG'),
                       ('RGB', 'JPEG'), ('CMYK', 'JPEG'), ('L', 'TIFF'), ('RGB', 'BMP'),
                       ('P', 'GIF'), ('RGB', 'PPM'), ('I;16', 'PNG'), ('F', 'TIFF'),
                       ('RGB', 'WEBP')):
        picture = Image.fromarray(pixels).convert(mode if mode != 'I;16' else 'L')
        if mode == 'I;16':
            picture = Image.fromarray(pixels[..., 0].astype(np.uint16) * 999)
        file = io.BytesIO()
        more = dict(exif=exif) if kind in ('PNG', 'JPEG', 'TIFF') else {}
        picture.save(file, kind, **more)
        yield file.getvalue()
    yield b'P5 6 4 9 ' + bytes(i % 10 for i in range(24))
    with contextlib.suppress(ImportError):
        import tifffile
        for how in (dict(dtype=np.int16, byteorder='>', compression='zlib'),
                    dict(dtype=np.int64), dict(dtype=np.uint8, photometric='miniswhite')):
            file = io.BytesIO()
            grey = pixels[..., 0].astype(how.pop('dtype'))
            tifffile.imwrite(file, grey, metadata=None, **how)
            yield file.getvalue()


def too_large(data):
    """Whether a picture would take seconds; test_robustness_hostile.py has those."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.width * picture.height > 2 ** 20
    except Exception:
        return False


def read_masks(data, folder):
    if too_large(data):
        return
    mask = read_mask(written(folder, 'mask.png', data))
    if mask.values.size <= 10_000:
        values, counts = np.unique(mask.values, return_counts=True)
        encoding = find_encoding(dict(zip(values.tolist(), counts.tolist())), mask.colours)
        if not encoding.faults:
            labels = to_labels(mask.values, encoding)
            assert labels.shape == mask.values.shape and labels.dtype == np.uint8


def read_images(data, folder):
    if too_large(data):
        return
    check_file(str(written(folder, 'image.jpg', data)))
    image = read_image(data)
    assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8


def tiffs():
    import tifffile
    pixels = np.arange(4 * 6 * 5, dtype=np.uint16).reshape(5, 4, 6)
    for shape, more in ((pixels, dict(planarconfig='separate')), (pixels[0], dict()),
                        (pixels.transpose(1, 2, 0), dict(planarconfig='contig'))):
        file = io.BytesIO()
        tifffile.imwrite(file, shape, photometric='minisblack', **more)
        yield file.getvalue()
    yield cv2.imencode('.png', pixels[0])[1].tobytes()


def read_planes(data, folder):
    assert read_channels(data, 'image.tif').ndim == 3


GEOREFERENCE = [(33550, 'd', 3, (1., 1., 0.), True), (34737, 's', 0, 'WGS 84|', True),
                (34735, 'H', 8, (1, 1, 0, 1, 1026, 34737, 7, 0), True)]


def tiled_tiffs():
    import tifffile
    pixels = np.arange(40 * 24 * 3, dtype=np.uint8).reshape(40, 24, 3)
    for how in (dict(tile=(16, 16), compression='zlib', predictor=True),
                dict(tile=(32, 32), compression='jpeg'), dict(rowsperstrip=9),
                dict(bigtiff=True, compression='lzw')):
        file = io.BytesIO()
        tifffile.imwrite(file, pixels[:16, :8] if 'rowsperstrip' in how else pixels,
                         photometric='rgb', metadata=None, extratags=GEOREFERENCE, **how)
        yield file.getvalue()


def read_windows(data, folder):
    """The last pixels, and where they lie on the earth, which goes into another file."""
    one = np.zeros((1, 1), np.uint8)
    path = written(folder, 'image.tif', data)
    tiff_size(str(path))
    with open_windows(path) as image:
        part = tuple(slice(max(length - 50, 0), length) for length in image.size)
        assert image.read(*part).dtype == np.uint8
        write_label_tiff(folder / 'labels.tif', (1, 1), [LabelledWindow(
            slice(0, 1), slice(0, 1), one[..., None], one)], [[0, 0, 0]], image.georeference)


# --- annotations ----------------------------------------------------------------------------


def drawn(export):
    """Draws what was read, at a size of a few pixels."""
    for image in export.images:
        if image.fault is None:
            small = image.size and image.size[0] * image.size[1] <= 10_000
            size = image.size if small else (24, 32)
            labels, _ = draw(image, size, {'a': 1, 'b': 2})
            assert labels.shape == size


def annotations(name):
    """A reader of one file of that name."""
    def read(data, folder):
        found = read_file(written(folder, f'ann/{name}', data))
        if found is not None:
            drawn(found[1])
            if found[0] == 'Label Studio':
                drawn(read_tasks(read_json(folder / 'ann' / name), folder / name, True))
    return read


def read_yolo(data, folder):
    """data.yaml, a zero, and the text of an image."""
    names, _, text = data.partition(b'\0')
    written(folder, 'labels/a.txt', text)
    found = read_file(written(folder, 'data.yaml', names))
    if found is not None:
        drawn(found[1])


POINTS = [[1, 2], [9.5, 2], [5, 11]]
MASK = np.eye(4, dtype=bool)


def base64_png():
    file = io.BytesIO()
    Image.fromarray(MASK).save(file, 'PNG')
    return file.getvalue(), base64.b64encode(file.getvalue()).decode()


def as_json(*contents):
    return lambda: [json.dumps(content).encode() for content in contents]


LABELME = dict(imagePath='a.png', imageData=None, imageHeight=24, imageWidth=32, shapes=[
    dict(label='a', shape_type='polygon', points=POINTS, score=0.5),
    dict(label='b', shape_type='rectangle', points=POINTS[:2]),
    dict(label='a', shape_type='circle', points=POINTS[:2]),
    dict(label='b', shape_type='line', points=POINTS[:2]),
    dict(label='a', shape_type='mask', points=POINTS[:2], mask=base64_png()[1])])
COCO = dict(
    images=[dict(id=1, file_name='a.png', height=4, width=4)],
    categories=[dict(id=1, name='a', supercategory='b'), dict(id=2, name='b')],
    annotations=[
        dict(id=1, image_id=1, category_id=1, segmentation=[sum(POINTS, [])], score=0.5),
        dict(id=2, image_id=1, category_id=2, iscrowd=1, segmentation=dict(
            size=[4, 4], counts=[0, 1, 4, 1, 4, 1, 4, 1])),
        dict(id=3, image_id=1, category_id=1, segmentation=dict(
            size=[4, 4], counts='014000'))])
LABEL_STUDIO = [dict(id=1, data=dict(image='/data/upload/a.png?d=x'), predictions=[],
                     annotations=[dict(ground_truth=True, was_cancelled=False, result=[
    dict(id='r', type=f'{kind}labels', original_width=4, original_height=4, image_rotation=0,
         score=0.5, value={f'{kind}labels': ['a'], **value}) for kind, value in (
             ('polygon', dict(points=POINTS)), ('brush', dict(rle=brushed(MASK))),
             ('rectangle', dict(x=1, y=2, width=30, height=20, rotation=15)),
             ('ellipse', dict(x=50, y=50, radiusX=20, radiusY=10, rotation=0)),
             ('keypoint', dict(x=1, y=1)))])])]
SUPERVISELY = dict(size=dict(height=24, width=32), objects=[
    dict(classTitle='a', geometryType='polygon', points=dict(
        exterior=POINTS, interior=[POINTS])),
    dict(classTitle='b', geometryType='rectangle', points=dict(exterior=POINTS[:2])),
    dict(classTitle='a', geometryType='bitmap', bitmap=dict(
        origin=[1, 2], data=base64.b64encode(zlib.compress(base64_png()[0])).decode()))])
CVAT = b"""<?xml version="1.0"?><annotations><version>1.1</version><meta><task><labels>
<label><name>a</name><color>#ff0000</color></label><label><name>b</name></label></labels>
</task></meta><image id="0" name="a.png" width="32" height="24" subset="Train">
<polygon label="a" z_order="1" points="1.0,2.0;9.5,2;5,11"/>
<box label="b" xtl="1" ytl="2" xbr="9" ybr="8" rotation="30"/>
<ellipse label="a" cx="9" cy="9" rx="4" ry="2"/><points label="a" points="1,2"/>
<mask label="b" rle="3, 5, 8" left="2" top="3" width="4" height="4"/><tag label="a"/>
</image></annotations>"""


# --- graphs -------------------------------------------------------------------------------

META = dict(classes=['a', 'b'], palette=[[0, 0, 0], [255, 0, 0]], background=None,
            scores=False, preprocess=True, exact_places=True, channels=3, version='1')
PIPELINE = dict(META, preprocess=False, bgr_to_rgb=True, mean=[1, 2, 3.5], std=[1, 1, 2],
                pipeline=[dict(type='LoadImageFromFile'), dict(type='Resize', scale=[8, 8]),
                          dict(type='PackSegInputs')])


def graph_of(text):
    """A graph of one step, (N, H, W, 3) to (N, H, W), that says this of itself."""
    import onnx
    image, labels = (onnx.helper.make_tensor_value_info(name, 2, shape) for name, shape in (
        ('image', [None, None, None, 3]), ('labels', [None, None, None])))
    first = onnx.helper.make_tensor('first', 7, [], [0])
    model = onnx.helper.make_model(onnx.helper.make_graph(
        [onnx.helper.make_node('Gather', ['image', 'first'], ['labels'], axis=3)], 'g',
        [image], [labels], [first]), opset_imports=[onnx.helper.make_opsetid('', 18)],
        ir_version=9)
    model.metadata_props.add(key=META_KEY, value=text)
    return model.SerializeToString()


def opened(data, folder):
    backend = GraphBackend(OnnxruntimeGraph(written(folder, 'net.onnx', data), 'cpu'))
    backend.prepare(np.zeros((8, 8, 3), np.uint8))


def read_onnx_text(data, folder):
    opened(graph_of(data.decode('utf-8', 'replace')), folder)


# --- MATLAB, archives, lists --------------------------------------------------------------


def mat_seeds():
    from scipy.io import savemat
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for content in (dict(GTcls=dict(Segmentation=labels)), dict(S=labels.astype(float)),
                    dict(mapClass=labels, S=labels.astype(np.int16))):
        for packed in (False, True):
            file = io.BytesIO()
            savemat(file, content, do_compression=packed)
            yield file.getvalue()


def read_mats(data, folder):
    path = written(folder, 'labels.mat', data)
    try:
        assert read_sbd_labels(path).ndim == 2
    except UserError:
        assert set(read_mat(path, ('S', ))) == {'S'}


def nyud_seeds():
    import h5py
    file = io.BytesIO()
    with h5py.File(file, 'w', libver='latest') as archive:
        archive['images'] = np.zeros((1, 3, 4, 4), np.uint8)
        archive['depths'] = archive['rawDepths'] = np.ones((1, 4, 4), np.float32)
        archive['labels'] = np.ones((1, 4, 4), np.uint16)
    yield file.getvalue()


def read_nyud(data, folder):
    from scipy.io import savemat
    if not (folder / 'splits.mat').exists():
        savemat(folder / 'mapping.mat', dict(mapClass=np.ones((1, 894))))
        savemat(folder / 'splits.mat', dict(trainNdxs=[[1]], testNdxs=[[1]]))
    shutil.rmtree(folder / 'out', ignore_errors=True)
    nyud_to_folders(written(folder, 'nyu.mat', data), folder / 'mapping.mat',
                    folder / 'splits.mat', folder / 'out')


def tar_seeds():
    for mode, kind in (('w', tarfile.USTAR_FORMAT), ('w', tarfile.GNU_FORMAT),
                       ('w:gz', tarfile.PAX_FORMAT)):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode, format=kind) as tar:
            for name in ('in/a.txt', 'in/' + 'long' * 20 + '/b'):
                member = tarfile.TarInfo(name)
                member.size = 3
                tar.addfile(member, io.BytesIO(b'abc'))
        yield file.getvalue()[:MOST_BYTES]


def read_tar(data, folder):
    out = folder / 'in' / 'out'
    shutil.rmtree(out.parent, ignore_errors=True)
    extract(written(folder, 'data.tar', data), out, 'in')
    assert {path.name for path in folder.iterdir()} == {'in', 'data.tar'}


def read_names(data, folder):
    for name in ('classes.txt', 'class_names.txt', 'labelmap.txt', '_classes.csv',
                 'objectInfo150.txt', 'class_list.json', 'obj_class_to_machine_color.json'):
        written(folder, f'{name}.d/{name}', data)
        try:
            read_class_names(folder / f'{name}.d')
        except UserError as error:
            assert name in str(error)


def read_lists(data, folder):
    """In each place where a text names images."""
    lists = [written(folder, f'{name}.txt', data) for name in (
        'pairs', 'sbd/train', 'voc/ImageSets/Segmentation/train')]
    for name in ('sbd/val', 'voc/ImageSets/Segmentation/val', f'sift/Images/{SCENES}/a.jpg'):
        written(folder, f'{name}.txt'.replace('.jpg.txt', '.jpg'), b'')
    (folder / 'sbd' / 'cls').mkdir(exist_ok=True)
    for read in (lambda: ListDataset(str(lists[0]), metainfo=dict(classes=('a', 'b')),
                                     pipeline=[]),
                 lambda: sbd_to_voc(folder / 'sbd', folder / 'voc', overwrite=True),
                 lambda: siftflow_to_folders(folder / 'sift', lists[0], folder / 'out')):
        try:
            read()
        except (UserError, FileNotFoundError) as error:
            assert str(folder) in str(error)


TARGETS = {
    'caffemodel': Target(read_caffe, caffe_seeds),
    'checkpoint': Target(read_weights('.pth'), checkpoint_seeds),
    'safetensors': Target(read_weights('.safetensors'), safetensors_seeds),
    'config': Target(read_config, lambda: [CONFIG.encode()]),
    'mask': Target(read_masks, pictures, mended=png_mended),
    'image': Target(read_images, pictures, mended=png_mended),
    'channels': Target(read_planes, tiffs, mended=png_mended),
    'large_tiff': Target(read_windows, tiled_tiffs),
    'class_names': Target(read_names, lambda: [
        b'# names\na\nb c\n\n', b'a:255,0,0::\nb:0,0,1:x:y\n',
        b'Pixel Value, Class\n0, a\n1, "b, c"\n', b'Idx\tName\n1\ta\n',
        b'{"#000001": "a", "#0000ff": "b"}', b'{"a": [0, 0, 1], "b": [1, 2, 3]}',
        'a\u00e4\nb'.encode('utf-16'), b'__ignore__\na\n']),
    'labelme': Target(annotations('a.json'), as_json(LABELME)),
    'coco': Target(annotations('a.json'), as_json(COCO)),
    'label_studio': Target(annotations('a.json'), as_json(LABEL_STUDIO)),
    'supervisely': Target(annotations('a.png.json'), as_json(
        SUPERVISELY, dict(classes=[dict(title='a', shape='polygon')]))),
    'cvat': Target(annotations('a.xml'), lambda: [CVAT]),
    'yolo': Target(read_yolo, lambda: [
        yaml.safe_dump(dict(names={0: 'a', 1: 'b'})).encode() + b'\0' + line
        for line in (b'0 0.1 0.2 0.5 0.2 0.3 0.9\n1 0 0 1 0 1 1\n', b'')]),
    'onnx': Target(opened, lambda: [graph_of(json.dumps(META))]),
    'onnx_text': Target(read_onnx_text, as_json(META, PIPELINE)),
    'mat': Target(read_mats, mat_seeds),
    'nyud': Target(read_nyud, nyud_seeds),
    'tar': Target(read_tar, tar_seeds, mended=tar_mended),
    'lists': Target(read_lists, lambda: [
        b'a.jpg\ta.png\nb.jpg\tb.png\n', b'2008_000001\n2008_000002\n', b'a\nb\n']),
}
