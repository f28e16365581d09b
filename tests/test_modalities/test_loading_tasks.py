"""Label maps of several tasks, loaded."""
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS
from PIL import Image

import fcn_plugin.modalities  # noqa: F401


def test_a_map_of_another_size_than_the_first_is_named(tmp_path):
    init_default_scope('mmseg')
    for name, size in (('kind', (5, 4)), ('height', (5, 4)), ('wrong', (4, 5))):
        Image.new('L', size, 1).save(tmp_path / f'{name}.png')

    def load(other):
        return TRANSFORMS.build(dict(type='LoadTasks'))(dict(
            seg_map_path=str(tmp_path / 'kind.png'), seg_fields=[], label_map={1: 0},
            reduce_zero_label=False, task_paths=dict(height=str(tmp_path / f'{other}.png'))))

    found = load('height')
    assert np.unique(found['gt_seg_map']) == 0  # the classes of the first are chosen
    assert np.unique(found['gt_height']) == 1  # which says nothing of the other
    said = r"wrong.png' is \(5, 4\), but '.*kind.png' is \(4, 5\)"
    with pytest.raises(ValueError, match=said):
        load('wrong')
