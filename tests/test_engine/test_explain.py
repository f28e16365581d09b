"""Faults of configs and checkpoints, as the tools say them."""
import re
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image
from tiny_runs import SHAPES, run_tool, write_config

from fcn_plugin.checkpoints.fit import check_checkpoint, difference, stripped
from fcn_plugin.datasets import ShapesDataset
from fcn_plugin.engine.explain import check_classes, explain_errors, registered_types

CLASSES = list(ShapesDataset.METAINFO['classes'])
WIDER = {'model.backbone.base_channels': 16, 'model.backbone.stem_channels': 16,
         'model.decode_head.in_channels': (32, 64, 128)}


def error_of(tool, *args):
    """The one line that a tool ends with."""
    done = run_tool(tool, *args)
    assert done.code == 2
    line, = [line for line in done.err.splitlines() if line.startswith('error: ')]
    assert 'Traceback' not in done.err
    return line


def checkpoint(folder, name='weights.pth', options=None, classes=None):
    """Random weights of the tiny config, perhaps changed."""
    init_default_scope('mmseg')
    config = Config.fromfile(write_config(folder, name='model.py'))
    config.merge_from_dict(options or {})
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict(),
                    meta=dict(dataset_meta=dict(classes=classes)) if classes else {}),
               folder / name)
    return folder / name


# --- types ---------------------------------------------------------------------


@pytest.mark.parametrize('key, name, meant', [
    ('model.backbone.type', 'mmpretrain.ResNett', 'mmpretrain.ResNet'),
    ('model.backbone.type', 'ConvNeXt', 'mmpretrain.ConvNeXt'),
    ('model.decode_head.type', 'FCNSkiphead', 'FCNSkipHead'),
    ('train_dataloader.dataset.type', 'ShapeDataset', 'ShapesDataset'),
    ('val_evaluator.type', 'IoUMetrik', 'IoUMetric'),
    ('default_hooks.logger.type', 'FCNLogerHook', 'FCNLoggerHook'),
    ('optim_wrapper.optimizer.type', 'Adamm', 'Adam'),
])
def test_a_type_that_is_misspelt(tmp_path, key, name, meant):
    line = error_of('train.py', write_config(tmp_path), '--work-dir', tmp_path / 'work',
                    '--cfg-options', f'{key}={name}')
    assert f"type='{name}' is no registered " in line
    assert re.search(rf"did you mean '{re.escape(meant)}'", line)
    assert "custom_imports=dict(imports=['fcn_plugin', 'your_module'])" in line


def test_types_are_listed_once():
    types = registered_types('transform')
    assert {'RandomFlip', 'RandomRotFlip'} <= set(types) and len(types) == len(set(types))
    assert 'mmpretrain.ConvNeXt' in registered_types('model')


def test_a_module_that_is_not_there(tmp_path):
    config = write_config(tmp_path, SHAPES + "custom_imports = dict(imports=['nowhere'])\n")
    line = error_of('train.py', config)
    assert f"{config}: custom_imports names 'nowhere', which cannot be imported" in line
    assert 'PYTHONPATH=FOLDER python' in line


def test_a_module_that_fails(tmp_path, monkeypatch):
    """The reason is what the module itself could not import."""
    (tmp_path / 'half_there.py').write_text('import nowhere_at_all')
    monkeypatch.syspath_prepend(tmp_path)
    config = write_config(tmp_path,
                          SHAPES + "custom_imports = dict(imports=['half_there'])\n")
    assert "'half_there', which cannot be imported (No module named 'nowhere_at_all')" in (
        error_of('train.py', config))


def test_a_config_that_is_no_python(tmp_path):
    config = write_config(tmp_path, 'model = dict(\n')
    assert f'{config} cannot be read as a config' in error_of('train.py', config)


# --- classes --------------------------------------------------------------------


