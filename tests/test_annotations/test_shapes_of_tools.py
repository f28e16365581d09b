"""Boxes, circles, ellipses and holes of the labelling tools, to pixels; and whose they are."""
import base64
import io
import re
import zlib
from pathlib import Path
from unicodedata import normalize
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from label_studio_brush import brushed
from PIL import Image

from fcn_plugin.annotations import coco, cvat, label_studio, labelme, supervisely, yolo
from fcn_plugin.annotations.drawing import draw
from fcn_plugin.annotations.formats import read_files
from fcn_plugin.annotations.regions import Annotated, Region, polygon
from fcn_plugin.layouts.matching import match, merged

SIZE = 30, 50  # H, W
FILE = Path('x.json')


def drawn(export):
    image, = export.images
    assert image.fault is None
    return draw(image, SIZE, dict(a=1))[0] == 1


def box(left, top, right, bottom):
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def oval(x, y, rx, ry):
    rows, columns = np.indices(SIZE) + 0.5
    return ((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2 < 1


def of_labelme(kind, points):
    return labelme.read(dict(imagePath='x.png', shapes=[
        dict(label='a', shape_type=kind, points=points)]), FILE)


@pytest.mark.parametrize('kind, points, expected', [
    ('rectangle', [[10, 7], [2, 3]], box(2, 3, 10, 7)),
    ('rectangle', [[2, 3], [10, 3], [10, 7], [2, 7]], box(2, 3, 10, 7)),
    ('circle', [[20.2, 15.3], [26.2, 15.3]], oval(20.2, 15.3, 6, 6)),
    ('circle', [[20.2, 15.3], [23.2, 19.3]], oval(20.2, 15.3, 5, 5))])
def test_labelme(kind, points, expected):
    assert (drawn(of_labelme(kind, points)) == expected).all()


@pytest.mark.parametrize('shape, expected', [
    ('box label="a" xtl="10" ytl="10" xbr="30" ybr="20"', box(10, 10, 30, 20)),
    ('box label="a" xtl="10" ytl="10" xbr="30" ybr="20" rotation="90"', box(15, 5, 25, 25)),
    ('ellipse label="a" cx="20.2" cy="15.3" rx="12" ry="4"', oval(20.2, 15.3, 12, 4)),
    ('ellipse label="a" cx="20.2" cy="15.3" rx="12" ry="4" rotation="90"',
     oval(20.2, 15.3, 4, 12))])
def test_cvat(shape, expected):
    root = ElementTree.fromstring(f'<annotations><image name="x.png" width="50" height="30">'
                                  f'<{shape}/></image></annotations>')
    assert (drawn(cvat.read(root, FILE)) == expected).all()


def of_cvat(content):
    return cvat.read(ElementTree.fromstring(f'<annotations>{content}</annotations>'), FILE)


@pytest.mark.parametrize('of', ['task', 'job', 'project'])
def test_cvat_names_its_classes_in_their_order_whatever_was_exported(of):
    labels = ''.join(f'<label><name>{name}</name><color>#00000{i}</color></label>'
                     for i, name in enumerate('ba'))
    found = of_cvat(f'<meta><{of}><labels>{labels}</labels></{of}></meta>')
    assert found.classes == ['b', 'a'] and found.colours == dict(b=(0, 0, 0), a=(0, 0, 1))
    twice = of_cvat(f'<meta><{of}><labels>{labels}{labels}</labels></{of}></meta>')
    assert twice.classes == ['b', 'a']


def test_labels_of_cvat_that_no_region_can_have_are_no_classes():
    labels = ''.join(f'<label><name>{kind}</name><type>{kind}</type></label>' for kind in (
        'any', 'skeleton', 'points', 'polyline', 'tag', 'cuboid', 'mask', 'polygon',
        'rectangle', 'ellipse'))
    found = of_cvat(f'<meta><task><labels>{labels}</labels></task></meta>'
                    '<image name="x" width="50" height="30"><tag label="tag"/>'
                    '<skeleton label="skeleton"><points label="points" points="1,1"/>'
                    '</skeleton></image>')
    assert found.classes == ['any', 'mask', 'polygon', 'rectangle', 'ellipse']
    assert found.images[0].fault is None and found.skipped == dict(skeleton=1)


def test_cvat_s_regions_are_of_the_labels_of_its_file():
    labels = '<meta><task><labels><label><name>a</name></label></labels></task></meta>'
    region = ('<image name="x" width="50" height="30"><box label="b" xtl="0" ytl="0" xbr="9" '
              'ybr="9"/></image>')
    found, = of_cvat(labels + region).images
    assert "box 1: its label 'b' is none of the labels" in found.fault and not found.regions
    found, = of_cvat(region).images
    assert found.fault is None and found.regions[0].name == 'b'


def test_cvat_s_shapes_of_a_higher_order_lie_over_others():
    shapes = ''.join(f'<box label="{name}" xtl="{left}" ytl="0" xbr="{left + 9}" ybr="9" '
                     f'z_order="{order}"/>' for name, left, order in (
                         ('a', 0, 1), ('b', 3, 0), ('a', 6, 0)))
    image, = of_cvat(f'<image name="x" width="50" height="30">{shapes}</image>').images
    found, _ = draw(image, SIZE, dict(a=1, b=2))
    assert found[0, :16].tolist() == [1] * 15 + [0]
    assert draw(image._replace(regions=image.regions[:2]), SIZE, dict(a=1, b=2))[0][
        0, :13].tolist() == [1] * 9 + [2] * 3 + [0]


def of_coco(annotations, categories=({'id': 1, 'name': 'a'}, ), **more):
    return coco.read(dict(
        images=[dict(id=1, file_name='x.png', height=30, width=50)], categories=categories,
        annotations=[dict(each, id=i, image_id=1, category_id=1)
                     for i, each in enumerate(annotations)], **more), FILE)


def corners(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


def column_runs(mask):
    """Counts of COCO's, column by column from off."""
    changes = np.flatnonzero(np.diff(mask.T.ravel().astype(int), prepend=0, append=-1))
    return dict(size=[*mask.shape], counts=np.diff(changes, prepend=0).tolist())


@pytest.mark.parametrize('shape, expected', [
    ([corners(2, 3, 10, 7), corners(20, 3, 30, 9)], box(2, 3, 10, 7) | box(20, 3, 30, 9)),
    (corners(2, 3, 10, 7), box(2, 3, 10, 7)),
    (column_runs(box(2, 3, 10, 7)), box(2, 3, 10, 7))])
def test_coco(shape, expected):
    assert (drawn(of_coco([dict(segmentation=shape)])) == expected).all()


@pytest.mark.parametrize('url, value', [
    (dict(coco_url='http://images.cocodataset.org/val2017/x.jpg'), 255),
    (dict(flickr_url='http://farm1.staticflickr.com/x.jpg'), 255),
    (dict(coco_url='', flickr_url=''), 1), ({}, 1)])
def test_crowds_are_those_of_coco_s_own_images(url, value):
    """Datumaro, which exports for CVAT, calls every mask a crowd, and gives no addresses;
    supervision those with holes or parts."""
    found = coco.read(dict(
        images=[dict(id=1, file_name='x.png', height=30, width=50, **url)],
        categories=[dict(id=1, name='a')], annotations=[dict(
            id=1, image_id=1, category_id=1, iscrowd=1,
            segmentation=column_runs(box(2, 3, 10, 7)))]), FILE)
    labels, _ = draw(found.images[0], SIZE, dict(a=1))
    assert (labels == value * box(2, 3, 10, 7)).all()


@pytest.mark.parametrize('image, name', [
    (dict(file_name='a/x.png', coco_url='http://y/z.png'), 'a/x.png'),
    (dict(coco_url='http://y/z.png'), 'http://y/z.png')])
def test_images_of_lvis_have_addresses_alone(image, name):
    content = dict(images=[dict(id=1, height=3, width=5, **image)], annotations=[],
                   categories=[dict(id=1, name='a')])
    assert coco.read(content, FILE).images[0].name == name


def test_coco_s_image_without_regions_needs_no_size():
    """Label Studio gives it none."""
    content = dict(images=[dict(id=i, file_name=f'{i}.png', height=None, width=None)
                           for i in range(2)], categories=[dict(id=1, name='a')],
                   annotations=[dict(id=1, image_id=1, category_id=1,
                                     segmentation=[corners(2, 3, 10, 7)])])
    empty, image = coco.read(content, FILE).images
    assert empty.fault is None and not empty.labelled
    assert 'None x None is no size of an image' in image.fault and not image.regions


def test_coco_s_runs_are_of_the_image_s_height_and_width():
    image, = of_coco([dict(segmentation=column_runs(box(2, 3, 10, 7).T))]).images
    assert 'its mask is 30x50, but the image is 50x30' in image.fault


def test_coco_s_smaller_regions_have_fewer_pixels_not_a_smaller_box():
    triangle, rest = [0, 0, 40, 0, 0, 20], corners(2, 1, 28, 20)  # 400 and 494 pixels
    for shapes in ((triangle, rest), (rest, triangle)):
        image, = of_coco([dict(segmentation=[shape]) for shape in shapes]).images
        names = {400: 'triangle', 494: 'rest'}
        found, _ = draw(image._replace(regions=tuple(
            region._replace(name=names[round(cv2.contourArea(
                region.outlines[0].astype(np.float32)))])
            for region in image.regions)), SIZE, dict(triangle=1, rest=2))
        assert (found[5, 5], found[15, 20]) == (1, 2)


def test_coco_of_two_things_with_one_id():
    with pytest.raises(ValueError, match='two of the categories have one id'):
        of_coco([], [dict(id=1, name=name) for name in 'ab'])


def test_label_studio_s_coco_has_polygons_in_shares_and_runs_in_pixels():
    info = dict(contributor='Label Studio')
    image, = of_coco([dict(segmentation=[corners(5, 3, 25, 15)])], info=info).images
    assert image.shares and image.regions[0].outlines[0].max(0).tolist() == [0.5, 0.5]
    assert (draw(image, SIZE, dict(a=1))[0] == box(5, 3, 25, 15)).all()
    image, = of_coco([dict(segmentation=column_runs(box(2, 3, 10, 7)))], info=info).images
    assert not image.shares


def of_label_studio(*annotations):
    """Tasks of one image; each annotation is of type, value and other entries."""
    return label_studio.read([dict(data=dict(image='x.png'), annotations=[
        dict(result=[dict(id='r', type=f'{kind}labels', original_width=50, original_height=30,
                          value={f'{kind}labels': ['a'], **value})], **more)
        for kind, value, more in annotations])], FILE)


@pytest.mark.parametrize('kind, value, expected', [
    ('rectangle', dict(x=40, y=20, width=20, height=50), box(20, 6, 30, 21)),
    # clockwise around its upper left corner
    ('rectangle', dict(x=40, y=20, width=20, height=50, rotation=90), box(5, 6, 20, 16)),
    ('ellipse', dict(x=40.4, y=51, radiusX=24, radiusY=13), oval(20.2, 15.3, 12, 3.9)),
    ('ellipse', dict(x=40.4, y=51, radiusX=24, radiusY=13, rotation=90),
     oval(20.2, 15.3, 3.9, 12)),
    ('brush', dict(rle=brushed(box(3, 4, 9, 8), colour=0, alpha=9)), box(3, 4, 9, 8))])
def test_label_studio(kind, value, expected):
    assert (drawn(of_label_studio((kind, value, {}))) == expected).all()


def test_label_studio_of_several_people():
    """What is marked as the truth counts, else the first that was not cancelled."""
    first, second, third = (dict(x=10 * i, y=0, width=10, height=100) for i in range(3))
    for more, place in (({}, 5), (dict(ground_truth=True), 10)):
        found = drawn(of_label_studio(
            ('rectangle', first, dict(was_cancelled=True)), ('rectangle', second, {}),
            ('rectangle', third, more)))
        assert (found == box(place, 0, place + 5, 30)).all()


def label_studio_s(*results):
    return label_studio.read([dict(data=dict(image='x.png'), annotations=[
        dict(result=list(results))])], FILE).images[0]


def test_label_studio_s_shapes_and_labels_may_be_controls_of_their_own():
    whole = dict(original_width=50, original_height=30)
    place = dict(x=0, y=0, width=10, height=10)
    found = label_studio_s(
        *(dict(whole, id=name, type='rectangle', value=place) for name in '12'),
        *(dict(whole, id=name, type='labels', value=dict(place, labels=[label]))
          for name, label in (('2', 'b'), ('1', 'a'))))
    assert [region.name for region in found.regions] == ['a', 'b'] and found.fault is None


def test_label_studio_s_regions_are_of_one_size():
    found = label_studio_s(*(
        dict(id='r', type='rectanglelabels', original_width=50, original_height=height,
             value=dict(x=0, y=0, width=10, height=10, rectanglelabels=['a']))
        for height in (30, 40)))
    assert 'regions say 50x40 and 50x30 of one image' in found.fault


@pytest.mark.parametrize('data, tags, name', [
    (dict(thumb='b.png', image='a.png'), ['image'], 'a.png'),
    (dict(thumb='b.png', photo='a.png'), ['photo', 'photo'], 'a.png'),
    (dict(thumb='b.png', image='a.png'), ['img'], 'a.png'),
    (dict(thumb='b.png', image='a.png'), [], 'a.png'),
    (dict(text='b', photo='a.png'), ['img'], 'a.png'),
    (dict(pages=['a.png', 'b.png']), [('img', 1)], 'b.png'),
    (dict(pages=['a.png', 'b.png']), [('img', 0)], 'a.png'),
    (dict(pages=['a.png']), [], 'a.png'),
    (dict(photo='a.png', text='b'), ['left', 'right'], 'a.png'),  # seen twice
    (dict(photo='a.png', large='a.png'), ['img'], 'a.png')])
def test_label_studio_s_regions_are_of_the_image_that_their_tag_shows(data, tags, name):
    assert of_data(data, tags).name == name


@pytest.mark.parametrize('data, tags, words', [
    (dict(image='a.png', image2='b.png'), ['image', 'image2'], 'regions of several images'),
    (dict(pages=['a.png', 'b.png']), [('img', 0), ('img', 1)], 'regions of several images'),
    (dict(thumb='b.png', photo='a.png'), ['img'], 'names several images .b.png, a.png.'),
    (dict(pages=['a.png', 'b.png'], thumb='a.png'), [('img', 1)], 'names several images'),
    (dict(pages=['a.png', 'b.png']), [], 'names several images'),
    (dict(pages=['a.png', 'b.png']), [('img', 2)], 'has not the form'),
    (dict(text='a'), [], 'names no image')])
def test_label_studio_s_regions_of_an_image_that_cannot_be_told(data, tags, words):
    image = of_data(data, tags)
    assert re.search(words, image.fault)
    faults = []
    match(Path('/data'), [Path('/data/a.png')], [], [image], [], faults)
    assert faults == [image.fault]  # in place of the name that the image has not


def of_data(data, tags):
    """A task with a region on each tag, or a tag and its page."""
    results = [dict(id='r', type='rectanglelabels', original_width=50, original_height=30,
                    value=dict(x=0, y=0, width=10, height=10, rectanglelabels=['a']),
                    **(dict(to_name=tag) if isinstance(tag, str) else
                       dict(to_name=tag[0], item_index=tag[1]))) for tag in tags]
    return label_studio.read([dict(data=data, annotations=[dict(result=results)])],
                             FILE).images[0]


def test_label_studio_s_bitmasks_are_what_is_not_clear_in_them():
    def drawn_by(mask):
        file = io.BytesIO()
        Image.fromarray(np.dstack([np.zeros((*mask.shape, 3), np.uint8),
                                   mask.astype(np.uint8) * 255])).save(file, 'PNG')
        return of_label_studio(('bitmask', dict(
            imageDataURL='data:image/png;base64,'
            + base64.b64encode(file.getvalue()).decode()), {}))
    assert (drawn(drawn_by(box(3, 4, 9, 8))) == box(3, 4, 9, 8)).all()
    image, = drawn_by(box(3, 4, 9, 8).T).images
    assert 'its bitmask is 30x50, but the image is 50x30' in image.fault


def test_what_label_studio_s_tasks_say_beside_regions_is_no_region():
    place = dict(x=0, y=0, width=10, height=10)
    whole = dict(original_width=50, original_height=30, to_name='img')
    region = dict(whole, id='r', type='rectanglelabels', value=dict(
        place, rectanglelabels=['a']))
    for kind in ('taxonomy', 'number', 'datetime', 'choices', 'textarea', 'rating'):
        found = label_studio_s(region, dict(whole, id='r', type=kind, value={
            **place, kind: [['a']]}), dict(id='s', type=kind, to_name='text', value={kind: 1}))
        assert found.fault is None and len(found.regions) == 1


def test_label_studio_s_vectors_are_lines_where_they_are_not_closed():
    place = dict(vectorlabels=['a'], vertices=[
        dict(id=str(i), x=x, y=y, isBezier=False) for i, (x, y) in enumerate(
            [(0, 0), (50, 0), (50, 50)])])
    whole = dict(original_width=50, original_height=30, id='r', type='vectorlabels')
    found = label_studio_s(dict(whole, value=dict(place, closed=False)))
    assert found.fault is None and not found.regions
    assert "type 'vectorlabels' is not read: draw it by polygonlabels" in label_studio_s(
        dict(whole, value=dict(place, closed=True))).fault


def test_label_studio_shows_classes_of_any_names(tmp_path):
    names = ['a "b" & \'c\'', '<道>']
    label_studio.write([], tmp_path, names)
    shown = ElementTree.parse(tmp_path / 'label_config.xml').iterfind('.//Label')
    assert [each.get('value') for each in shown] == names


def test_scores_say_that_a_network_has_proposed_regions():
    place, whole = dict(x=0, y=0, width=9, height=9), dict(
        original_width=50, original_height=30)
    square = [[0, 0], [9, 0], [9, 9]]
    for export in (
            labelme.read(dict(imagePath='x.png', shapes=[
                dict(label='a', points=square, score=0.5)]), FILE),
            of_coco([dict(segmentation=[sum(square, [])], score=0.5)]),
            of_cvat('<image name="x" width="50" height="30"><box label="a" xtl="0" ytl="0" '
                    'xbr="9" ybr="9" score="0.5"/></image>'),
            label_studio.read([dict(data=dict(image='x.png'), annotations=[dict(result=[
                dict(whole, id='r', type='rectanglelabels', score=0.5,
                     value=dict(place, rectanglelabels=['a']))])])], FILE)):
        assert [region.score for region in export.images[0].regions] == [0.5]


def test_labelme_s_masks_begin_at_whole_pixels():
    """As its own exporter rounds them: down."""
    file = io.BytesIO()
    Image.fromarray(np.full((4, 6), 255, np.uint8)).save(file, 'PNG')
    found = labelme.read(dict(imagePath='x.png', shapes=[
        dict(label='a', shape_type='mask', points=[[2.7, 3.6], [8.7, 7.6]],
             mask=base64.b64encode(file.getvalue()).decode())]), FILE)
    assert (drawn(found) == box(2, 3, 8, 7)).all()


def of_supervisely(*shapes):
    """Objects of an image, each of a kind and its points."""
    return supervisely.read(dict(size=dict(height=30, width=50), objects=[
        dict(classTitle='a', geometryType=kind, points=dict(dict(interior=[]), **points))
        for kind, points in shapes]), Path('d/ann/x.png.json'))


@pytest.mark.parametrize('kind, points, expected', [
    ('rectangle', dict(exterior=[[2, 3], [10, 7]]), box(2, 3, 11, 8)),
    ('rectangle', dict(exterior=[[49, 29], [0, 0]]), box(0, 0, 50, 30)),
    ('polygon', dict(exterior=[[2, 3], [20, 3], [20, 17], [2, 17]], interior=[
        [[4, 5], [9, 5], [9, 8], [4, 8]]]), box(2, 3, 21, 18) & ~box(4, 5, 10, 9)),
    ('polygon', dict(exterior=[[-5, -4], [60, -4], [60, 40], [-5, 40]]), box(0, 0, 50, 30)),
    ('polygon', dict(exterior=[[60, 3], [70, 3], [70, 9]]), box(0, 0, 0, 0))])
def test_supervisely_s_whole_numbers_name_pixels(kind, points, expected):
    """Those of the outline are inside, as its own library draws them."""
    assert (drawn(of_supervisely((kind, points))) == expected).all()


@pytest.mark.parametrize('kind, points, expected', [
    ('rectangle', dict(exterior=[[2.4, 3], [10, 7]]), box(2, 3, 10, 7)),
    ('polygon', dict(exterior=[[2, 3], [20.2, 3], [20.2, 17], [2, 17]], interior=[
        [[4, 5], [9, 5], [9, 8], [4, 8]]]), box(2, 3, 20, 17) & ~box(4, 5, 9, 8))])
def test_supervisely_s_fractions_are_places_between_pixels(kind, points, expected):
    """As its window has them; then the whole numbers of other objects are, too."""
    assert (drawn(of_supervisely((kind, points))) == expected).all()
    more = box(40, 20, 45, 25)
    assert (drawn(of_supervisely(
        ('rectangle', dict(exterior=[[40, 20], [45, 25]])), (kind, points)))
        == expected | more).all()


def test_label_studio_s_interface_has_the_names_of_classes_as_they_are(tmp_path):
    names = ['a "& b"', "<it's>", '道']
    label_studio.write([Annotated('x.png', (4, 5), (), tmp_path / 'x.png')], tmp_path, names)
    shown = ElementTree.parse(tmp_path / 'label_config.xml')
    assert [each.get('value') for each in shown.iter('Label')] == names


def test_what_unpacks_to_more_than_any_bitmap_of_supervisely_s_has(monkeypatch):
    packed = io.BytesIO()
    Image.fromarray(np.ones((4, 5), np.uint8)).save(packed, 'PNG')
    each = dict(classTitle='a', geometryType='bitmap', bitmap=dict(
        origin=[2, 3], data=base64.b64encode(zlib.compress(packed.getvalue())).decode()))

    def found():
        return supervisely.read(dict(size=dict(height=30, width=50), objects=[each]),
                                Path('d/ann/x.png.json'))
    assert (drawn(found()) == box(2, 3, 7, 7)).all()
    monkeypatch.setattr('fcn_plugin.annotations.supervisely._MOST_BYTES', 20)
    assert 'its mask is no PNG' in found().images[0].fault


def test_cvat_s_subsets_are_splits_but_for_its_default():
    found = cvat.read(ElementTree.fromstring('<annotations>' + ''.join(
        f'<image name="{name}.png" width="5" height="4" subset="{subset}"/>'
        for name, subset in zip('abc', ('Train', 'default', 'Validation')))
        + '<image name="d.png" width="5" height="4"/></annotations>'), FILE)
    assert [one.split or None for one in found.images] == ['train', None, 'validation', None]


def test_yolo_by_numbers_and_below_two_folders_of_labels(tmp_path):
    folder = tmp_path / 'labels/old/labels/train'
    folder.mkdir(parents=True)
    (folder / 'x.txt').write_text('1 0.2 0.1 0.4 0.1 0.4 0.5 0.2 0.5\n')
    (tmp_path / 'data.yaml').write_text('names: {1: a, 0: b}\n')
    names = yolo.names_in(tmp_path / 'data.yaml')
    found = yolo.read(names, tmp_path / 'data.yaml')
    assert names == ['b', 'a'] and (drawn(found) == box(10, 3, 20, 15)).all()
    assert found.images[0].name == f'{tmp_path.as_posix()}/labels/old/images/train/x'


def test_labelme_names_its_image_as_seen_from_the_file_and_says_its_size():
    found, = labelme.read(dict(imagePath='..\\img\\x.png', imageHeight=30, imageWidth=50,
                               shapes=[]), Path('d/ann/x.json')).images
    assert (found.name, found.size) == ('d/img/x.png', (30, 50))


def test_label_studio_s_first_label_of_several_is_the_region_s():
    value = dict(x=0, y=0, width=10, height=100, rectanglelabels=['b', 'a'])
    found, = of_label_studio(('rectangle', value, {})).images
    assert [region.name for region in found.regions] == ['b'] and found.size == SIZE


def test_of_several_shapes_that_are_wrong_the_first_is_named():
    found, = labelme.read(dict(imagePath='x.png', shapes=[
        dict(label='a', shape_type=kind, points=[]) for kind in ('moon', 'polygon')]),
        FILE).images
    assert 'shape 1: ' in found.fault and "'moon'" in found.fault


def test_what_nobody_has_labelled_is_told_from_what_has_nothing():
    def task(annotations):
        return label_studio.read([dict(data=dict(image='x.png'), annotations=annotations)],
                                 FILE).images[0].labelled
    assert [task([dict(result=[])]), task([])] == [True, False]
    empty = supervisely.read(dict(size=dict(height=30, width=50), objects=[]),
                             Path('d/ann/x.png.json'))
    assert not empty.images[0].labelled and not of_coco([]).images[0].labelled
    assert of_coco([dict(segmentation=corners(2, 3, 10, 7))]).images[0].labelled
    assert not of_cvat('<image name="x" width="5" height="4"/>').images[0].labelled


@pytest.mark.parametrize('address, name', [
    ('https://host/a%20b/1.png?token=2.x', 'https://host/a b/1.png'),
    ('/data/local-files/?d=a%20b/1.png', 'a b/1.png'), ('a\\1.PNG', 'a/1.PNG')])
def test_what_label_studio_calls_an_image(address, name):
    image, = label_studio.read([dict(data=dict(text='a', image=address), annotations=[])],
                               FILE).images
    assert image.name == name


def test_yolo_s_points_may_leave_the_image_and_its_folders_be_splits(tmp_path):
    (tmp_path / 'valid/labels').mkdir(parents=True)
    (tmp_path / 'valid/labels/x.txt').write_text('0 0.2 0.1 1.5 0.1 1.5 0.5 0.2 0.5\n')
    (tmp_path / 'data.yaml').write_text('names: [a]\n')
    found = yolo.read(yolo.names_in(tmp_path / 'data.yaml'), tmp_path / 'data.yaml')
    assert (drawn(found) == box(10, 3, 50, 15)).all()


def test_yolo_s_files_may_have_a_mark_of_their_encoding(tmp_path):
    (tmp_path / 'labels').mkdir()
    for name, text in (('labels/x.txt', '1 0.2 0.1 0.4 0.1 0.4 0.5 0.2 0.5\n'),
                       ('classes.txt', '道\na\n'), ('data.yaml', 'names: [道, a]\n')):
        (tmp_path / name).write_text(text, encoding='utf-8-sig')
    for file in (tmp_path / 'classes.txt', tmp_path / 'data.yaml'):
        names = yolo.names_in(file)
        assert names == ['道', 'a']
        assert (drawn(yolo.read(names, file)) == box(10, 3, 20, 15)).all()


def test_numbers_of_yolo_s_classes_begin_with_0(tmp_path):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'data.yaml').write_text('names: {1: a, 2: b}\n')
    with pytest.raises(ValueError, match='numbered from 0 on'):
        yolo.names_in(tmp_path / 'data.yaml')


@pytest.mark.parametrize('number', [-1, 2])
def test_numbers_of_no_class_of_yolo_s(tmp_path, number):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels/x.txt').write_text(f'{number} 0.2 0.1 0.4 0.1 0.4 0.5\n')
    (tmp_path / 'data.yaml').write_text('names: [a, b]\n')
    found, = yolo.read(['a', 'b'], tmp_path / 'data.yaml').images
    assert f'class {number} is none of the 2 names (0 to 1)' in found.fault


def test_of_yolo_s_two_files_of_names_data_yaml_counts(tmp_path):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels/x.txt').write_text('1 0.2 0.1 0.4 0.1 0.4 0.5\n')
    (tmp_path / 'classes.txt').write_text('c\nd\n')
    (tmp_path / 'data.yaml').write_text('names: [a, b]\n')
    ((_, export), ), broken = read_files(tmp_path.iterdir())
    assert export.classes == ['a', 'b'] and not broken


def test_of_two_lists_of_yolo_s_names_the_first_counts_and_the_other_is_a_fault(tmp_path):
    """Both may be of one folder, or one of a folder in it."""
    for place in ('labels', 'old/labels'):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / 'x.txt').write_text('1 0.2 0.1 0.4 0.1 0.4 0.5\n')
    first, second, third = (tmp_path / name for name in ('a.yaml', 'b.yaml', 'old/a.yaml'))
    for file in (first, second, third):
        file.write_text('names: [a, b]\n')
    for files in ((first, second), (third, first)):
        found, broken = read_files(files)
        assert not broken and sorted(
            one.source.parent.parent.name for _, export in found for one in export.images) == [
                'old', tmp_path.name]
    first.write_text('names: [b, a]\n')
    for files, other in (((first, second), first), ((second, first), second),
                         ((third, first), third)):
        found, (fault, ) = read_files(sorted(files, key=lambda file: file != other))
        assert f'it names other classes than {other}' in fault
        assert {tuple(export.classes) for _, export in found if export.images} == {
            ('b', 'a') if other == first else ('a', 'b')}


def test_yolo_s_smaller_regions_lie_over_larger_ones_whatever_comes_first(tmp_path):
    """As Ultralytics trains on them."""
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'data.yaml').write_text('names: [a, b]\n')
    lines = ['0 0.1 0.1 0.2 0.1 0.2 0.3 0.1 0.3', '1 0 0 0.5 0 0.5 0.5 0 0.5']
    for order in (lines, lines[::-1]):
        (tmp_path / 'labels/x.txt').write_text('\n'.join(order))
        image, = yolo.read(['a', 'b'], tmp_path / 'data.yaml').images
        found, _ = draw(image, SIZE, dict(a=1, b=2))
        assert (found == 2 * box(0, 0, 25, 15) - box(5, 3, 10, 9)).all()


