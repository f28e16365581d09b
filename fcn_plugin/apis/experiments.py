"""Runs that differ in one thing each, over seeds, and a table of them."""
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

import matplotlib
import numpy as np
from mmengine.config import Config
from prettytable import PrettyTable, TableStyle

from ..evaluation import FIGURES
from ..utils.errors import FailedRunError, InputError
from ..utils.files import replacing, write_text
from .config import read_config
from .loading import PathLike
from .report import read_run
from .staged import is_finished, result, run_to_its_end


class Experiment(NamedTuple):
    """One run of a plan.

    Attributes:
        name (str): Of the change.
        seed (int): Of the run.
        config (Config): What is trained.
        work_dir (Path): ``<work dir of the plan>/<name>/seed<seed>``.
        after (Path, optional): The work dir of the run whose best weights it starts from.
    """
    name: str
    seed: int
    config: Config
    work_dir: Path
    after: Optional[Path] = None

    @property
    def max_iters(self) -> int:
        """int: Where it ends."""
        return self.config.train_cfg.max_iters


def read_plan(plan: PathLike, work_dir: PathLike, seeds: Sequence[int] = (0, ),
              only: Sequence[str] = ()) -> List[Experiment]:
    """Reads a plan: a config file with ``config``, ``changes`` and perhaps ``after``.

    Args:
        plan (str or Path): ``config`` is the config file that all runs start from,
            relative to the plan; ``changes`` names dicts of settings in the manner of
            ``--cfg-options``, ``dict()`` for the run that the others are compared with;
            ``after`` names for a change the one whose best weights it starts from.
        work_dir (str or Path): Gets a folder for each run.
        seeds (Sequence[int]): Defaults to (0, ).
        only (Sequence[str]): Some of the changes. Defaults to (): all.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it lacks ``config`` or ``changes``, or a change of ``only`` or
            ``after``.
    """
    path = Path(plan)
    if not path.is_file():
        raise FileNotFoundError(f"there is no plan '{plan}'")
    read = read_config(str(path))
    for key in ('config', 'changes'):
        if key not in read:
            raise InputError(f"the plan '{plan}' has no {key}: it names the config that all "
                             'runs start from, and the changes')
    unknown = [name for name in only if name not in read.changes]
    if unknown:
        raise InputError(f"the plan '{plan}' has no change '{unknown[0]}', but "
                         f'{", ".join(read.changes)}')
    after = read.get('after') or {}
    names = list(read.changes)
    for name, before in after.items():
        if name not in names or before not in names[:names.index(name)]:
            raise InputError(f"the plan '{plan}' has {name!r} after {before!r}: expected a "
                             f'change and an earlier one, of {", ".join(names)}')
    found = []
    for name, change in read.changes.items():
        for seed in seeds if not only or name in only else ():
            config = Config.fromfile(str(path.parent / read.config))
            config.merge_from_dict(dict(change))
            config.randomness = dict(config.get('randomness') or {}, seed=seed)
            folders = [Path(work_dir, each, f'seed{seed}')
                       for each in (name, after.get(name)) if each]
            found.append(Experiment(name, seed, config, *folders))
    return found


