"""Runs that differ in one thing each, over seeds, and a table of them."""
import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from mmengine.config import Config
from prettytable import PrettyTable, TableStyle

from fcn_plugin.checkpoints.loading import PathLike
from fcn_plugin.checkpoints.naming import checkpoint_of
from fcn_plugin.checkpoints.work_dir import (
    is_finished,
    other_settings,
    read_log,
    require_same_settings,
    settings_of,
    validates_at_its_end,
)
from fcn_plugin.engine.staged import require_iterations, run_to_its_end, with_options
from fcn_plugin.evaluation import FIGURES
from fcn_plugin.utils.config import read_config
from fcn_plugin.utils.errors import FailedRunError, InputError
from fcn_plugin.utils.files import replacing, write_text


class Experiment(NamedTuple):
    """One run of a plan.

    Attributes:
        name (str): Of the change.
        seed (int): Of the run.
        config (Config): What is trained, with all options and the seed.
        work_dir (Path): ``<work dir of the plan>/<name>/seed<seed>``.
        settings (dict): What decides how it ends, see :func:`settings_of`; with
            ``before: `` in front those of the run that it starts from.
        before (Experiment, optional): The one whose best weights it starts from.
    """
    name: str
    seed: int
    config: Config
    work_dir: Path
    settings: dict[str, str]
    before: 'Experiment | None' = None

    def __str__(self) -> str:
        return f'{self.name}, seed {self.seed}'


class Plan:
    """A plan: a config file with ``config``, ``changes`` and perhaps ``after``.

    Args:
        path (str or Path): ``config`` is the config file that all runs start from,
            relative to the plan; ``changes`` names dicts of settings in the manner of
            ``--cfg-options``, the first of them, mostly ``dict()``, the one that the others
            are compared with; ``after`` names for a change the one whose best weights it
            starts from.
        work_dir (str or Path): Gets a folder for each run.
        arguments (Sequence[str]): For every run, such as ``--amp``.
        options (Sequence[str]): ``--cfg-options`` of every run.

    Attributes:
        names (list[str]): Of the changes.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it lacks ``config`` or ``changes``, or a change of ``after``, or a
            change cannot be the name of a folder.
    """

    def __init__(self, path: PathLike, work_dir: PathLike, arguments: Sequence[str] = (),
                 options: Sequence[str] = ()) -> None:
        self.path, self.work_dir = Path(path), Path(work_dir)
        self.arguments, self.options = arguments, options
        if not self.path.is_file():
            raise FileNotFoundError(f"there is no plan '{path}'")
        read = read_config(str(path))
        for key in ('config', 'changes'):
            if not read.get(key):
                raise InputError(f"the plan '{path}' has no {key}: it names the config that "
                                 'all runs start from, and the changes')
        self.changes = read.changes
        self.names = list(read.changes)
        for name in self.names:
            if Path(name).name != name or not isinstance(self.changes[name], dict):
                raise InputError(f"the plan '{path}' has the change {name!r} = "
                                 f'{self.changes[name]!r}: expected the name of a folder '
                                 'and a dict of settings')
        self.after = read.get('after') or {}
        for name, before in self.after.items():
            if name not in self.names or before not in self.names[:self.names.index(name)]:
                raise InputError(
                    f"the plan '{path}' has {name!r} after {before!r}: expected a change and "
                    f'an earlier one, of {", ".join(self.names)}')
        self.base = read_config(str(self.path.parent / read.config))

    def run(self, name: str, seed: int) -> Experiment:
        """One run of the plan.

        Raises:
            ValueError: If the change does not fit the config, or the run that comes of it
                counts no iterations or does not end with a validation.
        """
        config = copy.deepcopy(self.base)
        try:
            # A copy: merging takes _delete_ out of what is merged.
            config.merge_from_dict(copy.deepcopy(dict(self.changes[name])))
        except (KeyError, TypeError, AssertionError) as error:
            raise InputError(f"the plan '{self.path}': the change '{name}' does not fit the "
                             f'config ({" ".join(map(str, error.args))})') from error
        config = with_options(config, self.options)
        config.randomness = dict(config.get('randomness') or {}, seed=seed)
        title = f"the plan '{self.path}', '{name}'"
        require_iterations(title, config)
        if not validates_at_its_end(config):
            raise InputError(
                f'{title}: the run does not end with a validation, whose figures are '
                'compared: expected val_cfg, val_dataloader and val_evaluator, and '
                'train_cfg.val_begin not above max_iters')
        settings = settings_of(config, self.arguments)
        before = self.run(self.after[name], seed) if name in self.after else None
        if before:
            settings.update({f'before: {k}': value for k, value in before.settings.items()})
        return Experiment(name, seed, config, self.work_dir / name / f'seed{seed}', settings,
                          before)

    def runs(self, seeds: Sequence[int] = (0, ), only: Sequence[str] = ()
             ) -> list[Experiment]:
        """The runs of the plan, in its order.

        Args:
            seeds (Sequence[int]): Defaults to (0, ).
            only (Sequence[str]): Some of the changes. Defaults to (): all.

        Raises:
            ValueError: If the plan has no such change, a seed is none, or a run cannot be
                compared.
        """
        unknown = [name for name in only if name not in self.names]
        if unknown:
            raise InputError(f"the plan '{self.path}' has no change '{unknown[0]}', but "
                             f'{", ".join(self.names)}')
        for seed in seeds:
            if not 0 <= seed < 2**32:
                raise InputError(f'--seeds: {seed}, expected 0 to {2**32 - 1}')
        # All of them, so that what cannot be compared is said before anything is trained.
        found = [self.run(name, seed) for name in self.names for seed in dict.fromkeys(seeds)]
        return [each for each in found if not only or each.name in only]

    def runs_made(self) -> list[Experiment]:
        """Those of any seed that have a folder in the work dir."""
        found = []
        for name in self.names:
            seeds = [int(match[1]) for path in (self.work_dir / name).glob('seed*')
                     if (match := re.fullmatch(r'seed(0|[1-9][0-9]*)', path.name))]
            found += [self.run(name, seed) for seed in sorted(seeds)]
        return found