def test_yolo_s_points_of_a_pose_are_no_outline(tmp_path):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels/x.txt').write_text('0 0.5 0.5 0.4 0.4 0.3 0.3 2 0.6 0.6 2\n')
    file = tmp_path / 'data.yaml'
    file.write_text('names: [a]\n')
    found, = yolo.read(['a'], file).images
    assert 'shares of the sides, 0 to 1, but one is 2' in found.fault
    file.write_text('names: [a]\nkpt_shape: [2, 3]\n')
    with pytest.raises(ValueError, match=r'boxes with points \(kpt_shape\)'):
        yolo.names_in(file)


@pytest.mark.parametrize('said, splits', [
    ('path: .\ntrain: images/one\nval: images/two\n', ['train', 'val', None]),
    ('path: /home/me/set\ntrain: [images/one, images/two]\ntest: images/three\n',
     ['train', 'train', 'test']),
    ('train: ../images/two\nval: ../images/one\n', ['val', 'train', None]),
    ('train: images\nval: images/two\n', ['train', 'val', 'train']),
    ('path: .\ntrain: images\nval: images\n', [None] * 3),
    ('train: list.txt\nval: 7\ntest: null\n', [None] * 3),
    ('a: &a [x, x, x, x, x, x, x, x]\n' + ''.join(  # 8 to the 11th when written out
        f'{b}: &{b} [{", ".join(["*" + a] * 8)}]\n' for a, b in zip('abcdefghij', 'bcdefghijk')
    ) + 'path: *k\ntrain: images/one\nval: *k\n', ['train', None, None])])
