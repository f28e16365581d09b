"""A small trained model in files: what the tools and the inferencer are given."""
import torch
from mmengine.config import Config
from mmseg.apis import init_model

CLASSES = ('background', 'bar', 'ring', 'frame', 'cross', 'square', 'triangle',
           'striped disc', 'checked disc')
CONFIG = """
custom_imports = dict(imports=['fcn_plugin'], allow_failed_imports=False)
default_scope = 'mmseg'
model = dict(
    type='FCNSegmentor',
    data_preprocessor=dict(
        type='FCNDataPreProcessor', mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(
        type='mmpretrain.ResNet', depth=18, stem_channels=16, base_channels=16,
        out_indices=(1, 2, 3)),
    decode_head=dict(
        type='FCNSkipHead', in_channels=(32, 64, 128), in_index=(0, 1, 2),
        in_strides=(8, 16, 32), num_classes=9),
    auxiliary_head=[
        dict(type='FCNHead', in_channels=64, in_index=1, channels=8, num_classes=9)],
    test_cfg=dict(mode='whole', rescale=False))
pipeline = [dict(type='PackSegInputs')]
val_dataloader = dict(dataset=dict(
    type='ShapesDataset', length=9, split='val', image_size=(40, 70),
    pipeline=pipeline))
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')]
"""


def write_trained(folder):
    """Writes config.py, best.pth (as mmengine writes it) and bare.pth."""
    (folder / 'config.py').write_text(CONFIG)
    config = Config.fromfile(folder / 'config.py')
    torch.manual_seed(0)
    weights = init_model(config.copy(), device='cpu').state_dict()
    # so that random weights tell several classes apart
    for key in weights:
        if key.startswith('decode_head.score'):
            weights[key] = torch.randn_like(weights[key])
    text = Config.fromfile(folder / 'config.py').pretty_text
    palette = [[i, 2 * i, 3 * i] for i in range(9)]
    meta = dict(cfg=text, dataset_meta=dict(classes=CLASSES, palette=palette))
    torch.save(dict(meta=meta, state_dict=weights), folder / 'best.pth')
    torch.save({f'module.{key}': value for key, value in weights.items()},
               folder / 'bare.pth')