def run_plan(plan: PathLike, work_dir: PathLike, train_tool: Path,
             seeds: Sequence[int] = (0, ), only: Sequence[str] = (),
             arguments: Sequence[str] = (), options: Sequence[str] = ()) -> str:
    """Trains what is not finished, one run after the other, and compares all.

    Started again after it was stopped, this goes on where it was. A run counts as the
    plan's only where it was made with the settings that the plan, the options and the
    arguments say now. The table (``runs.md``), its picture (``runs.png``) and the curves of
    the losses (``losses.png``) are written anew after each run, from all finished runs of
    the plan in the work dir, of whatever seed and whenever made.

    Args:
        plan, work_dir, arguments, options: See :class:`Plan`.
        train_tool (Path): The script that trains one config.
        seeds, only: See :meth:`Plan.runs`.

    Returns:
        str: The table: each figure of the last validation, the mean over seeds and half
        the range; and how much mean IoU differs from the plan's first change with the same
        seeds. Below it stands what is not in it, and why.

    Raises:
        FileNotFoundError, ValueError: Before anything is trained: see :class:`Plan`; and if
            the work dir holds one of these runs, or one that they start from, made with
            other settings.
        RuntimeError: If a run fails, or starts from one that is not finished; the others
            are kept.
    """
    read = Plan(plan, work_dir, arguments, options)
    experiments = read.runs(seeds, only)
    require_same_settings({each.work_dir: each.settings for run in experiments
                           for each in (run, run.before) if each})
    _require_starts(experiments)
    text = ''
    for number, experiment in enumerate(experiments, 1):
        file = read.work_dir / experiment.name / f'{experiment.name}.py'
        write_text(file, experiment.config.pretty_text)
        title = f'run {number} of {len(experiments)}, {experiment.name}'
        print(f'{title}, seed {experiment.seed}', flush=True)
        start = []
        if experiment.before:
            start = [f'load_from={checkpoint_of(experiment.before.work_dir, "best")}']
        run_to_its_end(title, str(file), experiment.config, experiment.work_dir, train_tool,
                       arguments, [*options, f'randomness.seed={experiment.seed}'], start,
                       experiment.settings)
        made = read.runs_made()
        done, left_out = finished_runs(made)
        text = '\n'.join([_table(done, read.names[0]), *_notes(done, read.names[0], left_out)])
        write_text(read.work_dir / 'runs.md', f'{plan}\n\n{text}\n')
        _draw(done, read.names[0], read.work_dir / 'runs.png')
        _draw_losses([each for each in made if each.seed in done.get(each.name, ())],
                     read.work_dir / 'losses.png')
    print(text)
    return text


def _require_starts(experiments: Sequence[Experiment]) -> None:
    """Refuses runs that start from one that is neither finished nor trained before them."""
    trained = {each.work_dir for each in experiments}
    for each in experiments:
        if each.before and each.before.work_dir not in trained and not is_finished(
                each.before.work_dir, each.before.config):
            raise FailedRunError(
                f'{each}: starts from {each.before.work_dir}, where no run is finished: train '
                f'that one too (--only {each.before.name} {each.name})')


Figures = dict[str, dict[int, dict]]