def test_yolo_s_splits_are_the_folders_that_its_file_names(tmp_path, said, splits):
    for name in ('one', 'two', 'three'):
        (tmp_path / 'labels' / name).mkdir(parents=True)
        (tmp_path / 'labels' / name / 'x.txt').write_text('0 0.2 0.1 0.4 0.1 0.4 0.5\n')
    file = tmp_path / 'data.yaml'
    file.write_text(f'names: [a]\n{said}')
    found = {one.source.parent.name: one.split for one in yolo.read(['a'], file).images}
    assert [found[name] for name in ('one', 'two', 'three')] == splits


@pytest.mark.parametrize('name', ['data.yml', 'DATA.YAML', 'Data.Yml'])
def test_yolo_s_names_are_read_whatever_the_file_s_suffix_looks_like(name, tmp_path):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels' / 'x.txt').write_text('1 0 0 1 0 1 1\n')
    (tmp_path / name).write_text('names: [a, b]')
    ((kind, export), ), _ = read_files([tmp_path / name])
    assert kind == 'YOLO'
    assert [region.name for region in export.images[0].regions] == ['b']


def test_a_format_s_suffix_may_be_in_capitals(tmp_path):
    cvat_s, coco_s = tmp_path / 'annotations.XML', tmp_path / 'instances.JSON'
    cvat_s.write_text('<annotations><image name="x.jpg" width="9" height="9"/></annotations>')
    coco_s.write_text('{"images": [], "annotations": [], "categories": []}')
    assert [name for name, _ in read_files([cvat_s, coco_s])[0]] == ['CVAT', 'COCO']


