"""Labels of images that are not in memory: those of images that are."""
import signal
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import init_model
from PIL import Image
from tiny_runs import run_tool
from tiny_trained import CONFIG

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.deployment.export import export
from fcn_plugin.images.inputs import open_inputs
from fcn_plugin.inference.predict_files import predict_to_files
from fcn_plugin.large_images import label_tiff, labelling
from fcn_plugin.large_images.inputs import LargeInput, with_large
from fcn_plugin.large_images.label_tiff import LabelledWindow, write_label_tiff
from fcn_plugin.large_images.overview import Overview
from fcn_plugin.runtimes import torch_backend
from fcn_plugin.utils.errors import InputError, LeftOutError
from fcn_plugin.visualization.label_png import palette_table

tifffile = pytest.importorskip('tifffile')
pytest.importorskip('imagecodecs')
NATIVE = {'test_pipeline': [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]}
TILES = dict(tile=160, overlap=32)
RGB = dict(photometric='rgb')
COLOURS = [[0, 0, 0], [9, 8, 7], [1, 2, 3]]


def noise(height, width, channels=3, kind=np.uint8):
    """Blocks of a few pixels, so that regions are found in it."""
    size = height // 7 + 1, width // 7 + 1, channels
    small = np.random.randint(0, np.iinfo(kind).max, size)
    return np.kron(small, np.ones((7, 7, 1), int))[:height, :width].astype(kind)


def trained_as(folder, **changes):
    """A checkpoint of tiny_trained's network, changed."""
    text = CONFIG
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / 'net.py').write_text(text)
    config = Config.fromfile(folder / 'net.py')
    torch.manual_seed(0)
    weights = init_model(config.copy(), device='cpu').state_dict()
    for key in weights:
        if key.startswith('decode_head.score'):
            weights[key] = torch.randn_like(weights[key])
    torch.save(dict(meta=dict(cfg=config.pretty_text), state_dict=weights), folder / 'net.pth')
    return folder / 'net.pth'


@pytest.fixture(scope='module')
def segment(trained):
    """One that labels in tiles, and sees images at their own size."""
    return FCNInferencer(trained / 'best.pth', device='cpu', cfg_options=NATIVE, **TILES)


@pytest.fixture
def small_is_large(monkeypatch):
    monkeypatch.setattr(torch_backend, 'MOST_PIXELS', 100 * 100)


def labelled(segment, path, folder):
    """What is written of an image that is read by windows: labels, picture and files."""
    files = dict(labels=folder / 'x_labels.tif', overlay=folder / 'x_overlay.png')
    written = LargeInput(path, segment._backend).save(files, 0.5, False)
    assert written == list(files.values()) and set(folder.iterdir()) >= set(written)
    return tifffile.imread(files['labels']), np.asarray(Image.open(files['overlay']))


# --- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize('options, words', [
    ({}, 'test pipeline has Resize, which would see windows in place of the image'),
    (dict(cfg_options={**NATIVE, 'model.test_cfg': dict(
        mode='slide', crop_size=(64, 64), stride=(32, 32))}),
     "no FCNSegmentor of mode 'whole'"),
    (dict(cfg_options=NATIVE, crf=True), 'without a CRF: make the image smaller'),
])
def test_networks_that_cannot(trained, tmp_path, options, words, monkeypatch):
    """Images that fit are labelled as ever; of others the reason is said, in one line."""
    infer = FCNInferencer(trained / 'best.pth', device='cpu', **options)
    tifffile.imwrite(tmp_path / 'a.tif', noise(110, 120), **RGB)
    monkeypatch.setattr(torch_backend, 'MOST_PIXELS', 110 * 120)
    infer.save(tmp_path / 'a.tif', tmp_path / 'out', progress=False)
    assert (tmp_path / 'out/a_labels.png').is_file()
    huge(tmp_path / 'a.tif')
    with pytest.raises(InputError, match=f'a.tif.* too large to be read as a whole.*{words}'):
        infer.save(tmp_path / 'a.tif', tmp_path / 'out', overwrite=True, progress=False)
    with pytest.raises(InputError, match='more than 179 megapixels.*fcn predict'):
        infer(tmp_path / 'a.tif')


def huge(path):
    """A TIFF of 400 megapixels in a file of some kilobytes."""
    tile = zlib.compress(bytes(4096 ** 2))
    tifffile.imwrite(path, iter([tile] * 25), shape=(20_000, 20_000), dtype=np.uint8,
                     tile=(4096, 4096), compression='zlib', photometric='minisblack')


