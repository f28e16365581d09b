"""From regions to pixels, judged by the tools' own libraries."""
import base64
import io
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from label_studio_brush import brushed
from matplotlib.path import Path as Outline
from PIL import Image, ImageDraw

from fcn_plugin.annotations import coco, cvat, label_studio, labelme, supervisely, yolo
from fcn_plugin.annotations.drawing import draw, inside, pixels_of
from fcn_plugin.annotations.files import decoded, png_mask, read_json, read_xml
from fcn_plugin.annotations.regions import (
    Annotated,
    Bitmap,
    Region,
    ellipse,
    polygon,
    runs,
    score_of,
    size_of,
    turned,
)

SIZE = 37, 53  # H, W


def star(seed, corners=11):
    """A polygon that leaves the image and crosses itself."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-8, 60, (corners, 2))


def far_from(outline, distance):
    """Pixels whose centres lie further than that from every side, (H, W) bool."""
    y, x = np.indices(SIZE) + 0.5
    points = np.stack([x.ravel(), y.ravel()], 1)
    nearest = np.full(len(points), np.inf)
    for start, end in zip(outline, np.roll(outline, -1, 0)):
        along = end - start
        share = np.clip((points - start) @ along / (along @ along), 0, 1)
        nearest = np.minimum(nearest, np.hypot(*(points - start - share[:, None] * along).T))
    return (nearest > distance).reshape(SIZE)


# --- what is read --------------------------------------------------------------------


def test_what_label_studio_says_of_another_entry_is_no_region_of_it():
    results = [
        dict(id='1', type='rectanglelabels', original_width=9, original_height=9,
             to_name='image', value=dict(x=1, y=1, width=9, height=9, rectanglelabels=['a'])),
        dict(id='2', type='choices', to_name='thumb', value=dict(choices=['good']))]
    found, = label_studio.read([dict(data=dict(image='x.png', thumb='y.png'), annotations=[
        dict(result=results)])], Path('x.json')).images
    assert found.name == 'x.png' and found.fault is None and len(found.regions) == 1


@pytest.mark.parametrize('text', ['red', '1a2b3c4', '#1a2b3', '#1a2b3g'])
def test_colours_that_are_none(text):
    found = cvat.read(ElementTree.fromstring(
        '<annotations><meta><task><labels><label><name>a</name><color>' + text
        + '</color></label></labels></task></meta></annotations>'), Path('x.xml'))
    assert found.classes == ['a'] and found.colours == {}


def test_coco_s_panoptic_segments_are_no_regions():
    content = dict(images=[], categories=[], annotations=[dict(image_id=1)])
    assert coco.is_export(content)
    content['annotations'][0]['segments_info'] = []
    assert not coco.is_export(content)


def test_boxes_are_counted():
    """All in them is taken for their class, which is said."""
    size, corners = dict(width=9, height=9), [[1, 1], [5, 5]]
    for export in (
            labelme.read(dict(imagePath='x.png', shapes=[dict(
                label='a', shape_type='rectangle', points=corners)]), Path('x.json')),
            cvat.read(ElementTree.fromstring(
                '<annotations><image name="x.png" width="9" height="9"><box label="a" xtl="1" '
                'ytl="1" xbr="5" ybr="5"/></image></annotations>'), Path('x.xml')),
            label_studio.read([dict(data=dict(image='x.png'), annotations=[dict(result=[dict(
                id='1', type='rectanglelabels', original_width=9, original_height=9,
                value=dict(size, x=1, y=1, rectanglelabels=['a']))])])], Path('x.json')),
            supervisely.read(dict(size=size, objects=[dict(
                geometryType='rectangle', classTitle='a', points=dict(exterior=corners))]),
                Path('ann/x.png.json'))):
        assert export.images[0].fault is None and export.filled == 1


def test_polygons_that_are_boxes_are_counted(tmp_path):
    """As of YOLO's turned boxes, whose texts look like those of outlines, and as of boxes that
    were converted to polygons."""
    size, box = (40, 200), np.array([(-9, -5), (9, -5), (9, 5), (-9, 5)])
    ramp = np.array([(20, 9), (60, 9), (61, 20), (20, 20)])
    places = [turned(box, (0, 0), 30) + (50, 20), box + (80, 30), ramp]
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'data.yaml').write_text('names: [a]')
    (tmp_path / 'labels/x.txt').write_text(''.join(
        '0 ' + ' '.join(f'{v:.6f}' for v in (points / size[::-1]).ravel()) + '\n'
        for points in [*places, ramp[:3]]))
    content = dict(
        images=[dict(id=1, file_name='x.png', height=size[0], width=size[1])],
        categories=[dict(id=1, name='a')], annotations=[
            dict(id=i, image_id=1, category_id=1,
                 segmentation=[points.round(2).ravel().tolist()])
            for i, points in enumerate(places)])
    for export in (yolo.read(['a'], tmp_path / 'data.yaml'),
                   coco.read(content, tmp_path / 'a.json')):
        assert export.images[0].fault is None and export.filled == 2


# --- the half-pixel rule -------------------------------------------------------------


def test_a_pixel_is_inside_where_its_centre_is():
    assert inside(polygon([(1, 1), (3, 1), (3, 2), (1, 2)]), 4, 5).nonzero()[1].tolist() == [
        1, 2]
    barely = polygon([(1.49, 1.49), (2.49, 1.49), (2.49, 2.49), (1.49, 2.49)])
    assert np.argwhere(inside(barely, 4, 5)).tolist() == [[1, 1]]
    beyond = polygon([(1.51, 1.51), (2.51, 1.51), (2.51, 2.51), (1.51, 2.51)])
    assert np.argwhere(inside(beyond, 4, 5)).tolist() == [[2, 2]]
    through = polygon([(1.5, 1.5), (2.5, 1.5), (2.5, 2.5), (1.5, 2.5)])  # left and upper in
    assert np.argwhere(inside(through, 4, 5)).tolist() == [[1, 1]]


def test_neighbours_share_no_pixel_and_leave_none_out():
    """A common side through the centres of pixels, slanted ones too."""
    left = polygon([(0, 0), (2.5, 0), (7.5, 10), (0, 10)])
    right = polygon([(2.5, 0), (10, 0), (10, 10), (7.5, 10)])
    assert (inside(left, 10, 10) ^ inside(right, 10, 10)).all()


@pytest.mark.parametrize('seed', range(5))
def test_agrees_with_matplotlib_and_pycocotools(seed):
    """Pycocotools rounds points to a fifth of a pixel: centres nearer than that may differ."""
    masks = pytest.importorskip('pycocotools.mask')
    outline = star(seed, 5)
    found = inside(outline, *SIZE)
    theirs = masks.decode(masks.frPyObjects([outline.ravel().tolist()], *SIZE))[..., 0]
    sure = far_from(outline, 0.3)
    assert sure.mean() > 0.6
    assert (found == theirs)[sure].all()
    hull = outline[:3]  # where the even-odd rule and any other are the same
    y, x = np.indices(SIZE) + 0.5
    centres = np.stack([x.ravel(), y.ravel()], 1)
    assert (inside(hull, *SIZE).ravel() == Outline(hull).contains_points(centres)).all()


def test_differs_from_labelme_s_exporter_by_its_outline_alone():
    """It takes points for centres of pixels and paints the outline, a pixel wide, as well
    (ImageDraw, outline=1): more than the tool shows."""
    outline = polygon([(5.2, 4.1), (40.7, 9.9), (30.3, 33.6)])
    theirs = Image.new('L', SIZE[::-1])
    ImageDraw.Draw(theirs).polygon([tuple(p) for p in outline], outline=1, fill=1)
    theirs = np.asarray(theirs) > 0
    found = inside(outline, *SIZE)
    assert (found == theirs)[far_from(outline, 1.5)].all()
    assert theirs.sum() > found.sum()


def test_a_hole_is_cut_out_and_what_leaves_the_image_is_cut_off():
    region = Region('a', (polygon([(-5, -5), (9, -5), (9, 6), (-5, 6)]), ),
                    (polygon([(2, 2), (4, 2), (4, 4), (2, 4)]), ))
    pixels, left, top = pixels_of(region, 8, 12)
    whole = np.zeros((8, 12), bool)
    whole[top:top + pixels.shape[0], left:left + pixels.shape[1]] = pixels
    expected = np.zeros((8, 12), bool)
    expected[:6, :9] = True
    expected[2:4, 2:4] = False
    assert (whole == expected).all()


def test_what_of_a_hole_lies_beyond_the_outline_is_in_no_region():
    region = Region('a', (polygon([(0, 0), (2, 0), (2, 4), (0, 4)]), polygon(
        [(3, 0), (4, 0), (4, 4), (3, 4)])), (polygon([(1, 1), (3, 1), (3, 3), (1, 3)]), ))
    assert pixels_of(region, 4, 4).pixels.astype(int).tolist() == [
        [1, 1, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 0, 1]]


def test_shares_of_the_sides_are_those_of_holes_too():
    region = Region('a', (polygon([(0, 0), (1, 0), (1, 1), (0, 1)]), ),
                    (polygon([(0.5, 0.25), (1, 0.25), (1, 0.75), (0.5, 0.75)]), ))
    labels, _ = draw(Annotated('x', None, (region, ), Path('x'), shares=True), (4, 6),
                     dict(a=1))
    assert labels.tolist() == [[1] * 6, [1] * 3 + [0] * 3, [1] * 3 + [0] * 3, [1] * 6]


def test_a_region_is_all_of_its_outlines():
    """Also where they lie over one another."""
    region = Region('a', tuple(polygon([(x, 0), (x + 4, 0), (x + 4, 3), (x, 3)])
                               for x in (0, 2)))
    assert pixels_of(region, 3, 8).pixels[:, :6].all()


def test_a_bitmap_may_leave_the_image():
    image = Annotated('a', (4, 4), (Region('b', bitmap=Bitmap(np.ones((3, 3), bool), -1, 2)),
                                    Region('c', bitmap=Bitmap(np.ones((2, 2), bool), 9, 9))),
                      Path('x'))
    labels, stray = draw(image, (4, 4), dict(b=1, c=2))
    expected = np.zeros((4, 4), int)
    expected[2:, :2] = 1
    assert (labels == expected).all() and stray == ['c']


@pytest.mark.parametrize('through', [False, True])
@pytest.mark.parametrize('place', [(0, -9), (0, 9), (-9, 0), (9, 0), (9, 9)])
def test_polygons_beyond_the_image_are_named(place, through):
    region = Region('a', (polygon([(0, 0), (3, 0), (3, 4)]) + place, ),
                    (polygon([(1, 0), (2, 0), (2, 1)]) + place, ), through_pixels=through)
    labels, stray = draw(Annotated('x', None, (region, ), Path('x')), (4, 6), dict(a=1))
    assert not labels.any() and stray == ['a']


def test_a_polygon_between_the_centres_of_pixels_is_not_beyond_the_image():
    region = Region('a', (polygon([(1, 1.1), (2, 1.1), (2, 1.2)]), ))
    labels, stray = draw(Annotated('x', None, (region, ), Path('x')), (4, 6), dict(a=1))
    assert not labels.any() and not stray


def square(name, left, right, **more):
    return Region(name, (polygon([(left, 0), (right, 0), (right, 1), (left, 1)]), ), **more)


def test_later_regions_lie_over_earlier_ones_unless_order_or_area_say_otherwise():
    values = dict(a=1, b=2)
    image = Annotated('x', (1, 6), (square('a', 0, 3), square('b', 0, 6)), Path('x'))
    assert draw(image, (1, 6), values)[0][0].tolist() == [2] * 6
    above = image._replace(regions=(square('a', 0, 3, order=1), square('b', 0, 6)))
    assert draw(above, (1, 6), values)[0][0].tolist() == [1, 1, 1, 2, 2, 2]
    by_area = image._replace(by_area=True)
    assert draw(by_area, (1, 6), values)[0][0].tolist() == [1, 1, 1, 2, 2, 2]
    crowd = by_area._replace(regions=(square('a', 0, 3), square('b', 2, 4, counts=False)))
    assert draw(crowd, (1, 6), values)[0][0].tolist() == [1, 1, 1, 255, 0, 0]


def test_ellipses_and_turned_boxes():
    found = cv2.contourArea(ellipse(20, 20, 10, 5).astype(np.float32))
    assert found == pytest.approx(50 * np.pi, rel=1e-3)
    corner = turned(np.array([[2.0, 0.0]]), (0, 0), 90)  # y points down: clockwise as seen
    assert corner.round(6).tolist() == [[0, 2]]


# --- what is packed ------------------------------------------------------------------


def noise(seed=0, size=SIZE):
    blobs = np.random.default_rng(seed).random((size[0] // 4 + 1, size[1] // 4 + 1)) > 0.5
    return np.kron(blobs, np.ones((4, 4), bool))[:size[0], :size[1]]


@pytest.mark.parametrize('mask', [noise(), ~noise(1), np.zeros(SIZE, bool),
                                  np.ones(SIZE, bool), noise(2, (600, 900))])
def test_runs_of_coco_are_read_as_pycocotools_writes_them(mask):
    masks = pytest.importorskip('pycocotools.mask')
    packed = masks.encode(np.asfortranarray(mask.astype(np.uint8)))['counts'].decode()
    height, width = mask.shape
    each = dict(category_id=1, segmentation=dict(size=[height, width], counts=packed))
    region = coco._region(each, {1: 'a'}, Annotated('a', None, (), Path('x')))
    assert (region.bitmap.pixels == mask).all()


@pytest.mark.parametrize('counts, words', [
    ([3, 2], 'must fill 3x2 = 6 pixels, but fill 5'), ([2 ** 62] * 4 + [6], 'must fill'),
    ([7, -1], 'some are negative'), ([4, -2, 4], 'some are negative'),
    ([2 ** 70], 'no integers'), ('abc', 'no integers'), ([[6]], 'must fill')])
def test_runs_that_are_not_those_of_the_image(counts, words):
    with pytest.raises(ValueError, match=words.replace('(', r'\(')):
        runs(counts, 2, 3)


@pytest.mark.parametrize('size', [(0, 5), (None, 5), ('a', 5), (20_000, 20_000)])
def test_sizes_that_no_image_has(size):
    with pytest.raises(ValueError, match='is no size of an image in pixels'):
        size_of(*size)


def test_scores_that_are_no_number():
    with pytest.raises(ValueError, match="its score 'high' is no number"):
        score_of('high')
    assert score_of('0.5') == 0.5 and score_of(None) is None


@pytest.mark.parametrize('text', ['0', '~~', '\x00', 'o' * 40, '0P', 'é'])
def test_damaged_runs_of_coco(text):
    each = dict(category_id=1, segmentation=dict(size=[4, 4], counts=text))
    with pytest.raises(ValueError, match='RLE. (are damaged|are cut off|must fill)'):
        coco._region(each, {1: 'a'}, Annotated('a', None, (), Path('x')))


def test_runs_of_coco_that_are_cut_off_after_all_pixels():
    each = dict(category_id=1, segmentation=dict(size=[4, 4], counts='`0'))  # 16 are off
    region = coco._region(each, {1: 'a'}, Annotated('a', None, (), Path('x')))
    assert not region.bitmap.pixels.any()
    for more, words in (('P', 'cut off'), ('o' * 40, 'damaged')):  # a number without an end
        each['segmentation']['counts'] = '`0' + more
        with pytest.raises(ValueError, match=f'RLE. are {words}'):
            coco._region(each, {1: 'a'}, Annotated('a', None, (), Path('x')))


def test_strokes_of_label_studio():
    mask = noise(3)
    assert (label_studio._brushed(brushed(mask), *SIZE) == mask).all()


@pytest.mark.parametrize('change, words', [
    (lambda data: data[:-3], 'cut off'), (lambda data: [255] * 4 + data[4:], 'has 4294967295'),
    (lambda data: [300, *data], 'no list of bytes'), (lambda data: [], 'cut off'),
    (lambda data: data[:7] + [255] * 99, 'more than')])
def test_damaged_strokes(change, words):
    with pytest.raises(ValueError, match=words):
        label_studio._brushed(change(brushed(noise(3))), *SIZE)


def png(image, **options):
    data = io.BytesIO()
    image.save(data, 'PNG', **options)
    return data.getvalue()


def test_masks_in_png_of_every_kind():
    mask = noise(4)
    bit = Image.fromarray(mask)
    two = Image.fromarray(mask.astype(np.uint8))
    two.putpalette([0, 0, 0, 255, 255, 255])
    white = Image.fromarray(mask.astype(np.uint8))
    white.putpalette([255, 255, 255, 0, 0, 0])
    clear = Image.fromarray(np.dstack([np.zeros((*SIZE, 3), np.uint8),
                                       mask.astype(np.uint8) * 9]))  # hardly seen
    blue = Image.fromarray(np.multiply.outer(mask, [0, 0, 200]).astype(np.uint8))
    for data in (png(bit), png(two), png(white, transparency=0), png(clear), png(blue),
                 png(Image.fromarray(mask.astype(np.uint8) * 255))):
        assert (png_mask(data) == mask).all()
    with pytest.raises(ValueError, match='no PNG'):
        png_mask(base64.b64decode('aGFsbG8='))
    other = io.BytesIO()
    white.save(other, 'GIF')  # other formats may run programs
    with pytest.raises(ValueError, match='no PNG'):
        png_mask(other.getvalue())
    assert decoded('aGFsbG8=') == b'hallo'
    with pytest.raises(ValueError, match='is not base64'):
        decoded('aGF*sbG8=')


# --- files of strangers --------------------------------------------------------------


def test_entities_are_not_expanded(tmp_path):
    file = tmp_path / 'a.xml'
    file.write_text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>'
                    '<annotations><image name="&c;"/></annotations>')
    with pytest.raises(ValueError, match='DOCTYPE'):
        read_xml(file)
    file.write_bytes('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "b">]>'
                     '<a>&b;</a>'.encode('utf-16'))
    with pytest.raises(ValueError, match='DOCTYPE'):
        read_xml(file)


def test_json_with_a_mark_of_its_encoding(tmp_path):
    (tmp_path / 'a.json').write_bytes('{"a": "道"}'.encode('utf-8-sig'))
    assert read_json(tmp_path / 'a.json') == dict(a='道')


@pytest.mark.parametrize('data', [b'{', b'[' * 100000, b'\xff\xfe', b''])
def test_broken_json(tmp_path, data):
    (tmp_path / 'a.json').write_bytes(data)
    with pytest.raises(ValueError, match='a.json: it is no JSON'):
        read_json(tmp_path / 'a.json')


@pytest.mark.parametrize('points', [[(0, 0), (1, 1)], [1, 2, 3], 'abc', [(0, 0, 0)] * 3,
                                    [(0, 0), (1, float('nan')), (2, 2)], [],
                                    [(0, 0), (1e300, 0), (0, 1)], None])
def test_polygons_that_are_none(points):
    with pytest.raises(ValueError, match='point'):
        polygon(points)
