"""What an exported file says of itself, key by key."""
import json
from pathlib import Path

import pytest

from fcn_plugin.runtimes.meta import read_meta

FILE = Path('net.onnx')
PLAIN = dict(classes=['a', 'b'], palette=[[0, 0, 0], [9, 8, 255]], background=None,
             scores=False, preprocess=False, bgr_to_rgb=True, mean=[1, 2.5, 3], std=[9],
             pipeline=[dict(type='Resize', scale=[4, 5])])
WITH = {key: PLAIN[key] for key in ('classes', 'palette', 'background', 'scores')} | dict(
    preprocess=True, resize=[320, 416], keep_ratio=True)


@pytest.mark.parametrize('said', [
    PLAIN, WITH, dict(PLAIN, background=1, channels=1, mean=[4]), dict(
        PLAIN, channels=5, mean=[0] * 5, std=[1] * 5), dict(PLAIN, mean=None, std=None),
    dict(WITH, tasks=dict(height=['low', 'high']), exact_places=True, resize=None,
         label_map=[[0, 0], [255, 1], [7, 255]]),
    dict(WITH, mean=5)])  # which is not asked for there
def test_what_an_export_writes_is_read(said):
    found = read_meta(json.dumps(said), FILE)
    assert said.items() <= found.items()
    added = dict(channels=3, exact_places=False, tasks={}, resize=None, keep_ratio=False,
                 label_map=None)
    assert {key: value for key, value in found.items() if key not in said} == {
        key: value for key, value in added.items() if key not in said}


@pytest.mark.parametrize('change, key', [
    (dict(classes=['a']), 'classes'), (dict(palette=[[0, 0, 0]]), 'palette'),
    (dict(palette=[[0, 0, 0], [0, 0, 256]]), 'palette'),
    (dict(palette=[[0, 0, 0], [0, 0, 9, 9]]), 'palette'), (dict(background=2), 'background'),
    (dict(background=True), 'background'), (dict(scores=1), 'scores'),
    (dict(channels=0), 'channels'), (dict(channels=5), 'mean'), (dict(std=[1, 1]), 'std'),
    (dict(std=[1, 0, 1]), 'std'), (dict(std=None), 'std'), (dict(mean=['1']), 'mean'),
    (dict(mean=[1, float('nan'), 3]), 'mean'), (dict(mean=[]), 'mean'),
    (dict(pipeline=[dict(scale=4)]), 'pipeline'), (dict(tasks=dict(height='low')), 'tasks'),
    (dict(label_map=[[0, 0, 1]]), 'label_map'), (dict(label_map=[[0, 'a']]), 'label_map'),
    (dict(label_map={'0': 1}), 'label_map'), (dict(label_map=[[0, -1]]), 'label_map'),
    (dict(preprocess=True, resize=[320]), 'resize'),
    (dict(preprocess=True, resize=[0, 320]), 'resize')])
def test_what_is_none_is_named(change, key):
    with pytest.raises(ValueError, match=f"net.onnx' says '{key}': .* export the network"):
        read_meta(json.dumps(PLAIN | change), FILE)
    without = {name: value for name, value in PLAIN.items() if name != 'std'}
    with pytest.raises(ValueError, match="says 'std': None"):
        read_meta(json.dumps(without), FILE)


@pytest.mark.parametrize('text, words', [('{', 'is no JSON'), ('[1]', 'is a list'),
                                         ('[' * 100_000, 'is no JSON')])
def test_what_is_no_table(text, words):
    with pytest.raises(ValueError, match=words):
        read_meta(text, FILE)
