"""What the README and the page on training say can be done, is done."""
import re
import shlex

import pytest
from mmengine.config import Config
from tiny_runs import CONFIGS, ROOT, run_tool, succeed

from fcn_plugin.cli.command import SUBCOMMANDS, named, parsed

README = (ROOT / 'README.md').read_text(encoding='utf-8')
TRAINING = (ROOT / 'docs/training.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('page', ['README.md', 'configs/fcn/README.md'])
def test_what_is_linked_exists(page):
    text = (ROOT / page).read_text(encoding='utf-8')
    targets = re.findall(r'\]\((?!https?:)([^)#]+)\)', text)
    missing = [t for t in targets if not (ROOT / page).parent.joinpath(t).exists()]
    assert targets and not missing


def test_a_newcomer_reads_it_in_one_sitting():
    assert len(README.splitlines()) <= 150


def test_files_named_in_commands_exist():
    for page in (README, TRAINING):
        named = set(re.findall(r'(?:configs|tools|fcn_plugin)/[\w./-]+\.(?:py|sh)', page))
        named.discard('configs/fcn/mine.py')  # the reader's own
        assert named and not [name for name in named if not (ROOT / name).exists()]


def test_no_placeholder_is_left():
    for page in ('README.md', 'configs/fcn/README.md'):
        assert not re.findall(r'@[A-Z]\w+@', (ROOT / page).read_text(encoding='utf-8'))


def test_both_commands_can_be_read():
    for name in ('command-1', 'command-2'):
        assert re.search(rf'<!-- {name} -->\n```bash\n.+\n```', README)


def test_flags_named_in_the_page_on_training_exist():
    for tool, flags in [
            ('train.py', ('--work-dir', '--resume', '--amp', '--cfg-options', '--launcher')),
            ('test.py', ('--out', '--show-dir', '--tta', '--original-size', '--crf')),
            ('predict.py', ('--heatmap', '--backbone', '--overwrite', '--config'))]:
        help_text = run_tool(tool, '--help').out
        assert [f for f in flags if f not in help_text] == []
        assert all(flag in TRAINING for flag in flags)


def test_the_command_takes_the_lines_of_the_readme():
    lines = re.findall(r'^fcn (.+)$', README, re.M)
    assert lines
    for line in lines:
        arguments = shlex.split(line, comments=True)
        subcommand = named(arguments)
        parsed(subcommand, arguments[len(subcommand.split()):])  # ends the test if wrong


def test_subcommands_named_in_pages_exist():
    for page in ('README.md', 'UPGRADING.md', 'CONTRIBUTING.md'):
        text = (ROOT / page).read_text(encoding='utf-8')
        found = re.findall(r'`fcn ([a-z][\w-]*(?: (?:caffe2fcn|fcn2port))?)', text)
        assert found and not set(found) - set(SUBCOMMANDS), page
    upgrading = (ROOT / 'UPGRADING.md').read_text(encoding='utf-8')
    assert set(re.findall(r'`fcn ([a-z][\w-]*(?: \w*2\w+)?)', upgrading)) == set(SUBCOMMANDS)


@pytest.mark.slow
def test_own_data(tmp_path):
    """The converter's example, and the config printed beside it, train."""
    succeed('dataset_converters/shapes2voc.py', tmp_path / 'example', '--train', 4,
            '--val', 2)
    text = re.search(r"```python\n(_base_ = .*?)```", TRAINING, re.S)[1]
    mine = tmp_path / 'mine.py'
    mine.write_text(text.replace("'./", f"'{CONFIGS}/fcn/").replace(
        'data/example', f'{tmp_path}/example'))
    config = Config.fromfile(mine)
    assert config.model.decode_head.num_classes == len(config.classes) == 9
    output = succeed(
        'train.py', mine, '--work-dir', tmp_path / 'work', '--cfg-options',
        'model.backbone.init_cfg=None', 'train_dataloader.batch_size=2',
        'train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'param_scheduler=[]',
        *(f'{loader}_dataloader.{key}' for loader in ('train', 'val', 'test')
          for key in ('num_workers=0', 'persistent_workers=False')))
    assert 'the best checkpoint on 2 images of BaseSegDataset' in output
    assert (tmp_path / 'work' / 'predictions.png').is_file()