@pytest.mark.parametrize('encoding', ['cp1252', 'utf-16'])
def test_yolo_s_classes_in_another_encoding(tmp_path, encoding):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels/x.txt').write_text('1 0.2 0.1 0.4 0.1 0.4 0.5\n')
    (tmp_path / 'classes.txt').write_text('Straße\na\n', encoding=encoding)
    assert yolo.names_in(tmp_path / 'classes.txt') == ['Straße', 'a']


def test_empty_lines_of_yolo_s_classes_are_none(tmp_path):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels/x.txt').write_text('1 0.2 0.1 0.4 0.1 0.4 0.5\n')
    (tmp_path / 'classes.txt').write_text('b\n\n a \n')
    assert yolo.names_in(tmp_path / 'classes.txt') == ['b', 'a']


def test_coco_names_its_classes_in_the_order_of_numbers():
    found = coco.read(dict(images=[], annotations=[], categories=[
        dict(id=number, name=name) for number, name in ((10, 'a'), (2, 'b'), (1, 'c'))]), FILE)
    assert found.classes == ['c', 'b', 'a']


def test_coco_s_group_of_classes_is_one_where_regions_are_of_it():
    """Roboflow's first category groups the others."""
    categories = [dict(id=i, name=name, supercategory=group) for i, (name, group) in enumerate(
        (('all', 'none'), ('a', 'all'), ('b', 'all')))]
    image, region = dict(id=1, file_name='x.png', height=30, width=50), dict(
        id=1, image_id=1, category_id=0, segmentation=[[0, 0, 9, 0, 9, 9]])
    for regions, classes in (([], ['a', 'b']), ([region], ['all', 'a', 'b'])):
        found = coco.read(dict(images=[image], annotations=regions, categories=categories),
                          FILE)
        assert found.classes == classes
    person = [dict(id=i, name=name, supercategory=group) for i, (name, group) in enumerate(
        (('person', 'person'), ('cat', 'animal')))]  # as COCO's own list begins
    assert of_coco([], person).classes == ['person', 'cat']
    alone = [dict(id=1, name='a', supercategory='a')]
    assert of_coco([], alone).classes == ['a']


