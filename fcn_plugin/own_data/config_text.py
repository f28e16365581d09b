"""The config that trains on own data."""
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..utils.inherited import VIEWS, learning_rate, read_parent, without_weights
from ..utils.paths import quoted, shown
from ..visualization import default_palette
from .inspect_pairs import Checked, common_size

_LONGEST_SIDE, _LARGEST_CROP = 1024, 512


class Plan(NamedTuple):
    """What the data decide of how they are trained on.

    Attributes:
        scale (tuple[int, int]): Longer and shorter side, in pixels, that images are brought
            to in training before they are varied.
        resized (bool): Whether they are brought to it in testing, too.
        crop_size (tuple[int, int]): (H, W) of what a step sees, in pixels.
        batch_size (int): Images a step.
        max_iters (int): Steps.
        lr (float, optional): The learning rate after warm-up, of the backbone. Defaults to
            None: :func:`~fcn_plugin.utils.inherited.learning_rate`.
        validations (int): How often the run is judged. Defaults to 4.
        patience (int, optional): The run ends after so many validations without a better
            mean IoU. Defaults to None: it goes to its end.
        class_weights (bool): Whether the loss weighs classes. Defaults to False.
        start (str, optional): The model of the package whose weights the run goes on from.
            Defaults to None: the backbone's of ImageNet.
    """
    scale: tuple[int, int]
    resized: bool
    crop_size: tuple[int, int]
    batch_size: int
    max_iters: int
    lr: float | None = None
    validations: int = 4
    patience: int | None = None
    class_weights: bool = False
    start: str | None = None


