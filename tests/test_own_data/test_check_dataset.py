"""Own data, as tools/misc/check_dataset.py finds it: layouts, values, faults, config."""
import io
import json
import re
import shlex
from pathlib import Path
from unicodedata import normalize

import cv2
import numpy as np
import pytest
import tifffile
from mmengine.config import Config
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS
from PIL import Image, ImageOps
from tiny_runs import run_tool, succeed

from fcn_plugin.masks.encoding import Encoding, to_labels
from fcn_plugin.masks.palettes import palette_fault
from fcn_plugin.modalities import LoadImageFromFile
from fcn_plugin.own_data.check_dataset import check_dataset
from fcn_plugin.own_data.findings import draw, labels_of, report
from fcn_plugin.own_data.inspect_pairs import Inspected, class_shares
from fcn_plugin.own_data.write_config import write_config
from fcn_plugin.utils.config import load_config
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
    data.serialize_data = False  # which collects garbage for a quarter of a second
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
    for number in range(2):
        save(tmp_path / f'images/{number}.jpg', picture(number))
        save(tmp_path / f'images2/{number}.jpg', picture(number + 2))
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
    ('{}.jpg', '{}.png'),
    ('Imgs/{}.jpg', 'Imgs/{}.png'),
    ('scan {}/image.png', 'scan {}/mask.png'),
    ('{}_json/img.png', '{}_json/label.png'),  # labelme_json_to_dataset
    ('images/{}_training.tif', 'masks/{}_manual1.gif'),
    ('images/{}.jpg', 'stuffthingmaps/{}.png'),
    ('train_img/{}.jpg', 'train_lab/{}.png'),
    ('{}.bmp', '{}_anno.bmp'),
    ('data_with_gt/{}.png', 'data_with_gt/{}_mask.png'),
    ('camera/IMG_{}.jpg', 'lab/IMG_{}.png'),
    ('frames-with-annotations/creek/{}.png', 'annotations/creek/{}.png'),
    ('Image_{}L.jpg', 'Image_{}L_1stHO.png'),
])
def test_layouts(tmp_path, image, mask):
    checked = check_dataset(make(tmp_path, image, mask))
    pairs = [item.pair for items in checked.splits.values() for item in items]
    assert len(pairs) == 6 and not checked.faults
    for pair in pairs:
        one, other = (path.relative_to(tmp_path).as_posix() for path in pair[:2])
        assert re.search(r'\d{3}', one)[0] == re.search(r'\d{3}', other)[0]
        assert np.asarray(Image.open(pair.mask)).ndim == 2


def test_equal_ends_that_number_are_no_pairs(tmp_path):
    make(tmp_path, 'images/2023_{}.png', 'masks/2024_{}.png')
    with pytest.raises(ValueError, match='0 pairs'):
        check_dataset(tmp_path)


def masks_of(checked):
    return {item.pair.mask.relative_to(checked.root).as_posix()
            for items in checked.splits.values() for item in items}


@pytest.mark.parametrize('masks, folders', [
    ('training/1st_manual', {'training/1st_manual'}),
    ('v2.0/labels', {'training/v2.0/labels', 'validation/v2.0/labels'}),
    ('labels', None)])
def test_named_folders_alone_are_read(tmp_path, masks, folders):
    """The field of view, other versions and other pictures have names of masks, too."""
    make(tmp_path, 'training/images/{}.png', 'training/1st_manual/{}.png')
    make(tmp_path, 'training/irrg/{}.png', 'training/mask/{}.png')
    for version in ('v1.2', 'v2.0'):
        make(tmp_path, 'training/images/{}.png', f'training/{version}/labels/{{}}.png')
        make(tmp_path, 'validation/images/{}.png', f'validation/{version}/labels/{{}}.png',
             start=10, count=3)
    if folders is None:
        with pytest.raises(ValueError, match='several masks would fit'):
            check_dataset(tmp_path, images='images', masks=masks)
        return
    checked = check_dataset(tmp_path, images='images', masks=masks)
    assert {name.rpartition('/')[0] for name in masks_of(checked)} == folders
    assert len(masks_of(checked)) == 6 + 3 * (len(folders) == 2)
    assert {item.pair.image.parent.name for items in checked.splits.values()
            for item in items} == {'images'}


def test_pictures_that_need_no_mask_are_no_fault(tmp_path):
    make(tmp_path, 'training/images/{}.jpg', 'training/labels/{}.png')
    make(tmp_path, 'training/instances/{}.png', 'training/panoptic/{}.png')
    for number in range(3):
        save(tmp_path / f'testing/images/{number:03d}.jpg', picture(50 + number))
    checked = check_dataset(tmp_path)
    assert not checked.faults and len(masks_of(checked)) == 6
    assert any('6 files of instances are left alone' in note for note in checked.notes)
    assert any('training/panoptic: left alone' in note for note in checked.notes)
    assert any('3 images are left alone' in note for note in checked.notes)
    save(tmp_path / 'testing/labels/000.png', labels(0).astype(np.uint8))
    assert '2 images have no mask' in check_dataset(tmp_path).faults[0]


def test_images_of_splits_without_masks_are_no_fault(tmp_path):
    make(tmp_path, 'train/{}_sat.jpg', 'train/{}_mask.png')
    for split in ('valid', 'test'):
        save(tmp_path / f'{split}/50_sat.jpg', picture(50))
    checked = check_dataset(tmp_path)
    assert not checked.faults and {*checked.splits} == {'train', 'val'}
    assert any('2 images are left alone: there are no masks of their split' in note
               for note in checked.notes)
    save(tmp_path / 'valid/51_mask.png', labels(0).astype(np.uint8))
    assert '1 images have no mask' in check_dataset(tmp_path).faults[0]


def test_depth_beside_images_is_left_alone(tmp_path):
    """Of scenes that count anew, with the same number in each kind of file."""
    for scene in ('scene1', 'scene2'):
        make(tmp_path, f'{scene}/color/{{}}.png', f'{scene}/instance/{{}}.png', count=3)
        make(tmp_path, f'{scene}/color/{{}}.png', f'{scene}/label/{{}}.png', count=3)
        make(tmp_path, f'{scene}/depth/{{}}.png', f'{scene}/label/{{}}.png', count=3)
    checked = check_dataset(tmp_path)
    pairs = [item.pair for items in checked.splits.values() for item in items]
    assert len(pairs) == 6 and not checked.faults
    assert all(pair.image.parent == pair.mask.parent.parent / 'color' for pair in pairs)
    assert any('12 files of depth, instance are left alone' in note for note in checked.notes)
    checked = check_dataset(tmp_path, images='depth')
    assert {item.pair.image.parent.name for item in checked.splits['train']} == {'depth'}


def test_depth_is_no_mask_and_scenes_of_other_weather_need_none(tmp_path):
    """Where no name speaks of masks, and where scenes count anew within equal ends."""
    make(tmp_path / 'rooms', 'image/train/{}.jpg', 'label37/train/{}.png')
    for number in range(6):
        save(tmp_path / f'rooms/depth/train/{number}.png', labels(number).astype(np.uint16))
    checked = check_dataset(tmp_path / 'rooms')
    assert {Path(name).parts[0] for name in masks_of(checked)} == {'label37'}
    assert not checked.faults
    for light in ('fog', 'night'):
        make(tmp_path / 'roads', f'rgb_anon/{light}/train/G1/a_{{}}_rgb_anon.png',
             f'gt/{light}/train/G1/a_{{}}_gt_labelTrainIds.png', count=3)
        for number in range(3):
            other = f'{light}/train_ref/G1/a_00{number}_rgb_ref_anon.png'
            save(tmp_path / 'roads/rgb_anon' / other, picture(9 + number))
    checked = check_dataset(tmp_path / 'roads')
    pairs = [item.pair for items in checked.splits.values() for item in items]
    assert len(pairs) == 6 and not checked.faults
    assert all(pair.image.parts[-4:-1] == pair.mask.parts[-4:-1] for pair in pairs)
    assert any('6 files of train_ref are left alone' in note for note in checked.notes)


@pytest.mark.parametrize('first, second', [
    ('Image_{}_1stHO.png', 'Image_{}_2ndHO.png'), ('ah/im{}.ah.ppm', 'vk/im{}.vk.ppm')])
def test_masks_of_two_observers_are_named(tmp_path, first, second):
    for mask in (first, second):
        make(tmp_path, 'images/im{}.jpg' if '/' in mask else 'Image_{}.jpg', mask)
    with pytest.raises(ValueError, match='several masks would fit 6 images, such as .*000.jpg'
                       f': {first.format("000")}, {second.format("000")}.* NAME_CLASS.png'):
        check_dataset(tmp_path)


def test_masks_of_images_that_have_another_are_named(tmp_path):
    make(tmp_path)
    make(tmp_path, mask='masks/old/{}.png', count=2)
    save(tmp_path / 'masks/9.png', labels(0).astype(np.uint8))
    checked = check_dataset(tmp_path)
    assert {str(Path(name).parent) for name in masks_of(checked)} == {'masks'}
    assert checked.faults == [
        f'1 masks have no image of their name: {Path("masks/9.png")}',
        '2 masks are called like those that are taken; move away whichever are not the right '
        f'ones: {Path("masks/old/000.png")}; {Path("masks/old/001.png")}']


def test_several_images_of_a_mask_are_named(tmp_path):
    make(tmp_path, 'A/{}.png', 'label/{}.png')
    make(tmp_path, 'B/{}.png', 'label/{}.png')
    with pytest.raises(ValueError, match='several images would fit 6 masks, such as label/000'
                       '.png: A/000.png, B/000.png. .* by --images'):
        check_dataset(tmp_path)
    assert len(masks_of(check_dataset(tmp_path, images='B'))) == 6


