"""Training and testing on multispectral TIFF, from the config to the pictures."""
import numpy as np
import pytest
from PIL import Image
from tiny_runs import BUILT_IN, HERE, succeed, write_config

tifffile = pytest.importorskip('tifffile')

CONFIG = f"""
_base_ = '{BUILT_IN}'
channels = {{channels}}
model = dict(
    data_preprocessor=dict(mean=[{{mean}}.] * channels, std=[{{mean}}.] * channels),
    backbone=dict(in_channels=channels, depth=18, stem_channels=8, base_channels=8,
                  init_cfg=None),
    decode_head=dict(in_channels=(16, 32, 64), num_classes=2))
test_pipeline = [dict(type='LoadMultichannelImage', channels=channels),
                 dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
train_pipeline = [*test_pipeline[:2], dict(type='RandomResize', scale=(32, 32),
    ratio_range=(0.8, 1.5), keep_ratio=True), dict(type='RandomCrop', crop_size=(24, 24)),
    dict(type='RandomFlip', prob=0.5), test_pipeline[2]]
data = dict(_delete_=True, type='ListDataset', data_root='{{root}}', ann_file='list.txt',
            metainfo=dict(classes=('dark', 'bright')))
train_dataloader = dict(batch_size=2, {HERE}, dataset=dict(data, pipeline=train_pipeline))
val_dataloader = dict(batch_size=2, {HERE}, dataset=dict(data, pipeline=test_pipeline))
test_dataloader = dict(batch_size=2, num_workers=0,
                       dataset=dict(data, pipeline=test_pipeline))
param_scheduler = []
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1))
"""


@pytest.mark.parametrize('channels, dtype', [(4, 'uint8'), (6, 'uint16')])
def test_from_tiff_to_pictures(tmp_path, channels, dtype):
    top, lines = np.iinfo(dtype).max // 4, []
    for i in range(4):
        image = np.random.randint(0, top, (40, 32, channels)).astype(dtype)
        mask = (np.random.rand(40, 32) > 0.5).astype(np.uint8)
        image[..., -1] += mask * np.array(top, dtype)
        tifffile.imwrite(tmp_path / f'{i}.tif', image, photometric='minisblack',
                         planarconfig='contig')
        Image.fromarray(mask).save(tmp_path / f'{i}.png')
        lines.append(f'{i}.tif\t{i}.png')
    (tmp_path / 'list.txt').write_text('\n'.join(lines))
    config = write_config(tmp_path, CONFIG.format(
        channels=channels, mean=top, root=tmp_path))
    work = tmp_path / 'work'
    said = succeed('train.py', config, '--work-dir', work)
    assert (work / 'predictions.png').is_file() and 'mean IoU' in said
    checkpoint, = work.glob('best_*.pth')
    succeed('test.py', config, checkpoint, '--show-dir', tmp_path / 'shown')
    assert len(list((tmp_path / 'shown').rglob('test_?.tif_0.png'))) == 4
