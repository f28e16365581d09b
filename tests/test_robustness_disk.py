"""A disk that fails now and then: each file is whole or as it was, and what failed is said."""
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from broken_runs import RANDOM, outcome, same, whole
from failing_disk import FailingDisk
from mmengine.config import Config
from PIL import Image
from tiny_runs import write_config

from fcn_plugin.images.video import VideoInput, VideoOutput

HERE = Path(__file__).resolve().parent
TINY = [
    '--base', 'fcn-8s_r18_1xb16-20k_voc12-224x224', '--cfg-options',
    'model.backbone.stem_channels=8', 'model.backbone.base_channels=8',
    'model.backbone.init_cfg=None', 'model.decode_head.in_channels=(16,32,64)',
    'train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'param_scheduler=[]',
    'train_dataloader.batch_size=2',
    'default_hooks.checkpoint.interval=2', *(
        f'{loader}_dataloader.{key}' for loader in ('train', 'val', 'test')
        for key in ('num_workers=0', 'persistent_workers=False'))]
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 2, 3, 4, 5, 7, 8))]


@pytest.fixture(scope='module')
def disk(tmp_path_factory):
    """Where there is a C compiler, on Linux."""
    library = tmp_path_factory.mktemp('disk') / 'failing_disk.so'
    if not shutil.which('cc'):
        pytest.skip('there is no C compiler (cc)')
    subprocess.run(['cc', '-O1', '-shared', '-fPIC', '-o', library, HERE / 'failing_disk.c',
                    '-ldl', '-lpthread'], check=True)
    failing = FailingDisk(library)
    yield failing
    failing.end()