@pytest.mark.parametrize('name, text, said', [
    ('geojson/1.geojson', '{"type": "FeatureCollection"}', '1.geojson is not read: .*gdal'),
    ('masks/1.HEIC', 'x', '1.HEIC is not read: save such pictures as JPEG'),
    ('train.csv', 'ImageId,ClassId,EncodedPixels\n', 'train.csv has masks as run lengths'),
    ('train_masks.csv', 'img,rle_mask\n', 'train_masks.csv has masks as run lengths'),
    ('via.csv', 'filename,region_shape_attributes\n', 'via.csv has regions of VGG Image Ann'),
    ('train-0.parquet', 'PAR1', 'train-0.parquet is not read: save the images in it'),
    ('export.ndjson', '{}', 'export.ndjson is not read: export regions as COCO'),
    ('export.json', '[{"labels": []}]', 'export.json is of no format that is read: if the '
     'labels are in it, draw these as PNG, or export them as COCO'),
    ('masks/1.ppm.gz', 'x', '1.ppm.gz is not read: unpack it first'),
    ('masks/1.nii.gz', 'x', '1.nii.gz is not read: save the slices that are to be trained on'),
    ('rois/1.roi', 'x', '1.roi is not read: fill the regions of ImageJ in masks'),
    ('masks/1.mat', 'x', '1.mat is not read: save masks as PNG .fcn sbd2voc does so for SBD'),
    ('a.xml', '<Annotations><Annotation><Regions><Region><Vertices><Vertex X="1" Y="2"/>'
     '</Vertices></Region></Regions></Annotation></Annotations>', 'a.xml has regions of A'),
])
def test_masks_in_other_formats_are_named(tmp_path, name, text, said):
    save(tmp_path / 'images/0.png', picture(0))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f'no masks found .*{said}'):
        check_dataset(tmp_path)


def test_arrays_are_no_masks(tmp_path):
    save(tmp_path / 'images/0.png', picture(0))
    (tmp_path / 'masks').mkdir()
    np.save(tmp_path / 'masks/0.npy', labels(0))
    with pytest.raises(ValueError, match='0.npy is not read: save masks as PNG'):
        check_dataset(tmp_path)


def test_files_that_may_hold_the_labels_are_named(tmp_path):
    for number in range(2):
        save(tmp_path / f'images/{number}.png', picture(number))
        (tmp_path / f'{number}.regions.txt').write_text('0 0 1')
    with pytest.raises(ValueError, match='no masks found .*2 files such as .*regions.txt are '
                       'of no format that is read: if the labels are in them'):
        check_dataset(tmp_path)


@pytest.mark.parametrize('option', ['class_folders', 'instances', 'masks'])
def test_regions_are_not_read_beside_some_options(tmp_path, option):
    """They were said to be of no format that is read."""
    for number in range(2):
        save(tmp_path / f'{number}.png', picture(number))
        (tmp_path / f'{number}.json').write_text(json.dumps(dict(
            shapes=[], imagePath=f'{number}.png', imageHeight=SIZE[0], imageWidth=SIZE[1])))
    given = {option: '.' if option == 'masks' else True}
    words = f'are not read beside --{option.replace("_", "-")}: leave that out, if regions'
    with pytest.raises(ValueError, match=words):
        check_dataset(tmp_path, drawn=tmp_path / 'drawn', **given)


def test_many_folders_are_taken_for_masks_in_one_line(tmp_path):
    for number in range(6):
        save(tmp_path / f'{number}/photo/{number}.png', picture(number))
        save(tmp_path / f'{number}/lesion/{number}.png', labels(number).astype(np.uint8))
    checked = check_dataset(tmp_path)
    assert len(masks_of(checked)) == 6 and not checked.faults
    assert any(str(Path('2/lesion')) + ' and 3 more: taken for masks' in note
               for note in checked.notes)


def test_numbers_agree_however_many_zeros_lead(tmp_path):
    for number in range(8, 12):
        save(tmp_path / f'images/frame_{number}.png', picture(number))
        save(tmp_path / f'masks/m{number:04d}.png', labels(number).astype(np.uint8))
    assert len(masks_of(check_dataset(tmp_path))) == 4


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
    ('TrainVal_images/{split}_images/{{}}.jpg',
     'TrainVal_parsing_annotations/{split}_segmentations/{{}}.png'),
    ('images/{split}2017/{{}}.jpg', 'stuffthingmaps/{split}2017/{{}}.png'),
    ('images/{{}}.jpg', 'masks/{split}/{{}}.png'),
    ('{split}data/{{}}.jpg', '{split}data/{{}}_mask.png'),
    ('{split}crop/{{}}.jpg', '{split}crop/{{}}.png'),
])
def test_splits_of_folders(tmp_path, image, mask):
    for split, (start, count) in dict(train=(0, 4), val=(10, 2), test=(20, 3)).items():
        make(tmp_path, image.format(split=split), mask.format(split=split), count, start)
    checked = check_dataset(tmp_path)
    assert {name: len(items) for name, items in checked.splits.items()} == dict(
        train=4, val=2, test=3)
    assert not checked.faults


def test_what_is_for_testing_is_never_trained_on(tmp_path):
    """Validation is where nothing is for training, if it has two images that differ."""
    for split, start, count in (('val', 0, 4), ('test', 10, 3)):
        make(tmp_path, f'{split}/images/{{}}.png', f'{split}/masks/{{}}.png', count, start)
    names = split_names(check_dataset(tmp_path))
    assert names['test'] == [f'{i:03d}.png' for i in range(10, 13)]
    assert sorted(names['train'] + names['val']) == [f'00{i}.png' for i in range(4)]
    for number in range(1, 4):
        save(tmp_path / f'val/images/00{number}.png', picture(0))
    with pytest.raises(ValueError, match='4 training pairs, expected at least 2 different'):
        check_dataset(tmp_path)


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


def test_lists_of_pascal_context_are_those_of_its_masks(tmp_path):
    make(tmp_path, 'JPEGImages/{}.jpg', 'SegmentationClassContext/{}.png')
    make(tmp_path, 'JPEGImages/{}.jpg', 'SegmentationClass/{}.png', count=2)
    for kind, train, val in (('Segmentation', '000', '001'),
                             ('SegmentationContext', '001\n002\n004', '000\n003')):
        lists = tmp_path / 'ImageSets' / kind
        lists.mkdir(parents=True)
        (lists / 'train.txt').write_text(train)
        (lists / 'val.txt').write_text(val)
    checked = check_dataset(tmp_path, masks='SegmentationClassContext')
    assert split_names(checked) == dict(train=['001.jpg', '002.jpg', '004.jpg'],
                                        val=['000.jpg', '003.jpg'])


def test_pairs_in_no_list_are_trained_on_where_no_list_is_of_training(tmp_path):
    make(tmp_path)
    (tmp_path / 'trainval.txt').write_text('000\n001\n002\n003\n')
    (tmp_path / 'test.txt').write_text('004\n005\n')
    checked = check_dataset(tmp_path)
    names = split_names(checked)
    assert names['test'] == ['004.jpg', '005.jpg']
    assert sorted(names['train'] + names['val']) == [f'00{i}.jpg' for i in range(4)]


TOWNS = [f'{town}/images/{i}.jpg' for town in ('north', 'south') for i in range(3)]
ODD = ['Bad (Küche).jpg', 'links, oben.jpg', 'img.0004.jpg', 'DSC 5.JPG', 'e.jpg', 'f.jpg']


@pytest.mark.parametrize('names, train', [
    (TOWNS, 'north/images/{stem}.jpg\n'),
    (TOWNS, '/home/somebody/data/north/images/{stem}.jpg\n'),
    (TOWNS, 'north/{stem}\n'),
    (TOWNS, 'north/images/{stem}.jpg north/masks/{stem}.png\n'),
    (TOWNS, '"images\\north\\{stem}.jpg","masks\\north\\{stem}.png"\r\n'),
    (ODD, '{name}\r\n\r\n'),
    (ODD, '{stem}\n'),
    (ODD, 'images\\{name}\r\n'),
    (ODD, 'images/{name}\tmasks/{stem}.png\n'),
    (ODD, './images/{name} ./masks/{stem}.png\n'),
])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'cp1252'])
def test_lists_as_people_have_them(tmp_path, names, train, encoding):
    """Paths from anywhere, slashes of either kind, blanks in names, pairs in a line."""
    files = [tmp_path / name if '/' in name else tmp_path / 'images' / name for name in names]
    for number, file in enumerate(files):
        save(file, picture(number))
        mask = Path(str(file.with_suffix('.png')).replace('images', 'masks'))
        save(mask, labels(number).astype(np.uint8))
    lines = [train.format(name=file.name, stem=file.stem) for file in files[:3]]
    (tmp_path / 'train.txt').write_bytes(''.join(lines).encode(encoding))
    lines = [file.relative_to(tmp_path).as_posix() + '\n' for file in files[3:]]
    (tmp_path / 'val.txt').write_bytes(''.join(lines).encode(encoding))
    checked = check_dataset(tmp_path)
    assert not any('name no image' in note for note in checked.notes)
    assert {split: {item.pair.image for item in items}
            for split, items in checked.splits.items()} == dict(
                train=set(files[:3]), val=set(files[3:]))


def test_lists_that_name_other_images(tmp_path):
    make(tmp_path)
    (tmp_path / 'train.txt').write_text('000\n001\n002\n999\n')
    (tmp_path / 'val.txt').write_text('002\n003\n')
    (tmp_path / 'test.txt').write_text('somewhere/else.jpg\n')
    checked = check_dataset(tmp_path)
    assert split_names(checked) == dict(train=['000.jpg', '001.jpg'],
                                        val=['002.jpg', '003.jpg'])
    notes = '\n'.join(checked.notes)
    assert "1 of the 4 lines of train.txt name no image with a mask, such as '999'" in notes
    assert "1 of the 1 lines of test.txt name no image" in notes
    assert "test.txt is the list" not in notes
    assert "1 images are in the lists of two splits" in notes and "is taken for 'val'" in notes


def test_names_that_macos_has_taken_apart(tmp_path):
    for number, name in enumerate(['Küche', 'Büro', 'Öl/Öl']):
        save(tmp_path / 'images' / f'{normalize("NFC", name)}.jpg', picture(number))
        save(tmp_path / 'masks' / f'{normalize("NFD", name)}.png',
             labels(number).astype(np.uint8))
    (tmp_path / 'val.txt').write_text(normalize('NFD', 'Büro\n'))
    (tmp_path / 'train.txt').write_text(normalize('NFD', 'Küche.jpg\nÖl.jpg\n'))
    checked = check_dataset(tmp_path)
    assert not checked.faults
    assert split_names(checked)['val'] == [normalize('NFC', 'Büro.jpg')]


