"""Data sets as strangers have them: checked, trained on, tested and predicted.

Each is drawn here, so that it is known which class every pixel has by the rules of
docs/own_data.md. What training reads must be that, pixel for pixel.
"""
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image, ImageOps
from tiny_runs import forget_runs, run_tool, succeed

CHECK = 'misc/check_dataset.py'
TINY = """
_base_ = {base!r}
model = dict(
    backbone=dict(depth=18, stem_channels=8, base_channels=8, init_cfg=None),
    decode_head=dict(in_channels=(16, 32, 64)))
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = dict(num_workers=0, persistent_workers=False)
param_scheduler = []
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=2))
"""
NETWORK = 'fcn-8s_r18_1xb16-20k_voc12-224x224'


# --- masks: what is written for labels 0, 1, 2, ... ----------------------------------


def table(count):
    """As many colours, black first, none of a known data set."""
    colours = np.random.default_rng(count).permutation(6 ** 3)[:, None] // (36, 6, 1) % 6 * 50
    if count > len(colours):
        colours = np.concatenate([colours, colours + 3])
    return np.concatenate([[[0, 0, 0]], colours[colours.any(1)]])[:count].astype(np.uint8)


def save(path, array, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)


def grey(path, labels):
    save(path, labels.astype(np.uint8))


def deep(path, labels):
    save(path, labels.astype(np.uint16))


def deeper(path, labels):
    save(path, labels.astype(np.int32))