def left(folder):
    """Each file's bytes, by its name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob('*') if path.is_file()}


def explained(run, folder):
    """Whether the run was all right, or said in one line what was not."""
    if run.code == 0:
        return True
    assert run.code == 2 and run.calls, run.err
    line, = (line for line in run.err.splitlines() if line.startswith('error: '))
    named = re.fullmatch(r"error: \[Errno \d+\] (?:Input/output error|No space left on device)"
                         r"[^']*: '(.*)'", line)
    assert named and Path(folder, named[1]).is_relative_to(folder), line
    assert '.part' not in line
    return False


@pytest.fixture
def photo(tmp_path):
    """One of five photos in a folder, with a mask each."""
    images, masks = tmp_path / 'photos/images', tmp_path / 'photos/masks'
    images.mkdir(parents=True)
    masks.mkdir()
    for i in range(5):
        noise = Image.effect_noise((50, 40), 90)
        noise.convert('RGB').save(images / f'{i}.jpg')
        noise.point(lambda value: 5 * (value > 128)).save(masks / f'{i}.png')
    return images / '0.jpg'


COMMANDS = {
    'pictures': 'predict {photo} --config {trained}/config.py '
                '--weight-path {trained}/best.pth --out-dir new --overwrite',
    'regions': 'predict {photo} --config {trained}/config.py '
               '--weight-path {trained}/best.pth --out-dir new --overwrite --format coco',
    'weights': 'publish {trained}/best.pth --out new/a.pth --overwrite',
    'weights and card': 'publish {trained}/best.pth --out new/a.safetensors --overwrite',
    'data of a folder': 'check-data {photo.parents[1]} --out new --overwrite',
    'graph': 'export --config {trained}/config.py --weight-path {trained}/best.pth '
             '--out new/a.onnx --overwrite',
}


@pytest.mark.parametrize('others', [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize('what', COMMANDS)
def test_each_call_fails_once(disk, trained, photo, tmp_path, what, others):
    """In each way that it can; first one in four of all, then the others."""
    work, new = tmp_path / 'work', tmp_path / 'work/new'
    work.mkdir()
    command = COMMANDS[what].format(photo=photo, trained=trained).split()
    run = disk.fcn(work, *command)
    assert run.code == 0, run.err
    done, failed = left(new), 0
    cases = [(at, way) for at, ways in enumerate(run.calls, 1) for way in range(ways)]
    if what in ('graph', 'data of a folder'):  # which take longer: in one way, by turns
        cases = [(at, at % ways) for at, ways in enumerate(run.calls, 1)]
    for at, way in (case for i, case in enumerate(cases) if (i % 4 > 0) == others):
        for name in done:
            (new / name).write_bytes(b'old')
        again = disk.fcn(work, *command, at=at, way=way)
        fine, found = explained(again, work), left(new)
        failed += not fine
        assert left(work).keys() == {f'new/{name}' for name in found}, 'others are left beside'
        assert found.keys() >= done.keys() - {'config.py'}
        assert all(content in ((done[name], ) if fine else (b'old', done[name]))
                   for name, content in found.items()), (at, way, again.err)
        # A config is there only with the lists and masks that it is of.
        assert 'config.py' not in found or len({
            content == done[name] for name, content in found.items()}) == 1
    assert failed
    assert disk.fcn(work, *command).code == 0 and left(new) == done


@pytest.mark.parametrize('suffix', ['.mp4', *(
    pytest.param(suffix, marks=pytest.mark.slow) for suffix in ('.avi', '.webm'))])
def test_a_video_is_whole_or_as_it_was(disk, trained, tmp_path, suffix):
    """OpenCV writes on where the disk has failed, and says nothing."""
    clip, work = tmp_path / 'clip.avi', tmp_path / 'work'
    work.mkdir()
    source = VideoOutput(clip, 10)
    for _ in range(12):
        source.write(np.asarray(Image.effect_noise((48, 40), 90).convert('RGB')))
    source.close()
    command = ['predict', clip, '--config', trained / 'config.py', '--overwrite',
               '--weight-path', trained / 'best.pth', '--out-dir', work,
               '--video-suffix', suffix]
    run, (file, ) = disk.fcn(work, *command), work.iterdir()
    assert run.code == 0, run.err
    for at, ways in enumerate(run.calls, 1):
        file.write_bytes(b'old')
        run = disk.fcn(work, *command, at=at, way=at % ways)
        assert [path.name for path in work.iterdir()] == [file.name]
        if run.code == 0:
            assert len(list(VideoInput(file))) == 12
        else:
            assert file.read_bytes() == b'old' and run.err.startswith('error: ')
            assert len(run.err.splitlines()) == 1


@pytest.fixture(scope='module')
def unbroken(disk, tmp_path_factory):
    """What a training leaves behind on a disk that does not fail."""
    folder = tmp_path_factory.mktemp('unbroken')
    run = disk.fcn(folder, 'train', write_config(folder, RANDOM), '--work-dir', 'work')
    assert run.code == 0, run.err
    return outcome(folder / 'work')


@pytest.mark.parametrize('seed', SEEDS)
def test_a_training_ends_as_on_a_disk_that_does_not_fail(disk, unbroken, tmp_path, seed):
    """And at no time it loses the last checkpoint, or the best."""
    config, work = write_config(tmp_path, RANDOM), tmp_path / 'work'
    last, best, starts = 0, False, 0
    while not explained(run := disk.fcn(
            tmp_path, 'train', config, '--work-dir', 'work', '--resume',
            seed=100 * seed + starts, chance=0.02 if starts < 10 else 0), tmp_path):
        assert '--resume' in run.err.splitlines()[-1]
        starts += 1
        saved = whole(work)
        assert max(saved, default=0) >= last
        last = max(saved, default=0)
        assert best <= (best := any(work.glob('best_mIoU_iter_*.pth')))
        for file in work.rglob('*.py'):
            assert Config.fromfile(file).work_dir == 'work'
    assert starts, 'nothing failed: another chance or seed'
    same(outcome(work), unbroken)


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(3))
def test_a_folder_is_trained(disk, photo, tmp_path, seed):
    """The command that goes on plans anew where the config is not there yet."""
    command = ['train', photo.parents[1], '--resume', *TINY]
    starts = 0
    while not explained(disk.fcn(tmp_path, *command, seed=100 * seed + starts,
                                 chance=0.03 if starts < 10 else 0), tmp_path):
        starts += 1
    assert starts, 'nothing failed: another chance or seed'
    data, clean = tmp_path / 'work_dirs/photos/data', tmp_path / 'clean'
    assert disk.fcn(tmp_path, *command, '--work-dir', clean).code == 0
    for name, content in left(clean / 'data').items():
        if name != 'config.py':  # it names its work dir
            assert (data / name).read_bytes() == content
    assert (tmp_path / 'work_dirs/photos/iter_2.pth').is_file()