def test_masks_of_several_pages_are_faults(tmp_path):
    """One a class, say: the first alone would be learned. Smaller copies are no pages."""
    for number in range(6):
        save(tmp_path / f'images/{number}.png', picture(number))
        pages = [Image.fromarray(np.uint8(255 * (labels(number) == i))) for i in range(3)]
        if number < 4:
            pages = [pages[0], pages[0].resize((SIZE[1] // 2, SIZE[0] // 2))]
        (tmp_path / 'masks').mkdir(exist_ok=True)
        pages[0].save(tmp_path / f'masks/{number}.tif', save_all=True,
                      append_images=pages[1:])
    checked = check_dataset(tmp_path)
    assert sum(map(len, checked.splits.values())) == 4
    assert len(checked.faults) == 1 and '4.tif: it has 3 pages' in checked.faults[0]


@pytest.mark.parametrize('kind', ['png', 'tif'])
def test_masks_of_channels_of_16_bits(tmp_path, kind):
    """Pillow drops the lower halves: all numbers of classes would be 0."""
    for number in range(3):
        for name, shown in (('grey', np.dstack([labels(number)] * 3)),
                            ('colours', COLOURED[labels(number)].astype(int) * 257),
                            ('objects', np.dstack([labels(0), labels(number), labels(1)]))):
            save(tmp_path / name / f'images/{number}.png', picture(number))
            (tmp_path / name / 'masks').mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / name / f'masks/{number}.{kind}'),
                        shown[..., ::-1].astype(np.uint16))
    for name, classes in dict(grey=['class 0', 'class 1', 'class 2'],
                              colours=['background', 'red', 'blue']).items():
        checked = check_dataset(tmp_path / name)
        assert sorted(checked.encoding.classes) == sorted(classes)
        for number, item in seen_labels(checked, tmp_path / f'{name}-out').items():
            told = np.array([checked.encoding.classes.index(name) for name in classes])
            assert np.array_equal(item['gt_seg_map'], told[labels(int(number))])
    with pytest.raises(ValueError, match='several channels of 16 bits, .* the red one'):
        check_dataset(tmp_path / 'objects')


@pytest.mark.parametrize('kind', ['black', 'photograph', 'grey and alpha'])
def test_shapes_in_the_transparency_of_masks(tmp_path, kind):
    """All of them would be background; one has no object."""
    for number in range(4):
        shape = labels(number, (0, 255, 255) if number else (0, 0, 0)).astype(np.uint8)
        seen = picture(number) if kind == 'photograph' else np.zeros((*SIZE, 3), np.uint8)
        save(tmp_path / f'images/{number}.jpg', picture(number))
        mask = Image.fromarray(np.dstack([seen * (shape[..., None] > 0), shape]))
        (tmp_path / 'masks').mkdir(exist_ok=True)
        mask.convert('LA' if kind == 'grey and alpha' else 'RGBA').save(
            tmp_path / f'masks/{number}.png')
    checked = check_dataset(tmp_path, masks='masks')
    assert checked.encoding.classes == ['background', 'object'] and not checked.faults
    assert any('3 masks have their shapes in their transparency' in note
               for note in checked.notes)
    for name, item in seen_labels(checked, tmp_path / 'out').items():
        assert np.array_equal(item['gt_seg_map'],
                              labels(int(name), (0, 1, 1) if int(name) else (0, 0, 0)))


def test_colours_of_16_bits_that_are_nearly_black_are_told(tmp_path):
    for number in range(3):
        (tmp_path / 'images').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f'images/{number}.png'),
                    picture(number).astype(np.uint16) * 16 if number else
                    picture(0)[..., 0].astype(np.uint16))
        save(tmp_path / f'masks/{number}.png', labels(number).astype(np.uint8))
    assert any(re.match('3 images of 16 bits are nearly black .*0.png, .* 255 of 65535', note)
               for note in check_dataset(tmp_path).notes)


def test_the_overview_shows_16_bits_as_training_sees_them(tmp_path, monkeypatch):
    for number in range(3):
        save(tmp_path / f'images/{number}.png', np.uint16(picture(number)[..., 0]) * 200)
        save(tmp_path / f'masks/{number}.png', labels(number).astype(np.uint8))
    shown = []
    monkeypatch.setattr('fcn_plugin.own_data.findings.comparison_row',
                        lambda image, *args, **kwargs: shown.append(image) or [image] * 2)
    draw(check_dataset(tmp_path), rows=1)
    seen = [LoadImageFromFile()(dict(img_path=str(path)))['img']
            for path in sorted(tmp_path.glob('images/*'))]
    assert any(np.array_equal(shown[0], image[..., ::-1]) for image in seen)
    assert np.ptp(shown[0]) > 100


def test_what_is_not_seen_of_images_is_told(tmp_path):
    """Further pages, and what 8 bits leave of 12 bits in 16 and of large real numbers."""
    grey = picture(0)[..., 0]
    for number, values in enumerate((np.uint16(grey) * 16, np.uint16(grey) * 257,
                                     np.float32(grey) * 4, np.float32(grey) / 255)):
        save(tmp_path / f'images/{number}.tif', values)
        save(tmp_path / f'masks/{number}.png', labels(number).astype(np.uint8))
    pages = [Image.fromarray(picture(number)) for number in range(3)]
    pages[0].save(tmp_path / 'images/9.tif', save_all=True, append_images=pages[1:])
    save(tmp_path / 'masks/9.png', labels(0).astype(np.uint8))
    checked = check_dataset(tmp_path)
    said = '\n'.join(checked.notes)
    assert not checked.faults and sum(map(len, checked.splits.values())) == 5
    assert re.search(r'1 images of 16 bits are nearly black .*0\.tif, .* 4080 of 65535', said)
    assert re.search(r'1 images of real numbers .*2\.tif, .* 1020 of 255', said)
    assert re.search(r'1 images have several pages, .*9\.tif \(3\)', said)


@pytest.mark.parametrize('kind', ['unspecified', 'unassalpha', None])
def test_channels_that_are_no_colours_are_told(tmp_path, kind):
    """A drone's infrared is not trained on, and does not hide that colours are near black."""
    for number in range(4):
        deep = np.dstack([np.uint16(picture(number)) * 16, np.full(SIZE, 65535, np.uint16)])
        path = tmp_path / f'images/{number}.png'
        path.parent.mkdir(exist_ok=True)
        if kind:
            tifffile.imwrite(path.with_suffix('.tif'), deep, photometric='rgb',
                             extrasamples=[kind])
        else:
            cv2.imwrite(str(path), deep)
        save(tmp_path / f'masks/{number}.png', labels(number).astype(np.uint8))
    said = '\n'.join(check_dataset(tmp_path).notes)
    assert bool(kind) == ('4 images have channels that are no colours' in said)
    assert re.search('4 images of 16 bits are nearly black .* 3855 of 65535', said)


@pytest.mark.parametrize('orders, fine', [
    ([(0, 1, 2), (0, 1, 2)], True), ([(0, 1, 2), (0, 2, 1)], False),
    ([(0, 1), (0, 2)], False), ([(0, 1), (0, 1, 2)], True), ([(0, 1, 1), (0, 1, 2)], True)])
def test_palettes_that_order_colours_anew_are_a_fault(tmp_path, orders, fine):
    """As tools leave them that make files small, each with the colours that it has."""
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0)])
    for number in range(6):
        order = orders[number % 2]
        mask = Image.fromarray(labels(number, range(len(order))).astype(np.uint8))
        mask.putpalette(colours[list(order)].ravel().tolist())
        save(tmp_path / f'images/{number}.png', picture(number))
        (tmp_path / 'masks').mkdir(exist_ok=True)
        mask.save(tmp_path / f'masks/{number}.png')
    checked = check_dataset(tmp_path)
    assert fine == (not checked.faults)
    if not fine:
        assert re.search('palettes of masks differ: value [12] is #ff0000 in .* and #00ff00',
                         checked.faults[0])
        with pytest.raises(ValueError, match='no config is written'):
            write_config(checked, tmp_path / 'out')
        names = ['a', 'b', 'c'][:len({value for order in orders for value in order})]
        names = names[:max(map(len, orders))]
        assert not check_dataset(tmp_path, classes=names).faults


@pytest.mark.parametrize('values, ignore, fine', [
    ([(0, 1), (0, 255)], (), False), ([(0, 1), (0, 255)], (255, ), True),
    ([(0, 1), (0, 255), (0, 1, 255)], (), True), ([(0, 1), (255, )], (), True),
    ([(0, 255), (0, )], (), True)])
def test_objects_of_two_values_are_a_fault(tmp_path, values, ignore, fine):
    """Of two people, one of whom saved pictures: 255 would not count, and the object had none
    of the pixels of half of the masks."""
    for number in range(6):
        save(tmp_path / f'images/{number}.png', picture(number))
        save(tmp_path / f'masks/{number}.png',
             labels(number, values[number % len(values)]).astype(np.uint8))
    checked = check_dataset(tmp_path, ignore=ignore)
    assert fine == (not checked.faults)
    if not fine:
        assert re.search('3 masks have 0 and 1, .*0.png, and 3 have 0 and 255, such as .*1.png'
                         ': .*--ignore 255', checked.faults[0])
        with pytest.raises(ValueError, match='no config is written'):
            write_config(checked, tmp_path / 'out')


def test_pixels_that_do_not_count_are_of_any_colour():
    palettes = [(Path(f'{name}.png'), {0: 0, 1: 0xFF0000, 255: colour})
                for name, colour in (('a', 0xE0E0C0), ('b', 0xFFFFFF), ('c', 0xFFFFFF))]
    assert palette_fault(palettes) is None
    palettes[2][1][2] = 0x00FF00
    assert palette_fault(palettes) is None
    palettes[1][1][1] = 0x00FF00
    assert 'value 1 is #ff0000 in a.png and #00ff00 in b.png' in palette_fault(palettes)


@pytest.mark.parametrize('size', [(40, 1), (1, 40), (1100, 2)])
def test_images_too_narrow_to_be_scaled_are_faults(tmp_path, size):
    make(tmp_path)
    save(tmp_path / 'images/9.png', picture(0, size))
    save(tmp_path / 'masks/9.png', labels(0, size=size).astype(np.uint8))
    fault, = check_dataset(tmp_path).faults
    assert f'9.png: the image is {size[1]}x{size[0]}, which is too narrow' in fault