@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
@pytest.mark.parametrize('count', [5, 12])
def test_another_number_of_classes(tmp_path, tool, count):
    more = [checkpoint(tmp_path)] if tool == 'test.py' else []
    line = error_of(tool, write_config(tmp_path), *more, '--work-dir', tmp_path / 'work',
                    '--cfg-options', f'model.decode_head.num_classes={count}')
    assert 'ShapesDataset has 9 classes (background, bar, ' in line
    assert f'num_classes is {count}: set model=dict(decode_head=dict(num_classes=9))' in line
    assert not (tmp_path / 'work').exists()


def test_classes_of_files_and_wrappers(tmp_path):
    names = tmp_path / 'classes.txt'
    names.write_text('a\nb\nc\n')
    config = Config(dict(
        model=dict(decode_head=dict(num_classes=3)),
        train_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[
            dict(type='BaseSegDataset', metainfo=dict(classes=str(names))),
            dict(type='RepeatDataset', dataset=dict(type='BaseSegDataset'))]))))
    check_classes(config)  # the second says nothing
    config.model.decode_head.num_classes = 4
    with pytest.raises(ValueError, match=r'3 classes \(a, b, c\)'):
        check_classes(config)


@pytest.mark.parametrize('folder, listed, said', [
    ('images', '', "of 1 files in {}/images, such as a.png, none ends in '.jpg' (img_suffix). "
     '--cfg-options ...img_suffix=.png takes those that end so'),
    ('nowhere', '', 'there is no folder {}/nowhere: bring the data there, or say where it is'),
    ('nowhere', 'a.txt', 'there is no folder {}/nowhere: bring the data there'),
    ('images', 'a.txt', 'there is no list {}/a.txt: bring the data there, or say where it is'),
])
def test_data_without_images(tmp_path, folder, listed, said):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'a.png').touch()
    config = write_config(tmp_path, SHAPES + f"""
train_dataloader['dataset'] = val_dataloader['dataset'] = dict(
    _delete_=True, type='BaseSegDataset', data_root='{tmp_path}', pipeline=[],
    data_prefix=dict(img_path='{folder}', seg_map_path='masks'), ann_file='{listed}')
""")
    fault = 'BaseSegDataset finds no images: ' + said.format(tmp_path)
    line = error_of('train.py', config, '--work-dir', tmp_path / 'work')
    assert f'error: train_dataloader, val_dataloader: {fault}' in line
    if listed or folder == 'nowhere':
        line = error_of('predict_show.py', '--config', config, '--weight-path',
                        checkpoint(tmp_path))
        assert f'error: val_dataloader: {fault}' in line


def test_labels_beyond_the_classes(tmp_path):
    """In a mask, where no config shows them."""
    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
    mask = np.zeros((32, 32), np.uint8)
    mask[:8] = 77
    Image.fromarray(mask).save(tmp_path / 'masks' / 'a.png')
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / 'images' / 'a.jpg')
    config = write_config(tmp_path, SHAPES + f"""
train_dataloader['dataset'] = dict(
    _delete_=True, type='BaseSegDataset', data_root='{tmp_path}',
    data_prefix=dict(img_path='images', seg_map_path='masks'),
    pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
              dict(type='PackSegInputs')])
""")
    line = error_of('train.py', config, '--work-dir', tmp_path / 'work')
    assert "images/a.jpg': the label 77 in its mask '" in line
    assert "masks/a.png' is not one of the 9 classes (0 to 8)" in line
    assert 'tools/misc/check_dataset.py' in line


# --- checkpoints ------------------------------------------------------------------


def test_a_checkpoint_of_another_network_is_not_judged(tmp_path):
    line = error_of('test.py', write_config(tmp_path),
                    checkpoint(tmp_path, options=WIDER), '--work-dir', tmp_path / 'work')
    assert 'is of another network than' in line and '(backbone mmpretrain.ResNet)' in line
    assert 'entries differ in shape (decode_head.score.stride32.weight: [9, 128, 1, 1], ' \
        'but the model has [9, 64, 1, 1])' in line


