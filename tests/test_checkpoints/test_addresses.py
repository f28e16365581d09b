"""Checkpoints and exported files by their address, over real HTTP."""
import functools
import os
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader
from tiny_runs import run_tool
from tiny_trained import CLASSES, write_trained

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.loading import read_checkpoint
from fcn_plugin.checkpoints.publish import publish
from fcn_plugin.deployment.export import export
from fcn_plugin.utils.errors import InputError


class Quiet(SimpleHTTPRequestHandler):

    def log_message(self, *_):
        pass


@contextmanager
def serving(folder):
    server = ThreadingHTTPServer(('127.0.0.1', 0),
                                 functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))


IMAGE = np.random.RandomState(0).randint(0, 256, (50, 70, 3), np.uint8)


def test_an_address_is_as_good_as_a_file(tmp_path):
    write_trained(tmp_path)
    publish(tmp_path / 'best.pth', tmp_path / 'net.safetensors', 'float32')
    export(tmp_path / 'best.pth', tmp_path / 'net.onnx', preprocess=True)
    expected = FCNInferencer(tmp_path / 'best.pth')(IMAGE).labels
    with serving(tmp_path) as address:
        for name in ('best.pth', 'best.pth?token=1', 'net.safetensors', 'net.onnx'):
            segment = FCNInferencer(f'{address}/{name}')
            found = segment(IMAGE)
            assert (found.labels == expected).mean() > 0.99, name
            assert found.class_names == CLASSES


def test_one_name_at_two_addresses_and_a_file_that_changes(tmp_path):
    """torch's cache knows a file by its last name alone."""
    with serving(tmp_path) as address:
        for run, value, seconds in (('a', 1., 1), ('b', 2., 1), ('a', 3., 3)):
            file = tmp_path / run / 'best.pth'
            file.parent.mkdir(exist_ok=True)
            torch.save(dict(state_dict=dict(x=torch.tensor([value]))), file)
            os.utime(file, (seconds, seconds))  # all that the server tells, but the size
            found = read_checkpoint(f'{address}/{run}/best.pth')
            assert found['state_dict']['x'][0] == value
        for marked in ('one', 'two'):  # by its mark the second is known
            (tmp_path / marked).mkdir()
        torch.save(dict(x=torch.zeros(1)), tmp_path / 'one/net-0123abcd.pth')
        for marked in ('one', 'two'):
            assert read_checkpoint(f'{address}/{marked}/net-0123abcd.pth')['state_dict']


class Evil:

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path), )


@pytest.mark.parametrize('load', [
    read_checkpoint, FCNInferencer, lambda address: CheckpointLoader.load_checkpoint(address)])
def test_code_at_an_address_is_not_run(tmp_path, load):
    torch.save(dict(state_dict=dict(x=torch.zeros(1)), meta=Evil(tmp_path / 'ran')),
               tmp_path / 'evil.pth')
    with serving(tmp_path) as address, pytest.raises(Exception, match='run code|[Ww]eights'):
        load(f'{address}/evil.pth')
    assert not (tmp_path / 'ran').exists()


def test_what_cannot_be_downloaded_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path) as address:
        for name in ('absent.pth', 'absent', 'absent.onnx', 'absent-0123abcd.pth'):
            with pytest.raises(InputError, match=f"{name}' cannot be downloaded: .*File not "
                               'found.* give its path'):
                FCNInferencer(f'{address}/{name}')
        done = run_tool('predict.py', '--img-path', f'{address}/cat.jpg')
    assert done.code == 2 and 'is an address: download the image' in done.err
    with pytest.raises(InputError, match='cannot be downloaded: .*refused'):
        read_checkpoint(f'{address}/best.pth')
    assert not any(path.is_file() for path in Path('cache').rglob('*'))