# --- whose they are ------------------------------------------------------------------


def matched(files, *names):
    """By file, the names that are of it; and what is missing or unclear."""
    faults, root = [], Path('/data')
    paths = [root / file for file in files]
    region = Region('a', (polygon([(0, 0), (1, 0), (1, 1)]), ))
    found, _ = match(root, paths, paths, [
        Annotated(name, None, (region, ), Path('/tool/export.json')) for name in names], [],
        faults)
    return {path.relative_to(root).as_posix(): [one.name for one in ones]
            for path, ones in found.items() if ones}, faults


def test_pixels_and_shares_of_one_image_are_not_mixed():
    one = Annotated('x', None, (), FILE)
    assert merged([one, one]).fault is None
    assert 'two sizes' in merged([one, one._replace(shares=True)]).fault


def test_an_image_has_the_size_of_the_file_that_says_one():
    one = Annotated('x', None, (), FILE)
    assert merged([one, one._replace(size=(3, 4)), one]).size == (3, 4)


def test_an_image_is_labelled_where_one_of_several_files_has_labelled_it():
    root = Path('/data')
    paths = [root / 'x.png', root / 'y.png', root / 'z.png']
    one = Annotated('x.png', None, (), Path('/tool/a.json'), labelled=False)
    found, unlabelled = match(root, paths, paths[:2], [
        one, one._replace(labelled=True), one._replace(name='z.png')], [], [])
    assert list(found) == paths[:1]
    assert unlabelled == paths[1:]  # z.png, too: no folder says so, but an export does


