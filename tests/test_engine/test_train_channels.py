"""Multispectral TIFF from the config to pictures, predictions and an exported file."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_runs import BUILT_IN, HERE, run_tool, succeed, write_config

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.loading import load_model
from fcn_plugin.inference.predict import build_val_dataset, predict_dataset

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

    model = load_model(str(config), str(checkpoint), 'cpu')
    expected = [one.labels for one in predict_dataset(
        model, build_val_dataset(model.cfg), range(4))]
    names = [str(tmp_path / f'{i}.tif') for i in range(4)]
    arrays = [tifffile.imread(name) for name in names]
    infer = FCNInferencer(str(config), str(checkpoint), 'cpu')
    for inputs in (names, arrays, [Path(name).read_bytes() for name in names]):
        for result, labels in zip(infer(inputs, progress=False), expected, strict=True):
            np.testing.assert_array_equal(result.labels, labels)
            assert result.image.shape == (40, 32, 3) and result.image.dtype == np.uint8
    weights = ('--weight-path', checkpoint)
    succeed('predict.py', '--config', config, *weights, '--img-path', tmp_path / '0.tif',
            '--out-dir', tmp_path / 'out')
    done = run_tool('predict.py', '--config', config, *weights, '--img-path',
                    tmp_path / '0.png', '--out-dir', tmp_path / 'other')
    assert done.code == 2 and f'has 1 channels, expected {channels}' in done.err
    with pytest.raises(ValueError, match=f'3 channels, expected {channels}'):
        infer(np.zeros((9, 9, 3), np.uint8))

    for how in ((), ('--preprocess', )):
        file = tmp_path / f'net{len(how)}.onnx'
        shallow = not how or dtype == 'uint8'
        images = ('--img-path', tmp_path / '1.tif') if shallow else ()
        said = succeed('export.py', '--config', config, *weights, '--out', file, *how, *images)
        assert (f'{channels}) uint8' if how else f'(N, {channels}, H, W)') in said
        graph = FCNInferencer(str(file), device='cpu', runtime='onnxruntime')
        if not shallow:
            with pytest.raises(ValueError, match='takes images of 8 bits, .* uint16'):
                graph(names[0])
            continue
        for result, labels in zip(graph(names, progress=False), expected, strict=True):
            assert (result.labels == labels).mean() > 0.999