def test_splits_of_tables(tmp_path):
    make(tmp_path)
    rows = [f'images/{number:03d}.jpg,masks/{number:03d}.png' for number in range(6)]
    for name, some in (('train', rows[:4]), ('val', rows[4:])):
        (tmp_path / f'{name}.csv').write_text('\n'.join(['image,mask', *some]))
    checked = check_dataset(tmp_path)
    assert [item.pair.image.stem for item in checked.splits['val']] == ['004', '005']
    assert not any('name no image' in note for note in checked.notes)


@pytest.mark.parametrize('channel', ['red', 'green', 'blue'])
@pytest.mark.parametrize('classes', [None, ['none', 'a', 'b', 'c', 'd', 'e']])
def test_numbers_in_one_channel_are_no_colours(tmp_path, classes, channel):
    """As CARLA has them: names are in the order of values, not of how often they are."""
    place = ['red', 'green', 'blue'].index(channel)
    for number in range(6):
        mask = np.zeros((*SIZE, 3), np.uint8)
        mask[..., place] = labels(number, (0, 4, 1, 2, 2))
        save(tmp_path / f'images/{number}.png', picture(number))
        save(tmp_path / f'masks/{number}.png', mask)
    checked = check_dataset(tmp_path, classes=classes)
    assert not checked.faults and any(
        f'{channel} channel' in note for note in checked.notes)
    assert checked.encoding.classes == (classes or [f'class {i}' for i in range(5)])
    for item in checked.splits['train']:
        wanted = labels(int(item.pair.image.stem), (0, 4, 1, 2, 2))
        assert (labels_of(item, checked.encoding) == wanted).all()


@pytest.mark.parametrize('shades, numbers', [
    ((0, 100, 255), False), ((0, 1, 2, 255), True), ((0, 100, 200), True),
    ((*range(150), 255), True)])
def test_shades_of_one_colour(tmp_path, shades, numbers):
    """Its brightest is no sign of pixels that do not count, unless beside small numbers."""
    for number in range(6):
        values = labels(number, shades, (2 * len(shades), 56)).astype(np.uint8)
        save(tmp_path / f'images/{number}.png', picture(number, values.shape))
        save(tmp_path / f'masks/{number}.png', np.dstack([0 * values, 0 * values, values]))
    encoding = check_dataset(tmp_path).encoding
    assert ('blue channel' in ' '.join(encoding.notes)) == numbers and not encoding.faults
    assert (encoding.label_map.get(255) == 255) == (numbers and 255 in shades)
    assert len(encoding.classes) == len(shades) - (numbers and 255 in shades)


@pytest.mark.parametrize('none, ignore', [(np.nan, ()), (-9999, [-9999]), (-9999, ())])
def test_real_numbers_without_one_do_not_count(tmp_path, none, ignore):
    """As programs of maps have them."""
    for number in range(6):
        values = labels(number, (0, 1, 2, 3)).astype(np.float32)
        save(tmp_path / f'images/{number}.png', picture(number))
        save(tmp_path / f'masks/{number}.tif', np.where(values == 3, none, values))
    checked = check_dataset(tmp_path, ignore=ignore)
    if none == -9999 and not ignore:
        assert re.search('as -9999: .* by --ignore -9999', checked.faults[0])
        return
    assert not checked.faults and checked.encoding.classes == ['class 0', 'class 1', 'class 2']
    for item in checked.splits['train']:
        wanted = labels(int(item.pair.image.stem), (0, 1, 2, 255))
        assert (labels_of(item, checked.encoding) == wanted).all()


def test_instances_beside_classes_are_left_alone(tmp_path):
    make(tmp_path, 'JPEGImages/{}.jpg', 'SegmentationClass/{}.png')
    make(tmp_path, 'JPEGImages/{}.jpg', 'SegmentationObject/{}.png')
    checked = check_dataset(tmp_path)
    assert {item.pair.mask.parent.name for item in checked.splits['train']} == {
        'SegmentationClass'}
    assert any('SegmentationObject are left alone' in note for note in checked.notes)


@pytest.mark.parametrize('mask, others', [
    ('gtFine/{}_gtFine_labelTrainIds.png', ['gtFine/{}_gtFine_labelIds.png',
                                            'gtFine/{}_gtFine_color.png']),
    ('gtFine/{}_gtFine_labellevel3Ids.png', ['gtFine/{}_gtFine_instancelevel3Ids.png']),
    ('semantic/{}.png', ['semantic_rgb/{}.png']),
    ('labels/sem_seg/masks/train/{}.png', ['labels/sem_seg/colormaps/train/{}.png']),
    ('{}_json/label.png', ['{}_json/label_viz.png']),
    ('masks_machine/{}.png', ['masks_human/{}.png']),
    ('SegmentationClassPNG/{}.png', ['SegmentationClassVisualization/{}.jpg']),
    ('GT_Object/{}.png', ['GT_Edge/{}.png', 'GT_Instance/{}.png']),
    ('annotations/{}_labelTrainIds.png', ['annotations/{}.png']),
    ('gt/{}_gt_labelTrainIds.png', ['gt/{}_gt_labelColor.png', 'gt/{}_gt_invIds.png']),
    ('manual1/{}.tif', ['mask/{}_mask.tif']),  # retinas, and the field of view
    ('1st_manual/{}_manual1.gif', ['mask/{}_mask.gif']),
    ('gt/a/{}.png', ['SegmentationObject/a/{}.png', 'masks_color/a/{}.png']),
    ('masks/{}.png', ['edges/{}.png', 'depth/{}.png']),
    ('train_segmentations/{}.png', ['train_segmentations_reversed/{}.png']),
])
def test_other_pictures_of_masks_are_left_alone(tmp_path, mask, others):
    make(tmp_path, '{}_json/img.png' if 'json' in mask else 'img/{}.png', mask)
    for other in others:
        for number in range(6):
            save(tmp_path / other.format(f'{number:03d}'), picture(number))
    checked = check_dataset(tmp_path)
    assert not checked.faults and any('are left alone' in note for note in checked.notes)
    assert {item.pair.mask.name for items in checked.splits.values() for item in items} == {
        Path(mask.format(f'{number:03d}')).name for number in range(6)}


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


def save_tiff(path, array, **how):
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path.with_suffix('.tif'), array, metadata=None, **how)


def spread(tmp_path, saver, values=(0, 1, 2), size=SIZE):
    """Pairs whose masks a function writes."""
    size = max(size[0], 3 * len(values)), size[1]  # thinner bands would be a gradient
    for number in range(4):
        save(tmp_path / f'images/{number}.png', picture(number, size))
        saver(tmp_path / f'masks/{number}.png', labels(number, values, size))
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
    ((0, 128, 255), {}, {0: 0, 128: 1, 255: 2}),
    ((0, 64, 255), dict(classes=['x', 'y', 'z']), {0: 0, 64: 1, 255: 2}),
    ((0, 128, 255), dict(ignore=[255]), {0: 0, 128: 1, 255: 255}),
    ((0, 1, 11), dict(ignore=[11]), {0: 0, 1: 1, 11: 255}),
    ((0, 1, 2), dict(ignore=[1]), {0: 0, 1: 255, 2: 1}),
    ((0, 1, 2), dict(ignore=[0]), {0: 255, 1: 0, 2: 1}),
    ((0, 1, 2), dict(ignore=[1], classes=['x', 'y', 'z']), {0: 0, 1: 255, 2: 1}),
    ((0, 1, 2), dict(ignore=[1], classes=['x', 'z']), {0: 0, 1: 255, 2: 1}),
    ((0, 255), dict(ignore=[255]), {0: 0, 255: 255}),
    (tuple(range(75)), {}, {i: i for i in range(75)}),
    ((*range(150), 255), {}, {**{i: i for i in range(150)}, 255: 255}),
    (tuple(range(254)), {}, {i: i for i in range(254)}),
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
    'tiff of 64 bits': lambda path, array: save_tiff(path, array.astype(np.int64)),
    'packed tiff, high bytes first': lambda path, array: save_tiff(
        path, array.astype(np.int16), byteorder='>', compression='zlib'),
}


@pytest.mark.parametrize('name', FORMATS)
def test_formats(tmp_path, name):
    """Whatever the file: training sees the labels that were drawn."""
    checked = check_dataset(spread(tmp_path, FORMATS[name]))
    assert not checked.faults
    assert checked.convert == (name not in ('palette', '16 bits', 'black and white'))
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


def test_colours_that_everybody_paints_with_are_of_no_data_set(tmp_path):
    """They are in mmseg's table of organs, and in that of aerial images, which has no more."""
    table = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    spread(tmp_path, lambda path, array: save(path, table[array]), (0, 1, 2, 3))
    assert set(check_dataset(tmp_path).encoding.classes) == {'background', 'red', 'lime',
                                                             'blue'}
    table = default_palette(5)  # by which tools number any classes
    spread(tmp_path, lambda path, array: save(path, table[array]), range(5))
    assert 'aeroplane' not in check_dataset(tmp_path).encoding.classes
    table = np.array([[0, 0, 0], [128, 0, 0], [128, 64, 128], [0, 128, 0], [128, 128, 0]],
                     np.uint8)  # UAVid's, among the 171 of COCO-Stuff
    spread(tmp_path, lambda path, array: save(path, table[array]), range(5))
    assert len(check_dataset(tmp_path).encoding.classes) == 5
    aerial = DATASETS.get('PotsdamDataset').METAINFO
    table = np.array(aerial['palette'], np.uint8)
    spread(tmp_path, lambda path, array: save(path, table[array]), range(len(table)))
    assert check_dataset(tmp_path).encoding.classes == list(aerial['classes'])


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
    ('class_dict.csv', 'name,r,g,b\nbackground,0,0,0\n"sea",0,0,255\nfire,255,0,0\n', True,
     ['background', 'sea', 'fire']),
    ('label_colors.txt', '0 0 0\tbackground\n0 0 255\t\tsea\n255 0 0\tfire\n', True,
     ['background', 'sea', 'fire']),
    ('masks/_classes.csv', 'Pixel Value, Class\n0, ground\n1, car\n2, tree\n', False,
     ['ground', 'car', 'tree']),
    # as spreadsheets save tables where a comma stands in numbers
    ('class_dict.csv', 'name;r;g;b\nbackground;0;0;0\nsea;0;0;255\nfire, hot;255;0;0\n', True,
     ['background', 'sea', 'fire, hot']),
    ('_classes.csv', 'Value;Class\n0;ground\n1;car, parked\n2;tree\n', False,
     ['ground', 'car, parked', 'tree']),
    ('RUGD_annotation-colormap.txt', '0 background 0 0 0\n1 the sea 0 0 255\n7 fire 255 0 0\n',
     True, ['background', 'the sea', 'fire']),
    ('class_list.json', '{"#000000": "background", "#0000ff": "Sea 1", "#FF0000": "fire"}',
     True, ['background', 'Sea 1', 'fire']),
    ('obj_class_to_machine_color.json', '{"sea": [0, 0, 255], "fire": [255, 0, 0]}', True,
     ['background', 'sea', 'fire']),
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


