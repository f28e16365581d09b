"""The curve of ``fcn suggest`` against random choice."""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from suggest_curve import measure_curve, table_of
from tiny_runs import run_tool, write_config

TOOL = 'analysis_tools/suggest_curve.py'
# What train.py leaves, in no time. Its mean IoU is the number of images, so that a table
# that mixes runs up shows it.
LEAVES = """
import json, re, shutil, sys
from pathlib import Path

work = Path(sys.argv[sys.argv.index('--work-dir') + 1])
images = re.search(r'indices=\\[([^\\]]*)\\]', Path(sys.argv[1]).read_text())[1].split(',')
here = Path(__file__).parent
with open(here / 'trained.txt', 'a') as file:
    file.write(f'{work.parent.name}/{work.name}\\n')
for name in ('best_mIoU_iter_4.pth', 'iter_4.pth'):
    shutil.copy(here / 'trained.pth', work / name)
(work / 'last_checkpoint').write_text(str(work / 'iter_4.pth'))
scalars = work / '20260101_000000/vis_data/scalars.json'
scalars.parent.mkdir(parents=True)
gain = 0.5 * work.name.startswith('suggested')
scalars.write_text(json.dumps(dict(mIoU=len([i for i in images if i.strip()]) + gain, step=4)))
"""


@pytest.fixture
def data(tmp_path, trained):
    """The config of a training on twelve images; and train.py, with what it leaves."""
    for i in range(12):
        file = tmp_path / f'data/images/street_{i}_label.jpg'
        file.parent.mkdir(parents=True, exist_ok=True)
        patches = np.random.default_rng(i).integers(0, 256, (3, 4, 3), np.uint8)
        Image.fromarray(np.kron(patches, np.ones((16, 16, 1), np.uint8))).save(file)
    Image.new('L', (64, 48), 1).save(tmp_path / 'data/mask.png')
    checkpoint = torch.load(trained / 'best.pth', weights_only=False)
    checkpoint['meta']['iter'] = 4
    torch.save(checkpoint, tmp_path / 'trained.pth')
    write_config(tmp_path, LEAVES, 'train.py')
    names = ''.join(f'images/street_{i}_label.jpg\tmask.png\n' for i in range(12))
    (tmp_path / 'data/train.txt').write_text(names)
    config = Config.fromfile(trained / 'config.py')
    config.train_dataloader = dict(batch_size=2, dataset=dict(
        type='ListDataset', data_root=str(tmp_path / 'data'),
        ann_file=str(tmp_path / 'data/train.txt'), pipeline=[],
        metainfo=dict(classes=('a', 'b'))))
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=4, val_interval=4)
    config.val_cfg = dict(type='ValLoop')
    config.val_evaluator = dict(type='FCNMetric')
    return write_config(tmp_path, config.pretty_text)


def images_of(work, run):
    return Config.fromfile(work / run / 'config.py').train_dataloader.dataset.indices


def test_both_ways_share_their_first_images_and_grow(data, tmp_path, capsys):
    work = tmp_path / 'work'
    given = dict(file=str(data), work_dir=work, train_tool=tmp_path / 'train.py',
                 seeds=(0, 1), step=2, most=6, pool=9)
    points = measure_curve(**given)
    trained = (tmp_path / 'trained.txt').read_text().splitlines()
    assert trained == [f'seed{seed}/{run}' for seed in (0, 1) for run in (
        'first_2', 'random_4', 'suggested_4', 'random_6', 'suggested_6')]
    for seed in (0, 1):
        runs = {run: set(images_of(work / f'seed{seed}', run)) for run in (
            'first_2', 'random_4', 'suggested_4', 'random_6', 'suggested_6')}
        assert [len(images) for images in runs.values()] == [2, 4, 4, 6, 6]
        for way in ('random', 'suggested'):
            assert runs['first_2'] < runs[f'{way}_4'] < runs[f'{way}_6']
        pool = np.random.default_rng(seed).permutation(12)[:9]
        assert runs['random_6'] | runs['suggested_6'] <= set(pool.tolist())
        assert Config.fromfile(work / f'seed{seed}/random_4/config.py').randomness.seed == seed
    assert images_of(work, 'seed0/first_2') != images_of(work, 'seed1/first_2')
    table = (work / 'curve.md').read_text()
    assert '| 2.00 ± 0.00 | 2.00 ± 0.00 | +0.00 ± 0.00 |' in ' '.join(table.split())
    assert '| 6.00 ± 0.00 | 6.50 ± 0.00 | +0.50 ± 0.00 |' in ' '.join(table.split())
    with Image.open(work / 'curve.png') as picture:
        assert picture.width > 500

    # cut off in its last run: this one is trained again, with the images chosen then
    before = images_of(work, 'seed1/suggested_6')
    for path in (work / 'seed1/suggested_6').glob('*.pth'):
        path.unlink()
    (work / 'seed1/suggested_6/last_checkpoint').unlink()
    for path in (work / 'seed1/suggested_6').glob('2026*/vis_data/*.json'):
        path.unlink()
        path.parent.rmdir()
        path.parents[1].rmdir()
    (work / 'seed1/suggested_4/suggested.png').unlink()
    assert measure_curve(**given) == points
    assert (tmp_path / 'trained.txt').read_text().splitlines() == [*trained,
                                                                   'seed1/suggested_6']
    assert images_of(work, 'seed1/suggested_6') == before
    assert not (work / 'seed1/suggested_4/suggested.png').exists()


def test_a_seed_that_is_not_finished_is_in_no_mean(tmp_path):
    points = {('random', 0): {2: 10., 4: 20.}, ('suggested', 0): {2: 10., 4: 26.},
              ('random', 1): {2: 30., 4: 40.}, ('suggested', 1): {2: 30.}}
    last = [cell.strip() for cell in table_of(points).splitlines()[-1].strip('|').split('|')]
    assert last == ['4', '20.00', '26.00', '+6.00', '0']


@pytest.mark.parametrize('arguments, words', [
    (['--step', '0'], '--step 0'), (['--most', '13'], '--most 13'),
    (['--pool', '5', '--step', '2', '--most', '6'], '5, the number'),
    (['--step', '2', '--most', '4', '--seeds', '-1'], '--seeds: -1'),
    (['--cfg-options', 'val_cfg=None'], 'does not end with a validation'),
])
def test_bad_arguments(data, tmp_path, arguments, words):
    done = run_tool(TOOL, data, '--work-dir', tmp_path / 'work', *arguments)
    assert done.code == 2 and done.err.startswith('error: ') and words in done.err
    assert not (tmp_path / 'work').exists()


def test_images_that_are_no_files(data, tmp_path):
    """Drawn ones, say, or such as are gone: said before anything is trained."""
    (tmp_path / 'data/images/street_3_label.jpg').unlink()
    done = run_tool(TOOL, data, '--work-dir', tmp_path / 'work', '--step', '2', '--most', '4')
    assert done.code == 2 and '1 are no files' in done.err and 'street_3_label.jpg' in done.err
    assert not (tmp_path / 'work').exists()
