"""The command `fcn`: what it offers, the words it takes, and what it leaves unimported."""
import ast
import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image
from tiny_runs import BUILT_IN, ROOT, forget_runs, run_tool, write_config

import fcn_plugin
from fcn_plugin import cli
from fcn_plugin.checkpoints import publish
from fcn_plugin.cli import command, evaluate, train
from fcn_plugin.cli.check_data import value
from fcn_plugin.deployment.export import export
from fcn_plugin.downloads.archives import ARCHIVES
from fcn_plugin.evaluation.conditions import CONDITIONS
from fcn_plugin.models.converters import VARIANTS
from fcn_plugin.version import __version__

SUBCOMMANDS = list(command.SUBCOMMANDS)
FOLDER = Path(cli.__file__).parent
# The script of `tools` that each was called by before.
TOOLS = {
    name: path for path in sorted((ROOT / 'tools').rglob('*.py'))
    for name in re.findall(r"^ +main\('(.+?)', __doc__\)$", path.read_text(), re.M)}


def fcn(monkeypatch, capsys, *arguments):
    """Exit code, stdout and stderr of `fcn` in this process."""
    forget_runs()
    monkeypatch.setattr(sys, 'argv', ['fcn', *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code or 0
    return (code, *capsys.readouterr())


# --- what it offers -----------------------------------------------------------------


def test_help_fits_on_a_screen(monkeypatch, capsys):
    code, out, _ = fcn(monkeypatch, capsys, '--help')
    lines = out.splitlines()
    assert code == 0 and len(lines) <= 24 and max(map(len, lines)) <= 80
    assert [name for name in SUBCOMMANDS if not re.search(rf'^  {name}  ', out, re.M)] == []


def test_without_a_word_it_shows_the_same_and_fails(monkeypatch, capsys):
    code, out, err = fcn(monkeypatch, capsys)
    assert code == 2 and not out and err.strip() == command.overview()


def test_version(monkeypatch, capsys):
    assert fcn(monkeypatch, capsys, '--version') == (0, f'fcn {__version__}\n', '')


@pytest.mark.parametrize('wrong, said', [
    ('trian', 'did you mean train'), ('checkdata', 'did you mean check-data'),
    ('tune_crf', 'did you mean tune-crf'), ('predict_show', 'did you mean'),
    ('convert', 'fcn convert caffe2fcn or fcn convert fcn2port'),
    ('zzz', 'fcn --help lists them'), ('--moon', 'fcn --help lists them')])
def test_a_misspelt_subcommand_names_the_closest(monkeypatch, capsys, wrong, said):
    code, _, err = fcn(monkeypatch, capsys, wrong)
    assert code == 2 and len(err.splitlines()) == 1 and err.startswith('error: ')
    assert f"'{wrong}'" in err or f"'fcn {wrong}'" in err
    assert said in err


@pytest.mark.parametrize('name', SUBCOMMANDS)
def test_every_subcommand_explains_itself(monkeypatch, capsys, name):
    code, out, err = fcn(monkeypatch, capsys, *name.split(), '--help')
    assert code == 0 and not err
    assert f'\n    fcn {name} ' in out or f'\n    fcn {name}\n' in out  # an example
    for old in ('--weight-path', '--out-dir', 'tools/'):
        assert old not in out


def test_every_subcommand_is_one_file_of_at_most_60_lines():
    files = {path.stem: path for path in FOLDER.glob('*.py')}
    named = {name.split()[-1].replace('-', '_') for name in SUBCOMMANDS}
    assert set(files) - {'__init__', 'command'} == named
    assert {name: len(files[name].read_text().splitlines()) for name in named
            if len(files[name].read_text().splitlines()) > 60} == {}


def test_choices_are_those_of_what_is_called():
    """They are written down twice, as importing them would import torch."""
    def choices(name, option):
        for node in ast.walk(ast.parse((FOLDER / f'{name}.py').read_text())):
            if isinstance(node, ast.Call) and any(
                    ast.unparse(arg) == f"'{option}'" for arg in node.args):
                for keyword in node.keywords:
                    if keyword.arg == 'choices':
                        return ast.literal_eval(keyword.value)

    assert choices('caffe2fcn', '--variant') == list(VARIANTS)
    assert choices('publish', '--dtype') == list(publish.DTYPES)
    assert choices('download', 'name') == list(ARCHIVES)
    assert tuple(CONDITIONS) == evaluate.CONDITIONS
    assert BUILT_IN.stem == train.BUILT_IN


# --- words ---------------------------------------------------------------------------

# Arguments of fcn, and those of the tool that say the same.
SAME = {
    'train': [('C --amp', 'C --amp'), ('--config C --resume', 'C --resume')],
    'test': [('C W --tile 64', 'C W --tile 64'), ('--config C --checkpoint=W', 'C W'),
             ('C --checkpoint W --out O', 'C W --out O')],
    'predict': [
        ('a.jpg --checkpoint W --config C --out O', '--img-path a.jpg --weight-path W '
         '--config C --out-dir O'),
        ('--checkpoint W a.jpg', '--weight-path W --img-path a.jpg'),
        ('--img-path a.jpg --weight-path W --out-dir O', '--img-path a.jpg --weight-path W '
         '--out-dir O'),
        ('a.jpg --backbone vgg16 --weight-path=W', '--img-path=a.jpg --backbone vgg16 '
         '--weight-path W')],
    'show': [('', ''), ('a.jpg --out O --show', '--img-path a.jpg --out-dir O --show'),
             ('--checkpoint W', '--weight-path W')],
    'check-data': [('D --out O', 'D --out O')],
    'suggest': [('W D --out O', 'W D --out-dir O'), ('D --checkpoint W', 'W D')],
    'doctor': [('', ''), ('C', 'C'), ('--config C', 'C')],
    'export': [('--out O', '--out O'), ('W --out O', '--weight-path W --out O'),
               ('--checkpoint W --out O', '--weight-path W --out O'),
               ('--weight-path W --out O', '--weight-path W --out O')],
    'report': [('D --checkpoint W', 'D --weight-path W')],
    'evaluate': [('W I L --out O', 'W I L --out-dir O'),
                 ('I L --checkpoint W', 'W I L')],
    'describe': [('R a=1 --stride 4 b=2', 'R a=1 --stride 4 b=2'), ('R', 'R'),
                 ('C --shape 5 6 a=1', 'C --shape 5 6 a=1')],
    'draw': [('C --out O --cfg-options a.b=1', 'C --out O --cfg-options a.b=1')],
    'stages': [('C --cfg-options a=1', 'C --cfg-options a=1')],
    'tune-crf': [('C W', 'C W'), ('--checkpoint W --config C', 'C W'), ('W.pth', 'W.pth'),
                 ('W.pth', 'W.pth W.pth')],
    'stride-ceiling': [('C', 'C')],
    'publish': [('W --out O --notes a=1.5 b=x,y', 'W O --notes a=1.5 b=x,y'),
                ('--checkpoint W --out O', 'W O')],
    'convert caffe2fcn': [('N --out O', 'N O')],
    'convert fcn2port': [('W --out O', 'W O')],
    'download': [('sbd --out O', 'sbd O')],
    'paper-data': [('nyud A M S --out O', 'nyud A M S O')],
    'sbd2voc': [('S V', 'S V')],
    'shapes2voc': [('--out O --train 3', 'O --train 3')],
}


def test_every_subcommand_has_words_of_a_tool():
    assert set(SAME) == set(SUBCOMMANDS) == set(TOOLS)


@pytest.mark.parametrize('name, new, old', [
    (name, *pair) for name, pairs in SAME.items() for pair in pairs])
def test_the_words_of_a_tool_say_the_same(name, new, old):
    _, ours = command.parsed(name, new.split())
    _, theirs = command.parsed(name, old.split(), 'A tool.')
    assert ours == theirs


@pytest.mark.parametrize('name', SUBCOMMANDS)
def test_what_is_parsed_is_what_run_takes(name):
    module, given = command.parsed(name, SAME[name][-1][0].split())
    takes = inspect.signature(module.run).parameters
    assert any(each.kind is each.VAR_KEYWORD for each in takes.values()) or (
        set(given) == set(takes))


def test_several_images_and_one():
    several = command.parsed('predict', ['a.jpg', 'b', '--fast'])[1]['img_path']
    assert several == ['a.jpg', 'b']
    assert command.parsed('show', ['a.jpg'])[1]['img_path'] == 'a.jpg'
    assert command.parsed('show', [])[1]['img_path'] is None


def test_train_without_a_config_is_the_built_in_run(capsys):
    assert command.parsed('train', [])[1]['config'] == BUILT_IN.stem
    with pytest.raises(SystemExit):  # as the tool has always done
        command.parsed('train', [], 'A tool.')
    assert 'required: config' in capsys.readouterr().err


@pytest.mark.parametrize('name, arguments, said', [
    ('predict', '', 'required: IMAGE'), ('test', 'C', 'required: checkpoint'),
    ('test', '--config C', 'required: checkpoint'), ('test', 'C.py', 'required: checkpoint'),
    ('export', '', 'one of the arguments --out --web is required'),
    ('publish', 'W', 'required: --out'), ('predict', 'a --cfg-options b', 'KEY=VALUE'),
    ('train', '--moon', 'unrecognized arguments: --moon')])
def test_wrong_arguments_are_named(monkeypatch, capsys, name, arguments, said):
    code, _, err = fcn(monkeypatch, capsys, name, *arguments.split())
    last = err.strip().splitlines()[-1]
    assert code == 2 and last.startswith(f'fcn {name}: error: ') and said in last


# --- what is said is done --------------------------------------------------------------


class Reached(Exception):
    """Carries what a function was called with, in place of its work."""


def reached(monkeypatch, where, name, arguments):
    """The arguments of a function, by their names, when a subcommand comes to it."""
    module, _, function = where.rpartition('.')
    module = import_module(f'fcn_plugin.{module}')
    signature = inspect.signature(getattr(module, function))

    def stop(*given, **named):
        bound = signature.bind(*given, **named)
        bound.apply_defaults()
        raise Reached(bound.arguments)

    monkeypatch.setattr(module, function, stop)
    with pytest.raises(Reached) as found:
        command.call(name, [str(each) for each in arguments])
    return found.value.args[0]


@pytest.mark.parametrize('words, where, expected', [
    ('train {folder} --base B --work-dir D --cfg-options a.b=1 --resume',
     'own_training.train_folder.train_folder',
     dict(base='B', work_dir='D', options={'a.b': 1}, resume=True, amp=False,
          compile_backbone=False)),
    ('train {folder} --amp', 'own_training.train_folder.train_folder',
     dict(resume=False, amp=True, compile_backbone=False)),
    ('train {folder} --compile', 'own_training.train_folder.train_folder',
     dict(amp=False, compile_backbone=True)),
    ('test {config} W --tta --original-size --crf --out O --show --show-dir S --wait-time 3 '
     '--fast --tile 64 --overlap 32', 'engine.test.test',
     dict(checkpoint='W', tta=True, original_size=True, crf=True, out='O', show=True,
          show_dir='S', wait_time=3, fast=True, tile=64, overlap=32)),
    ('tune-crf {config} W --images 3 --split val --trimap 5 --steps 2 --device cpu',
     'reports.tune_crf.tune_crf',
     dict(checkpoint='W', images=3, split='val', trimap=5, steps=2, device='cpu')),
    ('tune-crf {config} W', 'reports.tune_crf.tune_crf', dict(split='train')),
    ('describe C a=1 --shape 5 6 --device cpu', 'diagnosis.cost.print_cost',
     dict(config='C', shape=(5, 6), options=dict(a=1), device='cpu')),
    ('describe R a=1 --stride 4', 'diagnosis.describe.print_backbone',
     dict(source='R', options=dict(a=1), finest=4)),
    ('stages {config} --start-from last --cfg-options a=1 --launcher slurm --amp --work-dir D',
     'engine.staged.train_staged',
     dict(work_dir='D', arguments=['--launcher', 'slurm', '--amp'], options=['a=1'],
          start_from='last')),
    ('export W --web P --config C --backbone vgg16 --img-path I --opset 18 --int8 '
     '--calibrate D --labels L --ignore 9 11 --max-loss 0.1 '
     '--overwrite --cfg-options a=1 --onnxruntime-web N',
     'deployment.web.export_page',
     dict(weight_path='W', out='P', onnxruntime_web='N', overwrite=True, options=dict(
         config='C', backbone='vgg16', img_path='I', opset=18, int8=True, calibrate='D',
         labels='L', ignore=[9, 11], max_loss=0.1, cfg_options=dict(a=1),
         allow_imports=()))),
    ('paper-data nyud A M S --out O', 'modalities.nyud_archive.nyud_to_folders',
     dict(archive='A', mapping='M', splits='S', out_dir='O')),
    ('paper-data siftflow R T --out O', 'modalities.siftflow.siftflow_to_folders',
     dict(root='R', test_list='T', out_dir='O')),
    ('evaluate W {folder} {folder} --config C --device cpu --fast --cfg-options a=1',
     'reports.evaluate_folder.FCNInferencer',
     dict(model='C', weights='W', device='cpu', fast=True, cfg_options=dict(a=1))),
    ('predict {folder} --checkpoint W --config C --backbone vgg16 --device cpu --fast --tile '
     '64 --overlap 32 --crf --runtime openvino --cfg-options a=1',
     'inference.predict_files.FCNInferencer',
     dict(model='C', weights='W', device='cpu', backbone='vgg16', cfg_options=dict(a=1),
          fast=True, tile=64, overlap=32, crf=True, runtime='openvino')),
    ('evaluate W {folder} {folder}', 'reports.evaluate_folder.evaluate_folder',
     dict(ignore=None, conditions=['as taken'], max_images=None, batch_size=1, fast=False)),
    ('predict {folder}', 'inference.predict_files.predict_to_files',
     dict(opacity=0.5, batch_size=1, format=None, tolerance=None, min_area=0, fast=False)),
    ('predict {folder} --checkpoint {weights} --out O --format coco --tolerance 2 --min-area '
     '3 --batch-size 4 --overwrite', 'inference.predict_files.write_proposals',
     dict(out_dir='O', format='coco', tolerance=2, min_area=3, batch_size=4, overwrite=True)),
    ('predict 0 --checkpoint {weights} --out O --heatmap ring --opacity 0.25 --video-suffix '
     '.avi --overwrite', 'inference.predict_files.predict_live',
     dict(source='0', out_dir='O', opacity=0.25, heatmap='ring', overwrite=True,
          video_suffix='.avi')),
])
def test_options_arrive_where_they_are_used(monkeypatch, trained, tmp_path, words, where,
                                            expected):
    Image.new('L', (4, 4)).save(tmp_path / 'a.png')
    name, *arguments = words.format(folder=tmp_path, config=BUILT_IN,
                                    weights=trained / 'best.pth').split()
    found = reached(monkeypatch, where, name, arguments)
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize('name, words, where', [
    ('check-data', 'D', 'own_data.check_dataset.check_dataset'),
    ('check-data', 'D', 'own_data.write_config.write_config'),
    ('suggest', 'W D', 'reports.suggest.suggest'), ('report', 'D', 'reports.report.report'),
    ('evaluate', 'W I L', 'reports.evaluate_folder.evaluate_folder'),
    ('tune-crf', 'C W', 'reports.tune_crf.tune_crf'),
    ('stride-ceiling', 'C', 'reports.stride_ceiling.print_stride_ceiling'),
    ('export', '--out O', 'deployment.export.export'),
    ('publish', 'W --out O', 'checkpoints.publish.publish'),
    ('convert caffe2fcn', 'N --out O', 'checkpoints.convert.caffe_to_fcn'),
    ('convert fcn2port', 'W --out O', 'checkpoints.convert.fcn_to_port'),
    ('download', 'sbd --out O', 'downloads.archives.fetch'),
    ('sbd2voc', 'S V', 'datasets.sbd.sbd_to_voc'),
    ('shapes2voc', '--out O', 'datasets.shapes.ShapesDataset')])
def test_what_is_not_said_is_as_in_python(name, words, where):
    def plain(value):
        return tuple(value) if isinstance(value, list) else value or None

    module, _, function = where.rpartition('.')
    takes = inspect.signature(getattr(import_module(f'fcn_plugin.{module}'), function))
    _, given = command.parsed(name, words.split())
    told = {key: each.default for key, each in takes.parameters.items()
            if key in given and each.default is not each.empty}
    assert told
    assert {key: plain(given[key]) or None for key in told} == {
        key: plain(value) or None for key, value in told.items()}


@pytest.mark.parametrize('name, where', [
    ('train', 'engine.train.train'), ('test', 'engine.test.test'),
    ('tune-crf', 'reports.tune_crf.tune_crf')])
def test_options_of_a_config_arrive(monkeypatch, name, where):
    given = [] if name == 'train' else ['W']
    options = ['train_cfg.max_iters=7', 'resume=True']
    more = {} if name == 'tune-crf' else {'--work-dir': 'D', '--launcher': 'slurm'}
    config = reached(monkeypatch, where, name, [
        BUILT_IN, *given, *(each for pair in more.items() for each in pair),
        '--cfg-options', *options])['config']
    assert config.train_cfg.max_iters == 7 and config.resume
    if more:
        assert (config.work_dir, config.launcher) == ('D', 'slurm')


def test_who_starts_a_run_is_not_who_started_the_one_before(tmp_path, monkeypatch):
    """Which the config in its work dir says."""
    config = write_config(tmp_path, f"_base_ = '{BUILT_IN}'\nlauncher = 'pytorch'\n")
    for name, where, *given in (('train', 'engine.train.train'), ('test', 'engine.test.test',
                                                                  'W')):
        assert reached(monkeypatch, where, name, [config, *given])['config'].launcher == 'none'


def test_shapes_are_drawn_of_two_splits(monkeypatch):
    found = reached(monkeypatch, 'datasets.voc_layout.write_voc', 'shapes2voc', [
        '--out', 'O', '--train', 3, '--val', 2, '--seed', 5])['subsets']
    assert {name: (len(each), each.split, each.seed) for name, each in found.items()} == dict(
        train=(3, 'train', 5), val=(2, 'val', 5))


@pytest.mark.parametrize('flag', ['--amp', '--resume', '--compile'])
def test_each_flag_of_a_training_switches_its_own(monkeypatch, flag):
    found = reached(monkeypatch, 'engine.train.train', 'train', [BUILT_IN, flag])
    kind = found['config'].optim_wrapper.get('type', 'OptimWrapper')
    assert (kind != 'OptimWrapper', found['config'].resume, found['compile_backbone']) == (
        flag == '--amp', flag == '--resume', flag == '--compile')


# --- that it works --------------------------------------------------------------------


def test_an_error_is_one_line(monkeypatch, capsys, tmp_path):
    code, _, err = fcn(monkeypatch, capsys, 'draw', 'fcn-8s_r18', '--out', tmp_path / 'a.png')
    assert code == 2 and err.startswith('error: fcn-8s_r18: no such config file')
    assert 'fcn-8s_r18_1xb16-20k_voc12-224x224' in err and len(err.splitlines()) == 1
    with pytest.raises(FileNotFoundError):
        fcn(monkeypatch, capsys, 'draw', 'fcn-8s_r18', '--out', tmp_path / 'a.png', '--debug')


def test_a_config_by_name(monkeypatch, capsys, tmp_path):
    code, _, err = fcn(monkeypatch, capsys, 'draw', BUILT_IN.stem, '--out',
                       tmp_path / 'a.png')
    assert code == 0, err
    assert (tmp_path / 'a.png').exists()


def test_predict_and_show_write_what_the_tools_write(monkeypatch, capsys, trained, photos,
                                                     tmp_path):
    monkeypatch.chdir(tmp_path)
    weights = trained / 'best.pth'
    for name, tool in (('predict', 'predict.py'), ('show', 'predict_show.py')):
        code, ours, err = fcn(monkeypatch, capsys, name, photos, '--checkpoint', weights,
                              '--out', 'ours', '--device', 'cpu')
        assert code == 0, err
        theirs = run_tool(tool, '--img-path', photos, '--weight-path', weights, '--out-dir',
                          'theirs', '--device', 'cpu')
        assert theirs.code == 0  # above the last line there are times
        assert ours.splitlines()[-1] == theirs.out.splitlines()[-1].replace('theirs', 'ours')
    assert {path.name: path.read_bytes() for path in Path('ours').iterdir()} == {
        path.name: path.read_bytes() for path in Path('theirs').iterdir()}


def test_a_run_from_training_to_its_test(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path)
    code, out, err = fcn(monkeypatch, capsys, 'train', 'tiny.py', '--work-dir', 'run')
    assert code == 0, err
    tested, predicted = [line.split() for line in out.splitlines()[-2:]]
    start = tested.index('test')
    assert tested[start - 1].endswith('fcn') and predicted[start - 1].endswith('fcn')
    assert '--weight-path' not in predicted and '--checkpoint' in predicted
    command.parsed('predict', predicted[start + 1:])  # can be pasted
    code, out, err = fcn(monkeypatch, capsys, *tested[start:])
    assert code == 0, err
    figures = re.findall('(?m)^(?:mean|pixel) .*', out)
    assert len(figures) == 3
    code, out, err = fcn(monkeypatch, capsys, 'test', tested[-1])  # which keeps its config
    assert code == 0, err
    assert re.findall('(?m)^(?:mean|pixel) .*', out) == figures
    code, out, err = fcn(monkeypatch, capsys, 'test', 'run')
    assert code == 0 and re.findall('(?m)^(?:mean|pixel) .*', out) == figures, err
    for words in ('describe run', 'draw run --out network.png', 'stride-ceiling run'):
        code, out, err = fcn(monkeypatch, capsys, *words.split())
        assert code == 0, err


# --- what it imports ------------------------------------------------------------------

HEAVY = {'torch', 'mmseg', 'mmengine', 'numpy'}


@pytest.fixture(scope='module')
def command_line(tmp_path_factory):
    """`python -m fcn_plugin`, which lists what it has imported when it ends."""
    folder = tmp_path_factory.mktemp('site')
    (folder / 'sitecustomize.py').write_text(
        'import atexit, sys\n'
        'atexit.register(lambda: print("IMPORTED", *sys.modules))\n')

    def run(*arguments, start=('-m', 'fcn_plugin')):
        done = subprocess.run(
            [sys.executable, *start, *arguments], text=True, capture_output=True,
            env=os.environ | dict(PYTHONPATH=f'{folder}{os.pathsep}{ROOT}'))
        out, _, imported = done.stdout.rpartition('IMPORTED ')
        return done.returncode, out, done.stderr, set(imported.split())
    return run


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory):
    """Files by whether they preprocess."""
    pytest.importorskip('onnx', reason="the extra 'export' is not installed")
    folder = tmp_path_factory.mktemp('exported')
    files = {preprocess: folder / f'net_{preprocess}.onnx' for preprocess in (True, False)}
    for preprocess, file in files.items():
        export(trained / 'best.pth', file, preprocess=preprocess)
    return files


@pytest.mark.parametrize('arguments, code', [
    (['--help'], 0), (['--version'], 0), (['trian'], 2), (['train', '--help'], 0),
    (['train', '--moon'], 2), (['predict', '--help'], 0), (['evaluate', '--help'], 0),
    (['train', '--cfg-options', 'a.b=[1,2]', '--moon'], 2)])
def test_answers_at_once(command_line, arguments, code):
    found, out, err, imported = command_line(*arguments)
    assert found == code, err
    assert 'fcn' in out + err and 'fcn_plugin.cli' in imported
    assert not HEAVY & imported


@pytest.mark.parametrize('runtime', ['onnxruntime', 'openvino'])
def test_an_exported_file_is_run_without_torch(command_line, exported, photos, tmp_path,
                                               runtime):
    """Their import takes ten times as long as all else that it does."""
    pytest.importorskip(runtime, reason='its extra is not installed')
    code, _, err, imported = command_line(
        'predict', photos, '--checkpoint', exported[True], '--runtime', runtime, '--out',
        tmp_path / 'out')
    assert code == 0 and len(list((tmp_path / 'out').iterdir())) == 4, err
    assert {'fcn_plugin.inference.predict_files', runtime} <= imported
    assert not {'torch', 'mmseg', 'mmengine', 'mmpretrain', 'mmcv', 'matplotlib'} & imported


def test_an_exported_file_whose_pipeline_is_outside(command_line, exported, photos, tmp_path):
    code, _, err, imported = command_line(
        'predict', photos, '--checkpoint', exported[False], '--out', tmp_path / 'out')
    assert code == 0 and len(list((tmp_path / 'out').iterdir())) == 4, err
    assert {'mmseg', 'fcn_plugin.compat', 'fcn_plugin.engine'} <= imported


def test_all_types_are_registered_before_the_work(command_line, tmp_path):
    code, _, err, imported = command_line('draw', BUILT_IN.stem, '--out', tmp_path / 'a.png')
    assert code == 0, err
    assert {'mmseg', 'fcn_plugin.compat', 'fcn_plugin.engine'} <= imported


def test_importing_the_package_registers_all_types(command_line, tmp_path):
    """Also in a script of a user's that happens to be called fcn."""
    script = tmp_path / 'fcn'
    script.write_text('import fcn_plugin\nfrom mmseg.registry import MODELS\n'
                      "assert MODELS.get('FCNSegmentor')\n")
    code, _, err, imported = command_line(start=[str(script)])
    assert code == 0, err
    assert 'fcn_plugin.engine' in imported


def test_registering_again_changes_nothing():
    before = dict(sys.modules)
    fcn_plugin.register()
    assert dict(sys.modules) == before


def test_a_broken_installation(command_line, tmp_path):
    (tmp_path / 'torch.py').write_text('import nowhere_at_all')
    done = subprocess.run(
        [sys.executable, '-m', 'fcn_plugin', 'doctor'], text=True, capture_output=True,
        env=os.environ | dict(PYTHONPATH=f'{tmp_path}{os.pathsep}{ROOT}'))
    assert done.returncode == 1
    assert "cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'" in (
        done.stdout)
    assert 'fix: ' in done.stdout and 'Traceback' not in done.stdout + done.stderr


def test_the_installed_command(tmp_path):
    script = Path(sys.executable).with_name('fcn')
    if not script.exists():
        pytest.skip('the package is not installed: pip install --no-deps -e .')
    done = subprocess.run([script, '--version'], text=True, capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f'fcn {__version__}\n')


@pytest.mark.parametrize('text, read', [
    ('7', 7), ('-1', -1), ('0', 0), ('007', '007'), ('#FF0000', '#ff0000'), ('a b', 'a b')])
def test_what_only_looks_like_a_number_is_a_name(text, read):
    assert value(text) == read
