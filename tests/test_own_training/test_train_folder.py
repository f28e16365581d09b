"""``fcn train FOLDER`` from files to advice, with a network of a few channels."""
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image
from tiny_runs import BUILT_IN, forget_runs, run_tool, succeed

from fcn_plugin.checkpoints.naming import BUNDLED
from fcn_plugin.checkpoints.reading import read_checkpoint
from fcn_plugin.own_data.check_dataset import check_dataset
from fcn_plugin.own_data.write_config import SMALL, parent_of, write_config
from fcn_plugin.own_training.facts import ClassFacts, facts_of, masks_of_all, read_facts
from fcn_plugin.own_training.plan import FINER, first_plan
from fcn_plugin.own_training.train_folder import _prepare, train_folder
from fcn_plugin.utils.config import load_config

SIZE = 40, 56  # H, W
QUICK = ['train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'param_scheduler=[]',
         'default_hooks.checkpoint.interval=2', *(
             f'{loader}_dataloader.{key}' for loader in ('train', 'val', 'test')
             for key in ('num_workers=0', 'persistent_workers=False'))]
CRF_RNN, = (file.stem for file in BUILT_IN.parent.glob('*crfrnn*_shapes-*.py'))
TINY = ['--base', 'fcn-8s_r18_1xb16-20k_voc12-224x224', '--cfg-options',
        'model.backbone.stem_channels=8', 'model.backbone.base_channels=8',
        'model.backbone.init_cfg=None', 'model.decode_head.in_channels=(16,32,64)', *QUICK]


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def write(root, count=5, classes=2, size=SIZE, side=12):
    """Images, and masks with a square of each class but the first."""
    for number in range(count):
        rng = np.random.default_rng(number)
        labels = np.zeros(size, np.uint8)
        for label in range(1, classes):
            y, x = (rng.integers(0, whole - side) for whole in size)
            labels[y:y + side, x:x + side] = label
        save(root / f'images/{number}.png', (labels[..., None] * 60 + rng.integers(
            0, 60, (*size, 3))).astype(np.uint8))
        save(root / f'masks/{number}.png', labels)
    return root


