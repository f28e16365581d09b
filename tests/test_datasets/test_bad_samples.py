"""Images and masks that cannot be used, by what is wrong with them."""
import json
import shutil
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tiny_runs import HERE, SHAPES, run_tool, succeed, write_config

from fcn_plugin.datasets import GuardedDataset
from fcn_plugin.datasets.bad_samples import (
    BadSampleError,
    MissingFolderError,
    check_file,
    check_sizes,
)

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
            dict(type='PackSegInputs')]


def picture(height=24, width=32, mode='RGB'):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def write(folder, name='b', image=None, mask=True):
    """One of the pairs of a folder: a, b and c."""
    (folder / 'img').mkdir(exist_ok=True)
    (folder / 'mask').mkdir(exist_ok=True)
    image = image or picture()
    image.save(folder / 'img' / f'{name}.jpg', image.format or 'JPEG')
    if mask:
        Image.new('L', image.size, 1).save(folder / 'mask' / f'{name}.png')


def cut(path, share=0.6):
    path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])


def turned(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(24, 32).save(folder / 'img' / 'b.jpg', exif=exif)


def png(mode):
    def change(folder):
        if mode == 'I;16':
            image = Image.fromarray(np.full((24, 32), 40000, np.uint16))
        else:
            image = picture(mode=mode)
        image.save(folder / 'img' / 'b.jpg', 'PNG')
    return change


def sized(height, width):
    return lambda folder: write(folder, image=picture(height, width))


IMAGE, MASK = 'img/b.jpg', 'mask/b.png'
WORKS = {
    'RGB': lambda folder: None,
    'grey': lambda folder: picture(mode='L').save(folder / IMAGE),
    'CMYK': lambda folder: picture(mode='CMYK').save(folder / IMAGE),
    'RGBA': png('RGBA'),
    'palette': png('P'),
    '16 bits': png('I;16'),
    '2x5000': sized(2, 5000),
    'bytes behind the image': lambda folder: (folder / IMAGE).write_bytes(
        (folder / IMAGE).read_bytes() + b'camera' * 40),
    'zeros behind the image': lambda folder: (folder / IMAGE).write_bytes(
        (folder / IMAGE).read_bytes() + b'\0' * 99),
}
FAILS = {
    'cut image': (lambda folder: cut(folder / IMAGE), 'truncated'),
    'cut PNG': (lambda folder: [png('RGB')(folder), cut(folder / IMAGE)], 'b.jpg'),
    'cut mask': (lambda folder: cut(folder / MASK), 'b.png'),
    'empty image': (lambda folder: (folder / IMAGE).write_bytes(b''), 'is empty'),
    'empty mask': (lambda folder: (folder / MASK).write_bytes(b''), 'b.png.*is empty'),
    'text as image': (lambda folder: (folder / IMAGE).write_text('no'), 'b.jpg'),
    'text as mask': (lambda folder: (folder / MASK).write_text('no'), 'b.png'),
    'image gone': (lambda folder: (folder / IMAGE).unlink(), 'no such file'),
    'mask gone': (lambda folder: (folder / MASK).unlink(), 'b.png.*no such file'),
    'folder as image': (lambda folder: [(folder / IMAGE).unlink(),
                                        (folder / IMAGE).mkdir()], 'no such file'),
    'mask of another size': (
        lambda folder: Image.new('L', (9, 7)).save(folder / MASK),
        '32x24 pixels.*b.png.*9x7'),
    '1x1': (sized(1, 1), 'one pixel wide'),
    '1x5000': (sized(1, 5000), 'one pixel wide'),
    '5000x1': (sized(5000, 1), 'one pixel wide'),
    'turned image': (turned, r'24x32 pixels \(turned by its EXIF data\).*32x24'),
    'label beyond the classes': (
        lambda folder: Image.new('L', (32, 24), 2).save(folder / MASK),
        "label 2 in its mask '.*b.png' is not one of the 2 classes"),
}


@pytest.fixture
def folder(tmp_path):
    for name in 'abc':
        write(tmp_path, name)
    return tmp_path


def build(folder, how='error', **options):
    options.setdefault('pipeline', PIPELINE)
    return GuardedDataset(dict(
        type='BaseSegDataset', data_root=str(folder),
        data_prefix=dict(img_path='img', seg_map_path='mask'),
        metainfo=dict(classes=('x', 'y')), **options), how, num_classes=2)


@pytest.mark.parametrize('case', WORKS)
def test_works(folder, case):
    dataset = build(folder)
    WORKS[case](folder)
    data = dataset[1]
    assert data['inputs'].shape[0] == 3
    assert data['inputs'].shape[1:] == data['data_samples'].gt_sem_seg.shape[-2:]


@pytest.mark.parametrize('case', FAILS)
def test_is_named(folder, case):
    change, words = FAILS[case]
    dataset = build(folder)
    change(folder)
    with pytest.raises(BadSampleError, match=f"cannot use '.*b\\.(?s:.*){words}|{words}"):
        dataset[1]
    assert dataset[0]['inputs'].shape == dataset[2]['inputs'].shape


def test_the_ignored_label_is_the_data_set_s(folder):
    dataset = build(folder, ignore_index=9)
    Image.new('L', (32, 24), 9).save(folder / MASK)
    assert (dataset[1]['data_samples'].gt_sem_seg.data == 9).all()
    Image.new('L', (32, 24), 255).save(folder / MASK)
    with pytest.raises(BadSampleError, match='label 255 .* nor 9'):
        dataset[1]
    instead = build(folder, 'skip', ignore_index=9, test_mode=True)[1]['data_samples']
    assert instead.gt_sem_seg.data.unique().tolist() == [9]


@pytest.mark.parametrize('orientation', range(1, 9))
def test_orientations_that_exchange_the_sides(folder, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(24, 32).save(folder / IMAGE, exif=exif)
    if orientation < 5:
        assert build(folder)[1]['inputs'].shape == (3, 24, 32)
        return
    with pytest.raises(BadSampleError, match=r'24x32 pixels \(turned by its EXIF data\)'):
        build(folder)[1]


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize('case', FAILS)
def test_is_left_out(folder, case, test_mode):
    dataset = build(folder, 'skip', test_mode=test_mode)
    FAILS[case][0](folder)
    data = dataset[1]['data_samples']
    assert data.img_path.endswith('c.jpg') and dataset.skipped == 1
    truth = {255} if test_mode else {1}  # what the metric counts at its own place alone
    assert set(data.gt_sem_seg.data.unique().tolist()) == truth
    assert set(dataset[2]['data_samples'].gt_sem_seg.data.unique().tolist()) == {1}


@pytest.mark.parametrize('name', ['straße', 'фото', '写真 1', 'صورة', "it's; #1 [x]"])
def test_names_in_any_script(folder, name):
    write(folder, name)
    assert len(list(build(folder))) == 4


def save_turned(folder, orientation, mask_size=(32, 24), mask_turned=False):
    """An image of 32x24 pixels as stored, and a mask."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(24, 32).save(folder / IMAGE, exif=exif)
    Image.new('L', mask_size, 1).save(folder / MASK, **(
        dict(exif=exif) if mask_turned else {}))


@pytest.mark.parametrize('load, mask_size', [
    (dict(color_type='color'), (24, 32)),
    (dict(color_type='color', imdecode_backend='pillow'), (24, 32)),
    (dict(color_type='color_ignore_orientation'), (32, 24)),
    (dict(color_type='unchanged'), (32, 24)),
    (dict(color_type='unchanged', imdecode_backend='pillow'), (32, 24)),
])
@pytest.mark.parametrize('orientation', [3, 5, 6, 8])
def test_sizes_are_those_that_the_pipeline_reads(folder, load, mask_size, orientation):
    pipeline = [dict(type='LoadImageFromFile', **load), *PIPELINE[1:]]
    dataset = build(folder, pipeline=pipeline)
    if orientation == 3:  # turned by half: of the same size
        mask_size = (32, 24)
    save_turned(folder, orientation, mask_size)
    data = dataset[1]
    assert data['inputs'].shape[1:] == data['data_samples'].gt_sem_seg.shape[-2:]
    save_turned(folder, orientation, mask_size[::-1])
    with pytest.raises(BadSampleError, match='b.jpg.*b.png'):
        dataset[1]


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_a_cut_file_is_found_before_it_is_decoded(tmp_path, kind):
    """Releases of OpenCV differ in what of one they read."""
    path = tmp_path / 'a.picture'
    picture().save(path, kind)
    check_file(path)
    cut(path)
    with pytest.raises(BadSampleError, match="a.picture': .*truncated"):
        check_file(path)


def test_masks_are_read_as_stored(folder):
    """mmseg turns no mask, whatever its own EXIF data say."""
    dataset = build(folder)
    save_turned(folder, 6, (24, 32), mask_turned=True)
    data = dataset[1]
    assert data['inputs'].shape[1:] == data['data_samples'].gt_sem_seg.shape[-2:]
    save_turned(folder, 6, (32, 24), mask_turned=True)
    with pytest.raises(BadSampleError, match='24x32 pixels.*32x24'):
        dataset[1]


def test_none_is_left(folder):
    dataset = build(folder, 'skip')
    for path in (folder / 'img').iterdir():
        path.unlink()
    with pytest.raises(BadSampleError, match='none of the 3 images'):
        dataset[0]


@pytest.mark.parametrize('how', ['error', 'skip'])
@pytest.mark.parametrize('gone', ['img', 'mask'])
def test_folder_that_vanishes(folder, how, gone):
    """No image is left out for it: the next would be, and the next."""
    dataset = build(folder, how)
    assert dataset[0]
    shutil.rmtree(folder / gone)
    with pytest.raises(MissingFolderError, match=f"its folder '{folder / gone}' is not"):
        dataset[0]


def test_a_folder_that_has_no_part_in_it(folder):
    """A file is gone, and the folder of other files was never there."""
    dataset = build(folder, 'skip')
    dataset.data_prefix['depth'] = str(folder / 'depth')
    (folder / IMAGE).unlink()
    assert dataset[1]['data_samples'].img_path.endswith('c.jpg')


@pytest.mark.parametrize('load, turns', [
    (dict(color_type='color', imdecode_backend=None), True),
    (dict(color_type='grayscale', imdecode_backend='cv2'), True),
    (dict(color_type='color', imdecode_backend='turbojpeg'), False),
    (dict(color_type='unchanged', imdecode_backend='cv2'), False)])
def test_which_decoders_turn_images(folder, load, turns):
    """As mmcv documents of those that are not installed."""
    save_turned(folder, 6, (24, 32))
    paths = str(folder / IMAGE), str(folder / MASK)
    with nullcontext() if turns else pytest.raises(BadSampleError, match='as stored'):
        check_sizes(*paths, [SimpleNamespace(**load)])


def test_ignored_labels(folder):
    Image.new('L', (32, 24), 255).save(folder / MASK)
    assert build(folder)[1]['data_samples'].gt_sem_seg.data.unique() == 255


def test_unknown_choice(folder):
    with pytest.raises(ValueError, match="on_bad_sample='ignore', expected.*'skip'"):
        build(folder, 'ignore')


def config_of(folder, workers=0, **options):
    """A tiny run on the folder's images."""
    own = dict(_delete_=True, type='BaseSegDataset', data_root=str(folder),
               pipeline=PIPELINE,
               data_prefix=dict(img_path='img', seg_map_path='mask'),
               metainfo=dict(classes=tuple('abcdefghi')))
    text = SHAPES
    for data in ('length=8, image_size=32', 'length=5, image_size=(32, 40)'):
        text = text.replace(f'dataset=dict({data})', f'dataset={own}')
    loader = text.index('train_dataloader')
    text = text[:loader] + text[loader:].replace(
        HERE, f'num_workers={workers}, persistent_workers=False', 1)
    return write_config(folder, text + '\n'.join(
        f'{key} = {value!r}' for key, value in options.items()))


def damage(folder):
    cut(folder / IMAGE)


def relabel(folder):
    Image.new('L', (32, 24), 77).save(folder / MASK)


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize('change, words', [(damage, 'truncated'),
                                           (relabel, 'the label 77 in its mask')])
def test_train_names_it(folder, workers, change, words):
    change(folder)
    done = run_tool('train.py', config_of(folder, workers), '--work-dir', folder / 'work')
    assert done.code == 2
    line = done.err.strip().splitlines()[-1]
    assert line.startswith("error: cannot use '") and 'b.jpg' in line, line
    assert words in line


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights')
    succeed('train.py', write_config(folder), '--work-dir', folder, '--cfg-options',
            'train_cfg.max_iters=1')
    return folder / 'iter_1.pth'


@pytest.mark.parametrize('change', [damage, relabel])
def test_test_names_it_or_leaves_it_out(folder, weights, change):
    """And counts in no metric what stood in for it."""
    test = ['test.py', config_of(folder), weights, '--work-dir', folder / 'work']
    change(folder)
    done = run_tool(*test)
    assert done.code == 2
    line = done.err.strip().splitlines()[-1]
    assert line.startswith("error: cannot use '") and 'b.jpg' in line, line
    assert not list((folder / 'work').glob('*/*.json'))
    succeed(*test, '--cfg-options', 'on_bad_sample=skip')
    skipped = metrics(folder)
    for name in (IMAGE, MASK):
        (folder / name).unlink()
    succeed(*test)
    assert skipped == metrics(folder)


def metrics(folder):
    latest = max(folder.glob('work/*/*.json'), key=lambda path: path.stat().st_mtime_ns)
    found = json.loads(latest.read_text().splitlines()[-1])
    return {name: found[name] for name in ('aAcc', 'mAcc', 'mIoU', 'fwIoU')}
