"""Own data, as tools/misc/check_dataset.py finds it: layouts, values, faults, config."""
import re

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image
from tiny_runs import run_tool, succeed

from fcn_plugin.apis.check_dataset import check_dataset, report, write_config
from fcn_plugin.apis.config import load_config
from fcn_plugin.visualization import default_palette

TOOL = 'misc/check_dataset.py'
SIZE = 40, 56  # H, W


def picture(number, size=SIZE):
    return np.random.RandomState(number).randint(0, 256, (*size, 3), np.uint8)


def labels(number, values=(0, 1, 2), size=SIZE):
    """Bands of the values, shifted by the number."""
    rows = (np.arange(size[0]) * len(values) // size[0] + number) % len(values)
    return np.repeat(np.array(values)[rows][:, None], size[1], 1)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def save_palette(path, array):
    image = Image.fromarray(array.astype(np.uint8))
    image.putpalette(default_palette(256).ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def make(root, image='images/{}.jpg', mask='masks/{}.png', count=6, start=0,
         values=(0, 1, 2)):
    """Writes pairs under names made of a number."""
    for number in range(start, start + count):
        save(root / image.format(f'{number:03d}'), picture(number))
        save(root / mask.format(f'{number:03d}'), labels(number, values).astype(np.uint8))
    return root


def split_names(checked):
    return {name: [item.pair.image.name for item in items]
            for name, items in checked.splits.items()}


def read(dataset, index):
    """Labels as training sees them."""
    return dataset[index]['gt_seg_map']


def build(config, split='train'):
    data = config[f'{split}_dataloader'].dataset
    data.pipeline = [step for step in data.pipeline if step.type in
                     ('LoadImageFromFile', 'LoadAnnotations')]
    return DATASETS.build(data)


# --- bad arguments -------------------------------------------------------------


@pytest.mark.parametrize('args, said', [
    (['absent'], 'absent: no such folder'),
    (['.', '--masks', 'nowhere'], 'nowhere: no such folder'),
    (['.', '--val-share', '2'], '--val-share must lie between 0 and 1, but is 2.0'),
    (['.', '--out', 'out', '--base', 'fcn-8s_x'], "no config 'fcn/fcn-8s_x.py'"),
])
def test_bad_arguments(args, said, tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path))
    done = run_tool(TOOL, *args)
    assert done.code == 2 and said in done.err and len(done.err.splitlines()) == 1
    assert not (tmp_path / 'out').exists()


def test_nothing_to_use(tmp_path):
    with pytest.raises(ValueError, match='no image files found .*--masks FOLDER name them'):
        check_dataset(tmp_path)
    make(tmp_path, mask='images2/{}.jpg')
    with pytest.raises(ValueError, match='no masks found.*folders with images: images'):
        check_dataset(tmp_path)
    make(tmp_path / 'one', count=1)
    with pytest.raises(ValueError, match='1 pairs .*expected at least 2'):
        check_dataset(tmp_path / 'one')


# --- layouts --------------------------------------------------------------------


@pytest.mark.parametrize('image, mask', [
    ('images/{}.jpg', 'masks/{}.png'),
    ('img/{}.jpeg', 'label/{}.png'),
    ('JPEGImages/{}.jpg', 'SegmentationClass/{}.png'),
    ('a/{}.png', 'b/{}.png'),  # told apart by what is in them
    ('{}.jpg', '{}_mask.png'),
    ('pics/{}.JPG', 'pics/{}_gt.png'),
    ('x/image_{}.png', 'x/label_{}.png'),
    ('images/img-{}.jpg', 'ground_truth/mask-{}.png'),
    ('images/photo{}.jpg', 'masks/M_photo{}_v2.png'),  # an affix that nobody foresaw
    ('images/Photo{}.jpg', 'masks/photo{}.png'),
    ('images/photo_{}.jpg', 'masks/m{}.png'),
    ('images/a/{}.jpg', 'masks/a/{}.png'),
])
def test_layouts(tmp_path, image, mask):
    checked = check_dataset(make(tmp_path, image, mask))
    pairs = [item.pair for items in checked.splits.values() for item in items]
    assert len(pairs) == 6 and not checked.faults
    for pair in pairs:
        assert re.search(r'\d+', pair.image.stem)[0] == re.search(r'\d+', pair.mask.stem)[0]
        assert np.asarray(Image.open(pair.mask)).ndim == 2


def test_a_few_equal_numbers_are_no_pairs(tmp_path):
    """Two counts of their own: 0, 1, 2, ... and 0, 3, 6, ... meet by chance."""
    for number in range(8):
        save(tmp_path / f'images/frame_{number}.png', picture(number))
        save(tmp_path / f'masks/m{3 * number}.png', labels(number).astype(np.uint8))
    with pytest.raises(ValueError, match='0 pairs .*8 images have no mask of their name.*'
                       'call a mask like its image'):
        check_dataset(tmp_path)


@pytest.mark.parametrize('image, mask', [
    ('{split}/images/{{}}.jpg', '{split}/masks/{{}}.png'),
    ('images/{split}/{{}}.jpg', 'labels/{split}/{{}}.png'),
    ('{split}/{{}}.png', '{split}annot/{{}}.png'),
    ('{split}_images/{{}}.png', '{split}_masks/{{}}.png'),
    ('leftImg8bit/{split}/town/{{}}_leftImg8bit.png',
     'gtFine/{split}/town/{{}}_gtFine_labelIds.png'),
])
def test_splits_of_folders(tmp_path, image, mask):
    for split, (start, count) in dict(train=(0, 4), val=(10, 2), test=(20, 3)).items():
        make(tmp_path, image.format(split=split), mask.format(split=split), count, start)
    checked = check_dataset(tmp_path)
    assert {name: len(items) for name, items in checked.splits.items()} == dict(
        train=4, val=2, test=3)
    assert not checked.faults


def test_splits_of_lists(tmp_path):
    make(tmp_path, 'JPEGImages/{}.jpg', 'SegmentationClass/{}.png')
    lists = tmp_path / 'ImageSets' / 'Segmentation'
    lists.mkdir(parents=True)
    (lists / 'train.txt').write_text('000\n001\n002\n')
    (lists / 'val.txt').write_text('003\n')
    checked = check_dataset(tmp_path)
    assert split_names(checked) == dict(train=['000.jpg', '001.jpg', '002.jpg'],
                                        val=['003.jpg'])
    assert any('2 pairs are in no split and left out' in note for note in checked.notes)


def test_instances_beside_classes_are_left_alone(tmp_path):
    make(tmp_path, 'JPEGImages/{}.jpg', 'SegmentationClass/{}.png')
    make(tmp_path, 'JPEGImages/{}.jpg', 'SegmentationObject/{}.png')
    checked = check_dataset(tmp_path)
    assert {item.pair.mask.parent.name for item in checked.splits['train']} == {
        'SegmentationClass'}
    assert any('SegmentationObject are left alone' in note for note in checked.notes)


def test_a_split_is_made_once_and_for_all(tmp_path):
    make(tmp_path, count=20)
    first = split_names(check_dataset(tmp_path, seed=1))
    assert len(first['val']) == 4 and len(first['train']) == 16
    assert split_names(check_dataset(tmp_path, seed=1)) == first
    assert split_names(check_dataset(tmp_path, seed=2)) != first
    make(tmp_path, count=1, start=20)  # one more does not shuffle the others
    assert len(set(split_names(check_dataset(tmp_path, seed=1))['val']) - set(
        first['val'])) <= 1


# --- values ----------------------------------------------------------------------


def spread(tmp_path, saver, values=(0, 1, 2)):
    """Pairs whose masks a function writes; the config, and labels as training sees them."""
    for number in range(4):
        save(tmp_path / f'images/{number}.png', picture(number))
        saver(tmp_path / f'masks/{number}.png', labels(number, values))
    return tmp_path


@pytest.mark.parametrize('values, options, expected', [
    ((0, 1, 2), {}, {0: 0, 1: 1, 2: 2}),
    ((0, 255), {}, {0: 0, 255: 1}),
    ((0, 1, 255), {}, {0: 0, 1: 1, 255: 255}),
    ((1, 2, 3), {}, {1: 0, 2: 1, 3: 2}),
    ((1, 2, 255), {}, {1: 0, 2: 1, 255: 255}),
    ((1, 2), dict(classes=['x', 'y', 'z']), {1: 1, 2: 2}),
    ((0, 100, 200), {}, {0: 0, 100: 1, 200: 2}),
    ((50, 150), dict(classes=['x', 'y']), {50: 0, 150: 1}),
    ((0, 1, 11), dict(ignore=[11]), {0: 0, 1: 1, 11: 255}),
    ((0, 0, 0, *range(10), 255), {}, {**{i: i for i in range(10)}, 255: 255}),
])
def test_values_become_classes(tmp_path, values, options, expected):
    spread(tmp_path, lambda path, array: save(path, array.astype(np.uint8)), values)
    checked = check_dataset(tmp_path, **options)
    assert not checked.faults and not checked.convert
    config = Config.fromfile(write_config(checked, tmp_path / 'out'))
    dataset = build(config)
    assert config.model.decode_head.num_classes == len(dataset.metainfo['classes'])
    for i, item in enumerate(checked.splits['train']):
        stored = np.asarray(Image.open(item.pair.mask))
        wanted = np.vectorize(expected.get)(stored)
        assert np.array_equal(read(dataset, i), wanted)


def test_values_beyond_the_classes(tmp_path):
    make(tmp_path, values=(0, 1, 4))
    checked = check_dataset(tmp_path, classes=['x', 'y'])
    fault, = checked.faults
    assert 'beyond the 2 classes: 4 (3' in fault and '--ignore 4' in fault
    with pytest.raises(ValueError, match='no config is written'):
        write_config(checked, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    assert not check_dataset(tmp_path, classes=['x', 'y'], ignore=[4]).faults


COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
FORMATS = {
    'palette': save_palette,
    '16 bits': lambda path, array: save(path, array.astype(np.uint16)),
    'black and white': lambda path, array: save(path, array > 0),
    'rgb': lambda path, array: save(path, COLOURS[array]),
    'rgba': lambda path, array: save(path, np.dstack(
        [COLOURS[array], np.full(array.shape, 255, np.uint8)])),
    'grey in rgb': lambda path, array: save(path, np.dstack([array.astype(np.uint8)] * 3)),
}


@pytest.mark.parametrize('name', FORMATS)
def test_formats(tmp_path, name):
    """Whatever the file: training sees the labels that were drawn."""
    checked = check_dataset(spread(tmp_path, FORMATS[name]))
    assert not checked.faults
    assert checked.convert == (name in ('rgb', 'rgba', 'grey in rgb'))
    config = Config.fromfile(write_config(checked, tmp_path / 'out'))
    assert (tmp_path / 'out' / 'masks').exists() == checked.convert
    for split, items in checked.splits.items():
        dataset = build(config, split)
        for i, item in enumerate(items):
            drawn = labels(int(item.pair.image.stem))
            seen = read(dataset, i)
            if 'rgb' in name and 'grey' not in name:  # by frequency, not by drawing
                assert np.array_equal(np.unique(seen), [0, 1, 2])
                blue = checked.encoding.label_map[0x0000FF]
                assert np.array_equal(seen == blue, drawn == 2)
                assert np.array_equal(seen == 0, drawn == 0)
            else:
                assert np.array_equal(seen, np.minimum(drawn, 1) if 'black' in name
                                      else drawn)
    assert 'red' in checked.encoding.classes if name == 'rgb' else True


def test_colours_of_a_known_data_set(tmp_path):
    voc = DATASETS.get('PascalVOCDataset').METAINFO
    table = np.array([*voc['palette'], [224, 224, 192]], np.uint8)
    spread(tmp_path, lambda path, array: save(path, table[array]), (0, 7, 15, 12, 21))
    checked = check_dataset(tmp_path)
    assert checked.encoding.classes == list(voc['classes'])
    assert checked.encoding.label_map[0xE0E0C0] == 255
    assert checked.encoding.label_map[0xC08080] == 15  # person


def test_masks_that_jpeg_has_blurred(tmp_path):
    for number in range(4):
        save(tmp_path / f'images/{number}.png', picture(number, (90, 96)))
        save(tmp_path / f'masks/{number}.jpg',
             (labels(number, (0, 255), (90, 96))).astype(np.uint8), quality=60)
    checked = check_dataset(tmp_path)
    assert checked.convert and any('are JPEG' in note for note in checked.notes)
    dataset = build(Config.fromfile(write_config(checked, tmp_path / 'out')))
    item = checked.splits['train'][0]
    drawn = labels(int(item.pair.image.stem), (0, 1), (90, 96))
    assert (read(dataset, 0) == drawn).mean() > 0.97
    assert set(np.unique(read(dataset, 0))) == {0, 1}


@pytest.mark.parametrize('file, text, colours, expected', [
    ('classes.txt', 'ground\ncar\ntree\nnever\n', False, ['ground', 'car', 'tree', 'never']),
    ('labelmap.txt', '# label:color_rgb:parts:actions\nbackground:0,0,0::\n'
     'sea:0,0,255::\nfire:255,0,0::\n', True, ['background', 'sea', 'fire']),
    ('masks/_classes.csv', 'Pixel Value, Class\n0, ground\n1, car\n2, tree\n', False,
     ['ground', 'car', 'tree']),
])
def test_names_that_annotation_programs_leave(tmp_path, file, text, colours, expected):
    saver = FORMATS['rgb' if colours else 'palette']
    spread(tmp_path, saver)
    (tmp_path / file).write_text(text)
    checked = check_dataset(tmp_path)
    assert checked.encoding.classes == expected and not checked.faults
    assert f'the names are from {file}' in checked.notes
    dataset = build(Config.fromfile(write_config(checked, tmp_path / 'out')))
    drawn = labels(int(checked.splits['train'][0].pair.image.stem))
    places = np.array([0, 2, 1] if colours else [0, 1, 2])  # red is third in the file
    assert np.array_equal(read(dataset, 0), places[drawn])


# --- faults ------------------------------------------------------------------------


def test_every_fault_is_named_and_left_out(tmp_path):
    make(tmp_path, count=8)
    images, masks = tmp_path / 'images', tmp_path / 'masks'
    (images / '000.jpg').write_bytes(b'')
    (masks / '001.png').write_bytes((masks / '001.png').read_bytes()[:60])
    save(masks / '002.png', labels(2, size=(20, 56)).astype(np.uint8))
    save(images / 'alone.jpg', picture(50))
    save(masks / 'lonely.png', labels(50).astype(np.uint8))
    done = run_tool(TOOL, tmp_path, '--out', tmp_path / 'out')
    assert done.code == 1
    for said in ('000.jpg: the file is empty (0 bytes)', '001.png: it cannot be read',
                 '002.png: the mask is 56x20, but its image is 56x40',
                 '1 images have no mask of their name: images/alone.jpg',
                 '1 masks have no image of their name: masks/lonely.png',
                 '3 pairs cannot be used', 'without what is faulty'):
        assert said in done.out, said
    listed = ''.join((tmp_path / 'out' / f'{n}.txt').read_text() for n in ('train', 'val'))
    assert sorted(re.findall(r'images/(\d+)', listed)) == [f'{n:03d}' for n in range(3, 8)]


def test_the_same_image_in_two_splits(tmp_path):
    for split, start in (('train', 0), ('val', 10)):
        make(tmp_path, f'{split}/images/{{}}.png', f'{split}/masks/{{}}.png', 3, start)
    save(tmp_path / 'val/images/010.png', picture(1), compress_level=1)  # other bytes
    fault, = check_dataset(tmp_path).faults
    assert fault.startswith('1 images are in two splits')
    assert 'train/images/001.png' in fault and 'val/images/010.png' in fault


def test_doubles_stay_on_one_side_of_a_split_that_is_made(tmp_path):
    for number in range(12):
        save(tmp_path / f'images/{number}.png', picture(number // 2))
        save(tmp_path / f'masks/{number}.png', labels(number).astype(np.uint8))
    checked = check_dataset(tmp_path, val_share=0.5)
    sides = [{item.digest for item in items} for items in checked.splits.values()]
    assert not sides[0] & sides[1] and not checked.faults


def test_images_that_exif_turns(tmp_path):
    for number in range(4):
        image = Image.fromarray(picture(number))
        exif = image.getexif()
        exif[0x0112] = 6
        (tmp_path / 'images').mkdir(exist_ok=True)
        image.save(tmp_path / f'images/{number}.jpg', exif=exif)
        save(tmp_path / f'masks/{number}.png', labels(number).astype(np.uint8))
    checked = check_dataset(tmp_path)
    assert checked.turned and not checked.faults
    item = build(Config.fromfile(write_config(checked, tmp_path / 'out')))[0]
    assert item['img'].shape[:2] == item['gt_seg_map'].shape == SIZE


def test_labels_and_colours_mixed(tmp_path):
    make(tmp_path, count=5)
    save(tmp_path / 'masks/000.png', COLOURS[labels(0)])
    checked = check_dataset(tmp_path)
    fault, = checked.faults
    assert 'masks are coloured, most are labels' in fault and '000.png' in fault
    assert all(item.pair.mask.name != '000.png' for items in checked.splits.values()
               for item in items)


# --- report and config -----------------------------------------------------------------


def test_shares_and_weights(tmp_path):
    """Against median frequency balancing by hand."""
    for number, rows in enumerate((10, 20, 10, 20)):  # of class 1; class 2 in one image
        array = np.zeros(SIZE, np.uint8)
        array[:rows] = 1
        if number == 3:
            array[-4:] = 2
        save(tmp_path / f'train/images/{number}.png', picture(number))
        save(tmp_path / f'train/masks/{number}.png', array)
    make(tmp_path, 'val/images/{}.png', 'val/masks/{}.png', 2, 10)
    checked = check_dataset(tmp_path)
    frequency = np.array([(30 + 20 + 30 + 16) / 160, 60 / 160, 4 / 40])
    assert checked.weights == pytest.approx(np.median(frequency) / frequency, abs=0.006)
    row = next(line for line in report(checked).splitlines() if 'class 2' in line)
    assert [cell.strip() for cell in row.split('|')][4] == f'{100 * 4 / 160:.2f}'


def test_nothing_is_written_unasked_or_over(tmp_path):
    make(tmp_path / 'data')
    before = sorted(tmp_path.rglob('*'))
    assert 'Nothing was written' in succeed(TOOL, tmp_path / 'data')
    assert sorted(tmp_path.rglob('*')) == before
    succeed(TOOL, tmp_path / 'data', '--out', tmp_path / 'out')
    done = run_tool(TOOL, tmp_path / 'data', '--out', tmp_path / 'out')
    assert done.code == 2 and 'give --overwrite' in done.err
    succeed(TOOL, tmp_path / 'data', '--out', tmp_path / 'out', '--overwrite')


def test_class_weights_are_in_force_on_request(tmp_path):
    checked = check_dataset(make(tmp_path))
    plain = Config.fromfile(write_config(checked, tmp_path / 'a'))
    assert 'class_weight' not in plain.model.decode_head.loss_decode
    weighted = Config.fromfile(write_config(checked, tmp_path / 'b', class_weights=True))
    assert weighted.model.decode_head.loss_decode.class_weight == checked.weights
    assert weighted.model.decode_head.loss_decode.avg_non_ignore


def test_crops_follow_the_images(tmp_path):
    for number in range(3):
        save(tmp_path / f'images/{number}.png', picture(number, (1500, 2000)))
        save(tmp_path / f'masks/{number}.png', labels(number, size=(1500, 2000)).astype(
            np.uint8))
    config = Config.fromfile(write_config(check_dataset(tmp_path), tmp_path / 'out'))
    assert config.crop_size == (512, 512)
    assert config.test_pipeline[1] == dict(type='Resize', scale=(1024, 768),
                                           keep_ratio=True)


def test_config_trains_and_predicts(tmp_path):
    """From folders to a prediction without a line of Python, moved in between."""
    for number in range(8):
        save(tmp_path / f'data/images/{number}.jpg', picture(number))
        save(tmp_path / f'data/masks/{number}.png', COLOURS[labels(number)])
    out = tmp_path / 'data-fcn'
    succeed(TOOL, tmp_path / 'data', '--out', out, '--class-weights')
    assert Image.open(out / 'overview.png').width > 2 * SIZE[1]
    (tmp_path / 'elsewhere').mkdir()
    for folder in ('data', 'data-fcn'):
        (tmp_path / folder).rename(tmp_path / 'elsewhere' / folder)
    out = tmp_path / 'elsewhere' / 'data-fcn'
    assert load_config(str(out / 'config.py')).work_dir == 'work_dirs/data-fcn'
    here = [f'{loader}_dataloader.{key}' for loader in ('train', 'val', 'test')
            for key in ('num_workers=0', 'persistent_workers=False')]
    said = succeed('train.py', out / 'config.py', '--work-dir', tmp_path / 'work',
                   '--cfg-options', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2',
                   'default_hooks.checkpoint.interval=2', *here)
    assert 'the best checkpoint on 2 images of ListDataset' in said
    best, = (tmp_path / 'work').glob('best_*.pth')
    succeed('predict.py', '--config', out / 'config.py', '--weight-path', best, '--img-path',
            tmp_path / 'elsewhere/data/images/0.jpg', '--out-dir', tmp_path / 'predicted')
    assert Image.open(tmp_path / 'predicted/0_labels.png').size == SIZE[::-1]


# --- real data ----------------------------------------------------------------------------


def test_camvid(test_data):
    checked = check_dataset(test_data / 'data/camvid', ignore=[11])
    assert {name: len(items) for name, items in checked.splits.items()} == dict(
        train=367, val=101)
    assert not checked.faults and not checked.convert
    assert len(checked.encoding.classes) == 11
    assert checked.encoding.label_map[11] == 255


def test_voc(test_data):
    """Palette PNGs with 255, lists of names, images of many sizes."""
    checked = check_dataset(test_data / 'data/voc_demo')
    assert {name: len(items) for name, items in checked.splits.items()} == dict(
        train=3, val=12)
    assert not checked.faults and checked.encoding.identity
    assert not any('are JPEG' in note for note in checked.notes)
