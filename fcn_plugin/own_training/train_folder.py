"""``fcn train FOLDER``: checks, plans, trains, and says what would help."""
import re
import tempfile
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from rich.progress import track

from ..checkpoints.loading import load_model
from ..checkpoints.naming import checkpoint_of
from ..engine.train import train, use_amp
from ..inference.predict import predict_dataset
from ..own_data.check_dataset import check_dataset
from ..own_data.findings import report
from ..own_data.inspect_pairs import Checked, class_shares
from ..own_data.write_config import SMALL, STARTS, parent_of, require_sure_labels, write_config
from ..reports.judge import evaluate
from ..utils.config import load_config, network, read_config
from ..utils.devices import pick_device
from ..utils.errors import InputError
from ..utils.files import check_writable
from ..utils.inherited import learning_rate, without_weights
from ..utils.locks import alone_in
from ..utils.paths import shown, tool_command
from .advice import Settings, advise
from .batch import fitting_batch
from .facts import Facts, facts_of, read_facts, write_facts
from .plan import FINER, first_plan, is_small, most_images, with_batch


def train_folder(root: str, base: str | None = None, work_dir: str | None = None,
                 options: dict | None = None, resume: bool = False, amp: bool = False,
                 compile_backbone: bool = False) -> None:
    """Trains on a folder of images and masks, or of a labelling tool's regions.

    ``<work dir>/data`` gets the config, the lists, a picture of what the masks are taken for,
    and what was measured; the work dir gets what any run leaves there.

    Args:
        root (str): The folder; see :func:`~fcn_plugin.own_data.check_dataset.check_dataset`.
        base (str, optional): Which of configs/fcn is inherited. Defaults to None: FCN-8s on
            EfficientNet-Lite0, or FCN-4s where regions are small.
        work_dir (str, optional): Defaults to None: work_dirs/<name of the folder>.
        options (dict, optional): Entries to override in the config. With
            ``train_dataloader.batch_size`` no memory is measured.
        resume (bool): Whether to go on from the last checkpoint, with the config and the
            lists of then. Defaults to False.
        amp (bool): Mixed precision. Defaults to False.
        compile_backbone (bool): See :func:`~fcn_plugin.engine.train.train`. Defaults to
            False.

    Raises:
        ValueError: If the data cannot be trained on, the work dir is of other data, or the
            run that is gone on with is of another ``base``.
    """
    work = Path(work_dir or (options or {}).get('work_dir')
                or Path('work_dirs', Path(root).resolve().name))
    file = work / 'data' / 'config.py'
    if work.is_file():
        raise NotADirectoryError(f'the work dir {work} is a file, expected a folder or a name '
                                 'that is free: --work-dir')
    if (Path(root) / 'config.py').is_file():
        raise InputError(f'{root} has a config, so it is trained by that: fcn train '
                         f'{Path(root) / "config.py"}')
    if file.is_file():
        _check_same(root, file)
    parent = parent_of(base)  # before all images are read
    if resume and base is not None and file.is_file():
        _check_base(base, parent, file)
    check_writable(work, '--work-dir')
    if not (resume and file.is_file()):
        with tempfile.TemporaryDirectory(prefix='fcn-masks-') as drawn:
            checked = _check(root, Path(drawn).resolve())
            _prepare(checked, file.parent, str(work), base, options)
    else:
        print(f'note    goes on with the lists and settings in {shown(file.parent)}: images '
              f'that came to {root} since are not trained on (without --resume they are)')
    config = load_config(str(file), options, str(work))
    if amp:
        use_amp(config)
    config.resume = resume or config.get('resume', False)
    train(config, compile_backbone)
    checkpoint = checkpoint_of(work)
    if checkpoint:
        print('\n' + '\n'.join(_advice(config, checkpoint, file)))


def _check_same(root: str, file: Path) -> None:
    """Raises ValueError if a work dir is that of another folder."""
    other = Path(read_config(str(file)).data_root).resolve()
    if other != Path(root).resolve():
        raise InputError(f'{shown(file.parents[1])} is the work dir of a run on '
                         f"'{other}', not on '{root}': give another --work-dir")