def test_of_several_files_of_a_name_the_one_that_is_an_image_is_meant():
    root = Path('/data')
    paths = [root / 'photos/1.png', root / 'other/1.png']
    faults = []
    found, _ = match(root, paths, paths[:1], [
        Annotated('1.png', None, (), Path('/tool/a.json'))], [], faults)
    assert list(found) == paths[:1] and not faults


@pytest.mark.parametrize('source', ['masks/all.json', 'masks/train/all.json'])
def test_a_mask_beside_an_export_is_not_the_image_that_is_called_so(source):
    """COCO-Stuff's masks lie in the folder of COCO's regions."""
    root = Path('/data')
    paths = [root / 'images/train/1.png', root / 'masks/train/1.png', root / 'masks/2.png']
    one = Annotated('1.png', None, (), root / source)
    faults = []
    assert list(match(root, paths, paths[:1], [one], [], faults)[0]) == paths[:1]
    assert not faults


def test_an_image_beside_a_file_of_its_name_is_meant_where_the_file_has_one_image():
    root = Path('/data')
    paths = [root / 'a.png', root / 'b.png']
    one = Annotated('other.png', None, (), root / 'a.json')
    assert list(match(root, paths, paths, [one], [], [])[0]) == paths[:1]
    faults = []
    found, _ = match(root, paths, paths, [
        one, one._replace(name='another.png'), one._replace(name='b.png')], [], faults)
    assert list(found) == paths[1:]
    assert "2 images are not in /data: 'other.png'" in faults[0]


