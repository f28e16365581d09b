"""Running the tasks of a benchmark, and its table, figures and plot."""
import itertools
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import torch
from mmengine.config import Config
from mmengine.dist import get_world_size, is_main_process
from mmengine.registry import init_default_scope
from prettytable import PrettyTable
from rich.progress import track

from fcn_plugin.utils.errors import InputError

from .contenders import NAMES
from .profile import profile_test, profile_train
from .tasks import TASKS, Case
from .timing import Timing, measure

# What the others are compared with, the first that takes part.
_REFERENCES = {'labels': ('stock', 'plain'), 'loss': ('stock', ), 'metric': ('stock', ),
               'file': ('backbone', 'plain', 'stock'), 'test': ('plain', 'stock'),
               'train': ('plain', 'stock')}
_TITLES = {'labels': 'scores to labels', 'loss': 'scores to loss and gradient',
           'metric': 'metric of a 375x500 image',
           'file': 'JPEG file to labels', 'test': 'whole test of a folder',
           'train': 'training iteration'}
_COLOURS = {name: colour for name, colour in zip(
    (*NAMES, 'reference'),
    ('#7f7f7f', '#8c6d31', '#d62728', '#e39802', '#1f77b4', '#17a2b8', '#bbbbbb'))}


def run_benchmark(config: Config,
                  tasks: Sequence[str],
                  sizes: Sequence[int],
                  batches: Sequence[int],
                  classes: Sequence[int | None],
                  contenders: Sequence[str] = NAMES,
                  device: str = 'cpu',
                  amp: bool = False,
                  rounds: int = 9,
                  images: int = 100,
                  profile: bool = False,
                  out: str | None = None) -> list[dict]:
    """Times every combination, prints tables and writes them.

    Args:
        config (Config): The run whose model is compared.
        tasks (Sequence[str]): Keys of :data:`benchmarking.tasks.TASKS`.
        sizes (Sequence[int]): Sides of the images, in pixels.
        batches (Sequence[int]): Images in a batch; ``file`` takes one at a time.
        classes (Sequence[int]): Numbers of classes; None for the config's.
        contenders (Sequence[str]): Of :data:`benchmarking.contenders.NAMES`.
        device (str): 'cpu' or 'cuda'. Defaults to 'cpu'.
        amp (bool): Training and the loops written by hand in bfloat16. Defaults to
            False.
        rounds (int): Timed calls of each contender. Defaults to 9.
        images (int): Images of the task ``test``. Defaults to 100.
        profile (bool): Whether to show, at the first setting, what an iteration spends its
            time on. Defaults to False.
        out (str, optional): A folder for benchmark.json, .md and .png.

    Returns:
        list[dict]: A row for each contender of each combination.
    """
    if device == 'cuda' and not torch.cuda.is_available():
        raise InputError("device is 'cuda', but torch finds no GPU: take 'cpu'")
    init_default_scope('mmseg')
    rows: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        combinations = list(itertools.product(tasks, sizes, batches, classes))
        combinations = [each for each in combinations if _makes_sense(each, sizes, batches)]
        shown = track(combinations, 'benchmark') if is_main_process() else combinations
        for task, size, batch, count in shown:
            case = Case(config, size, batch, count, device, amp, images, Path(folder))
            timings = measure(TASKS[task](case, [*contenders, 'reference']), rounds)
            rows += _rows(task, case, timings)
        shares = _profiles(Case(config, sizes[0], batches[0], classes[0], device, amp,
                                images, Path(folder)), rounds) if profile else []
    if is_main_process():
        text = '\n\n'.join([_tables(rows), *shares, machine(device)])
        print(text)
        if out is not None:
            _write(Path(out), rows, text)
    return rows


def _makes_sense(combination, sizes, batches) -> bool:
    task, size, batch, _ = combination
    if task == 'metric':  # one image, of one size
        return size == sizes[0] and batch == batches[0]
    return task != 'file' or batch == batches[0]


def _rows(task: str, case: Case, timings: dict[str, Timing]) -> list[dict]:
    per_call = {'labels': case.batch, 'train': case.batch * get_world_size(),
                'test': case.images}.get(task, 1)
    reference = next((name for name in _REFERENCES[task] if name in timings), None)
    return [dict(
        task=task, size=case.size, batch=1 if task in ('file', 'metric') else case.batch,
        classes=case.num_classes, processes=get_world_size(), contender=name,
        milliseconds=1e3 * timing.median / per_call,
        fastest=1e3 * min(timing.seconds) / per_call,
        slowest=1e3 * max(timing.seconds) / per_call,
        images_per_second=per_call / timing.median,
        reference=reference,
        speed=timings[reference].median / timing.median if reference else None,
        memory=timing.memory) for name, timing in timings.items()]