def test_exported_files_and_heat_maps(trained, tmp_path):
    export(trained / 'best.pth', tmp_path / 'net.onnx', preprocess=True)
    huge(tmp_path / 'a.tif')
    exported = FCNInferencer(tmp_path / 'net.onnx')
    with pytest.raises(InputError, match='an exported file labels an image as a whole: give'):
        exported.save(tmp_path / 'a.tif', tmp_path / 'out', progress=False)
    whole = FCNInferencer(trained / 'best.pth')
    for name in ('bar', 0):
        with pytest.raises(InputError, match='needs it whole: leave the heat map out'):
            whole.save(tmp_path / 'a.tif', tmp_path / 'out', heatmap=name, progress=False)
    assert not any((tmp_path / 'out').iterdir())


def test_which_are_labelled_by_windows(segment, tmp_path, small_is_large):
    for name, side in (('a.tif', 101), ('b.tif', 100), ('c.png', 101), ('d.TIFF', 101)):
        Image.fromarray(noise(side, side)).save(tmp_path / name)
    Image.fromarray(noise(101, 101)).quantize(9).save(tmp_path / 'palette.tif')
    (tmp_path / 'e.tif').write_text('no picture')
    data = (tmp_path / 'a.tif').read_bytes()  # with a text in the place of its width
    at = data.index(struct.pack('<H', 256), 8)
    (tmp_path / 'f.tif').write_bytes(
        data[:at + 2] + struct.pack('<HI4s', 2, 4, b'wide') + data[at + 12:])
    opened = open_inputs([tmp_path, noise(101, 101)])[0]
    found = [one.path.name for one in with_large(opened, segment._backend)
             if isinstance(one, LargeInput)]
    assert found == ['a.tif', 'd.TIFF']


# --- labels ----------------------------------------------------------------------------


@pytest.mark.parametrize('how', [
    dict(tile=(64, 48), compression='zlib'), dict(rowsperstrip=11, compression='lzw'), dict()])
@pytest.mark.parametrize('size', [(203, 317), (96, 160), (37, 400), (330, 33)])
def test_equal_to_tiles_in_memory(segment, tmp_path, how, size):
    image = noise(*size)
    expected = segment(image)
    assert len(np.unique(expected.labels)) > 2
    tifffile.imwrite(tmp_path / 'x.tif', image, **RGB, **how)
    labels, picture = labelled(segment, tmp_path / 'x.tif', tmp_path)
    assert labels.dtype == np.uint8 and (labels == expected.labels).all()
    expected = expected.overlay()
    assert picture.shape == expected.shape and (picture == expected).all()


@pytest.mark.parametrize('changes', [
    {'num_classes=9': 'num_classes=2, out_channels=1, threshold=0.4'},
    {'num_classes=9': 'num_classes=300'},
    {'in_strides=(8, 16, 32)':
     "in_strides=(8, 16, 32), final_upsampler=dict(type='BilinearDeconv')"},
])
def test_other_heads(tmp_path, changes):
    """One score for two classes, more classes than 8 bits hold, upsampling that is learned."""
    infer = FCNInferencer(trained_as(tmp_path, **changes), device='cpu', cfg_options=NATIVE,
                          **TILES)
    image = noise(203, 217)
    tifffile.imwrite(tmp_path / 'x.tif', image, **RGB)
    labels, _ = labelled(infer, tmp_path / 'x.tif', tmp_path)
    expected = infer(image).labels
    assert len(np.unique(expected)) > 1 and (labels == expected).all()


def test_other_channels(tmp_path, small_is_large):
    net = trained_as(tmp_path, **{
        'depth=18,': 'depth=18, in_channels=4,', 'mean=[123.675, 116.28, 103.53]':
        'mean=[3e4] * 4', 'std=[58.395, 57.12, 57.375]': 'std=[2e4] * 4'})
    infer = FCNInferencer(net, device='cpu', cfg_options=NATIVE, **TILES)
    image = noise(203, 217, 4, np.uint16)
    tifffile.imwrite(tmp_path / 'x.tif', image, photometric='minisblack',
                     planarconfig='contig')
    # which a network of three channels could not be given
    opened = open_inputs(tmp_path / 'x.tif', infer.channels)[0]
    assert isinstance(with_large(opened, infer._backend)[0], LargeInput)
    labels, picture = labelled(infer, tmp_path / 'x.tif', tmp_path)
    expected = infer(image)
    assert len(np.unique(labels)) > 1 and (labels == expected.labels).all()
    assert (picture == expected.overlay()).all()


# --- the file ------------------------------------------------------------------------------


def in_windows(labels, core):
    for top in range(0, labels.shape[0], core):
        for left in range(0, labels.shape[1], core):
            part = labels[top:top + core, left:left + core]
            yield LabelledWindow(slice(top, top + part.shape[0]),
                                 slice(left, left + part.shape[1]), part[..., None], part)