def labelme(root):
    """One polygon an image, drawn by hand."""
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 256, (*SIZE, 3), np.uint8)
        save(root / f'{number}.png', pixels)
        shape = dict(label='car', shape_type='polygon', flags={}, group_id=None,
                     points=[[5, 5], [30.5 + number, 8], [20, 30]])
        (root / f'{number}.json').write_text(json.dumps(dict(
            version='5.5.0', flags={}, shapes=[shape], imagePath=f'{number}.png',
            imageData=None, imageHeight=SIZE[0], imageWidth=SIZE[1])))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Trains in an empty folder; returns what the tool says."""
    monkeypatch.chdir(tmp_path)
    yield lambda *arguments: run_tool('train.py', *arguments)
    forget_runs()


# --- refused -------------------------------------------------------------------------


def unnamed(root):
    """A value more than there are names."""
    write(root, classes=3)
    (root / 'classes.txt').write_text('a\nb\n')


@pytest.mark.parametrize('prepare, arguments, said', [
    (unnamed, [], 'check_dataset.py data --out data-fcn'),
    (write, ['--launcher', 'pytorch'], '--launcher pytorch: data is a folder'),
    (lambda root: root.mkdir(), [], 'data'),
    (lambda root: write(root, count=1), [], '1 pairs of an image and a mask can be used'),
    (lambda root: write(root, classes=1), [], "all pixels that count are of one class, '"),
    (lambda root: (root.mkdir(), (root / 'config.py').write_text('')), [],
     'fcn train data/config.py'),
    (write, ['--base', 'moon'], "no config 'fcn/moon.py'"),
    (write, ['--base', CRF_RNN], 'it goes on from a network of its own classes (load_from='),
    (write, ['--cfg-options', 'train_dataloader.batch_size=0'], 'batch_size=0'),
    (write, ['--work-dir', 'data/images/0.png'], 'is a file'),
], ids=['labels', 'launcher', 'empty', 'one pair', 'one class', 'config', 'base',
        'trained base', 'batch', 'work dir'])
def test_one_line_says_what_is_wrong(run, tmp_path, prepare, arguments, said):
    prepare(tmp_path / 'data')
    done = run('data', *arguments)
    assert done.code == 2 and said in done.err, done
    assert len(done.err.strip().splitlines()) == 1
    assert not list(tmp_path.glob('work_dirs/**/config.py'))


def test_base_is_for_folders(run):
    done = run('fcn-8s_r18_1xb16-20k_voc12-224x224', '--base', 'moon')
    assert done.code == 2 and '--base moon: that is for a folder' in done.err


# --- trained -------------------------------------------------------------------------


def test_five_images(run, tmp_path):
    write(tmp_path / 'data', classes=3)
    done = run('data', *TINY)
    assert done.code == 0, done.err
    work = tmp_path / 'work_dirs/data'
    assert re.search(r'^batch    4: a step needs .* GiB|^batch    4: this system', done.out,
                     re.M)
    assert "the best checkpoint on 1 images of ListDataset ('val')" in done.out
    assert (work / 'predictions.png').is_file() and (work / 'data/overview.png').is_file()
    # The last lines are what would help.
    advice = done.out[done.out.index('the worst classes on the validation images (1)'):]
    assert 'in 4 of 4 training images' in advice
    assert re.search(r'- more images of \S.*: fewer than 20', advice)
    config = Config.fromfile(work / 'data/config.py')
    assert (config.batch_size, config.max_iters, config.val_interval) == (4, 400, 20)
    assert config.custom_hooks[0].type == 'ExactEarlyStoppingHook'
    kept = torch.load(work / 'iter_2.pth')  # averaged weights, and those that train on
    averaged = {f'module.{key}': value for key, value in kept['state_dict'].items()}
    assert set(averaged) < set(kept['ema_state_dict'])
    assert any((averaged[key] != kept['ema_state_dict'][key]).any() for key in averaged)
    assert Path(config.data_root).resolve() == (tmp_path / 'data').resolve()


def test_goes_on_from_a_model_of_the_package(run, tmp_path):
    """All but the scores of classes is the model's, a little later."""
    write(tmp_path / 'data', classes=3)
    done = run('data', '--base', 'objects', '--cfg-options', 'train_dataloader.batch_size=2',
               *QUICK)
    assert done.code == 0, done.err
    work = tmp_path / 'work_dirs/data'
    assert Config.fromfile(work / 'data/config.py').load_from == 'objects'
    start, ended = (read_checkpoint(file)['state_dict'] for file in (
        BUNDLED['objects'], work / 'iter_2.pth'))
    assert set(start) == set(ended)
    for key, value in start.items():
        if '.score.' in key:
            assert len(ended[key]) == 3
        elif value.dim() == 4:  # two steps change a weight by no more than twice the rate
            assert (ended[key] - value.float()).abs().max() < 2e-3, key


@pytest.mark.parametrize('name', BUNDLED)
def test_models_of_the_package_have_the_networks_of_their_configs(name):
    model = MODELS.build(load_config(parent_of(name)).model)
    assert {key: value.shape for key, value in model.state_dict().items()} == {
        key: value.shape for key, value in
        read_checkpoint(BUNDLED[name])['state_dict'].items()}


def test_goes_on_with_the_lists_of_then(run, tmp_path):
    write(tmp_path / 'data')
    assert run('data', *TINY).code == 0
    lists = (tmp_path / 'work_dirs/data/data/train.txt').read_text()
    write(tmp_path / 'data', count=8)
    done = run('data', '--resume', *TINY, 'train_cfg.max_iters=4')
    assert done.code == 0, done.err
    assert (tmp_path / 'work_dirs/data/iter_4.pth').is_file()
    assert (tmp_path / 'work_dirs/data/data/train.txt').read_text() == lists
    assert 'of 4 training images' in done.out
    assert re.search('goes on with the lists .* images that came to data since are not t',
                     done.out)
    for base in ('objects', 'fcn-4s_efficientnet-lite0_1xb8-20k_camvid-360x480'):
        done = run('data', '--resume', '--base', base)
        assert done.code == 2 and f'--base {base}: the run that --resume goes' in done.err


def test_mixed_precision_and_compiling_are_those_of_the_run(tmp_path, monkeypatch):
    write(tmp_path / 'data')
    monkeypatch.chdir(tmp_path)
    given = []
    monkeypatch.setattr('fcn_plugin.own_training.train_folder.train',
                        lambda *arguments: given.append(arguments))
    for more in ({}, dict(amp=True), dict(compile_backbone=True)):
        train_folder('data', TINY[1], options={'train_dataloader.batch_size': 2},
                     resume=bool(given), **more)
    assert [(config.optim_wrapper.get('type', 'OptimWrapper') != 'OptimWrapper', compiles)
            for config, compiles in given] == [(False, False), (True, False), (False, True)]