def finished_runs(experiments: Sequence[Experiment]) -> tuple[Figures, list[str]]:
    """The figures of those runs of a plan that have reached their end.

    Args:
        experiments (Sequence[Experiment]): Of any seeds.

    Returns:
        tuple:

        - dict: For each change that has any, in that order: by seed, the scalars of the last
          validation, and ``minutes``, how long training takes at the median step of its
          log; what was not logged is not there.
        - list[str]: What is left out because it was made with other settings.
    """
    done: Figures = {}
    left_out = []
    for each in experiments:
        apart = other_settings(each.work_dir, each.settings)
        if apart:
            left_out.append(f'Left out, made with other settings: {each} ({apart}).')
        elif is_finished(each.work_dir, each.config):
            train, val = read_log(each.work_dir)
            end = each.config.train_cfg.max_iters
            figures = dict(val[-1]) if val and val[-1]['step'] >= end else {}
            steps = [line['time'] for line in train if 'time' in line]
            if steps:
                figures['minutes'] = np.median(steps) * end / 60
            done.setdefault(each.name, {})[each.seed] = figures
    return done, left_out


def _apart(done: Figures, name: str, base: str) -> list[float]:
    """Mean IoU less the base's, seed by seed, so that one more seed of either is none."""
    of_base = done.get(base, {})
    return [figures['mIoU'] - of_base[seed]['mIoU'] for seed, figures in done[name].items()
            if 'mIoU' in figures and 'mIoU' in of_base.get(seed, {})]


def _table(done: Figures, base: str) -> str:
    table = PrettyTable(['', *FIGURES, 'difference', 'minutes', 'seeds'], align='r')
    table.align[''] = 'l'
    table.set_style(TableStyle.MARKDOWN)
    for name, runs in done.items():
        cells = [spread([run[key] for run in runs.values() if key in run])
                 for key in FIGURES]
        minutes = [run['minutes'] for run in runs.values() if 'minutes' in run]
        table.add_row([name, *cells, spread(_apart(done, name, base), '+'),
                       f'{np.mean(minutes):.1f}' if minutes else '',
                       ' '.join(map(str, runs))])
    return table.get_string()


def _notes(done: Figures, base: str, left_out: Sequence[str]) -> list[str]:
    """What a reader of the table would ask."""
    notes = [f'No figure in the log of {name}, seed {seed}.' for name, runs in done.items()
             for seed, figures in runs.items() if not any(key in figures for key in FIGURES)]
    if base not in done:
        notes.append(f'No differences: no run of {base}, which the others are compared with, '
                     'is finished.')
    else:
        notes += [f'No difference of {name}: no seed with a mean IoU of it and of {base}.'
                  for name in done if not _apart(done, name, base)]
    notes += left_out
    return ['', *notes] if notes else []


def spread(values: Sequence[float], sign: str = '') -> str:
    if not values:
        return ''
    if not np.isfinite(values).all():
        return 'nan'
    half = (max(values) - min(values)) / 2
    return f'{np.mean(values):{sign}.2f}' + (f' ± {half:.2f}' if len(values) > 1 else '')


def _draw(done: Figures, base: str, path: Path) -> None:
    """A row a change, a point a seed, a line at the base's mean, where there is one."""
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(6.4, 1.2 + 0.28 * len(done)),
                                   layout='constrained')
    known = {name: [run['mIoU'] for run in runs.values()
                    if np.isfinite(run.get('mIoU', np.nan))] for name, runs in done.items()}
    for place, values in enumerate(known.values()):
        axes.plot(values, [place] * len(values), 'o', color='tab:blue', alpha=0.6)
    if known.get(base):
        axes.axvline(np.mean(known[base]), color='grey', lw=1)
    axes.set_yticks(range(len(known)), list(known))
    axes.set_ylim(len(known) - 0.5, -0.5)
    axes.set_xlabel('mean IoU of the last validation, %')
    axes.grid(axis='x', alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120, format='png')
    pyplot.close(figure)


def loss_curve(lines: Sequence[dict]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a training's scalars: steps, minutes, and losses, the running average over a tenth of
    them. A step takes the median time, whatever held single ones up."""
    lines = [line for line in lines if 'loss' in line]
    width = len(lines) // 10 | 1
    losses = np.convolve([line['loss'] for line in lines], np.full(width, 1 / width), 'valid')
    steps = np.array([line['step'] for line in lines])[width // 2:][:len(losses)]
    return steps, steps * np.median([line.get('time', 0) for line in lines]) / 60, losses


def _draw_losses(experiments: Sequence[Experiment], path: Path) -> None:
    """Losses of training against steps and against time, as the paper's figure 5."""
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, (by_step, by_time) = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True,
                                                 layout='constrained')
    for each in experiments:
        lines = read_log(each.work_dir)[0]
        if any('loss' in line for line in lines):
            steps, minutes, losses = loss_curve(lines)
            by_step.plot(steps, losses, label=str(each), lw=1.5)
            by_time.plot(minutes, losses, lw=1.5)
            by_step.legend(fontsize=8, frameon=False)
    by_step.set_xlabel('iteration')
    by_time.set_xlabel('minutes')
    by_step.set_ylabel('loss')
    for axes in (by_step, by_time):
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120, format='png')
    pyplot.close(figure)
