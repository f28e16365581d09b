"""An inferencer in other processes: pickled, in torchrun's, in Ray's."""
import os
import pickle
import re
import runpy
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from process_runs import environment
from tiny_runs import ROOT

from fcn_plugin.apis import FCNInferencer, export, load_model


@pytest.fixture
def place(trained, tmp_path, monkeypatch):
    """A folder with best.pth and a few images, as the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(trained / 'best.pth', 'best.pth')
    Path('photos').mkdir()
    for i in range(5):
        noise = np.random.randint(0, 256, (40, 50 + i, 3), dtype=np.uint8)
        Image.fromarray(noise).save(f'photos/{i}.png')
    return tmp_path


@pytest.fixture
def exported(place):
    pytest.importorskip('onnx', reason="the extra 'export' is not installed")
    pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
    export('best.pth', 'best.onnx', preprocess=True)
    return place / 'best.onnx'


def labels_of(segment, image='photos/0.png'):
    return segment(image).labels


# --- pickled -----------------------------------------------------------------------


def test_opened_where_it_is_used_first(place, tmp_path_factory):
    """Its file is found from another folder, and a copy of it is not in the pickle."""
    segment = FCNInferencer('best.pth', device='cpu')
    expected, data = labels_of(segment), pickle.dumps(segment)
    assert len(data) < 5000
    elsewhere = tmp_path_factory.mktemp('elsewhere')
    os.chdir(elsewhere)  # the fixture goes back
    assert (labels_of(pickle.loads(data), place / 'photos/0.png') == expected).all()
    (place / 'best.pth').unlink()
    copy = pickle.loads(data)
    assert copy.class_names == segment.class_names and repr(copy) == repr(segment)
    with pytest.raises(FileNotFoundError, match=re.escape(str(place / 'best.pth'))):
        copy.gives_scores


@pytest.mark.parametrize('how', ['model', 'weights'])
def test_of_a_work_dir_the_checkpoint_of_then(place, tmp_path_factory, how):
    Path('run').mkdir()
    Path('best.pth').rename('run/best_mIoU_iter_4.pth')
    segment = FCNInferencer(**{how: 'run'}, device='cpu')
    expected, data = labels_of(segment), pickle.dumps(segment)
    Path('run/best_mIoU_iter_8.pth').touch()
    os.chdir(tmp_path_factory.mktemp('elsewhere'))
    assert (labels_of(pickle.loads(data), place / 'photos/0.png') == expected).all()


def test_settings_go_along(place):
    options = {'test_pipeline': [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]}
    segment = FCNInferencer('best.pth', device='cpu', cfg_options=options, tile=96, overlap=0)
    copy = pickle.loads(pickle.dumps(segment))
    assert (labels_of(copy) == labels_of(segment)).all() and not copy.gives_scores


def test_a_model_that_was_built_already_is_refused(place):
    segment = FCNInferencer(load_model(None, 'best.pth', 'cpu'))
    with pytest.raises(TypeError, match='cannot be pickled: give it config and weights'):
        pickle.dumps(segment)
    assert labels_of(segment).shape == (40, 50)


def test_a_file_that_was_replaced_is_no_wrong_result(place):
    data = pickle.dumps(FCNInferencer('best.pth', device='cpu'))
    content = torch.load('best.pth', weights_only=True)
    content['meta']['dataset_meta']['classes'] = tuple('abcdefghi')
    torch.save(content, 'best.pth')
    with pytest.raises(ValueError, match='other classes.*best.pth was replaced'):
        labels_of(pickle.loads(data))


# --- a part, and the rest ----------------------------------------------------------


def test_parts_make_the_whole(place):
    Image.open('photos/0.png').save('photos/0.jpg')  # their outputs are told apart by names
    segment = FCNInferencer('best.pth', device='cpu')
    whole = segment.save('photos', 'whole')
    parts = [segment.save('photos', 'parts', part=(i, 4)) for i in range(4)]
    assert sorted(path.name for part in parts for path in part) == sorted(
        path.name for path in whole)
    assert len(parts[3]) == 2  # of six images: 0, 4; 1, 5; 2; 3
    for path in whole:
        assert path.read_bytes() == Path('parts', path.name).read_bytes()


def test_what_is_there_is_left_out(place):
    segment = FCNInferencer('best.pth', device='cpu')
    written = segment.save('photos', 'out')
    Path('out/1_labels.png').unlink()  # its overlay is there, as after a kill
    before = {path: path.stat().st_mtime_ns for path in written if path.exists()}
    again = segment.save('photos', 'out', resume=True)
    assert {path.name for path in again} == {'1_overlay.png', '1_labels.png'}
    assert all(path.stat().st_mtime_ns == before[path] for path in written
               if path.name[0] != '1')
    assert segment.save('photos', 'out', resume=True) == []


@pytest.mark.parametrize('given, words', [
    (dict(part=(2, 2)), r'part must be .* but is \(2, 2\)'),
    (dict(part=(-1, 2)), r'part must be .* but is \(-1, 2\)'),
    (dict(resume=True, overwrite=True), 'give one of them')])
def test_parts_that_cannot_be(place, given, words):
    with pytest.raises(ValueError, match=words):
        FCNInferencer('best.pth', device='cpu').save('photos', 'out', **given)
    assert not Path('out').exists()


# --- torchrun ----------------------------------------------------------------------

BEFORE = """
import os, pathlib, pickle, signal, threading, time
import numpy
if os.environ['RANK'] == '0':  # an inferencer that comes from another process
    with open('segment.pkl', 'rb') as file:
        numpy.save('labels.npy', pickle.load(file)('photos/000.png').labels)
