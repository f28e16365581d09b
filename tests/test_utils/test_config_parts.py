"""What is read out of a config."""
import re

import pytest
from mmengine.config import Config

from fcn_plugin.utils.config import (
    class_names,
    inner_dataset,
    network,
    num_classes,
    without_images,
)


@pytest.mark.parametrize('loaders, found', [
    (('val_dataloader', 'test_dataloader'), 'test_dataloader'),
    (('test_dataloader', 'val_dataloader'), 'test_dataloader'),
    (('val_dataloader', ), 'val_dataloader')])
def test_predictions_are_made_as_those_that_are_tested(loaders, found):
    def loader(name):
        data = dict(type='ListDataset', pipeline=[dict(type=name)])
        return dict(dataset=dict(type='RepeatDataset', dataset=data))

    config = Config({name: loader(name) for name in loaders} | dict(train_dataloader=None))
    assert inner_dataset(config)['pipeline'] == [dict(type=found)]
    assert inner_dataset(Config(dict(test_dataloader=None))) == {}


def test_the_network_is_found_in_its_wrapper():
    model = dict(type='FCNSegmentor', decode_head=dict(num_classes=7))
    for config in (dict(model=model), dict(model=dict(type='FCNTTAModel', module=model))):
        assert network(Config(config)) == model and num_classes(Config(config)) == 7
    assert num_classes(Config(dict(model=dict(decode_head=[])))) is None


def test_classes_of_a_file_of_names(tmp_path):
    (tmp_path / 'names.txt').write_text('tree\ncar\n')
    assert class_names(dict(metainfo=dict(classes=str(tmp_path / 'names.txt')))) == (
        'tree', 'car')
    assert class_names(dict(metainfo=dict(classes=['a']))) == ('a', )
    assert class_names(dict(metainfo=dict(classes=str(tmp_path / 'none.txt')))) is None
    assert class_names(dict(type='BaseSegDataset')) is None


def test_why_no_images_are_found(tmp_path):
    """Lists lie in the root, images in a folder; each of several data sets is looked at."""
    def said(suffix='.jpg'):
        one = dict(type='BaseSegDataset', data_root=str(tmp_path), img_suffix=suffix,
                   ann_file='lists/a.txt', data_prefix=dict(img_path='images'))
        found = dict(one, img_suffix='.png')
        return without_images(Config(dict(val_dataloader=dict(dataset=dict(
            type='ConcatDataset', datasets=[found, one])))), ['val_dataloader'])

    assert f'there is no folder {tmp_path}/images' in said()
    for name in ('images/1.png', 'lists/other.txt'):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert f'there is no list {tmp_path}/lists/a.txt' in said()
    (tmp_path / 'lists/a.txt').touch()
    assert "of 1 files in" in said() and "none ends in '.jpg'" in said()
    assert said('.png') == ''


def test_a_folder_that_is_missing_is_no_fault_of_data_sets_that_look_elsewhere(tmp_path):
    config = Config({f'{name}_dataloader': dict(dataset=dict(
        type='BaseSegDataset', data_root=f'{tmp_path}/{name}')) for name in ('val', 'test')})
    loaders = ['val_dataloader', 'test_dataloader']
    found = without_images(config, loaders, missing=f'{tmp_path}/test')
    assert found.startswith(f'test_dataloader: BaseSegDataset finds no images: there is no '
                            f'folder {tmp_path}/test: ') and ';' not in found
    assert without_images(config, loaders).count('there is no folder') == 2
    assert without_images(config, loaders, missing=str(tmp_path)) == ''


def test_of_a_list_suffixes_say_nothing(tmp_path):
    """Its names are whole: where it has gone, no image has a wrong one."""
    def said():
        return without_images(Config(dict(val_dataloader=dict(dataset=dict(
            type='ListDataset', data_root=str(tmp_path), ann_file=str(
                tmp_path / 'work/val.txt'))))), ['val_dataloader'])
    (tmp_path / '1.webp').touch()
    assert re.search('there is no list .*val.txt: .* --cfg-options ...ann_file=FILE', said())
    (tmp_path / 'work').mkdir()
    (tmp_path / 'work/val.txt').touch()
    assert said() == ''