def _tables(rows: list[dict]) -> str:
    parts = []
    keys = ('task', 'size', 'batch', 'classes', 'processes')
    for key, rows_of_key in itertools.groupby(
            rows, lambda row: tuple(row[k] for k in keys)):
        group = list(rows_of_key)
        task, size, batch, classes, processes = key
        reference = group[0]['reference']
        table = PrettyTable(['', 'ms an image', 'fastest', 'slowest', 'images/s',
                             f'speed against {reference}', 'peak MB'])
        table.align = 'r'
        for row in group:
            memory = '-' if row['memory'] is None else f"{row['memory'] / 1e6:.0f}"
            table.add_row([row['contender'], f"{row['milliseconds']:.2f}",
                           f"{row['fastest']:.2f}", f"{row['slowest']:.2f}",
                           f"{row['images_per_second']:.1f}",
                           '-' if row['speed'] is None else f"{row['speed']:.2f}", memory])
        what = '' if task == 'metric' else f', {size}x{size}, batch {batch}'
        parts.append(f'{_TITLES[task]}{what}, {classes} classes, '
                     f'{processes} process(es)\n{table}')
    by_pixels = [row for row in rows if row['task'] == 'file']
    if len({row['size'] for row in by_pixels}) > 1:
        parts.append(_scaling(by_pixels))
    return '\n\n'.join(parts)


def _profiles(case: Case, rounds: int) -> list[str]:
    """Tables of what an iteration of ours spends its time on."""
    parts = []
    for title, stages in (
            ('test iteration, one image', profile_test(case, rounds, fast=False)),
            ('test iteration, one image, --fast', profile_test(case, rounds, fast=True)),
            (f'training iteration, batch {case.batch}', profile_train(case, rounds))):
        total = stages.pop('total')
        table = PrettyTable(['stage', 'ms', 'share'])
        table.align = 'r'
        for name, value in stages.items():
            table.add_row([name, f'{value:.2f}', f'{value / total:.1%}'])
        table.add_row(['total', f'{total:.2f}', ''])
        parts.append(f'{title}, {case.size}x{case.size}\n{table}')
    return parts


def _scaling(rows: list[dict]) -> str:
    """Nanoseconds a pixel over the sizes, which stay the same where cost is linear."""
    sizes = sorted({row['size'] for row in rows})
    table = PrettyTable(['ns a pixel', *map(str, sizes), 'largest / smallest'])
    table.align = 'r'
    for name in dict.fromkeys(row['contender'] for row in rows):
        cost = {row['size']: 1e6 * row['milliseconds'] / row['size']**2 for row in rows
                if row['contender'] == name}
        table.add_row([name, *(f'{cost[size]:.0f}' for size in sizes),
                       f'{max(cost.values()) / min(cost.values()):.2f}'])
    return f'JPEG file to labels, by size\n{table}'


def machine(device: str) -> str:
    """What the figures were measured on."""
    name = platform.processor() or platform.machine()
    try:
        with open('/proc/cpuinfo') as file:
            name = next(line.split(':')[1].strip() for line in file
                        if line.startswith('model name'))
    except (OSError, StopIteration):
        pass
    parts = [f'{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads']
    if device == 'cuda':
        parts.append(torch.cuda.get_device_name())
    return ', '.join([*parts, f'torch {torch.__version__}'])


def _write(out: Path, rows: list[dict], text: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / 'benchmark.json').write_text(json.dumps(rows, indent=1) + '\n')
    (out / 'benchmark.md').write_text(f'```\n{text}\n```\n')
    _plot(rows, out / 'benchmark.png')
    print(f'written to {out}')


def _plot(rows: list[dict], path: Path) -> None:
    """Speed against the reference, a panel a task, at the first setting of each."""
    matplotlib.use('Agg')
    from matplotlib import pyplot
    tasks = list(dict.fromkeys(row['task'] for row in rows))
    figure, panels = pyplot.subplots(1, len(tasks), squeeze=False, layout='constrained',
                                     figsize=(3.4 * len(tasks) + 0.6, 3.4))
    for task, panel in zip(tasks, panels[0]):
        mine = [row for row in rows if row['task'] == task]
        first = mine[0]
        keys = ('size', 'batch', 'classes')
        mine = [row for row in mine if all(row[k] == first[k] for k in keys)
                and row['speed'] is not None]
        names = [row['contender'] for row in mine]
        bars = panel.barh(names, [row['speed'] for row in mine],
                          color=[_COLOURS[name] for name in names])
        panel.bar_label(bars, [f"{row['speed']:.2f}x" for row in mine], padding=3)
        panel.margins(x=0.2)
        panel.invert_yaxis()
        panel.set_title(_TITLES[task], fontsize=10)
        panel.set_xlabel(f"speed, {first['reference']} = 1"
                         + ('' if task == 'metric' else f", {first['size']} px"),
                         fontsize=9)
        panel.spines[['top', 'right']].set_visible(False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