def run_plan(plan: PathLike, work_dir: PathLike, train_tool: Path,
             seeds: Sequence[int] = (0, ), only: Sequence[str] = (),
             arguments: Sequence[str] = (), options: Sequence[str] = ()) -> str:
    """Trains what is not finished, one run after the other, and compares all.

    Started again after it was stopped, this goes on where it was. The table
    (``runs.md``) and its picture (``runs.png``) are written anew after each run, from all
    finished runs of the plan in the work dir, of whatever seed and whenever made.

    Args:
        plan, work_dir, seeds, only: See :func:`read_plan`.
        train_tool (Path): The script that trains one config.
        arguments (Sequence[str]): For every run, such as ``--amp``.
        options (Sequence[str]): ``--cfg-options`` of every run.

    Returns:
        str: The table: each figure of the last validation, the mean over seeds and half
        the range; and how much mean IoU differs from the first change's with the same
        seeds.

    Raises:
        RuntimeError: If a run fails; the others are kept.
    """
    experiments = read_plan(plan, work_dir, seeds, only)
    names = list(read_config(str(plan)).changes)
    text = ''
    for number, experiment in enumerate(experiments, 1):
        file = Path(work_dir, experiment.name, f'{experiment.name}.py')
        write_text(file, experiment.config.pretty_text)
        title = f'run {number} of {len(experiments)}, {experiment.name}'
        print(f'{title}, seed {experiment.seed}', flush=True)
        start = []
        if experiment.after is not None:
            weights = result(experiment.after, 'best')
            if weights is None:
                raise FailedRunError(
                    f'{title}: starts from {experiment.after}, where there is no '
                    'checkpoint: train that one first (--only)')
            start = [f'load_from={weights}']
        run_to_its_end(title, str(file), experiment.work_dir, experiment.max_iters,
                       train_tool, arguments,
                       [*options, f'randomness.seed={experiment.seed}'], start)
        done = finished_runs(work_dir, names)
        text = _table(done)
        write_text(Path(work_dir, 'runs.md'), f'{plan}\n\n{text}\n')
        _draw(done, Path(work_dir, 'runs.png'))
    print(text)
    return text


def finished_runs(work_dir: PathLike, names: Sequence[str]) -> Dict[str, Dict[int, dict]]:
    """The figures of the runs of a plan that have reached their end.

    Args:
        work_dir (str or Path): Of the plan.
        names (Sequence[str]): Of its changes.

    Returns:
        dict: For each change that has any, in that order: by seed, the scalars of the last
        validation, and ``minutes``, how long training takes at the median step of its log.
    """
    done: Dict[str, Dict[int, dict]] = {}
    for name in names:
        folders = {int(path.name[4:]): path for path in Path(work_dir, name).glob('seed*')
                   if path.name[4:].isdigit()}
        for seed, folder in sorted(folders.items()):
            if result(folder, 'last') is None:
                continue
            run = read_run(folder)
            max_iters = run.config.train_cfg.max_iters
            if run.train and run.val and is_finished(folder, max_iters):
                step = np.median([line['time'] for line in run.train])
                done.setdefault(name, {})[seed] = dict(run.val[-1],
                                                       minutes=step * max_iters / 60)
    return done


def _table(done: Dict[str, Dict[int, dict]]) -> str:
    table = PrettyTable(['', *FIGURES, 'difference', 'minutes', 'seeds'], align='r')
    table.align[''] = 'l'
    table.set_style(TableStyle.MARKDOWN)
    first = next(iter(done.values()))
    for name, runs in done.items():
        cells = [_spread([run[key] for run in runs.values()]) for key in FIGURES]
        # seed by seed, so that one more seed of either does not count as a difference
        apart = [runs[seed]['mIoU'] - first[seed]['mIoU'] for seed in runs if seed in first]
        table.add_row([name, *cells, _spread(apart, '+') if apart else '',
                       f'{np.mean([run["minutes"] for run in runs.values()]):.1f}',
                       ' '.join(map(str, runs))])
    return table.get_string()


def _spread(values: Sequence[float], sign: str = '') -> str:
    half = (max(values) - min(values)) / 2
    return f'{np.mean(values):{sign}.2f}' + (f' ± {half:.2f}' if len(values) > 1 else '')


def _draw(done: Dict[str, Dict[int, dict]], path: Path) -> None:
    """A row a change, a point a seed, a line at the first change's mean."""
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(6.4, 1.2 + 0.28 * len(done)),
                                   layout='constrained')
    names = list(done)
    for place, name in enumerate(names):
        values = [run['mIoU'] for run in done[name].values()]
        axes.plot(values, [place] * len(values), 'o', color='tab:blue', alpha=0.6)
    first = [run['mIoU'] for run in done[names[0]].values()]
    axes.axvline(np.mean(first), color='grey', lw=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel('mean IoU of the last validation, %')
    axes.grid(axis='x', alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120, format='png')
    pyplot.close(figure)
