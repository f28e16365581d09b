"""What configs/fcn/README.md says of a run stands in its metafile and in its log."""
import json
import re
from pathlib import Path

import pytest
import yaml

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
    log = FOLDER / re.search(r'\]\((.+\.json)\)', row['log'])[1]
    assert log == FOLDER.parents[1] / model['Training Log']
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    judged = [{key: line[key] for key in FIGURES} for line in lines if 'mIoU' in line]
    if 'validation' in row['data']:  # the split that chose the checkpoint
        assert max(judged, key=lambda each: each['mIoU']) == figures
    else:
        assert judged