def test_ade20k_s_names_count_from_1(tmp_path):
    spread(tmp_path, FORMATS['palette'])
    (tmp_path / 'objectInfo150.txt').write_text(
        'Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.2\t9\t1\t1\twall \n'
        '2\t0.1\t9\t1\t0\tbuilding, edifice\n')
    found = check_dataset(tmp_path)
    assert found.encoding.classes == ['unlabelled', 'wall', 'building, edifice']
    assert any("'unlabelled' is trained like any class" in note for note in found.notes)
    assert '--ignore 0' in '\n'.join(found.notes)


@pytest.mark.parametrize('file, text, message', [
    ('class_list.json', '{"#000000"', 'it is no JSON'),
    ('class_list.json', '{"#000000": "a", "red": "b"}', "'red' is not of the form NAME:R,G,B"),
    ('obj_class_to_machine_color.json', '{"a": [1, 1, 1], "b": [1, 1, 256]}', 'from 0 to 255'),
    ('objectInfo150.txt', 'Idx\tName\none\twall\n', "Idx of 'wall' is 'one'"),
    ('RUGD_annotation-colormap.txt', '0 void 0 0 0\n1 dirt 108 64\n', 'is not of the form')])
def test_lists_of_names_of_another_form(tmp_path, file, text, message):
    spread(tmp_path, FORMATS['palette'])
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=f'{file}.*{message}'):
        check_dataset(tmp_path)


# --- what does not count ----------------------------------------------------------


COLOURED = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255], [224, 224, 192]], np.uint8)
LABELMAP = ('# label:color_rgb:parts:actions\nbackground:0,0,0::\nsea:0,0,255::\n'
            'fire:255,0,0::\n')


def coloured(path, array):
    save(path, COLOURED[array])


@pytest.mark.parametrize('ignore, colour', [('#000000', 0), ('#ff0000', 1), ('#0000ff', 2)])
@pytest.mark.parametrize('way', ['colours', 'label map', 'classes', 'all classes'])
def test_ignored_colours_are_no_classes(tmp_path, ignore, colour, way):
    spread(tmp_path, coloured)
    options = {}
    if way == 'label map':
        (tmp_path / 'labelmap.txt').write_text(LABELMAP)
    elif way == 'classes':
        options['classes'] = ['x', 'y']
    elif way == 'all classes':
        options['classes'] = ['x', 'y', 'z']
    before = check_dataset(tmp_path, **({} if way == 'classes' else options)).encoding
    checked = check_dataset(tmp_path, ignore=[ignore], **options)
    gone = before.label_map[int(ignore[1:], 16)]
    assert not checked.faults and len(checked.encoding.classes) == 2
    if way != 'classes':
        kept = [i for i in range(3) if i != gone]
        assert checked.encoding.classes == [before.classes[i] for i in kept]
        assert checked.encoding.palette == [before.palette[i] for i in kept]
    for name, item in seen_labels(checked, tmp_path / 'out').items():
        drawn = labels(int(name))
        assert np.array_equal(item['gt_seg_map'] == 255, drawn == colour)
        for other in {0, 1, 2} - {colour}:  # each with its own colour beside its name
            label, = np.unique(item['gt_seg_map'][drawn == other])
            assert checked.encoding.palette[label] == COLOURED[other].tolist()


def test_an_ignored_colour_of_a_known_data_set(tmp_path):
    voc = DATASETS.get('PascalVOCDataset').METAINFO
    table = np.array([*voc['palette'], [224, 224, 192]], np.uint8)
    spread(tmp_path, lambda path, array: save(path, table[array]), (0, 7, 15, 12, 21))
    encoding = check_dataset(tmp_path, ignore=['#000000']).encoding
    assert encoding.classes == list(voc['classes'][1:])
    assert encoding.palette == [list(c) for c in voc['palette'][1:]]
    assert encoding.label_map[0] == 255 and encoding.label_map[0xC08080] == 14


@pytest.mark.parametrize('saver, ignore, said', [
    (coloured, 0, '--ignore 0: that is no colour, but the masks hold colours.*There are '
     r"#000000 \(3\d %\), #"),
    (coloured, '#00ff00', '--ignore #00ff00: that is in no mask. There are #'),
    (save_palette, '#ff0000', '--ignore #ff0000: that is a colour, but the masks hold values'),
    (save_palette, 7, r'--ignore 7: that is in no mask. There are 0 \(3\d %\), 1'),
    (save_palette, 255, '--ignore 255: that is in no mask'),
    (save_palette, 'void', "--ignore void: that is no value; expected one such as 11"),
])
def test_what_is_ignored_must_be_there(tmp_path, saver, ignore, said):
    spread(tmp_path, saver)
    with pytest.raises(ValueError, match=said):
        check_dataset(tmp_path, ignore=[ignore])


def test_ignored_on_the_command_line(tmp_path):
    spread(tmp_path, coloured)
    succeed(TOOL, tmp_path, '--ignore', '#0000FF', '--out', tmp_path / 'out')
    assert Config.fromfile(tmp_path / 'out/config.py').classes == ('background', 'red')
    done = run_tool(TOOL, tmp_path, '--ignore', '0')
    assert done.code == 2 and 'is no colour' in done.err and len(done.err.splitlines()) == 1


@pytest.mark.parametrize('name', ['void', 'Unlabelled', '__ignore__', "don't care",
                                  'ignore', 'unknown'])
def test_names_that_sound_like_ignored(tmp_path, name):
    spread(tmp_path, save_palette)
    note, = (note for note in check_dataset(tmp_path, classes=['ground', 'car', name]).notes
             if '--ignore' in note)
    assert repr(name) in note and note.endswith('--ignore 2')
    quiet = check_dataset(tmp_path, classes=['ground', 'car', name], ignore=[2])
    assert quiet.encoding.classes == ['ground', 'car']
    assert not any('--ignore' in note for note in quiet.notes)


# --- names ----------------------------------------------------------------------------


HARD = ['Straße', 'a, "b"', "it's", 'c: d', '道路', '🚗', r'back\slash', '{{ fileDirname }}',
        '${x}', 'a' * 300]


def test_any_names_are_kept_as_they_are(tmp_path):
    root = tmp_path / "Bob's data, groß 道路"
    spread(root, save_palette, range(10))
    done = succeed(TOOL, root, '--out', tmp_path / "Bob's 2", '--classes', *HARD)
    config = load_config(str(tmp_path / "Bob's 2" / 'config.py'))
    assert list(config.classes) == HARD
    assert '道路' in done
    assert Image.open(tmp_path / "Bob's 2" / 'overview.png').width > 100
    dataset = build(config)
    stem = Path(dataset.get_data_info(0)['img_path']).stem
    assert np.array_equal(read(dataset, 0), labels(int(stem), range(10)))


def test_a_name_of_two_classes(tmp_path):
    spread(tmp_path, save_palette)
    done = run_tool(TOOL, tmp_path, '--classes', 'x', 'y', 'x')
    assert done.code == 2 and "--classes: 'x' is the name of several classes" in done.err


def write_names(root, name, text):
    (root / name).write_text(text, encoding='utf-8')


def test_values_without_a_name(tmp_path):
    """The other names are kept, and no config is written."""
    spread(tmp_path, save_palette, (0, 1, 2, 7))
    write_names(tmp_path, '_classes.csv', 'Pixel Value, Class\n0, ground\n1, car\n9, tree\n')
    checked = check_dataset(tmp_path)
    fault, = checked.faults
    assert 'without a name in _classes.csv: 2 (25 %), 7 (25 %)' in fault
    assert '--ignore 2 7' in fault
    assert "classes of _classes.csv that no mask has: 'tree'" in checked.notes
    assert 'classes in no training image: tree' in checked.notes
    assert checked.encoding.classes == ['ground', 'car', 'tree', '2', '7']
    with pytest.raises(ValueError, match='no config is written'):
        write_config(checked, tmp_path / 'out')
    checked = check_dataset(tmp_path, ignore=[2, 7])
    assert checked.encoding.classes == ['ground', 'car', 'tree'] and not checked.faults


def test_colours_without_a_name(tmp_path):
    spread(tmp_path, coloured, (0, 1, 2, 3))
    write_names(tmp_path, 'labelmap.txt', LABELMAP.replace('fire', 'b:fire').replace(
        '255,0,0', '255,255,0'))
    checked = check_dataset(tmp_path)
    fault, = checked.faults
    assert 'labelmap.txt: #ff0000 (25 %)' in fault and "--ignore '#ff0000'" in fault
    assert checked.encoding.classes == ['background', 'sea', 'b:fire', '#ff0000']
    assert checked.encoding.label_map[0xE0E0C0] == 255


@pytest.mark.parametrize('values, text, expected', [
    ((0, 255), 'ground\ncar\n', {0: 0, 255: 1}),
    ((1, 2, 3), 'a\nb\nc\n', {1: 0, 2: 1, 3: 2}),
    ((0, 1, 2, 255), 'a\nb\nc\n', {0: 0, 1: 1, 2: 2, 255: 255}),
    ((0, 100, 200), 'a\nb\nc\n', {0: 0, 100: 1, 200: 2}),
    ((0, 1, 2), 'a\nb\nc\nnever\n', {0: 0, 1: 1, 2: 2}),
    ((0, 1, 2, 3), 'a\nb\nc\n', 'If classes.txt leaves out the background'),
])
def test_a_list_of_names_is_read_like_classes(tmp_path, values, text, expected):
    spread(tmp_path, save_palette, values)
    write_names(tmp_path, 'classes.txt', text)
    checked = check_dataset(tmp_path)
    if isinstance(expected, str):
        assert expected in checked.faults[0]
        return
    assert checked.encoding.classes == text.split() and not checked.faults
    assert {v: checked.encoding.label_map[v] for v in values} == expected