def test_training_does_not_start_from_another_network(tmp_path):
    config = write_config(tmp_path)
    line = error_of('train.py', config, '--work-dir', tmp_path / 'work', '--cfg-options',
                    f'load_from={checkpoint(tmp_path, options=WIDER)}')
    assert 'is of another network' in line and 'model.backbone.init_cfg=' in line


def test_training_starts_from_other_classes(tmp_path):
    """The usual fine-tuning: the backbone fits, the head's scores do not."""
    config = Config.fromfile(write_config(tmp_path))
    weights = checkpoint(tmp_path, options={'model.decode_head.num_classes': 4},
                         classes=CLASSES[:4])
    model = MODELS.build(config.model)
    check_checkpoint(model, weights, config, whole=False)
    with pytest.raises(ValueError, match='6 entries differ in shape'):
        check_checkpoint(model, weights, config)


def test_a_checkpoint_from_before_batch_norms_counted_steps_is_whole(tmp_path):
    """It could be predicted with, but not tested, and nothing was said to differ."""
    config = Config.fromfile(write_config(tmp_path))
    model = MODELS.build(config.model)
    ours = model.state_dict()
    weights = {key: value for key, value in ours.items() if 'num_batches' not in key}
    torch.save(dict(state_dict=weights, meta=dict(iter=7)), tmp_path / 'old.pth')
    assert len(weights) < len(ours) and not difference(weights, ours)
    assert check_checkpoint(model, tmp_path / 'old.pth', config) == dict(iter=7)


def test_training_starts_from_another_order_of_classes_and_half_a_backbone(tmp_path):
    """The score layers are trained anew, and do not count for the half."""
    config = Config.fromfile(write_config(tmp_path))
    model = MODELS.build(config.model)
    check_checkpoint(model, checkpoint(tmp_path, classes=CLASSES[::-1]), config, whole=False)
    weights = model.state_dict()
    backbone = [key for key in weights if key.startswith('backbone.')]
    for count, enough in ((len(backbone) // 2 - 1, False), (-(-len(backbone) // 2), True)):
        torch.save(dict(state_dict={key: value for key, value in weights.items()
                                    if key not in backbone[count:]}), tmp_path / 'part.pth')
        with nullcontext() if enough else pytest.raises(ValueError, match='of another netw'):
            check_checkpoint(model, tmp_path / 'part.pth', config, whole=False)


def test_of_a_name_the_prefix_of_several_processes_alone_is_taken_off():
    weights = stripped({'module.backbone.module.weight': 1, 'module.auxiliary_head.bias': 2,
                        'backbone.auxiliary_head.bias': 3})
    assert weights == {'backbone.module.weight': 1, 'backbone.auxiliary_head.bias': 3}


def test_classes_in_another_order(tmp_path):
    config = write_config(tmp_path)
    line = error_of('test.py', config, checkpoint(tmp_path, classes=CLASSES[::-1]),
                    '--work-dir', tmp_path / 'work')
    assert f"trained with '{CLASSES[-1]}' as class 0, which is 'background'" in line
    assert "in the checkpoint's order" in line


def test_classes_of_other_names_are_judged_with_a_warning(tmp_path):
    done = run_tool('test.py', write_config(tmp_path), checkpoint(
        tmp_path, classes=['ground', *CLASSES[1:]]), '--work-dir', tmp_path / 'work')
    assert done.code == 0
    assert "with 'ground' as class 0, which is 'background'" in done.out + done.err


def test_labels_beyond_the_classes_are_those_of_the_last_head():
    heads = [dict(num_classes=2), dict(num_classes=3, ignore_index=9)]
    for head in (heads, heads[1]):
        config = Config(dict(model=dict(decode_head=head)))
        with pytest.raises(ValueError, match=r'label 7 .* 3 classes .* nor 9 \(ignored'):
            with explain_errors(config):
                raise IndexError('Target 7 is out of bounds.')
