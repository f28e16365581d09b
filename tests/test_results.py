"""What configs/fcn/README.md says of a run stands in its metafile and in its log."""
import json
import re
from functools import lru_cache
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from fcn_plugin.evaluation import FIGURES

FOLDER = Path(__file__).resolve().parents[1] / 'configs' / 'fcn'
COLUMNS = ('config', 'data', *FIGURES, 'seed', 'commit', 'minutes, two CPU cores', 'log')


def table():
    """The rows of the first table, by column."""
    lines = [line for line in (FOLDER / 'README.md').read_text().split('\n## ')[1].splitlines()
             if line.startswith('|')]
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    assert tuple(cells[0]) == COLUMNS
    return [dict(zip(COLUMNS, row)) for row in cells[2:]]


def models():
    metafile = yaml.safe_load((FOLDER / 'metafile.yml').read_text())
    return {model['Name']: model for model in metafile['Models']}


def test_every_measured_run_is_in_both():
    rows = [re.search(r'\]\((.+)\.py\)', row['config'])[1] for row in table()]
    assert sorted(rows) == sorted(name for name, each in models().items() if 'Results' in each)


@pytest.mark.parametrize('row', table(), ids=lambda row: row['config'].split(']')[0][1:])
def test_the_row_the_metafile_and_the_log_agree(row):
    config = re.search(r'\]\((.+\.py)\)', row['config'])[1]
    model = models()[config[:-3]]
    assert (FOLDER.parents[1] / model['Config']) == FOLDER / config
    meta = model['Metadata']
    assert config in meta['Training Command']
    assert str(meta['Seed']) == row['seed'] and meta['Commit'] == row['commit']
    assert str(meta['Training Minutes']) == row['minutes, two CPU cores']
    result, = model['Results']
    figures = {key: float(row[key]) for key in FIGURES}
    assert result['Metrics'] == figures
    log = FOLDER / re.search(r'\]\((.+?\.json)\)', row['log'])[1]
    assert log == FOLDER.parents[1] / model['Training Log']
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    judged = [{key: line[key] for key in FIGURES} for line in lines if 'mIoU' in line]
    if 'validation' in row['data']:  # the split that chose the checkpoint
        assert max(judged, key=lambda each: each['mIoU']) == figures
    else:
        assert judged


# --- the same figures in prose ------------------------------------------------------

ROOT = FOLDER.parents[1]
SHAPES = 'fcn-8s_r18-half_1xb16-850_shapes-128x128'
COARSE = 'fcn-32s_r18-half_1xb16-850_shapes-128x128'
OBJECTS = 'fcn-4s_efficientnet-lite2-fpn-distilled_1xb12-1200_voc12-320x320'
STREET = 'fcn-4s_efficientnet-lite2-fpn-distilled_1xb16-2000_camvid-320x416'
STREET_A_DAY = 'fcn-4s_efficientnet-lite2-fpn-distilled_1xb16-1150_camvid-320x416'
STREET_BEFORE = 'fcn-4s_efficientnet-lite2-fpn_1xb16-3000_camvid-320x416'
STREET_SEEDS = 'fcn-4s_efficientnet-lite2-fpn_1xb8-1700_camvid-320x416'
LEAN = 'fcn-8s_vgg16-lean_1xb4-1600_camvid-240x320'
LEAN_CRFRNN = 'fcn-8s_vgg16-lean-crfrnn_1xb2-100_camvid-240x320'
LIGHTS = ('as taken', 'dark', 'dusk', 'warm', 'cold', 'haze', 'blurred')
RESULTS, CARD = 'configs/fcn/README.md', 'fcn_plugin/weights/street.md'
N = r'(\d+(?:\.\d+)?)'
# Decimal numbers in the two pages that no run has measured.
OTHERS = re.compile(r'arXiv:[\d.]+|abs/[\d.]+|Python 3\.11|CC BY-NC 4\.0|Apache-2\.0|glib2\.0'
                    r'|\| 134 M \| 57\.0|127\.5|0\.5 to 2')


def page(path):
    return (ROOT / path).read_text(encoding='utf-8')


def figures_of(name):
    result, = models()[name]['Results']
    return [result['Metrics'][key] for key in FIGURES]


def minutes_of(name):
    return models()[name]['Metadata']['Training Minutes']


def best_of(name):
    """The best mean IoU in a log."""
    lines = (FOLDER / 'logs' / f'{name}.json').read_text().splitlines()
    return max(json.loads(line).get('mIoU', 0) for line in lines)


def millions_of(name):
    """Parameters of the network that a config builds."""
    model = Config.fromfile(FOLDER / f'{name}.py').model
    init_default_scope('mmseg')
    return sum(each.numel() for each in MODELS.build(model).parameters()) / 1e6


def cells(path, start):
    """The cells of the table rows whose first cell begins so, as text."""
    return [[cell.strip(' *') for cell in line.strip('|').split('|')]
            for line in page(path).splitlines() if line.startswith(f'| {start}')]


def street_by_light():
    """Mean IoU of the street model in each light, as the page of results has it."""
    text = re.search(r'mean IoU: (dark .+?)\. A reddish', plain(RESULTS))[1]
    return {'as taken': figures_of(STREET)[2],
            **{name: float(value) for name, value in re.findall(rf'([a-z]+) {N}', text)}}


def change(name):
    """Mean IoU gained over the first row of its table, by a change in the page of results."""
    row = cells(RESULTS, f'{name} |')[0]
    return float(row[5].split('±')[0].replace('−', '-'))