def test_names_may_lie_beside_the_masks(tmp_path):
    make(tmp_path, 'training/images/{}.jpg', 'training/gt/semantic/{}.png')
    (tmp_path / 'training/gt/classes.txt').write_text('a\nb\nc\n')
    assert check_dataset(tmp_path).encoding.classes == ['a', 'b', 'c']


def test_names_that_do_not_fit_the_kind_of_masks(tmp_path):
    spread(tmp_path / 'a', coloured)
    write_names(tmp_path / 'a', 'classes.txt', 'x\ny\nz\n')
    checked = check_dataset(tmp_path / 'a')
    assert any('names of classes.txt are not used: it gives no colours' in note
               for note in checked.notes)
    assert checked.encoding.classes[0] == 'background'
    spread(tmp_path / 'b', FORMATS['16 bits'])
    write_names(tmp_path / 'b', 'labelmap.txt', LABELMAP)
    checked = check_dataset(tmp_path / 'b')
    assert any('it gives colours, but the masks hold values' in note
               for note in checked.notes)


def test_colours_of_a_palette_have_names(tmp_path):
    """By the palette's colours, not by its numbers; a palette of others is named."""
    spread(tmp_path, save_palette)
    rgb = [','.join(map(str, colour)) for colour in default_palette(4).tolist()]
    write_names(tmp_path, 'labelmap.txt', f'b:{rgb[2]}::\nnever:{rgb[3]}::\na:{rgb[1]}::\n'
                                          f'ground:{rgb[0]}::\n')
    checked = check_dataset(tmp_path)
    assert checked.encoding.classes == ['b', 'never', 'a', 'ground'] and not checked.faults
    for name, item in seen_labels(checked, tmp_path / 'out').items():
        assert np.array_equal(item['gt_seg_map'], np.array([3, 2, 0])[labels(int(name))])
    write_names(tmp_path, 'labelmap.txt', f'b:{rgb[2]}::\na:{rgb[1]}::\n')
    assert 'without a name in labelmap.txt: 0 (3' in check_dataset(tmp_path).faults[0]


@pytest.mark.parametrize('kind', ['grey in rgb', 'tiff of 64 bits'])
def test_grey_colours_have_names(tmp_path, kind):
    spread(tmp_path, FORMATS[kind], (0, 255))
    write_names(tmp_path, 'class_dict.csv', 'name,r,g,b\nroad,255,255,255\nother,0,0,0\n')
    checked = check_dataset(tmp_path)
    assert checked.encoding.classes == ['road', 'other'] and not checked.faults
    for name, item in seen_labels(checked, tmp_path / 'out').items():
        assert np.array_equal(item['gt_seg_map'], 1 - labels(int(name), (0, 1)))


# --- blur ------------------------------------------------------------------------------


def test_what_may_be_blur_is_a_fault_with_a_choice(tmp_path):
    for number in range(4):
        save(tmp_path / f'images/{number}.png', picture(number, (120, 96)))
        grey = np.random.RandomState(number).randint(0, 200, (120, 96)).astype(np.uint8)
        save(tmp_path / f'masks/{number}.png', cv2.GaussianBlur(grey, (0, 0), 3))
    done = run_tool(TOOL, tmp_path, '--out', tmp_path / 'out')
    assert done.code == 2 and '--blurred' in done.err and 'no config is written' in done.err
    assert not (tmp_path / 'out').exists()


def test_what_looks_like_blur_may_be_classes(tmp_path):
    """Thin bands in order are a gradient, unless they are named."""
    for number in range(4):
        save(tmp_path / f'images/{number}.png', picture(number, (60, 60)))
        bands = np.repeat(np.roll(np.arange(60), number)[:, None], 60, 1)
        save(tmp_path / f'masks/{number}.png', bands.astype(np.uint8))
    fault, = check_dataset(tmp_path).encoding.faults
    assert '--classes NAME ..., if these 60 are classes' in fault
    names = [f'layer {i}' for i in range(60)]
    checked = check_dataset(tmp_path, classes=names)
    assert not checked.faults and checked.encoding.classes == names
    for name, item in seen_labels(checked, tmp_path / 'out').items():
        assert np.array_equal(item['gt_seg_map'][:, 0], np.roll(np.arange(60), int(name)))


def test_blurred_on_request(tmp_path):
    """Thin lines, halved: nothing but 0 has a region, and 200 is no end of the scale."""
    for number in range(4):
        mask = np.zeros((160, 160), np.uint8)
        for i in range(12):
            ends = np.random.RandomState(100 * number + i).randint(0, 160, (2, 2))
            cv2.line(mask, *map(tuple, ends.tolist()), 200, 3)
        small = Image.fromarray(mask).resize((80, 80), Image.BILINEAR)
        save(tmp_path / f'images/{number}.png', picture(number, (80, 80)))
        save(tmp_path / f'masks/{number}.png', np.asarray(small))
    assert check_dataset(tmp_path).encoding.faults
    checked = check_dataset(tmp_path, blurred=True)
    assert not checked.faults and checked.convert
    succeed(TOOL, tmp_path, '--blurred', '--out', tmp_path / 'out')


def test_shares_and_labels_of_blurred_colours_agree(tmp_path):
    """Nearest in RGB, not among 0xRRGGBB as numbers."""
    near_red, near_blue = 0xE00A0A, 0x0A0AE0
    encoding = Encoding({0: 0, 0xFF0000: 1, 0x0000FF: 2, 0xC8FF00: 3}, list('abcd'), [], True,
                        [], [])
    values = near_red, near_blue, 0x000A00, 0xFF0000
    found = [to_labels(np.array([[value]]), encoding).item() for value in values]
    assert found == [1, 2, 0, 1]
    item = Inspected(None, counts=dict.fromkeys(values, 1), colours=True)
    assert class_shares([item], encoding).pixels.tolist() == [1, 2, 1, 0]


@pytest.mark.parametrize('colours', [False, True])
def test_no_third_class_runs_along_a_blurred_border(tmp_path, colours):
    """Between 0 and 160 lies 80, and between black and yellow olive; both are classes."""
    table = np.array([[0, 0, 0], [120, 120, 0], [240, 240, 0]] if colours else
                     [[80 * i] * 3 for i in range(3)], np.uint8)
    for number in range(4):
        drawn = np.zeros((96, 120), int)
        drawn[20:60, 10 + number:60] = 2
        drawn[70:, 80:] = 1
        save(tmp_path / f'images/{number}.png', picture(number, drawn.shape))
        smooth = cv2.GaussianBlur(table[drawn], (0, 0), 0.8)
        save(tmp_path / f'masks/{number}.png', smooth if colours else smooth[..., 0])
    checked = check_dataset(tmp_path)
    assert not checked.faults and len(checked.encoding.classes) == 3
    black, olive, yellow = (checked.encoding.label_map[v] for v in (
        (0, 0x787800, 0xF0F000) if colours else (0, 80, 160)))
    for item in seen_labels(checked, tmp_path / 'out').values():
        found = item['gt_seg_map']
        assert not (found[:64] == olive).any() and (found[70:, 80:] == olive).mean() > 0.95
        assert (found[20:60, 16:60] == yellow).mean() > 0.97 and (found[:17] == black).all()


# --- details -----------------------------------------------------------------------------


def test_transparent_is_black(tmp_path):
    """Whatever colour lies below it."""
    for number in range(4):
        drawn = labels(number, (0, 1, 2))
        alpha = np.where(drawn == 2, 0, 255).astype(np.uint8)
        save(tmp_path / f'images/{number}.png', picture(number))
        save(tmp_path / f'masks/{number}.png', np.dstack([COLOURED[drawn], alpha]))
    checked = check_dataset(tmp_path)
    assert checked.encoding.classes == ['background', 'red']
    for name, item in seen_labels(checked, tmp_path / 'out').items():
        assert np.array_equal(item['gt_seg_map'], labels(int(name), (0, 1, 0)))


def test_names_that_fit_twice_make_no_pair(tmp_path):
    make(tmp_path, count=3)
    for folder in ('a', 'b'):  # neither is the folder of the image
        save(tmp_path / f'masks/{folder}/x.png', labels(0).astype(np.uint8))
    save(tmp_path / 'images/x.jpg', picture(9))
    checked = check_dataset(tmp_path)
    assert any('1 images have no mask of their name: images/x.jpg' in fault
               for fault in checked.faults)
    assert any('2 masks have no image' in fault for fault in checked.faults)
    assert any('several masks would fit 1 images, such as images/x.jpg: masks/a/x.png, '
               'masks/b/x.png. Name the folder' in fault for fault in checked.faults)
    assert {item.pair.image.stem for items in checked.splits.values()
            for item in items} == {'000', '001', '002'}


def test_a_mask_that_is_one_of_several_makes_no_pair(tmp_path):
    """As ultrasound images of two tumours have them; half of the labels would be trained."""
    make(tmp_path, '{}.png', '{}_mask.png')
    save(tmp_path / '002_mask_1.png', labels(1).astype(np.uint8))
    checked = check_dataset(tmp_path)
    fault, = checked.faults
    assert 'several masks would fit 1 images, such as 002.png: 002_mask.png, 002_m' in fault
    assert '002_mask.png' not in masks_of(checked) and len(masks_of(checked)) == 5


def test_folders_with_images_and_masks_share_none(tmp_path):
    """A frame of one drive without a mask does not take that of the same number elsewhere."""
    for drive, frames in ((1, (0, 1, 2)), (2, (1, 2, 3))):
        for frame in frames:
            save(tmp_path / f'seq{drive}/Images/{frame:06d}.png', picture(10 * drive + frame))
            if frame not in (0, 3):
                save(tmp_path / f'seq{drive}/Labels/{frame:06d}.png',
                     labels(frame).astype(np.uint8))
    save(tmp_path / 'seq1/Labels/000003.png', labels(5).astype(np.uint8))
    checked = check_dataset(str(tmp_path))
    pairs = [item.pair for items in checked.splits.values() for item in items]
    assert len(pairs) == 4
    for pair in pairs:
        assert pair.image.parts[-3] == pair.mask.parts[-3]
    assert sum('000003' in fault for fault in checked.faults) == 2