def test_two_entries_of_one_name_are_said():
    """They may be of two images, of which only one is here."""
    region = Region('a', (polygon([(0, 0), (1, 0), (1, 1)]), ))
    one = Annotated('x.png', None, (region, ), Path('/tool/export.json'))
    path = Path('/data/x.png')
    for records, said in (([one], 0), ([one, one._replace(regions=())], 0), ([one, one], 1)):
        notes = []
        match(Path('/data'), [path], [path], records, notes, [])
        assert len(notes) == said and all('or several times in one' in note for note in notes)


def test_eight_digits_before_a_name_are_label_studio_s_where_it_was_uploaded():
    assert matched(['x.png'], '/data/upload/1/1a2b3c4d-x.png')[0]
    assert not matched(['x.png'], '/data/photos/1/1a2b3c4d-x.png')[0]


def test_what_is_uploaded_to_label_studio_has_other_blanks_and_no_brackets():
    name = '/data/upload/1/1a2b3c4d-IMG_1_ä.png'
    for file in ('IMG (1) ä.png', 'x/IMG 1 ä.png', 'IMG_1_ä.png'):
        assert matched([file, 'IMG 2.png'], name) == ({file: [name]}, [])
    both = ['IMG (1) ä.png', 'IMG_1_ä.png']  # that which is called so
    assert matched(both, name) == ({both[1]: [name]}, [])
    assert not matched(['IMG (1) ä.png'], '/data/photos/1/1a2b3c4d-IMG_1_ä.png')[0]