def palette(path, labels):
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(np.random.default_rng(1).integers(0, 256, 768).tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def bit(path, labels):
    save(path, labels > 0)


def white(path, labels):
    save(path, (labels > 0).astype(np.uint8) * 255)


def three(path, labels):
    save(path, np.dstack([labels.astype(np.uint8)] * 3))


def transparent(path, labels):
    """Class 0 is red, but cannot be seen."""
    alpha = np.where(labels > 0, 255, 0)
    colours = table(20)[labels]
    colours[labels == 0] = 255, 0, 0
    save(path, np.dstack([colours, alpha]).astype(np.uint8))


def colours(path, labels):
    save(path, table(254)[labels])


def opaque(path, labels):
    save(path, np.dstack([table(254)[labels], np.full(labels.shape, 255)]).astype(np.uint8))


def known(path, labels):
    """VOC's colours, with its border around some pixels."""
    drawn = np.array(DATASETS.get('PascalVOCDataset').METAINFO['palette'], np.uint8)[labels]
    drawn[:2] = 224, 224, 192
    save(path, drawn)


def bands(path, labels):
    """Grey, with 255 between regions."""
    save(path, with_bands(labels).astype(np.uint8))


def with_bands(labels):
    labels = labels.copy()
    borders = np.zeros(labels.shape, bool)
    borders[1:] |= labels[1:] != labels[:-1]
    borders[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    labels[borders] = 255
    return labels


def jpeg(path, labels):
    save(path, (labels * 80).astype(np.uint8), quality=85)


def jpeg_white(path, labels):
    save(path, (labels * 255).astype(np.uint8), mode='RGB', quality=75)


def jpeg_colours(path, labels):
    save(path, np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)[labels], quality=90)


def smooth(path, labels):
    image = Image.fromarray((labels * 255).astype(np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    small = image.resize((image.width // 3, image.height // 3), Image.NEAREST)
    small.resize(image.size, Image.BICUBIC).save(path)


def from_one(path, labels):
    grey(path, labels + 1)


def apart(path, labels):
    grey(path, labels * 40)


def minus_one(path, labels):
    """As labelme has it: -1 is ignored."""
    save(path, np.where(labels == 2, -1, labels).astype(np.int32))


# --- images -----------------------------------------------------------------------------


def image_as(mode, **options):
    def write(path, pixels, exif):
        if mode == 'I;16':
            image = Image.fromarray(pixels[..., 0].astype(np.uint16) << 8)
        elif mode in ('LA', 'RGBA'):
            image = Image.fromarray(pixels).convert(mode)
            image.putalpha(Image.fromarray(pixels[..., 1] | 128))
        else:
            image = Image.fromarray(pixels).convert(mode)
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, **options, **(dict(exif=exif) if exif else {}))
    return write


def orientation(number):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


# --- the data sets ---------------------------------------------------------------------


def by_frequency(drawn):
    """Black first, then by frequency, as colours become classes."""
    counts = np.bincount(np.concatenate([labels.ravel() for labels in drawn]))
    found = [label for label in np.flatnonzero(counts)]
    code = table(254).astype(int) @ (65536, 256, 1)
    order = sorted(found, key=lambda label: (label != 0, -counts[label], code[label]))
    place = np.zeros(256, int)
    place[order] = np.arange(len(order))
    return lambda labels: place[labels]


def case(count=3, mask=grey, image=None, files=('images/{}.jpg', 'masks/{}.png'),
         names=None, number=5, sizes=((48, 64), ), expected=None, options=(), texts=(),
         turned=(), drawn_on='shown', exact=1.0, block=6, said=(), classes=None):
    return dict(locals())




SPLIT = [f'{name}/{i}' for name, n in (('train', 4), ('val', 2), ('test', 2))
         for i in range(n)]
CASES = {
    'two classes': case(2),
    '3 classes': case(3),
    '11 classes of 16 bits': case(11, deep),
    '21 classes in a palette': case(21, palette),
    '65 classes': case(65, number=8),
    '75 classes in a palette': case(75, palette, number=8),
    '75 colours': case(75, colours, number=8, expected=by_frequency),
    '150 classes of 16 bits': case(150, deep, number=12),
    '150 classes of 32 bits': case(150, deeper, number=12, files=(
        'images/{}.jpg', 'masks/{}.tif')),
    '254 classes': case(254, number=20),
    '254 colours': case(254, colours, number=20, expected=by_frequency),
    'bands of 255': case(11, bands, expected=lambda _: with_bands),
    'one bit': case(2, bit, files=('images/{}.jpg', 'masks/{}.bmp')),
    'one bit in TIFF': case(2, bit, files=('img/{}.png', 'gt/{}.tif')),
    'black and white': case(2, white, classes=['background', 'object']),
    'grey in three channels': case(11, three),
    'transparent background': case(3, transparent, expected=by_frequency),
    'opaque RGBA': case(11, opaque, expected=by_frequency),
    'colours of VOC': case(21, known, number=8, expected=lambda _: lambda labels: np.where(
        np.arange(len(labels))[:, None] < 2, 255, labels)),
    'palette GIF': case(11, palette, files=('images/{}.jpg', 'masks/{}.gif')),
    'JPEG of greys': case(3, jpeg, files=('images/{}.jpg', 'masks/{}.jpg'), exact=0.97,
                          sizes=[(96, 128)], block=20, said=['masks are JPEG']),
    'JPEG of small squares': case(3, jpeg, files=('images/{}.jpg', 'masks/{}.jpg'),
                                  exact=0.95, sizes=[(96, 128)], block=10),
    'JPEG in black and white': case(2, jpeg_white, files=('{}.jpg', '{}_mask.jpg'),
                                    exact=0.97, sizes=[(96, 128)], block=20),
    'JPEG of colours': case(3, jpeg_colours, files=('images/{}.jpg', 'masks/{}.jpeg'),
                            exact=0.95, sizes=[(96, 128)], block=20, classes=['b', 'r', 'g'],
                            texts=[('labelmap.txt', 'b:0,0,0::\nr:255,0,0::\n'
                                    'g:0,255,0::\n')]),
    'smooth resize': case(2, smooth, exact=0.95, sizes=[(96, 128)], block=20),
    'labels from one': case(11, from_one),
    'values far apart': case(5, apart),
    'minus one': case(4, minus_one, files=('images/{}.jpg', 'masks/{}.tif'),
                      expected=lambda _: lambda labels: np.where(
                          labels == 2, 255, labels), said=['-1 is taken for']),
    'ignored': case(4, options=['--ignore', '1'], expected=lambda _: lambda labels: np.array(
        [0, 255, 1, 2])[labels]),
    'ignored colour and label map': case(
        3, colours, options=['--ignore', '#000000'], classes=['b, "c"', 'a:x'],
        texts=[('labelmap.txt', '# label:color_rgb:parts:actions\nnone:0,0,0::\n'
                'b, "c":{2}::\na:x:{1}::\n')],
        expected=lambda _: lambda labels: np.array([255, 1, 0])[labels]),
    'names in a list': case(
        3, palette, texts=[('classes.txt', '\ufeffStraße\r\n\r\n道路\r\n🚗 "x", y\r\n')],
        classes=['Straße', '道路', '🚗 "x", y']),
    'names in a table': case(
        3, files=('train/{}.jpg', 'train/{}_mask.png'), classes=['a, b', 'c', 'd'],
        texts=[('train/_classes.csv', 'Pixel Value, Class\n0, "a, b"\n1, c\n2, d\n')]),
    'names of files': case(names=['Größe 1', '道路 2', 'a b.c', "it's; #1 [x]", '🚗']),
    'the same names in folders': case(names=['a/1', 'a/2', 'b/1', 'b/2']),
    'splits above': case(names=SPLIT, files=('{split}/images/{}.png',
                                             '{split}/labels/{}.png')),
    'splits below': case(names=SPLIT, files=('JPEGImages/{split}/{}.jpg',
                                             'SegmentationClass/{split}/{}.png')),
    'splits in names': case(names=SPLIT, files=('{split}/{}.png', '{split}annot/{}.png')),
    'lists': case(names=list('abcdef'), texts=[('train.txt', 'a\nb\nc\nd\n'),
                                               ('val.txt', 'e\nf\n')]),
    'turned, masks as shown': case(turned=[6, 8, 3, 1, 5, 7], number=6),
    'turned, masks as stored': case(turned=[6, 8, 6, 1, 5, 7], number=6, drawn_on='stored',
                                    said=['images are turned by their EXIF data']),
    'turned, masks either way': case(turned=[6, 8, 6, 1, 5, 7], number=6, drawn_on='either'),
    'turned by half, masks as stored': case(turned=[3, 3, 1, 3, 2], drawn_on='stored',
                                            options=['--unturned-masks']),
    'grey images': case(image=image_as('L')),
    'grey images with alpha': case(image=image_as('LA'), files=('images/{}.png',
                                                                'masks/{}.png')),
    'RGBA images': case(image=image_as('RGBA'), files=('images/{}.png', 'masks/{}.png')),
    'images of 16 bits': case(image=image_as('I;16'), said=['16 bits'], files=(
        'images/{}.png', 'masks/{}.png')),
    'CMYK images': case(image=image_as('CMYK')),
    'palette images': case(image=image_as('P'), files=('images/{}.png', 'masks/{}.png')),
    'GIF images': case(image=image_as('P'), files=('images/{}.gif', 'masks/{}.png')),
    'TIFF images': case(image=image_as('RGB'), files=('images/{}.tiff', 'masks/{}.tiff')),
    'WebP images': case(image=image_as('RGB'), files=('images/{}.webp', 'masks/{}.png')),
    'odd sizes': case(sizes=[(33, 57), (61, 45), (40, 40), (37, 91), (55, 33)]),
    'tall images': case(sizes=[(200, 34)]),
    'one much larger': case(sizes=[(48, 64)] * 4 + [(600, 900)]),
    'tiny images': case(sizes=[(33, 33)]),
}


def draw(case, rng, size, start):
    """Squares, of all classes in turn."""
    block = case['block']
    rows, columns = (-(-side // block) for side in size)
    values = (start + rng.permutation(rows * columns)) % case['count']
    square = np.ones((block, block), int)
    return np.kron(values.reshape(rows, columns), square)[:size[0], :size[1]]


def write(root, case):
    """Writes the data set.

    Returns:
        dict: By the image's path in it: labels as they are shown.
    """
    rng, shown = np.random.default_rng(0), {}
    names = case['names'] or [f'{i:03d}' for i in range(case['number'])]
    image = case['image'] or image_as('RGB')
    for i, name in enumerate(names):
        split, _, stem = name.rpartition('/')
        parts = dict(split=split) if '{split}' in case['files'][0] else {}
        files = [root / pattern.format(stem if parts else name, **parts)
                 for pattern in case['files']]
        size = case['sizes'][i % len(case['sizes'])]
        labels = draw(case, rng, size, 64 * i)
        pixels = (labels[..., None] * (40, 90, 60) + rng.integers(0, 60, (*size, 3))) % 256
        turn = case['turned'][i % len(case['turned'])] if case['turned'] else 1
        exif = orientation(turn) if turn != 1 else None
        image(files[0], pixels.astype(np.uint8), exif)
        turned = Image.fromarray(labels.astype(np.int32))
        turned.getexif()[0x0112] = turn
        seen = np.asarray(ImageOps.exif_transpose(turned)).astype(int)
        stored = case['drawn_on'] == 'stored' or case['drawn_on'] == 'either' and i % 2
        case['mask'](files[1], labels if stored else seen)
        shown[files[0].relative_to(root).as_posix()] = seen
    codes = [','.join(map(str, colour)) for colour in table(254).tolist()]
    for file, text in case['texts']:
        if file == 'labelmap.txt':
            text = text.format(*codes)
        (root / file).write_bytes(text.encode())
    return shown


def read(config, split):
    """What training reads: by the image's path, the image and the labels."""
    data = config[f'{split}_dataloader'].dataset
    data.pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    data.serialize_data = False  # which collects garbage for a quarter of a second
    dataset = DATASETS.build(data)
    for i in range(len(dataset)):
        path = Path(dataset.get_data_info(i)['img_path']).resolve()
        yield path.relative_to(Path(dataset.data_root).resolve()).as_posix(), dataset[i]


def check(folder, case):
    """Writes data set and config.

    Returns:
        tuple: Folder of the data, folder of the config, labels as they are shown, what the
        tool said.
    """
    root, out = folder / "my data's 道", folder / "my data's-fcn"
    shown = write(root, case)
    said = succeed(CHECK, root, '--out', out, '--base', NETWORK, *case['options'])
    return root, out, shown, said


@pytest.mark.parametrize('name', CASES)
def test_training_reads_what_was_drawn(tmp_path, name):
    case = CASES[name]
    root, out, shown, said = check(tmp_path, case)
    for words in case['said']:
        assert words in said
    config = Config.fromfile(out / 'config.py')
    if case['classes']:
        assert list(config.classes) == case['classes']
    expected = (case['expected'] or (lambda drawn: lambda labels: labels))(
        list(shown.values()))
    seen = {}
    for split in ('train', 'val', 'test'):
        for path, item in read(config, split):
            labels = item['gt_seg_map']
            assert item['img'].shape[:2] == labels.shape
            right = (labels == expected(shown[path])).mean()
            assert right >= case['exact'], f'{path}: {right:.4f}'
            assert labels[labels != 255].max() < len(config.classes)
            seen[path] = split
    assert set(seen) == set(shown)


# What is trained on is what was read, and that is tested above for all of them. Beyond it,
# runs differ by numbers and names of classes, names of files, splits, turns, what a
# predicted file is read from, and sizes.
SHORT = '21 classes in a palette', 'turned, masks as stored', 'names in a list'
LONG = ('two classes', '254 classes', 'bands of 255', 'ignored colour and label map',
        'names of files', 'the same names in folders', 'splits above', 'lists',
        'turned, masks either way', 'grey images', 'RGBA images', 'images of 16 bits',
        'CMYK images', 'GIF images', 'odd sizes', 'tall images', 'one much larger',
        'tiny images')


@pytest.mark.parametrize('name', [*SHORT, *(
    pytest.param(name, marks=pytest.mark.slow) for name in LONG)])
def test_trains_tests_and_predicts(tmp_path, name):
    """Two iterations of a tiny network, and an image as large as a viewer shows it."""
    root, out, shown, _ = check(tmp_path, CASES[name])
    tiny, work = tmp_path / 'tiny.py', tmp_path / 'work'
    tiny.write_text(TINY.format(base=str(out / 'config.py')), encoding='utf-8')
    succeed('train.py', tiny, '--work-dir', work)
    best, = work.glob('best_*.pth')
    assert 'mIoU' in succeed('test.py', tiny, best, '--work-dir', tmp_path / 'test')
    path, labels = next(iter(shown.items()))
    succeed('predict.py', '--config', tiny, '--weight-path', best, '--img-path', root / path,
            '--out-dir', tmp_path / 'predicted')
    predicted, = (tmp_path / 'predicted').glob('*_labels.png')
    with Image.open(root / path) as file:
        viewed = ImageOps.exif_transpose(file).size
    assert Image.open(predicted).size == viewed == labels.shape[::-1]


REFUSED = {
    'a photo for a mask': (case(count=250, mask=lambda path, labels: save(
        path, np.random.default_rng(len(labels)).normal(128, 40, labels.shape).cumsum(
            0).cumsum(1).astype(int).astype(np.uint8))), 'change gradually'),
    'labels resized smoothly': (case(21, lambda path, labels: save(path, np.asarray(
        Image.fromarray(labels.astype(np.uint8)).resize((192, 144)).resize(
            labels.shape[::-1], Image.BILINEAR))), number=8), 'change gradually'),
    'labels in JPEG': (case(21, lambda path, labels: save(
        path, labels.astype(np.uint8), quality=90), files=(
            'images/{}.png', 'masks/{}.jpg')), 'save the masks again as PNG'),
    '300 classes': (case(300, deep, number=20), '300 classes, but at most 255'),
    '300 colours': (case(300, lambda path, labels: save(path, table(300)[labels]), number=20),
                    '300 classes, but at most 255'),
    'a value without a name': (case(4, texts=[('classes.txt', 'a\nb\nc')]),
                               'values beyond the 3 classes of classes.txt: 3 (2'),
    'a name twice': (case(3, texts=[('classes.txt', 'a\nb\na')]), "'a' is the name of"),
    'ignored by mistake': (case(3, options=['--ignore', '7']),
                           '--ignore 7: that is in no mask'),
    'ignored by a name': (case(3, options=['--ignore', 'moon']),
                          '--ignore moon: that is no value'),
    'fewer names than values': (case(4, options=['--classes', 'a', 'b']),
                                'values beyond the 2 classes: 2 (2'),
}


@pytest.mark.parametrize('name', REFUSED)
def test_what_cannot_be_right_is_said_in_one_line(tmp_path, name):
    case, words = REFUSED[name]
    write(tmp_path / 'data', case)
    done = run_tool(CHECK, tmp_path / 'data', '--out', tmp_path / 'out', '--base', NETWORK,
                    *case['options'])
    assert done.code == 2 and words in done.err, done
    assert len(done.err.strip().splitlines()) == 1 and not (tmp_path / 'out').exists()
    forget_runs()