@pytest.mark.parametrize('image, mask', [
    ('{}/photo/{}.jpg', '{}/masks/{}.png'), ('{}/x/{}.jpg', '{}/maps/{}_L.png'),
    ('images/{}/{}.jpg', 'labels/{}/{}_L.png')])
@pytest.mark.parametrize('places', [['a', 'b', 'c'], ['train', 'val']])
def test_scenes_that_count_anew_share_nothing(tmp_path, image, mask, places):
    """Of some images the mask is missing, and of some masks the image."""
    wanted = set()
    for place in places:
        for number in range(5):
            number_of = 10 * places.index(place) + number
            files = (tmp_path / image.format(place, number),
                     tmp_path / mask.format(place, number))
            if (place, number) not in (('a', 1), ('train', 1)):
                save(files[0], picture(number_of))
            if (place, number) not in (('b', 1), ('val', 1)):
                save(files[1], labels(number).astype(np.uint8))
            if all(file.is_file() for file in files):
                wanted.add(files)
    checked = check_dataset(tmp_path)
    assert {item.pair[:2] for items in checked.splits.values() for item in items} == wanted
    assert '1 images have no mask' in checked.faults[0]


def test_pictures_of_few_values_beside_images_and_masks_are_neither(tmp_path):
    """They stood for the image of a mask that has none."""
    make(tmp_path, 'rgb/{}_rgb.jpg', 'label/{}_label.png')
    make(tmp_path, 'something/{}.png', 'label/{}_label.png')
    (tmp_path / 'rgb/003_rgb.jpg').unlink()
    for number in range(6):
        save(tmp_path / f'something/{number:03d}.png', labels(number).astype(np.uint8))
    checked = check_dataset(tmp_path)
    assert {item.pair.image.parent.name for items in checked.splits.values()
            for item in items} == {'rgb'}
    assert any(note.startswith('something: left alone') for note in checked.notes)


def test_the_same_name_in_several_folders(tmp_path):
    for folder in 'ab':
        for number in range(3):
            save(tmp_path / f'images/{folder}/{number}.png', picture(number + ord(folder)))
            save(tmp_path / f'masks/{folder}/{number}.png',
                 labels(number + ord(folder)).astype(np.uint8))
    checked = check_dataset(tmp_path)
    pairs = [item.pair for items in checked.splits.values() for item in items]
    assert len(pairs) == 6 and not checked.faults
    assert all(pair.image.parent.name == pair.mask.parent.name for pair in pairs)


def test_images_of_one_colour_and_several_sizes_are_no_doubles(tmp_path):
    for number, size in enumerate([(20, 60), (60, 20), (30, 40), (40, 30)]):
        save(tmp_path / f'images/{number}.png', np.zeros((*size, 3), np.uint8))
        save(tmp_path / f'masks/{number}.png', labels(number, size=size).astype(np.uint8))
    assert not any('the same image' in note for note in check_dataset(tmp_path).notes)


def test_links_that_lead_elsewhere(tmp_path):
    """A folder of links to the real files, as those make who share a disk."""
    spread(tmp_path / 'store', FORMATS['rgb'])
    for file in (tmp_path / 'store').rglob('*.png'):
        link = tmp_path / 'data' / file.relative_to(tmp_path / 'store')
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    items = seen_labels(check_dataset(tmp_path / 'data'), tmp_path / 'out')
    for name, item in items.items():
        assert np.array_equal(item['gt_seg_map'] == 0, labels(int(name)) == 0)


def test_folders_that_are_links(tmp_path):
    """As those make whose images lie on another disk; a link to itself ends, too."""
    make(tmp_path / 'store', 'pictures/{}.jpg', 'truth/{}.png')
    data = tmp_path / 'data'
    data.mkdir()
    (data / 'images').symlink_to(tmp_path / 'store/pictures', target_is_directory=True)
    (data / 'masks').symlink_to(tmp_path / 'store/truth', target_is_directory=True)
    (data / 'again').symlink_to(data, target_is_directory=True)
    checked = check_dataset(data)
    assert not checked.faults and sum(map(len, checked.splits.values())) == 6
    for name, item in seen_labels(checked, tmp_path / 'out').items():
        assert np.array_equal(item['gt_seg_map'], labels(int(name)))


@pytest.mark.parametrize('size, crop, scale', [
    ((70, 200), (64, 192), (200, 70)), ((200, 70), (192, 64), (200, 70)),
    ((90, 223), (64, 192), (223, 90)),
    ((3000, 600), (512, 192), (1024, 205))])
def test_crops_are_as_tall_and_wide_as_the_images(tmp_path, size, crop, scale):
    for number in range(3):
        save(tmp_path / f'images/{number}.png', picture(number, size))
        save(tmp_path / f'masks/{number}.png', labels(number, size=size).astype(np.uint8))
    config = Config.fromfile(write_config(check_dataset(tmp_path), tmp_path / 'out'))
    assert tuple(config.crop_size) == crop
    assert tuple(config.train_pipeline[2].scale) == scale


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