def plan_of(checked: Checked, longest: int = _LONGEST_SIDE) -> Plan:
    """The plan that every machine can follow.

    Args:
        checked (Checked): From :func:`check_dataset`.
        longest (int): The longer side of images that are larger, in pixels. Defaults to
            1024.
    """
    train = checked.splits['train']
    height, width = common_size(train)
    long, short = max(height, width), min(height, width)
    # Training brings each image to 0.5 to 2 times one size; what is smaller is not found.
    sides = sorted(max(item.size) / long for part in checked.splits.values() for item in part)
    few = len(sides) // 20
    resized = long > longest or sides[few] < 0.5 or sides[-1 - few] > 4
    if long > longest:
        short, long = max(32, round(short * longest / long)), longest
    high, wide = (max(32, min(_LARGEST_CROP, side // 32 * 32)) for side in (
        (short, long) if height <= width else (long, short)))
    # Of one image two variants: batch norms need more than one value.
    batch = max(2, min(4, len(train)))
    return Plan((long, short), resized, (high, wide), batch,
                min(20000, max(400, 30 * len(train) // batch)))


def config_text(checked: Checked, folder: Path, parent: Path, plan: Plan,
                work_dir: str | None = None) -> str:
    """The text of ``config.py``.

    Args:
        checked (Checked): From :func:`check_dataset`.
        folder (Path): Where it will lie.
        parent (Path): The config that it inherits.
        plan (Plan): See there.
        work_dir (str, optional): Of its runs. Defaults to None: named after the folder.
    """
    encoding = checked.encoding
    palette = encoding.palette or default_palette(len(encoding.classes)).tolist()
    test = 'test' if 'test' in checked.splits else 'val'
    base = read_parent(parent)
    lr = learning_rate(base, plan.batch_size) if plan.lr is None else plan.lr
    others = ', '.join(f'{key}={value!r}' for key, value in without_weights(base).items())
    others = others and (f"\nmodel['decode_head'].update({others})"
                         "  # the base's are of its own classes")
    resize = plan.resized * (
        "\n    dict(type='Resize', scale=scale, keep_ratio=True),"
        '\n    # after Resize: the truth keeps its own size')
    data_map = '' if encoding.identity or checked.convert else (
        f'\n    label_map={sorted(encoding.label_map.items())},  # value in a mask, class')
    hint = '' if plan.class_weights else '# '
    weights = _wrapped(checked.weights).replace('\n', f'\n{hint}')
    stops = '' if plan.patience is None else f'''
    # ends where validation has not gained for so long, and draws how far it is
    dict(type='ExactEarlyStoppingHook', monitor='mIoU', patience={plan.patience}),
    dict(type='ProgressHook'),'''
    start = plan.start and f"""
load_from = {plan.start!r}  # a model of the package; what scores classes starts anew"""
    data_root = _seen_from(folder, checked.root.resolve())
    # Quotes around the path that mmengine puts into the text.
    here, around = '{{ fileDirname }}', f'{folder}/{data_root}'
    quote = next((mark for mark in ("'", '"') if mark not in around), '\'\'\'')
    if Path(data_root).is_absolute():
        data_root = repr(data_root)
    else:
        data_root = f'{quote}{here}/{data_root}{quote}'
    return f'''# Written for a folder of images and masks. Train, look, predict:
#   python tools/train.py {quoted(shown(folder / "config.py"))}
_base_ = {_seen_from(folder, parent.resolve())!r}
work_dir = {work_dir or f"work_dirs/{folder.name}"!r}{start or ''}
lists = {quote}{here}{quote}  # this file's folder
data_root = {data_root}
classes = {_wrapped(encoding.classes)}
palette = {_wrapped(palette)}
batch_size = {plan.batch_size}
lr = {lr:g}
max_iters = {plan.max_iters}
val_interval = {plan.max_iters // plan.validations}
scale = {plan.scale}  # longer and shorter side that images are brought to
crop_size = {plan.crop_size}  # height, width

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', resize_type='AlignedResize', scale=scale,
         ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),{resize}
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')
]{plan.resized * VIEWS}
data = dict(
    type='ListDataset', data_root=data_root,{data_map}
    metainfo=dict(classes=classes, palette=palette))
train_dataloader = dict(
    batch_size=batch_size, num_workers=2,
    dataset=dict(_delete_=True, **data, ann_file=f'{{lists}}/train.txt',
                 pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1, num_workers=2,
    dataset=dict(_delete_=True, **data, ann_file=f'{{lists}}/val.txt',
                 pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=1, num_workers=2,
    dataset=dict(_delete_=True, **data, ann_file=f'{{lists}}/{test}.txt',
                 pipeline=test_pipeline))

model = dict(decode_head=dict(num_classes=len(classes)), test_cfg=dict(rescale=True)){others}
# Rare classes count more, which helps them and costs frequent ones a little:
{hint}model['decode_head']['loss_decode'] = dict(
{hint}    class_weight={weights})
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=lr, weight_decay=0.01),
    # the head is new, the backbone is not
    paramwise_cfg=dict(_delete_=True, custom_keys=dict(decode_head=dict(lr_mult=10))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=50, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=val_interval))
custom_hooks = [{stops}
    # weights averaged over about the last 100 steps are what is judged and kept
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.01, update_buffers=True)
]
randomness = dict(seed=0)
'''


def _seen_from(folder: Path, path: Path) -> str:
    """Relative, so that both may be moved together, or as it is where they lie far apart."""
    relative = Path(os.path.relpath(path, folder)).as_posix()
    return path.as_posix() if relative.startswith('../../../') else relative


def _wrapped(values: Sequence) -> str:
    """A tuple or list over as many lines as it needs."""
    values = list(values)
    open_, close = ('(', ',)' if len(values) == 1 else ')') if all(
        isinstance(value, str) for value in values) else ('[', ']')
    lines, line = [], ''
    for i, value in enumerate(values):
        # Two braces would be taken for one of mmengine's variables.
        piece = repr(value).replace('{{', '{\\x7b') + (', ' if i < len(values) - 1 else '')
        if len(line) + len(piece) > 84:
            lines.append(line.rstrip())
            line = ''
        line += piece
    lines.append(line)
    return open_ + '\n    '.join(lines) + close
