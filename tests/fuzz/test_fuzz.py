"""Readers of foreign bytes: whatever they are given, they read it or say what is wrong."""
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from targets import MOST_BYTES, TARGETS, mutated

NEEDS = {'onnx': ('onnx', 'onnxruntime'), 'onnx_text': ('onnx', 'onnxruntime'),
         'mat': ('scipy', ), 'nyud': ('scipy', 'h5py'), 'channels': ('tifffile', ),
         'large_tiff': ('tifffile', 'imagecodecs')}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Readers warn of what they can do without."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield


@pytest.fixture
def target(request):
    for package in NEEDS.get(request.param, ()):
        pytest.importorskip(package)
    return TARGETS[request.param]


@pytest.mark.parametrize('target', TARGETS, indirect=True)
def test_seeds_are_read(target, tmp_path):
    """Without an error, or the fuzzing begins nowhere."""
    seeds = list(target.seeds())
    assert seeds and max(map(len, seeds)) <= MOST_BYTES
    errors = []
    for seed in seeds:
        try:
            target.read(seed, tmp_path)
        except target.answers as error:
            errors.append(error)
    assert len(errors) < len(seeds), errors
    assert target.mended(seeds[0]) == seeds[0]


@pytest.mark.parametrize('target', TARGETS, indirect=True)
def test_changed_seeds_are_answered(target, tmp_path):
    dice = random.Random(0)
    seeds = list(target.seeds())
    for number in range(200):
        data = target.mended(mutated(seeds[number % len(seeds)], dice))
        try:
            target.answer(data, tmp_path)
        except Exception as error:
            raise AssertionError(f'input {number}: {data!r}') from error


@pytest.mark.slow
@pytest.mark.parametrize('name', TARGETS)
def test_a_minute_of_fuzzing(name, tmp_path):
    """With FUZZ_SECONDS=60 in the environment; guided by coverage."""
    seconds = os.environ.get('FUZZ_SECONDS')
    if not seconds:
        pytest.skip('FUZZ_SECONDS is not set')
    pytest.importorskip('atheris', reason="the extra 'fuzz' is not installed")
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', Path(__file__).with_name('run.py'), name,
         '--seconds', seconds, '--finds', tmp_path / 'finds'],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-6000:]
