"""CamVid's labels and drives."""
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from fcn_plugin.checkpoints.loading import read_checkpoint
from fcn_plugin.checkpoints.naming import BUNDLED
from fcn_plugin.datasets.camvid import CamVidDataset
from fcn_plugin.utils.errors import InputError

NAMES = ('0001TP_006690', '0006R0_f00930', '0006R0_f00960', '0016E5_04350')


@pytest.fixture
def camvid(tmp_path):
    for folder in ('train', 'trainannot'):
        (tmp_path / folder).mkdir()
        for name in NAMES:
            image = Image.fromarray(np.full((4, 6), 11, np.uint8))
            image.save(tmp_path / folder / f'{name}.png')

    def build(**settings):
        prefix = dict(img_path='train', seg_map_path='trainannot')
        return DATASETS.build(dict(type='CamVidDataset', data_root=str(tmp_path),
                                   data_prefix=prefix, pipeline=[], **settings))

    return build


@pytest.mark.parametrize('drives, chosen', [
    (None, NAMES), (('0006R0', ), NAMES[1:3]), (['0016E5', '0001TP'], NAMES[::3])])
def test_drives(camvid, drives, chosen):
    dataset = camvid(drives=drives)
    found = [dataset.get_data_info(index) for index in range(len(dataset))]
    for key in ('img_path', 'seg_map_path'):
        assert [Path(info[key]).stem for info in found] == list(chosen)


def test_drives_of_a_list(camvid, tmp_path):
    (tmp_path / 'some.txt').write_text(f'{NAMES[0]}\n{NAMES[2]}\n')
    assert len(camvid(ann_file='some.txt', drives=('0006R0', ))) == 1


def test_void_does_not_count(camvid):
    """Whichever classes are chosen."""
    assert camvid().get_data_info(0)['label_map'] == {11: 255}
    chosen = camvid(metainfo=dict(classes=('car', 'sky'))).get_data_info(0)['label_map']
    assert chosen == {**dict.fromkeys(range(12), 255), 8: 0, 0: 1}


def test_classes_and_colours_are_those_of_the_street_model():
    meta = read_checkpoint(BUNDLED['street'])['meta']['dataset_meta']
    assert dict(meta, classes=tuple(meta['classes'])) == CamVidDataset.METAINFO


def test_a_drive_without_images(camvid):
    with pytest.raises(InputError, match='no image of drive Seq05VD in .*train, whose '
                                         'drives are 0001TP, 0006R0, 0016E5'):
        camvid(drives=('0006R0', 'Seq05VD'))