def by_class():
    """Name to IoU of the street model, as the page of results has it."""
    text = re.search(r'By class: (.+?)\. Validation', plain(RESULTS))[1]
    return {name: float(value)
            for name, value in re.findall(rf'([a-z ]+) {N}', text.replace(', ', ','))}


@lru_cache
def claims():
    """Page, pattern, and what its groups must be but for rounding."""
    light = street_by_light()
    street, lean, shapes = figures_of(STREET), figures_of(LEAN), figures_of(SHAPES)
    miou = lean[2]
    small, large = millions_of(STREET), millions_of(LEAN)
    return [
        *[('README.md', rf'\| {row}.*? \| {N} M \| {N} \| ours', [millions_of(name),
                                                               figures_of(name)[2]])
          for row, name in [('FCN-8s on ResNet-18', SHAPES), ('FCN-32s on the same', COARSE),
                            ('FCN-4s on EfficientNet-Lite2, the objects', OBJECTS),
                            ('FCN-4s on EfficientNet-Lite2, the street', STREET),
                            ('FCN-8s on VGG16 with lean', LEAN)]],
        ('README.md', rf'736 other images .+? \| 134 M \| {N} \| published',
         re.search(rf'/ {N} / [\d.]+ \(8s\)', plain('docs/paper.md')).groups()),
        *[(where, rf'pixel accuracy {N} mean accuracy {N} mean IoU {N} '
                  rf'frequency-weighted IoU {N}', shapes)
          for where in ('README.md', 'docs/training.md')],
        (RESULTS, rf'this network of {N} M parameters', [large]),
        (CARD, rf'{N} M parameters', [small]),
        (CARD, rf'{N} and {N} minutes on one', minutes_of(STREET_SEEDS).split(' and ')),
        (RESULTS, rf'{N} \([\d.]+\) with seed 0 and {N} \([\d.]+\) with seed 1',
         [best_of(f'{STREET_SEEDS}{end}') for end in ('', '_seed1')]),
        (RESULTS, rf'in place of {N} \({N}\), and more in every light',
         [figures_of(STREET_SEEDS)[i] for i in (2, 0)]),
        (RESULTS, rf'on validation it has {N} \({N}\)\.',
         [figures_of(STREET_BEFORE)[i] for i in (2, 0)]),
        (RESULTS, rf'was the street model for a day, {N} \({N}\)\.',
         [figures_of(STREET_A_DAY)[i] for i in (2, 0)]),
        (RESULTS, rf'is the street model now: {N} \({N}\) on validation',
         [figures_of(STREET)[i] for i in (2, 0)]),
        (CARD, r'frequency-weighted IoU \| (?:\|---)+\| '
         + ' '.join([rf'\| {N}'] * 4), street),
        (CARD, r'bicyclist \| (?:\|---)+\| \| '
         + ' '.join([rf'\| {N}'] * 11), list(by_class().values())),
        (CARD, r'blurred \| (?:\|---)+\| '
         + ' '.join([rf'\| {N}'] * 7), [light[name] for name in LIGHTS]),
        (CARD, rf'most \(IoU {N} and {N}\), .+? \({N}\), .+? \({N}\)',
         re.search(rf'costs signs and poles most \({N}, {N}\), .+? \({N}\), .+? \({N}\)',
                   plain(RESULTS)).groups()),
        (RESULTS, rf'\({N} M parameters', [small]),
        (RESULTS, rf'distortion \+{N}, without rescaling \+{N}',
         [change('no_distortion'), change('no_rescaling')]),
        (RESULTS, rf'not hold here: −{N} mean IoU', [-change('not_balanced')]),
        (RESULTS, rf'scored alone loses {N}, a stride of 8 in place of 4 loses {N} ',
         [-change('one_score'), -change('stride_8')]),
        (RESULTS, rf'most behind batch norm \(−{N}\)', [-change('skip_scales')]),
        (RESULTS, rf'for so short a run \(−{N}\)', [-change('lr_a_third')]),
        (RESULTS, rf'\({N}, then {N} points',
         [change('16s, from 32s') - change('32s'),
          change('8s, from 16s') - change('16s, from 32s')]),
        (RESULTS, rf"{N} to [\d.]+ and {N} on VGG16's run above",
         [miou, figures_of(LEAN_CRFRNN)[2]]),
        (RESULTS, rf'and {N} is the best measured so far', [miou]),
        ('docs/speed.md', rf'mean IoU {N} instead of {N}', [None, miou]),
        ('docs/export.md', rf'\({N} M parameters\)', [large]),
    ]


def plain(path):
    return ' '.join(page(path).split())


def rounds_to(said, measured):
    return abs(float(said) - float(measured)) <= 0.5001 * 10 ** -len(said.partition('.')[2])


def test_figures_in_prose_are_those_of_the_tables():
    gone = [(path, pattern) for path, pattern, _ in claims()
            if not re.search(pattern, plain(path))]
    assert not gone, f'reworded or taken out? Then claims() is to follow: {gone}'
    wrong = [
        f'{path}: {said}, but {measured} in the table ({pattern})'
        for path, pattern, figures in claims() for found in re.finditer(pattern, plain(path))
        for said, measured in zip(found.groups(), figures, strict=True)
        if measured is not None and not rounds_to(said, measured)]
    assert not wrong, '\n'.join(wrong)


@pytest.mark.parametrize('path', ['README.md', CARD])
def test_no_figure_in_prose_is_without_a_table(path):
    text = plain(path)
    for where, pattern, _ in claims():
        if where == path:
            text = re.sub(pattern, '', text)
    free = re.findall(r'.{,30}\d\.\d.{,10}', OTHERS.sub('', text))
    assert not free, f'give each a line in claims(), or in OTHERS: {free}'