def _check_base(base: str, parent: Path, file: Path) -> None:
    """Raises ValueError if a run that is gone on with inherits another config."""
    text = file.read_text('utf-8')
    start = re.search("^load_from = '(.*?)'", text, re.M)
    if parent.name not in text or (start and start[1]) != (base if base in STARTS else None):
        raise InputError(f'--base {base}: the run that --resume goes on with has another one, '
                         f'see {shown(file)}; leave one of both out')


def _check(root: str, drawn: Path) -> Checked:
    """What is in the folder. Errors and notes name options, which are another command's."""
    name = Path(root).resolve().name  # of '.', too
    other = tool_command('misc/check_dataset.py', root, '--out', f'{name}-fcn')
    try:
        checked = check_dataset(root, drawn=drawn)
        print(report(checked, written=True))
        require_sure_labels(checked)
    except InputError as error:
        if ' --' not in str(error):
            raise
        raise InputError(f'{error}. These are options of: {other}') from error
    print(f'note    options named here are those of: {other}')
    return checked


def _prepare(checked: Checked, folder: Path, work_dir: str, base: str | None,
             options: dict | None) -> None:
    """Plans a run and writes its config."""
    classes = checked.encoding.classes
    if len(classes) < 2:
        raise InputError(
            f"{checked.root}: all pixels that count are of one class, '{classes[0]}', so that "
            'there is nothing to tell apart; expected two, of which background may be one. '
            'fcn check-data --outside background makes one of pixels in no region')
    facts = facts_of(checked)
    plan = first_plan(checked, facts)
    facts = facts._replace(scale=plan.scale[0])
    base = base or (FINER if is_small(facts, facts.scale) else SMALL)
    options = options or {}
    batch = options.get('train_dataloader.batch_size')
    why = 'as --cfg-options says'
    of_model = {key: value for key, value in options.items()
                if key.partition('.')[0] == 'model'}
    file = str(parent_of(base))
    of_head = dict(without_weights(read_config(file)), num_classes=len(classes))
    parent = load_config(file, {'model.decode_head': of_head, **of_model})
    if batch is None:
        device = pick_device()
        batch, why = fitting_batch(parent, plan.crop_size, most_images(facts.images, device),
                                   device)
    elif not isinstance(batch, int) or batch < 1:
        raise InputError(f'train_dataloader.batch_size={batch}, expected at least 1')
    plan = with_batch(plan, facts.images, batch)._replace(lr=learning_rate(parent, batch))
    with alone_in(folder.parent):  # another run would be gone on with by other lists
        write_facts(folder / 'facts.json', facts)
        write_config(checked, str(folder), base, overwrite=True, plan=plan,
                     work_dir=work_dir)
    faults = f'; {len(checked.faults)} faults, see above' if checked.faults else ''
    judged = class_shares(checked.splits['val'], checked.encoding).images
    unseen = [name for name, images in zip(classes, judged) if not images]
    if unseen:
        print(f'note    no validation image has {", ".join(unseen)}: neither the figures nor '
              'the choice of the best checkpoint see that')
    print('\n'.join([
        f'network  {Path(base).stem}', f'images   brought to {plan.scale[0]} pixels, crops of '
        f'{plan.crop_size[1]}x{plan.crop_size[0]}', f'batch    {batch}: {why}',
        f'steps    at most {plan.max_iters}, at a rate of {plan.lr:g}; classes are '
        f'{"weighed" if plan.class_weights else "not weighed"}',
        f'config   {shown(folder / "config.py")}; look at overview.png beside it{faults}']))


def _advice(config: Config, checkpoint: Path, file: Path) -> list[str]:
    """The last lines of a run: judges the checkpoint on what its figures are of."""
    model = load_model(config, checkpoint)
    facts: Facts = read_facts(file.with_name('facts.json'), model.dataset_meta['classes'])
    init_default_scope(config.get('default_scope', 'mmseg'))
    settings = dict(config.test_dataloader.dataset, test_mode=True)
    dataset = DATASETS.build(settings)
    results = predict_dataset(model, dataset, track(
        range(len(dataset)), 'judging classes', transient=True))
    matrix = evaluate(results, len(facts.classes)).matrix
    strides = network(config)['decode_head'].get('in_strides', (32, ))
    kind = 'test' if Path(settings.get('ann_file', '')).stem == 'test' else 'validation'
    return advise(facts, matrix, Settings(
        min(strides), shown(file), f'the {kind} images ({len(dataset)})'))
