"""What ``fcn suggest`` gains over random choice: mean IoU against labelled images.

    python tools/analysis_tools/suggest_curve.py \
        configs/experiments/_base_/voc12_few.py --seeds 0 1 2 --amp

For each seed a network is trained on random images. More are added, chosen by ``fcn suggest``
with that network or at random, and a network is trained anew on all of them: with the same
seed and as many iterations, whatever the number of images. What is finished is passed over,
and what was cut off goes on. After each run curve.md and curve.png in the work dir hold what
is known.
"""
import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from experimenting import spread
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from prettytable import PrettyTable, TableStyle

from fcn_plugin.checkpoints.naming import checkpoint_of
from fcn_plugin.checkpoints.work_dir import read_log, settings_of, validates_at_its_end
from fcn_plugin.engine.staged import require_iterations, run_to_its_end, with_options
from fcn_plugin.reports.suggest import suggest
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run
from fcn_plugin.utils.config import read_config
from fcn_plugin.utils.errors import InputError
from fcn_plugin.utils.files import read_list, replacing, write_text
from fcn_plugin.visualization.charts import COLOURS

WAYS = ('random', 'suggested')
#: By way and seed: number of images to mean IoU in per cent.
Points = dict[tuple[str, int], dict[int, float]]


def measure_curve(file: str, work_dir: Path, train_tool: Path, seeds: Sequence[int] = (0, ),
                  step: int = 20, most: int = 100, pool: int | None = None,
                  arguments: Sequence[str] = (), options: Sequence[str] = ()) -> Points:
    """Trains what is not finished, and writes the table and the picture after each run.

    Args:
        file (str): The config. Its training images are the ones to choose from.
        work_dir (Path): Gets a folder for each run.
        train_tool (Path): The script that trains one config.
        seeds (Sequence[int]): Of the first images, and of the runs. Defaults to (0, ).
        step (int): How many images the first run has, and each later one more. Defaults to
            20.
        most (int): How many the last run has at most. Defaults to 100.
        pool (int, optional): How many images there are to choose from, taken at random, so
            that looking at them takes less time. Defaults to None: all.
        arguments (Sequence[str]): For every run, such as ``--amp``.
        options (Sequence[str]): ``--cfg-options`` of every run.

    Raises:
        ValueError: If there are too few images, one or its mask is no file, the runs do not
            end with a validation, or the work dir holds runs that were made with other
            settings.
        RuntimeError: If a run fails; the others are kept.
    """
    wrong = [seed for seed in seeds if not 0 <= seed < 2**32]
    if wrong:
        raise InputError(f'--seeds: {wrong[0]}, expected 0 to {2**32 - 1}')
    base = with_options(read_config(file), options)
    require_iterations(file, base)
    if not validates_at_its_end(base):
        raise InputError(f"the run of '{file}' does not end with a validation, whose mean IoU "
                         'is compared: expected val_cfg, val_dataloader and val_evaluator')
    images = training_images(base)
    available = len(images) if pool is None else min(pool, len(images))
    if not 1 <= step <= most <= available:
        raise InputError(f'--step {step} and --most {most}: expected 1 <= step <= most <= '
                         f'{available}, the number of images to choose from')
    if missing := [path for pair in images for path in pair if not path.is_file()]:
        raise InputError(f"'{file}': of its training images and masks {len(missing)} are no "
                         f"files, '{missing[0]}' for one, but fcn suggest chooses among files")
    points: Points = {}
    for seed in dict.fromkeys(seeds):
        order = np.random.default_rng(seed).permutation(len(images))[:available].tolist()
        labelled = dict.fromkeys(WAYS, order[:step])
        for count in range(step, most + 1, step):
            for way in WAYS:
                # The first run is the same for both.
                name = f'first_{count}' if count == step else f'{way}_{count}'
                folder = work_dir / f'seed{seed}' / name
                if count > step and way == 'random':
                    labelled[way] = order[:count]
                elif count > step:
                    rest = sorted(set(order) - set(labelled[way]))
                    before = f'{way}_{count - step}' if count > 2 * step else f'first_{step}'
                    labelled[way] = labelled[way] + suggested(
                        folder.with_name(before), images, labelled[way], rest, step)
                miou = train_on(labelled[way], base, seed, folder, train_tool, arguments,
                                options)
                points.setdefault((way, seed), {})[count] = miou
                write_text(work_dir / 'curve.md', f'{file}\n\n{table_of(points)}\n')
                draw(points, work_dir / 'curve.png')
    print(table_of(points))
    return points


def training_images(config: Config) -> list[tuple[Path, Path]]:
    """The files of a config's training images and masks, in the order of its data set."""
    init_default_scope(config.get('default_scope', 'mmseg'))
    dataset = DATASETS.build(config.train_dataloader.dataset)
    found = map(dataset.get_data_info, range(len(dataset)))
    return [(Path(one['img_path']), Path(one.get('seg_map_path', ''))) for one in found]