def test_doubles_within_a_split_are_said_in_one_line(tmp_path):
    for number in range(20):
        save(tmp_path / f'images/{number}.png', picture(number // 2))
        save(tmp_path / f'masks/{number}.png', labels(number).astype(np.uint8))
    note, = [note for note in check_dataset(tmp_path).notes if 'more than once' in note]
    assert note.startswith('10 images are there more than once: ')
    assert note.endswith('; ... and 5 more')


@pytest.mark.parametrize('value', [0, 255])
def test_a_split_whose_masks_have_one_value_judges_nothing(tmp_path, value):
    """Cityscapes has such masks of its test images, of which all figures were nan."""
    for number in range(9):
        split = ('train', 'val', 'test')[number // 3]
        save(tmp_path / f'{split}/images/{number}.png', picture(number))
        mask = labels(number).astype(np.uint8)
        save(tmp_path / f'{split}/labels/{number}.png',
             np.full_like(mask, value) if split == 'test' else mask)
    checked = check_dataset(tmp_path)
    assert {name: len(items) for name, items in checked.splits.items()} == dict(train=3, val=3)
    assert "3 pairs of 'test' are left out" in ' '.join(checked.notes)
    save(tmp_path / 'test/labels/8.png', labels(8).astype(np.uint8))
    assert len(check_dataset(tmp_path).splits['test']) == 3


@pytest.mark.parametrize('kind', ['<u2', '>u2', '<f4', '>f4'])
def test_deep_images_with_their_bytes_either_way(tmp_path, kind):
    """Pillow knows no extremes of 16 bits with the high ones first: they were broken."""
    make(tmp_path, image='images/{}.tif', count=4)
    for number in range(4):
        pixels = picture(number)[..., 0].astype(kind)
        pixels = pixels * 257 if 'u' in kind else np.where(pixels > 250, np.nan, pixels)
        tifffile.imwrite(tmp_path / f'images/{number:03d}.tif', pixels.astype(kind),
                         byteorder=kind[0])
    checked = check_dataset(tmp_path)
    assert not checked.faults and '4 images have 16 bits or more' in report(checked)
    most, = {item.most for item in checked.splits['train']}
    assert most == (65535 if 'u' in kind else 250)


@pytest.mark.parametrize('same', [True, False])
def test_masks_that_number_the_classes_of_each_image_anew(tmp_path, same):
    """As labelme_json_to_dataset writes them: 1 was a cat in one and a dog in another."""
    for number in range(4):
        folder = tmp_path / f'{number}_json'
        save(folder / 'img.png', picture(number))
        save_palette(folder / 'label.png', labels(number, (0, 1)))
        kind = 'cat' if same or number % 2 else 'dog'
        (folder / 'label_names.txt').write_text(f'_background_\n{kind}\n')
    if same:
        assert not check_dataset(tmp_path).faults
        return
    with pytest.raises(ValueError, match='0_json.label_names.txt and .*1_json.label_names.txt '
                       'differ: the masks beside them number the classes of each image anew'):
        check_dataset(tmp_path)


def test_of_labels_that_are_unclear_no_split_is_left_out(tmp_path):
    for number in range(9):
        split = ('train', 'val', 'test')[number // 3]
        save(tmp_path / f'{split}/images/{number}.png', picture(number))
        save(tmp_path / f'{split}/labels/{number}.jpg', labels(number, range(21)).astype(
            np.uint8), quality=80)
    checked = check_dataset(tmp_path)
    assert checked.encoding.faults and {*checked.splits} == {'train', 'val', 'test'}


def cityscapes(root):
    """Masks that number all kinds, of which test images have the first alone."""
    for number in range(9):
        split = ('train', 'val', 'test')[number // 3]
        save(root / f'leftImg8bit/{split}/a/{number}_leftImg8bit.png', picture(number))
        ids = labels(number, range(3 if split == 'test' else 34))
        save(root / f'gtFine/{split}/a/{number}_gtFine_labelIds.png', ids.astype(np.uint8))


def test_cityscapes_numbers_of_all_kinds(tmp_path):
    """They were classes, its car's bonnet and what is out of sight among them."""
    cityscapes(tmp_path)
    checked = check_dataset(tmp_path)
    encoding = checked.encoding
    assert encoding.classes == list(CityscapesDataset.METAINFO['classes'])
    assert [encoding.label_map[value] for value in (0, 1, 6, 7, 8, 11, 29, 33, 255)] == [
        255, 255, 255, 0, 1, 2, 255, 18, 255]
    assert {*checked.splits} == {'train', 'val'} and not checked.faults
    said = ' '.join(checked.notes)
    assert "3 pairs of 'test' are left out" in said
    assert "from Cityscapes' labelIds; values of other things do not count" in '; '.join(
        checked.notes)
    named = check_dataset(tmp_path, classes=[f'kind {i}' for i in range(34)])
    assert named.encoding.identity and len(named.splits['test']) == 3


def test_other_numbers_under_the_same_name(tmp_path):
    for number in range(4):
        save(tmp_path / f'images/{number}.png', picture(number))
        ids = labels(number, range(12)).astype(np.uint8)
        save(tmp_path / f'masks/{number}_labelIds.png', ids)
    assert check_dataset(tmp_path).encoding.identity


def test_doubles_stay_on_one_side_of_a_split_that_is_made(tmp_path):
    for number in range(12):
        save(tmp_path / f'images/{number}.png', picture(number // 2))
        save(tmp_path / f'masks/{number}.png', labels(number).astype(np.uint8))
    checked = check_dataset(tmp_path, val_share=0.5)
    sides = [{item.digest for item in items} for items in checked.splits.values()]
    assert not sides[0] & sides[1] and not checked.faults


def save_turned(root, number, orientation, stored=True, size=SIZE, copied=False):
    """A pair whose image is turned by EXIF, and the labels as they are shown."""
    image = Image.fromarray(picture(number, size))
    exif = image.getexif()
    exif[0x0112] = orientation
    (root / 'images').mkdir(parents=True, exist_ok=True)
    image.save(root / f'images/{number}.jpg', exif=exif)
    drawn = labels(number, size=size).astype(np.uint8)
    drawn[: size[0] // 3, : size[1] // 4] = 0  # unlike its mirror images
    mask = io.BytesIO()
    Image.fromarray(drawn).save(mask, 'PNG', exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(mask)))
    save(root / f'masks/{number}.png', drawn if stored else shown,
         **(dict(exif=exif) if copied else {}))
    return shown


def seen_labels(checked, out, split='train'):
    """Labels as training sees them, by the image's stem."""
    dataset = build(Config.fromfile(write_config(checked, out)), split)
    return {Path(dataset.get_data_info(i)['img_path']).stem: dataset[i]
            for i in range(len(dataset))}


@pytest.mark.parametrize('stored', [False, True, 'both', 'copied'])
@pytest.mark.parametrize('orientation', [5, 6, 7, 8])
def test_images_that_exif_turns(tmp_path, orientation, stored):
    """Masks drawn on the image as stored, as shown, or stored with the same EXIF data."""
    shown = {str(n): save_turned(tmp_path, n, orientation,
                                 n % 2 == 0 if stored == 'both' else bool(stored),
                                 copied=stored == 'copied') for n in range(6)}
    checked = check_dataset(tmp_path)
    assert not checked.faults and checked.convert == bool(stored)
    assert any('their masks are not' in note for note in checked.notes) == (
        stored in (True, 'both'))
    for name, item in seen_labels(checked, tmp_path / 'out').items():
        assert item['img'].shape[:2] == item['gt_seg_map'].shape == SIZE[::-1]
        assert np.array_equal(item['gt_seg_map'], shown[name])


@pytest.mark.parametrize('orientation', [2, 3, 4, 6])
def test_turns_that_sizes_do_not_tell(tmp_path, orientation):
    """Half turns, mirrors and squares: as others, or as shown unless the user says."""
    size = (40, 40) if orientation == 6 else SIZE
    shown = {str(n): save_turned(tmp_path / 'a', n, orientation, size=size)
             for n in range(6)}
    checked = check_dataset(tmp_path / 'a')
    assert not checked.convert and any(
        '6 images are turned or mirrored' in note and '--unturned-masks' in note
        for note in checked.notes)
    checked = check_dataset(tmp_path / 'a', unturned_masks=True)
    for name, item in seen_labels(checked, tmp_path / 'out').items():
        assert np.array_equal(item['gt_seg_map'], shown[name])
    # Masks with the same EXIF data as their images are sure.
    copied = {str(n): save_turned(tmp_path / 'b', n, orientation, size=size, copied=True)
              for n in range(3)}
    for name, item in seen_labels(check_dataset(tmp_path / 'b', unturned_masks=True),
                                  tmp_path / 'out3').items():
        assert np.array_equal(item['gt_seg_map'], copied[name])
    # One whose size tells it shows the way for all.
    shown['9'] = save_turned(tmp_path / 'a', 9, 8)
    checked = check_dataset(tmp_path / 'a')
    assert any('as they are stored; those of others are' in note for note in checked.notes)
    for name, item in seen_labels(checked, tmp_path / 'out2').items():
        assert np.array_equal(item['gt_seg_map'], shown[name])
    # Two that contradict one another: nothing is guessed.
    save_turned(tmp_path / 'a', 10, 8, stored=False)
    save(tmp_path / 'a/images/11.jpg', picture(11))
    save(tmp_path / 'a/masks/11.png', labels(11).astype(np.uint8))
    checked = check_dataset(tmp_path / 'a')
    fault, = checked.faults
    assert fault.startswith('6 pairs cannot be used') and '--unturned-masks' in fault
    assert {item.pair.image.stem for items in checked.splits.values()
            for item in items} == {'9', '10', '11'}
    said = check_dataset(tmp_path / 'a', unturned_masks=True)  # but what the user says
    assert not said.faults and sum(map(len, said.splits.values())) == 9


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
    """Against the roots of median frequency balancing by hand."""
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
    assert checked.weights == pytest.approx((np.median(frequency) / frequency) ** 0.5,
                                            abs=0.006)
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


def test_what_was_written_into_the_folder_is_no_data(tmp_path):
    """Neither its copies of masks nor its picture and lists."""
    root = spread(tmp_path / 'data', FORMATS['rgb'])
    succeed(TOOL, root, '--out', root / 'fcn', '--seed', '1')
    first = split_names(check_dataset(root, seed=2))
    said = succeed(TOOL, root, '--out', root / 'fcn', '--seed', '2', '--overwrite')
    assert '4 pairs to use' in said and 'is the list of' not in said
    assert first == split_names(check_dataset(root, seed=2))


@pytest.mark.parametrize('mask', ['masks/{}.png', 'images/{}_mask.png', 'images/{}.png'])
@pytest.mark.parametrize('where', ['images', 'predicted'])
def test_what_was_predicted_into_the_folder_is_no_mask(tmp_path, mask, where):
    """``fcn predict images --out images`` leaves labels there, not to be learned from."""
    make(tmp_path, mask=mask)
    for number in range(6):
        for kind in ('labels', 'overlay', 'heatmap_car'):
            save(tmp_path / f'{where}/{number:03d}_{kind}.png',
                 labels(number + 1).astype(np.uint8))
    checked = check_dataset(tmp_path)
    assert not checked.faults and any('6 label maps' in note and 'left alone' in note
                                      for note in checked.notes)
    pairs = [item.pair for items in checked.splits.values() for item in items]
    assert {pair.mask.relative_to(tmp_path).as_posix() for pair in pairs} == {
        mask.format(f'{number:03d}') for number in range(6)}
    assert all(pair.mask.stem[:3] == pair.image.stem for pair in pairs)


@pytest.mark.parametrize('looked_at', [False, True])
def test_regions_that_a_network_has_proposed_are_left_alone_beside_masks(tmp_path, looked_at):
    """``fcn predict images --format labelme --out images``; a region without a score is
    somebody's."""
    make(tmp_path)
    for number in range(6):
        shapes = [dict(label='x', points=[[0, 0], [9, 0], [9, 9]], shape_type='polygon',
                       **({} if looked_at and number == 5 else dict(score=0.9)))]
        (tmp_path / f'images/{number:03d}.json').write_text(json.dumps(dict(
            imagePath=f'{number:03d}.jpg', imageHeight=SIZE[0], imageWidth=SIZE[1],
            shapes=shapes)))
    checked = check_dataset(tmp_path, drawn=tmp_path / 'drawn')
    masks = {item.pair.mask.parent for item in checked.splits['train']}
    assert masks == {tmp_path / ('drawn/images' if looked_at else 'masks')}
    assert any('6 regions are left alone beside masks' in note
               for note in checked.notes) != looked_at


@pytest.mark.parametrize('where, options', [('images', {}), ('out', {}),
                                            ('out', dict(masks='out'))])
def test_predictions_are_masks_where_there_are_no_others(tmp_path, where, options):
    make(tmp_path, mask=where + '/{}_labels.png')
    for number in range(6):
        save(tmp_path / f'{where}/{number:03d}_overlay.jpg', picture(number + 9))
    checked = check_dataset(tmp_path, **options)
    assert not checked.faults and len(checked.splits['train']) == 5
    assert options or any('what fcn predict has written' in note for note in checked.notes)


def test_what_a_training_wrote_into_the_folder_is_no_data(tmp_path, monkeypatch):
    """As ``fcn train .`` does: pictures of its predictions, logs that end as labels do."""
    monkeypatch.chdir(make(tmp_path))
    before = check_dataset('.')
    log = Path('work_dirs/mine/20260101_000000/vis_data/scalars.json')
    log.parent.mkdir(parents=True)
    log.write_text('{"step": 1}\n{"step": 2}\n')
    save(log.parents[2] / 'predictions.png', picture(0))
    (log.parents[2] / 'settings.json').write_text('{}')
    after = check_dataset('.')
    assert not after.faults and after.notes == before.notes
    assert split_names(after) == split_names(before)


def test_commands_in_a_config_can_be_pasted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path(write_config(check_dataset(make(tmp_path / 'in', count=2)), Path('my (2)')))
    line, = re.findall('#   (python .*train.*)', file.read_text())
    assert Path(shlex.split(line)[-1]).samefile(file)


def test_class_weights_are_in_force_on_request(tmp_path):
    checked = check_dataset(make(tmp_path))
    plain = Config.fromfile(write_config(checked, tmp_path / 'a'))
    assert 'class_weight' not in plain.model.decode_head.loss_decode
    weighted = Config.fromfile(write_config(checked, tmp_path / 'b', class_weights=True))
    assert weighted.model.decode_head.loss_decode.class_weight == checked.weights
    assert weighted.model.decode_head.loss_decode.avg_non_ignore


def test_crops_follow_the_images(tmp_path):
    for number in range(3):
        save(tmp_path / f'images/{number}.png', picture(number, (810, 1080)))
        save(tmp_path / f'masks/{number}.png', labels(number, size=(810, 1080)).astype(
            np.uint8))
    config = Config.fromfile(write_config(check_dataset(tmp_path), tmp_path / 'out'))
    assert config.crop_size == (512, 512)
    assert config.test_pipeline[1] == dict(type='Resize', scale=(1024, 768),
                                           keep_ratio=True)
    config.test_dataloader.dataset.pipeline = config.tta_pipeline
    views = DATASETS.build(config.test_dataloader.dataset)[0]
    assert {tuple(view.shape) for view in views['inputs']} == {
        (3, 576, 768), (3, 768, 1024), (3, 960, 1280)}
    assert {sample.gt_sem_seg.shape for sample in views['data_samples']} == {(810, 1080)}


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
    assert "the best checkpoint on 2 images of ListDataset ('val')" in said
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