def test_by_default_windows_see_what_lies_around_them(trained):
    whole = FCNInferencer(trained / 'best.pth', device='cpu', cfg_options=NATIVE)
    core, overlap = labelling.tiling_of(whole._backend)
    assert (core + 2 * overlap, overlap) == (1024, 128)


def test_colours_are_as_thick_as_is_said(segment, tmp_path, small_is_large):
    tifffile.imwrite(tmp_path / 'a.tif', noise(110, 120), **RGB)
    colours = []
    for opacity in (0., 1.):
        *_, file = sorted(segment.save(tmp_path / 'a.tif', tmp_path / str(opacity),
                                       opacity=opacity, progress=False))
        picture = np.asarray(Image.open(file)).reshape(-1, 3)
        colours.append(len(np.unique(picture, axis=0)))
    assert colours[0] > 1.1 * colours[1]


@pytest.mark.parametrize('size', [(1, 1), (512, 512), (700, 1100), (1300, 20), (97, 130)])
@pytest.mark.parametrize('core', [96, 400, 1024])
def test_tiff_of_labels(tmp_path, size, core):
    """Read by tifffile and by Pillow; tiled, packed, in the classes' colours."""
    labels = np.random.randint(0, 21, size, np.uint8)
    palette = np.random.randint(0, 256, (21, 3))
    path = tmp_path / 'a.tif'
    write_label_tiff(path, size, in_windows(labels, core), palette)
    assert (tifffile.imread(path) == labels).all()
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert page.is_tiled and page.compression == 8 and not file.is_bigtiff
        assert (page.colormap == palette_table(palette).T.astype(int) * 257).all()
    with Image.open(path) as picture:
        assert picture.mode == 'P' and (np.asarray(picture) == labels).all()
        assert (np.asarray(picture.convert('RGB')) == palette_table(palette)[labels]).all()


@pytest.mark.parametrize('count, kind', [(255, np.uint8), (256, np.uint16)])
def test_more_classes_than_8_bits_leave_free(tmp_path, count, kind):
    """255 is no class where pixels have 8 bits."""
    labels = np.arange(count).reshape(1, count)
    write_label_tiff(tmp_path / 'a.tif', labels.shape, in_windows(labels, 100),
                     np.zeros((count, 3), np.uint8))
    found = tifffile.imread(tmp_path / 'a.tif')
    assert found.dtype == kind and (found == labels).all()


def test_georeference_is_kept(segment, tmp_path):
    tags = [(33550, 'd', 3, (0.5, 0.5, 0.), True),
            (33922, 'd', 6, (0., 0., 0., 4e5, 5e6, 0.), True),
            (34735, 'H', 12, (1, 1, 0, 2, 1024, 0, 1, 1, 1026, 34737, 10, 0), True),
            (34737, 's', 0, 'Zürich 33|'.encode('latin-1'), True)]
    tifffile.imwrite(tmp_path / 'x.tif', noise(120, 130), extratags=tags, byteorder='>', **RGB)
    labelled(segment, tmp_path / 'x.tif', tmp_path)
    with tifffile.TiffFile(tmp_path / 'x.tif') as one, tifffile.TiffFile(
            tmp_path / 'x_labels.tif') as other:
        for code, *_ in tags:
            before, after = one.pages[0].tags[code], other.pages[0].tags[code]
            assert (before.dtype, before.count, before.value) == (
                after.dtype, after.count, after.value)
        assert one.geotiff_metadata == other.geotiff_metadata


def test_more_than_four_gigabytes(tmp_path, monkeypatch):
    """BigTIFF, where the other kind could be too small."""
    assert 2 ** 31 < label_tiff._MOST_IN_CLASSIC < 2 ** 32
    labels, many = np.random.randint(0, 3, (99, 101), np.uint8), [(1, 2, 3)] * 300
    for most, colours, big in ((99 * 101, COLOURS, False), (99 * 101 - 1, COLOURS, True),
                               (99 * 101, many, True)):  # of 16 bits
        monkeypatch.setattr(label_tiff, '_MOST_IN_CLASSIC', most)
        write_label_tiff(tmp_path / 'a.tif', labels.shape, in_windows(labels, 50), colours)
        with tifffile.TiffFile(tmp_path / 'a.tif') as file:
            assert file.is_bigtiff == big and (file.asarray() == labels).all()