def train_on(labelled: Sequence[int], base: Config, seed: int, work_dir: Path,
             train_tool: Path, arguments: Sequence[str], options: Sequence[str]) -> float:
    """Mean IoU in per cent, at its end, of a run on some of the training images."""
    config = copy.deepcopy(base)
    config.train_dataloader.dataset.indices = sorted(labelled)
    config.randomness = dict(config.get('randomness') or {}, seed=seed)
    file = work_dir / 'config.py'
    write_text(file, config.pretty_text)
    title = f'seed {seed}, {work_dir.name}'
    print(title, flush=True)
    run_to_its_end(title, str(file), config, work_dir, train_tool, arguments, options,
                   settings=settings_of(config, arguments))
    return read_log(work_dir)[1][-1]['mIoU']


def suggested(run_dir: Path, images: Sequence[tuple[Path, Path]], labelled: Sequence[int],
              rest: Sequence[int], number: int) -> list[int]:
    """Which images ``fcn suggest`` adds to those of a run, asked once.

    Args:
        run_dir (Path): Of the finished run; gets the list and the contact sheet.
        images (Sequence[tuple]): All, with their masks.
        labelled (Sequence[int]): Places of those of the run, whose masks are seen.
        rest (Sequence[int]): Places of those that have no labels yet.
        number (int): How many.

    Returns:
        list[int]: Places.
    """
    listed = run_dir / 'suggested.txt'
    if not listed.is_file():
        with tempfile.TemporaryDirectory() as folder:
            for kind, place, which in (('images', 0, [*labelled, *rest]),
                                       ('masks', 1, labelled)):
                Path(folder, kind).mkdir()
                for i in which:
                    file = images[i][place]
                    Path(folder, kind, f'{i}{file.suffix}').symlink_to(file.resolve())
            suggest(checkpoint_of(run_dir), folder, number, run_dir, overwrite=True)
    return [int(Path(line).stem) for line in read_list(listed)]


def table_of(points: Points) -> str:
    """Mean over seeds and half the range. Differences are taken seed by seed."""
    table = PrettyTable(['images', *WAYS, 'difference', 'seeds'], align='r')
    table.set_style(TableStyle.MARKDOWN)
    seeds = list(dict.fromkeys(seed for _, seed in points))
    for count in sorted({count for curve in points.values() for count in curve}):
        # Seeds that have both, so that a run that is not finished shifts no mean.
        both = [seed for seed in seeds
                if all(count in points.get((way, seed), {}) for way in WAYS)]
        random, chosen = ([points[way, seed][count] for seed in both] for way in WAYS)
        apart = [of_chosen - of_random for of_random, of_chosen in zip(random, chosen)]
        table.add_row([count, spread(random), spread(chosen), spread(apart, '+'),
                       ' '.join(map(str, both))])
    return table.get_string()


def draw(points: Points, path: Path) -> None:
    """A faint curve a seed, and the mean of those seeds that have got as far."""
    figure = Figure(figsize=(4.4, 3.2), layout='constrained')
    axes = figure.add_subplot()
    for way, colour in zip(WAYS, COLOURS):
        curves = [curve for (of, _), curve in points.items() if of == way]
        for curve in curves:
            axes.plot(curve.keys(), curve.values(), color=colour, alpha=0.35, linewidth=1)
        # Only where all seeds are: a mean over fewer would jump.
        counts = sorted(set.intersection(*map(set, curves))) if curves else []
        axes.plot(counts, [np.mean([curve[count] for curve in curves]) for count in counts],
                  color=colour, linewidth=2, marker='o', markersize=4, label=way)
    axes.set_xlabel('labelled images')
    axes.set_ylabel('mean IoU, %')
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=160, format='png')


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('config', help='its training images are the ones to choose from')
    parser.add_argument('--work-dir', metavar='DIR', help='gets a folder for each run '
                        '(default: work_dirs/suggest_curve)',
                        default='work_dirs/suggest_curve')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], metavar='N',
                        help='default: 0')
    parser.add_argument('--step', type=int, default=20, metavar='N', help='images of the '
                        'first run, and of each later one more (default: %(default)s)')
    parser.add_argument('--most', type=int, default=100, metavar='N',
                        help='images of the last run (default: %(default)s)')
    parser.add_argument('--pool', type=int, metavar='N', help='images to choose from, taken '
                        'at random (default: all)')
    parser.add_shared('--amp')
    # As text, to be handed to every run.
    parser.add_shared('--cfg-options', action='store', default=[])
    return parser.parse()


def main() -> None:
    args = parse_args()
    measure_curve(args['config'], Path(args['work_dir']),
                  Path(__file__).parents[1] / 'train.py', args['seeds'], args['step'],
                  args['most'], args['pool'], ['--amp'] * args['amp'], args['cfg_options'])


if __name__ == '__main__':
    run(main)
