"""Runs of moments, on images that are random numbers; each step is noted."""
import random

import numpy as np
import torch
from mmengine.model import BaseModel
from tiny_runs import forget_runs
from torch import nn
from torch.utils.data import Dataset

from fcn_plugin.engine import FCNRunner


def draws():
    """A random number of each library."""
    return random.random(), np.random.rand(), torch.rand(1).item()


class Noise(Dataset):
    """Its index, and what a transform might draw."""
    loaded = 0

    def __len__(self):
        return 10

    def __getitem__(self, index):
        type(self).loaded += 1
        return (index, *draws())


class Drawing(BaseModel):
    """Notes the images and the random numbers of each step."""

    def __init__(self):
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.zeros(1)), []

    def forward(self, mode, **images):
        if mode != 'loss':
            return [dict()]
        self.seen.append((images, draws()))
        return dict(loss=self.weight.sum())


def named(images):
    return dict(images=images)


def noise_run(folder, runner=FCNRunner, sampler=None, loop=None, data=None, **options):
    """A runner of three steps of two images, with a checkpoint after each.

    Args:
        folder (Path): The work dir.
        runner (type): Its class.
        sampler (dict, optional): Of the images.
        loop (dict, optional): train_cfg.
        data (dict, optional): Of the training's loader, above the rest.
        **options: Of the runner.
    """
    forget_runs()
    loader = dict(
        dataset=Noise(), batch_size=2, num_workers=0, collate_fn=named,
        sampler=sampler or dict(type='InfiniteSampler', shuffle=True)) | (data or {})
    options = dict(
        train_cfg=loop or dict(type='ExactResumeTrainLoop', max_iters=3),
        train_dataloader=loader,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), randomness=dict(seed=5),
        default_hooks=dict(logger=None, checkpoint=dict(
            type='CheckpointHook', by_epoch=False, interval=1)),
        experiment_name=folder.name, log_level='ERROR', default_scope='mmengine') | options
    return runner(Drawing(), str(folder), **options)


def seen(runner):
    """What each step of a run sees."""
    runner.train()
    return runner.model.seen