def test_overview_of_a_large_image():
    """Every third pixel's label, and colours in the mean, whatever the windows."""
    labels = np.random.randint(0, 9, (3999, 699), np.uint8)
    image = np.random.randint(0, 256, (3999, 699, 3), np.uint8)
    overview = Overview(labels.shape)
    for window in overview.watch(in_windows(labels, 310)):
        assert window.labels.size
    assert (overview.labels == labels[::3, ::3]).all() and overview.labels.shape == (1333, 233)
    overview = Overview(labels.shape)
    list(overview.watch(LabelledWindow(one.rows, one.columns, image[one.rows, one.columns],
                                       one.labels) for one in in_windows(labels, 300)))
    mean = image.reshape(1333, 3, 233, 3, 3).mean((1, 3))
    assert np.abs(overview.image - mean).max() < 0.6
    odd = labels[:3998, :698]  # the last of three are lacking
    overview = Overview(odd.shape)
    list(overview.watch(in_windows(odd, 310)))
    assert (overview.labels == odd[::3, ::3]).all() and overview.labels.shape == (1333, 233)
    many = labels[:60].astype(np.int16) + 300
    overview = Overview(many.shape)
    list(overview.watch(in_windows(many, 50)))
    assert (overview.labels == many).all()
    assert Overview((1600, 7)).labels.shape == (1600, 7)


def test_tiles_are_written_as_windows_come():
    windows = list(in_windows(np.zeros((2048, 20), np.uint8), 256))
    rest = iter(windows)
    next(label_tiff._tiles(rest, (2048, 20), np.dtype(np.uint8)))
    assert len(list(rest)) >= len(windows) - 3


# --- fcn predict and save ------------------------------------------------------------------


def test_predict(trained, tmp_path, small_is_large, capsys):
    """A large TIFF among other images; what is there is left out afterwards."""
    folder = tmp_path / 'images'
    folder.mkdir()
    image = noise(150, 170)
    tifffile.imwrite(folder / 'large.tif', image, tile=(32, 32), **RGB)
    Image.fromarray(image[:50, :60]).save(folder / 'small.png')
    given = dict(img_path=folder, weight_path=trained / 'best.pth', out_dir=tmp_path / 'out',
                 device='cpu', cfg_options=NATIVE, **TILES)
    written = predict_to_files(**given)
    assert sorted(path.name for path in written) == [
        'large_labels.tif', 'large_overlay.png', 'small_labels.png', 'small_overlay.png']
    assert 'tiles of large.tif' in capsys.readouterr().out
    with pytest.raises(FileExistsError, match='large_overlay.png'):
        predict_to_files(**given)
    (tmp_path / 'out/large_labels.tif').unlink()
    assert [path.name for path in predict_to_files(**given, resume=True)] == [
        'large_overlay.png', 'large_labels.tif']


def test_a_bad_one_is_named_and_leaves_nothing(segment, tmp_path, small_is_large):
    """Though half of it was labelled; the files of the run before stay."""
    image = noise(200, 210)
    for name in ('bad', 'good'):
        tifffile.imwrite(tmp_path / f'{name}.tif', image, tile=(32, 32), compression='zlib',
                         **RGB)
    both = [tmp_path / 'bad.tif', tmp_path / 'good.tif']
    assert len(segment.save(both, tmp_path / 'out', progress=False)) == 4
    before = (tmp_path / 'out/bad_labels.tif').read_bytes()
    with tifffile.TiffFile(both[0]) as file:
        last = file.pages[0].dataoffsets[-1]
    data = bytearray(both[0].read_bytes())
    data[last:last + 40] = bytes(40)
    both[0].write_bytes(data)
    with pytest.raises(LeftOutError, match='1 of 2 .*bad.tif.*row 192, column 192 cannot be'):
        segment.save(both, tmp_path / 'out', progress=False, overwrite=True)
    assert (tmp_path / 'out/bad_labels.tif').read_bytes() == before
    assert len(list((tmp_path / 'out').iterdir())) == 4


def test_a_full_disk_stops(segment, tmp_path, small_is_large):
    resource = pytest.importorskip('resource', reason='no bound for files here')
    tifffile.imwrite(tmp_path / 'a.tif', noise(600, 700), **RGB)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.getsignal(signal.SIGXFSZ)
    try:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
        with pytest.raises(OSError) as caught:
            segment.save(tmp_path / 'a.tif', tmp_path / 'out', progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not isinstance(caught.value, ValueError)
    assert not any((tmp_path / 'out').iterdir())


def test_one_line_of_the_tool(trained, tmp_path):
    huge(tmp_path / 'a.tif')
    done = run_tool('predict.py', '--weight-path', trained / 'best.pth', '--img-path',
                    tmp_path / 'a.tif', '--out-dir', tmp_path / 'out', '--device', 'cpu')
    assert done.code == 2 and len(done.err.splitlines()) == 1
    assert 'make the image smaller' in done.err and not any(Path(tmp_path / 'out').iterdir())