def test_names_agree_however_accents_are_stored():
    for form, other in (('NFC', 'NFD'), ('NFD', 'NFC')):
        file, double = (normalize(form, name) for name in ('Büro/Tür.png', 'x/Tür.png'))
        name = normalize(other, 'Büro/Tür.png')
        assert matched([file, double], name) == ({file: [name]}, [])


def test_two_paths_of_one_export_are_not_one_image():
    """Of a/1.png and b/1.png only a has been kept, and its folder is called something else."""
    found, faults = matched(['1.png', '2.png'], '/set/a/1.png', '/set/b/1.png', '/set/a/2.png')
    assert found == {'2.png': ['/set/a/2.png']}
    assert "'/set/a/1.png', '/set/b/1.png' cannot be told from others" in faults[0]
    found, faults = matched(['a/1.png'], 'a/1.png', 'b/a/1.png')
    assert found == {'a/1.png': ['a/1.png']}
    assert "json: 'b/a/1.png' cannot be told" in faults[0]
    assert matched(['1.png'], '/set/a/1.png', '/set/a/1.png') == (
        {'1.png': ['/set/a/1.png'] * 2}, [])


def test_of_several_that_fit_the_one_with_all_folders_of_the_name_is_meant():
    for name in ('a/1.png', '/data/local-files/?d=a/1.png'):
        for files in (['1.png', 'a/1.png'], ['a/1.png', 'b/a/1.png']):
            assert matched(files, name) == ({'a/1.png': [name]}, [])


def test_an_image_in_another_folder_is_found_by_its_name_if_no_other_has_it():
    assert matched(['z/1.png'], 'x/1.png') == ({'z/1.png': ['x/1.png']}, [])
    found, (fault, ) = matched(['z/1.png'], 'x/1.png', 'y/1.png')
    assert not found and fault.startswith('2 images are not in /data: ')
