"""Images and masks that cannot be used, by what is wrong with them."""
import shutil

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image
from tiny_runs import HERE, SHAPES, run_tool, write_config

from fcn_plugin.datasets.bad_samples import BadSampleError, guard

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
    'turned image': (turned, '24x32 pixels.*32x24'),
}


@pytest.fixture
def folder(tmp_path):
    for name in 'abc':
        write(tmp_path, name)
    return tmp_path


def build(folder, how='error', **options):
    dataset = DATASETS.build(dict(
        type='BaseSegDataset', data_root=str(folder), pipeline=PIPELINE,
        data_prefix=dict(img_path='img', seg_map_path='mask'),
        metainfo=dict(classes=('x', 'y')), **options))
    guard(dataset, how)
    return dataset


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


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize('case', FAILS)
def test_is_left_out(folder, case, test_mode):
    dataset = build(folder, 'skip', test_mode=test_mode)
    FAILS[case][0](folder)
    data = dataset[1]['data_samples']
    assert data.img_path.endswith('c.jpg') and dataset.prepare_data.skipped.value == 1
    truth = {255} if test_mode else {1}  # what the metric counts at its own place alone
    assert set(data.gt_sem_seg.data.unique().tolist()) == truth
    assert set(dataset[2]['data_samples'].gt_sem_seg.data.unique().tolist()) == {1}


@pytest.mark.parametrize('name', ['straße', 'фото', '写真 1', 'صورة', "it's; #1 [x]"])
def test_names_in_any_script(folder, name):
    write(folder, name)
    assert len([build(folder)[i] for i in range(4)]) == 4


def test_none_is_left(folder):
    dataset = build(folder, 'skip')
    shutil.rmtree(folder / 'img')
    with pytest.raises(BadSampleError, match='none of the 3 images'):
        dataset[0]


def test_unknown_choice(folder):
    with pytest.raises(ValueError, match="on_bad_sample='ignore', expected.*'skip'"):
        build(folder, 'ignore')


@pytest.mark.parametrize('workers', [0, 1])
def test_train_names_it(folder, workers):
    cut(folder / IMAGE)
    own = dict(_delete_=True, type='BaseSegDataset', data_root=str(folder),
               pipeline=PIPELINE,
               data_prefix=dict(img_path='img', seg_map_path='mask'),
               metainfo=dict(classes=tuple('abcdefghi')))
    text = SHAPES.replace('dataset=dict(length=8, image_size=32)', f'dataset={own}')
    loader = text.index('train_dataloader')
    text = text[:loader] + text[loader:].replace(
        HERE, f'num_workers={workers}, persistent_workers=False', 1)
    config = write_config(folder, text)
    done = run_tool('train.py', config, '--work-dir', folder / 'work')
    assert done.code == 2
    line = done.err.strip().splitlines()[-1]
    assert line.startswith("error: cannot use '") and 'b.jpg' in line, line