def test_the_work_dir_may_be_an_option_of_the_config(tmp_path, monkeypatch):
    write(tmp_path / 'data')
    monkeypatch.chdir(tmp_path)
    given = []
    monkeypatch.setattr('fcn_plugin.own_training.train_folder.train',
                        lambda config, *_: given.append(config.work_dir))
    train_folder('data', TINY[1],
                 options={'train_dataloader.batch_size': 2, 'work_dir': 'there'})
    assert given == ['there'] and (tmp_path / 'there/data/config.py').is_file()
    assert not (tmp_path / 'work_dirs').exists()


def test_a_work_dir_is_of_one_folder(run, tmp_path):
    write(tmp_path / 'a/data')
    write(tmp_path / 'b/data')
    assert run('a/data', *TINY).code == 0
    for more in ([], ['--resume']):
        done = run('b/data', *more, *TINY)
        assert done.code == 2 and 'work_dirs/data is the work dir of a run on' in done.err
        assert 'give another --work-dir' in done.err


def test_polygons_of_one_class(run, tmp_path):
    labelme(tmp_path / 'data')
    done = run('data', '--work-dir', 'there', *TINY, 'train_dataloader.batch_size=3')
    assert done.code == 0, done.err
    assert 'drawn from 5 regions of labelme' in done.out
    assert 'batch    3: as --cfg-options says' in done.out
    config = Config.fromfile(tmp_path / 'there/data/config.py')
    assert config.classes == ('background', 'car') and config.work_dir == 'there'
    assert config.batch_size == 3
    assert len(list((tmp_path / 'there/data/masks').glob('*.png'))) == 5


def test_the_config_trains_by_itself_too(run, tmp_path):
    """What is written is a config as any other."""
    write(tmp_path / 'data')
    assert run('data', *TINY).code == 0
    out = succeed('train.py', 'work_dirs/data/data/config.py', '--work-dir', 'again',
                  *TINY[2:])
    assert 'the best checkpoint on 1 images' in out


def test_small_squares_are_trained_by_fcn_4s(run, tmp_path):
    """The network of the defaults, on images whose squares are a cell wide."""
    write(tmp_path / 'data', size=(64, 96), side=8)
    done = run('data', '--cfg-options', 'train_dataloader.batch_size=2', *QUICK)
    assert done.code == 0, done.err
    assert 'network  fcn-4s_efficientnet-lite0_1xb8-20k_camvid-360x480' in done.out
    config = Config.fromfile(tmp_path / 'work_dirs/data/data/config.py')
    assert min(config.model.decode_head.in_strides) == 4


# --- defaults ------------------------------------------------------------------------


def plan(root):
    checked = check_dataset(str(root))
    facts = facts_of(checked)
    return first_plan(checked, facts), facts


def test_a_rare_class_is_weighed(tmp_path):
    assert plan(write(tmp_path / 'rare', size=(120, 160), side=19))[0].class_weights
    assert not plan(write(tmp_path / 'not', size=(120, 160), side=20))[0].class_weights
    # nor is one that no image has
    checked = check_dataset(str(tmp_path / 'not'))
    facts = facts_of(checked)
    more = facts._replace(classes=[*facts.classes, ClassFacts('absent', 0, 0., 0., 0.)])
    assert not first_plan(checked, more).class_weights
    # one that few images have is not rare in these
    write(tmp_path / 'few', count=12, size=(120, 160), side=20)
    labels = np.zeros((120, 160), np.uint8)
    labels[40:60, 40:60] = 2
    save(tmp_path / 'few/masks/3.png', labels)
    found, facts = plan(tmp_path / 'few')
    assert facts.classes[2].images == 1 and facts.classes[2].share < 0.003
    assert not found.class_weights


def test_large_images_with_small_objects_are_scaled_less(tmp_path):
    large = plan(write(tmp_path / 'large', count=2, size=(300, 3000), side=200))[0]
    assert large.scale == (1024, 102) and large.resized
    small, facts = plan(write(tmp_path / 'small', count=2, size=(300, 3000), side=30))
    assert small.scale == (1600, 160) and facts.classes[1].width == pytest.approx(0.01)
    least = plan(write(tmp_path / 'least', count=2, size=(300, 3000), side=9))[0]
    assert least.scale[0] == 2048


@pytest.mark.parametrize('size, side, base', [
    ((80, 160), 40, SMALL), ((300, 3000), 20, FINER)])
