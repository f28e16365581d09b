"""Formats of labelling tools that are not read: they are named, with the way out."""
import json

import pytest
from PIL import Image

from fcn_plugin.own_data.check_dataset import check_dataset
from fcn_plugin.utils.errors import InputError

BY_NAME = {'a.png12': dict(filename='a.png', size=12, file_attributes={}, regions=[dict(
    region_attributes=dict(name='cat'), shape_attributes=dict(
        name='polygon', all_points_x=[1, 5, 5], all_points_y=[1, 1, 5]))])}
VIA = 'VIA.* export it there as COCO'
FILES = {
    'via_region_data.json': (BY_NAME, VIA),
    'via_project.json': (dict(_via_settings={}, _via_img_metadata=BY_NAME), VIA),
    'project-1-min.json': ([dict(
        image='/data/upload/1/a.png', id=1, annotator=1, annotation_id=1, label=[dict(
            points=[[1, 1], [5, 1], [5, 5]], polygonlabels=['cat'], original_width=8)])],
        'JSON-MIN.* export it there as JSON'),
    '_annotations.createml.json': ([dict(image='a.png', annotations=[dict(
        label='cat', coordinates=dict(x=3, y=3, width=4, height=4))])], 'CreateML.* boxes')}


@pytest.fixture
def images(tmp_path):
    for name in 'ab':
        Image.new('RGB', (8, 8), (9 * ord(name) % 256, 1, 2)).save(tmp_path / f'{name}.png')
    return tmp_path


@pytest.mark.parametrize('name', FILES)
def test_json(images, name):
    content, said = FILES[name]
    (images / name).write_text(json.dumps(content))
    for given in (images, images / name):
        with pytest.raises(InputError, match=f'{name}: .*{said}'):
            check_dataset(given, drawn=images / 'drawn')


def test_boxes_in_xml(images):
    (images / 'a.xml').write_text(
        '<annotation><filename>a.png</filename><object><name>cat</name><bndbox><xmin>1'
        '</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>')
    with pytest.raises(InputError, match='a.xml: it has boxes alone'):
        check_dataset(images, drawn=images / 'drawn')


def test_they_are_no_fault_beside_what_is_read(images):
    (images / 'via.json').write_text(json.dumps(BY_NAME))
    for name in 'ab':
        (images / f'{name}.json').write_text(json.dumps(dict(
            imagePath=f'{name}.png', imageHeight=8, imageWidth=8, imageData=None,
            shapes=[dict(label='cat', points=[[1, 1], [5, 1], [5, 5]],
                         shape_type='polygon')])))
    assert not check_dataset(images, drawn=images / 'drawn').faults


@pytest.mark.parametrize('content', [[], {}, [1], dict(a=1), dict(_via_img_metadata={}),
                                     dict(_via_img_metadata=[1]), [{}]])
def test_other_json_is_none_of_them(images, content):
    (images / 'other.json').write_text(json.dumps(content))
    with pytest.raises(Exception) as error:
        check_dataset(images, drawn=images / 'drawn')
    assert str(error.value).count('other.json') == 1
    assert 'other.json is of no format that is read' in str(error.value)
