"""Runs in several processes: how tests start them, and what the processes do."""
import itertools
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import torch

from fcn_plugin import compat  # before all that imports mmseg

# isort: split
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODEL_WRAPPERS, MODELS
from mmseg.structures import SegDataSample

from fcn_plugin.engine import ExactResumeHook
from fcn_plugin.engine.test import test as evaluate
from fcn_plugin.evaluation import FCNMetric
from fcn_plugin.utils.config import load_config

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / 'configs' / '_base_' / 'models' / 'fcn-8s_r18-half.py'

LOSSES = {
    'mean': dict(type='CrossEntropyLoss', avg_non_ignore=True),
    'mean_of_all': dict(type='CrossEntropyLoss', avg_non_ignore=False),
    'sum': dict(type='CrossEntropyLoss', reduction='sum', loss_weight=1e-3),
}


def environment(python=sys.executable, **variables):
    """This process's, with the checkout first and one thread a process.

    ``python`` is what the launchers start, and torchrun."""
    return os.environ | dict(
        PYTHON=str(python), PYTHON_EXEC=str(python), OMP_NUM_THREADS='1',
        PYTHONPATH=f'{ROOT}{os.pathsep}{ROOT / "tests"}') | variables


def noting_ends(folder):
    """A further environment in which each process with a rank leaves a file ``left_RANK``.

    It says whether the process had left the others as it ended."""
    folder.mkdir()
    (folder / 'sitecustomize.py').write_text(f"""
import atexit, os, sys

def note():
    distributed = sys.modules.get('torch.distributed')
    if 'RANK' in os.environ and distributed is not None:
        with open({str(folder)!r} + '/left_' + os.environ['RANK'], 'w') as file:
            file.write(str(not distributed.is_initialized()))

if 'RANK' in os.environ or 'SLURM_PROCID' in os.environ:
    atexit.register(note)
""")
    return {'PYTHONPATH': f'{folder}{os.pathsep}{environment()["PYTHONPATH"]}'}


def have_left(folder):
    """What the processes of :func:`noting_ends` noted, by name of the file."""
    return {path.name: path.read_text() for path in folder.glob('left_*')}


def in_processes(context, count, function, folder):
    """Has forks call a function of this file, which say to stderr what fails."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    started = [context.Process(target=call, args=(rank, count, port, function, folder))
               for rank in range(count)]
    for process in started:
        process.start()
    for process in started:
        process.join(300)
    assert [process.exitcode for process in started] == [0] * count


def call(rank, count, port, function, folder):
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count),
                      MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    function(folder)


def launcher():
    return 'pytorch' if 'RANK' in os.environ else 'none'


def write(value, folder, name):
    """Saves what the first process found, as ``<name>_<processes>.pth``."""
    if os.environ.get('RANK', '0') == '0':
        torch.save(value, Path(folder, f'{name}_{os.environ.get("WORLD_SIZE", 1)}.pth'))


def gradients(folder):
    """For each loss, masks and steps a batch: the gradients of the first update.

    Four images an update in all, dealt out in turn. Writes
    ``gradients_<processes>.pth``, a dictionary of lists of tensors.
    """
    init_default_scope('mmseg')
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 32, 40), generator=generator)
    truth = torch.randint(0, 9, (4, 1, 32, 40), generator=generator)
    ignored = truth.clone()
    for i in range(4):
        ignored[i, :, :7 * i] = 255  # unlike numbers of pixels that count
    found = {}
    for name, masks in dict(all=truth, some=ignored).items():
        for loss, steps in itertools.product(LOSSES, (1, 2)):
            found[loss, name, steps] = first_update(loss, images, masks, steps)
    write(found, folder, 'gradients')


def first_update(loss, images, masks, steps):
    """Takes the steps as a Runner does; the gradients that the optimiser gets."""
    rank, processes = (int(os.environ.get(name, default))
                       for name, default in (('RANK', 0), ('WORLD_SIZE', 1)))
    config = load_config(str(MODEL), launcher=launcher())
    config.model.backbone.update(
        depth=18, stem_channels=8, base_channels=8, init_cfg=None,
        # batch norm's statistics would depend on how the batch is divided
        norm_cfg=dict(type='GN', num_groups=4, requires_grad=True))
    config.model.decode_head.update(
        in_channels=(16, 32, 64), num_classes=9, loss_decode=LOSSES[loss])
    compat.init_cpu_distributed(config)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    if processes > 1:
        model = MODEL_WRAPPERS.build(config.model_wrapper_cfg | dict(module=model))
    optimizer = build_optim_wrapper(model, dict(
        optimizer=dict(type='SGD', lr=0.1), accumulative_counts=steps))
    optimizer.initialize_count_status(model, 0, steps)
    found = []
    optimizer.optimizer.register_step_pre_hook(lambda *_: found.extend(
        p.grad.clone() for p in model.parameters()))
    model.train()
    for mine in torch.arange(rank, 4, processes).chunk(steps):
        samples = []
        for i in mine:
            samples.append(SegDataSample(metainfo=dict(img_shape=(32, 40))))
            samples[-1].gt_sem_seg = PixelData(data=masks[i])
        model.train_step(dict(inputs=list(images[mine]), data_samples=samples), optimizer)
    return found


def figures(folder):
    """Writes ``figures_<processes>.pth``: metrics, and the matrices that gave them."""
    seen = []
    summarise = FCNMetric._summarise

    def look(self, matrices):
        seen.append(matrices.clone())
        return summarise(self, matrices)

    FCNMetric._summarise = look
    config = load_config(str(Path(folder, 'config.py')), launcher=launcher(),
                         work_dir=str(Path(folder, 'work')))
    try:
        found = evaluate(config, str(Path(folder, 'weights.pth')))
    finally:
        FCNMetric._summarise = summarise
    write((found, seen), folder, 'figures')


def statistics(folder):
    """Writes ``statistics_<rank>.pth``: what a batch norm judges by in each process, which has
    seen images of its own."""
    rank = int(os.environ.get('RANK', 0))
    norm = torch.nn.BatchNorm2d(3)
    norm.running_mean += rank
    ExactResumeHook().before_val_epoch(SimpleNamespace(model=norm))
    torch.save(norm.state_dict(), Path(folder, f'statistics_{rank}.pth'))


def what_all_have(folder):
    gradients(folder)
    figures(folder)
    statistics(folder)