def kill():
    while not pathlib.Path('labelled/001_labels.png').exists():
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)
if os.environ['RANK'] == '1' and not pathlib.Path('labelled/001_labels.png').exists():
    threading.Thread(target=kill, daemon=True).start()
"""


def recipe(word):
    text = (ROOT / 'docs' / 'distributed.md').read_text(encoding='utf-8')
    code, = (code for code in re.findall(r'```python\n(.*?)```', text, re.S) if word in code)
    return code


def torchrun(python):
    return subprocess.run(
        [python, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone',
         '--nproc_per_node=2', 'label_part.py'],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment(python))


def test_two_workers_of_which_one_is_killed(exported, forked_python, monkeypatch, capsys):
    shutil.rmtree('photos')
    Path('photos').mkdir()
    for i in range(60):
        noise = np.random.randint(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(f'photos/{i:03d}.png')
    Path('photos/999.png').write_text('no image')  # it stops neither process
    segment = FCNInferencer(exported)
    assert not segment.gives_scores  # it was exported without
    Path('segment.pkl').write_bytes(pickle.dumps(segment))
    Path('label_part.py').write_text(BEFORE + recipe('part=(rank, processes)'))
    first = torchrun(forked_python)
    assert first.returncode != 0 and 'SIGKILL' in first.stdout, first.stdout
    assert (np.load('labels.npy') == labels_of(segment, 'photos/000.png')).all()
    there = {path: path.stat().st_mtime_ns for path in Path('labelled').glob('*_labels.png')}
    assert 1 <= len(there) < 60
    for rank in '01':  # again, as torchrun does it, without its seconds of imports
        monkeypatch.setenv('RANK', rank)
        monkeypatch.setenv('WORLD_SIZE', '2')
        runpy.run_path('label_part.py')
    # One line, whether or not the rest of its share was done before the kill.
    assert sum('999.png' in line for line in capsys.readouterr().out.splitlines()) == 1
    names = {f'{i:03d}_{kind}.png' for i in range(60) for kind in ('labels', 'overlay')}
    assert {path.name for path in Path('labelled').iterdir()} == names  # no part of a file
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())
    for i in range(0, 60, 7):
        labels = np.asarray(Image.open(f'labelled/{i:03d}_labels.png'))
        assert (labels == labels_of(segment, f'photos/{i:03d}.png')).all()


# --- tables ------------------------------------------------------------------------


def test_a_batch_of_a_table(place):
    segment = FCNInferencer('best.pth', device='cpu')
    names = [f'photos/{i}.png' for i in range(3)]
    expected = [labels_of(segment, name) for name in names]
    files = [Path(name).read_bytes() for name in names]
    for column in (dict(path=np.array(names)), dict(bytes=files, path=names)):
        found = segment(column)
        assert list(found) == [*column, 'labels'] and found['labels'].shape == (3, )
        assert all((a == b).all() for a, b in zip(found['labels'], expected))
    images = np.stack([np.asarray(Image.open(names[0]))] * 2)
    found = segment(dict(image=images), scores=True)
    assert found['labels'].shape == (2, 40, 50) and found['scores'].shape == (2, 9, 40, 50)
    assert segment(dict(path=[]))['labels'].shape == (0, )
    with pytest.raises(ValueError, match="columns picture, but images are in one .*'image'"):
        segment(dict(picture=images))


def test_ray_and_a_worker_that_is_killed(exported):
    ray = pytest.importorskip('ray', reason='ray is not installed')
    names = {f'{i}.png' for i in range(5)}
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False,
             object_store_memory=100_000_000)

    def kill():
        """One process of Ray's that runs the inferencer, as soon as there is one."""
        while True:
            for entry in Path('/proc').glob('[0-9]*/cmdline'):
                try:
                    if entry.read_bytes().startswith(b'ray::MapWorker'):
                        os.kill(int(entry.parent.name), signal.SIGKILL)
                        return
                except OSError:  # it has ended meanwhile
                    pass
            time.sleep(0.05)

    try:
        threading.Thread(target=kill, daemon=True).start()
        exec(recipe('map_batches'), {})
    finally:
        ray.shutdown()
    pandas = pytest.importorskip('pandas', reason='ray[data] is not installed')
    rows = [row for file in Path('labels').glob('*.parquet')
            for row in pandas.read_parquet(file).itertuples()]
    assert sorted(Path(row.path).name for row in rows) == sorted(names)
    segment = FCNInferencer(exported)
    for row in rows:
        labels = np.asarray(row.labels)
        assert (labels.astype(np.uint8) == labels_of(segment, row.path)).all()
