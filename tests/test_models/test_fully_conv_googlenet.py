"""GoogLeNet, torchvision's, as a trunk."""
import sys

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny_runs import CONFIGS

from fcn_plugin.models import describe_backbone

CONFIG, = CONFIGS.glob('paper/fcn-32s_googlenet_*.py')


def build(**kwargs):
    pytest.importorskip('torchvision', reason="the extra 'timm' is not installed")
    return MODELS.build(dict(type='FullyConvGoogLeNet', **kwargs))


def test_bad_arguments(monkeypatch):
    with pytest.raises(ValueError, match=r'out_indices is \(4,\), expected .* 0 \(stride 4\)'):
        MODELS.build(dict(type='FullyConvGoogLeNet', out_indices=(4, )))
    monkeypatch.setitem(sys.modules, 'torchvision.models.googlenet', None)
    with pytest.raises(ImportError, match=r"pip install 'mmseg-fcn-plugin\[timm\]'"):
        MODELS.build(dict(type='FullyConvGoogLeNet'))


@pytest.mark.parametrize('channels', [3, 4])
def test_strides_and_weights_of_torchvision(channels, tmp_path):
    ours = build(out_indices=(0, 1, 2, 3), in_channels=channels).eval()
    assert [(each.channels, each.stride) for each in describe_backbone(ours)] == [
        (192, 4), (480, 8), (832, 16), (1024, 32)]
    if channels == 3:
        from torchvision.models.googlenet import GoogLeNet
        theirs = GoogLeNet(5, aux_logits=False, init_weights=False).eval()
        missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
        assert not missing and unexpected == ['fc.weight', 'fc.bias']
        image = torch.randn(1, 3, 96, 64)
        with torch.no_grad():
            pooled = theirs.fc(theirs.avgpool(ours(image)[-1]).flatten(1))
            torch.testing.assert_close(pooled, theirs(image))


def test_norms_keep_their_statistics():
    net = build(norm_eval=True).train()
    before = net.conv1.bn.running_mean.clone()
    net(torch.randn(1, 3, 64, 64))[0].sum().backward()
    assert torch.equal(net.conv1.bn.running_mean, before)
    assert net.training and net.conv1.bn.weight.grad is not None


@pytest.mark.parametrize('size', [(1, 1), (33, 65), (61, 97)])
def test_the_config_labels_images_of_odd_sizes(size):
    pytest.importorskip('torchvision', reason="the extra 'timm' is not installed")
    config = Config.fromfile(CONFIG).model
    config.backbone.init_cfg = None
    model = MODELS.build(config).eval()
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    with torch.no_grad():
        found, = model.test_step(dict(inputs=[image], data_samples=[
            SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))]))
    assert found.pred_sem_seg.data.shape == (1, *size)