def test_the_network_is_chosen_at_the_size_of_training(tmp_path, size, side, base):
    """Regions of 20 pixels are wide enough, but not once 3000 pixels are brought to 2048."""
    checked = check_dataset(str(write(tmp_path / 'data', count=2, size=size, side=side)))
    _prepare(checked, tmp_path / 'out', 'work', None, {'train_dataloader.batch_size': 2})
    assert base.removesuffix('.py') in (tmp_path / 'out/config.py').read_text()
    assert read_facts(tmp_path / 'out/facts.json', 'ab').scale == min(size[1], 2048)


def test_a_class_of_few_images_is_measured(tmp_path):
    """Of many images some are measured, and one of each class that none of these has: else
    it would count as narrow."""
    write(tmp_path / 'data', count=12)
    labels = np.zeros(SIZE, np.uint8)
    labels[5:25, 5:25] = 2
    save(tmp_path / 'data/masks/3.png', labels)
    checked = check_dataset(str(tmp_path / 'data'), val_share=0.1)
    train = checked.splits['train']
    chosen = [item.pair.mask.stem for item in masks_of_all(train, checked.encoding, 2)]
    assert chosen == [train[0].pair.mask.stem, train[-1].pair.mask.stem, '3']
    assert len(masks_of_all(train, checked.encoding, 99)) == len(train)


@pytest.mark.parametrize('weighed', [False, True])
@pytest.mark.parametrize('base', ['lite0', 'lite2'])
def test_weights_of_a_base_are_of_its_own_classes(tmp_path, base, weighed):
    """CamVid's eleven, which a street model's config has."""
    base, = BUILT_IN.parent.glob(f'fcn-4s_efficientnet-{base}-fpn_*_camvid-240x320.py')
    checked = check_dataset(str(write(tmp_path / 'data', classes=3)))
    config = Config.fromfile(write_config(checked, str(tmp_path / 'out'), base.stem, weighed))
    head = MODELS.build(config.model.decode_head)
    assert head.num_classes == 3 and config.model.decode_head.get('weights_taken_back', 0) == 0
    weights = head.loss_decode.class_weight
    assert weights == (checked.weights if weighed else None)
    assert 5e-4 < config.lr < 1e-3
    # nor are its optimiser's settings taken over
    assert config.optim_wrapper.optimizer == dict(
        type='AdamW', lr=config.lr, weight_decay=0.01)
    assert config.optim_wrapper.paramwise_cfg == dict(
        custom_keys=dict(decode_head=dict(lr_mult=10)))
    by_default = write_config(checked, str(tmp_path / 'other')).read_text()
    assert 'of its own classes' not in by_default and '\nlr = 0.0005\n' in by_default


@pytest.mark.parametrize('seed', range(4))
def test_validation_judges_every_class_that_training_can_spare(tmp_path, seed):
    """Else the best checkpoint is that of the other classes: of the background alone."""
    write(tmp_path, count=10)
    for number in range(10):
        labels = np.zeros(SIZE, np.uint8)
        labels[5:25, 5:25] = number in (2, 5)  # two images have it
        labels[30:, 30:] = 2 * (number == 7)  # one has it, which trains
        save(tmp_path / f'masks/{number}.png', labels)
    save(tmp_path / 'images/5.png', np.asarray(Image.open(tmp_path / 'images/4.png')))
    splits = check_dataset(str(tmp_path), seed=seed).splits
    names = {split: {item.pair.image.stem for item in splits[split]} for split in splits}
    assert len(names['train'] | names['val']) == 10 and len(names['val']) in (2, 3)
    assert len(names['val'] & {'2', '5'}) == 1 and '7' in names['train']
    assert len(names['val'] & {'4', '5'}) != 1  # one image, twice


def test_classes_that_a_given_validation_lacks_are_named(tmp_path, capsys):
    write(tmp_path / 'data/train', classes=4)
    write(tmp_path / 'data/val', count=2)
    _prepare(check_dataset(str(tmp_path / 'data')), tmp_path / 'out', 'work', None,
             {'train_dataloader.batch_size': 2})
    said = capsys.readouterr().out
    assert 'note    no validation image has class 2, class 3: neither' in said
    # AdamW's 5e-4 is of four images
    assert Config.fromfile(tmp_path / 'out/config.py').lr == pytest.approx(3.54e-4, abs=1e-6)


def test_many_classes(tmp_path):
    found = plan(write(tmp_path / 'data', count=20, classes=150))[1]
    assert len(found.classes) == 150
    assert all(each.width > 0 for each in found.classes if each.images)
