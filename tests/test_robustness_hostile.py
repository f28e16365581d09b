"""Files that mean harm: nothing in them runs, and nothing of theirs fills the memory."""
import argparse
import os
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_runs import run_tool, succeed, write_config

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.loading import load_model
from fcn_plugin.checkpoints.naming import peek
from fcn_plugin.checkpoints.reading import read_checkpoint


class Payload:
    """Creates a file as soon as it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.fixture
def ran(tmp_path):
    """The file that hostile code would create; it must not be there afterwards."""
    path = tmp_path / 'RAN'
    yield path
    assert not path.exists()


# --- checkpoints ---------------------------------------------------------------------

HOLDERS = {
    'all of it': lambda bad, good: bad,
    'among the weights': lambda bad, good: dict(state_dict=dict(good, x=bad)),
    'in meta': lambda bad, good: dict(state_dict=good, meta=dict(cfg=bad)),
    'in the optimiser': lambda bad, good: dict(state_dict=good, optimizer=bad),
    'in the message hub': lambda bad, good: dict(state_dict=good, message_hub=bad),
}


def hostile(path, ran, holder='in meta', plain=False):
    content = HOLDERS[holder](Payload(ran), dict(w=torch.zeros(2)))
    if plain:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    return path


@pytest.mark.parametrize('plain', [False, True], ids=['zip', 'pickle'])
@pytest.mark.parametrize('holder', HOLDERS)
def test_code_in_a_checkpoint_is_refused(tmp_path, ran, holder, plain):
    path = hostile(tmp_path / 'bad.pth', ran, holder, plain)
    with pytest.raises(ValueError, match='bad.pth.*could run code'):
        read_checkpoint(path)


@pytest.mark.parametrize('content, reason', [
    (argparse.Namespace(lr=1), 'Unsupported global: GLOBAL argparse.Namespace'),
    (b'# A page of text', 'Unsupported operand 35'),
    (b'', r'Ran out of input|the file ends')])
def test_the_reason_is_said_and_no_way_around_it(tmp_path, content, reason):
    path = tmp_path / 'bad.pth'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(dict(state_dict={}, meta=dict(args=content)), path)
    with pytest.raises(ValueError, match=fr'could run code \((?:{reason})\)$') as raised:
        read_checkpoint(path)
    assert 'weights_only' not in str(raised.value)


@pytest.mark.parametrize('tool', ['train load_from', 'train --resume', 'train backbone',
                                  'test', 'predict', 'api', 'load_model'])
def test_code_in_a_checkpoint_never_runs(tmp_path, ran, photos, tool):
    bad = hostile(tmp_path / 'bad.pth', ran)
    config = write_config(tmp_path)
    work = ['--work-dir', tmp_path / 'work']
    if tool == 'api':
        with pytest.raises(ValueError, match='bad.pth.*could run code'):
            FCNInferencer(bad)
        return
    if tool == 'load_model':
        with pytest.raises(ValueError, match='bad.pth.*could run code'):
            load_model(str(config), bad)
        return
    call = {
        'train load_from': ['train.py', config, *work,
                            '--cfg-options', f'load_from={bad}'],
        'train --resume': ['train.py', config, *work, '--resume',
                           '--cfg-options', f'load_from={bad}'],
        'train backbone': ['train.py', config, *work, '--cfg-options',
                           'model.backbone.init_cfg.type=Pretrained',
                           f'model.backbone.init_cfg.checkpoint={bad}'],
        'test': ['test.py', config, bad, *work],
        'predict': ['predict.py', '--img-path', photos, '--weight-path', bad,
                    '--out-dir', tmp_path / 'out'],
    }[tool]
    done = run_tool(*call)
    assert done.code == 2, done.err
    line = done.err.strip().splitlines()[-1]
    assert line.startswith('error: ') and 'bad.pth' in line
    assert not (tmp_path / 'out').exists()


def test_also_where_the_environment_asks_for_pickles(tmp_path, ran, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    with pytest.raises(ValueError, match='could run code'):
        read_checkpoint(hostile(tmp_path / 'bad.pth', ran))
    assert peek(tmp_path / 'bad.pth') == {} and not ran.exists()
    torch.save(dict(w=torch.ones(2)), tmp_path / 'good.pth')
    assert read_checkpoint(tmp_path / 'good.pth')['state_dict']['w'].sum() == 2
    assert peek(tmp_path / 'good.pth')['w'].sum() == 2


def test_also_where_mmengine_would_unpickle(tmp_path, ran, monkeypatch):
    """What torchvision:// finds in torch's cache."""
    pytest.importorskip('torchvision')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    (tmp_path / 'hub/checkpoints').mkdir(parents=True)
    hostile(tmp_path / 'hub/checkpoints/vgg11-8a719046.pth', ran)
    with pytest.raises(ValueError, match='could run code'):
        read_checkpoint('torchvision://vgg11')


def test_config_text_in_a_checkpoint_is_not_run(tmp_path, ran):
    text = f'model = dict(type=open({str(ran)!r}, "w").name)'
    torch.save(dict(state_dict={}, meta=dict(cfg=text)), tmp_path / 'bad.pth')
    with pytest.raises(ValueError, match='line 1 holds more than plain data'):
        FCNInferencer(tmp_path / 'bad.pth')


NET = "dict(type='EncoderDecoder', backbone={backbone}, decode_head=dict(type='FCNHead'))"


@pytest.fixture
def beside(tmp_path, ran, monkeypatch):
    """Modules that run code, in the folder from which Python is started."""
    code = f"open({str(ran)!r}, 'w')"
    (tmp_path / 'evil.py').write_text(code)
    (tmp_path / 'evils').mkdir()
    for name in ('__init__', 'registry', 'net'):
        (tmp_path / 'evils' / f'{name}.py').write_text(code)
    (tmp_path / 'evilspace').mkdir()  # no package, but Python imports from it
    (tmp_path / 'evilspace' / 'registry.py').write_text(code)
    for name in ('mmseg', 'mmpretrain'):  # Python has found its own before
        (tmp_path / name).mkdir()
        (tmp_path / name / '__init__.py').write_text(code)
        (tmp_path / name / 'evil.py').write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize('text, words', [
    ("custom_imports = dict(imports=['evil'])", "module 'evil'.*--allow-imports evil"),
    ("custom_imports = dict(imports='evil')", "module 'evil'.*--allow-imports evil"),
    ("custom_imports = dict(imports=['fcn_plugin', 'evils.net'], "
     'allow_failed_imports=True)', "module 'evils.net'.*--allow-imports evils"),
    ("custom_imports = dict(imports=['mmseg.evil'])",
     "'mmseg.evil', which cannot be imported"),
    ("custom_imports = dict(imports=['mmpretrain.evil'])",
     "'mmpretrain.evil', which cannot be imported"),
    ("custom_imports = dict(imports=['fcn_plugin_evil'])",
     "module 'fcn_plugin_evil'.*--allow-imports fcn_plugin_evil"),
    ("work_dir = print(a='b')", 'holds more than plain data: print'),
    ("work_dir = dict(**{'a': 1})", 'holds more than plain data: dict'),
    ("custom_imports = ['evil']", r"custom_imports is \['evil'\], expected dict"),
    ('custom_imports = dict(imports=[1])', 'expected dict'),
    # mmengine imports modules for types and scopes that it does not know
    (f"model = {NET.format(backbone=dict(type='evil'))}", "type 'evil'.*name of a module"),
    (f"model = {NET.format(backbone=dict(type='mmseg.evil'))}",
     "type 'mmseg.evil'.*scope.Name"),
    (f"model = {NET.format(backbone=dict(type='evils.ResNet'))}",
     "type 'evils.ResNet'.*scope.Name"),
    ("test_pipeline = [dict(type='evil')]", "type 'evil'.*name of a module"),
    ("default_scope = 'evils'", "default_scope names the module 'evils'"),
    ("default_scope = 'evilspace'", "default_scope names the module 'evilspace'"),
    (f"model = {NET.format(backbone=dict(type='ResNet', _scope_='evils'))}",
     "_scope_ names the module 'evils'"),
    # mmengine.load unpickles, mmengine.dump writes files
    ("model = dict(type='mmengine.load', file='evil.pkl')", "type 'mmengine.load'"),
    ("model = dict(type='mmengine.dump', obj=1, file='RAN')", "type 'mmengine.dump'"),
])
def test_a_checkpoint_imports_nothing_that_lies_about(beside, text, words):
    if 'model' not in text:
        text += f'\nmodel = {NET.format(backbone=dict(type="ResNet"))}'
    torch.save(dict(state_dict={}, meta=dict(cfg=text)), beside / 'bad.pth')
    with pytest.raises(ValueError, match=f'(?s)config in the checkpoint.*{words}'):
        FCNInferencer(beside / 'bad.pth')
    done = run_tool('predict.py', '--img-path', Path(__file__).parents[1] / 'resources',
                    '--weight-path', beside / 'bad.pth')
    assert done.code == 2 and len(done.err.strip().splitlines()) == 1


@pytest.mark.parametrize('given', ['mine', 'mine.parts', ['other', 'mine']])
def test_a_module_that_was_allowed_is_imported(trained, tmp_path, monkeypatch, given):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / '__init__.py').touch()
    (tmp_path / 'mine' / 'parts.py').touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ('mine', 'mine.parts'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    loaded = torch.load(trained / 'best.pth', weights_only=True)
    loaded['meta']['cfg'] = loaded['meta']['cfg'].replace(
        "'fcn_plugin'", "'fcn_plugin', 'mine.parts'")
    torch.save(loaded, tmp_path / 'mine.pth')
    with pytest.raises(ValueError, match="'mine.parts'.*--allow-imports mine "):
        load_model(None, tmp_path / 'mine.pth', 'cpu', allow_imports=['other', 'min'])
    assert 'mine' not in sys.modules
    load_model(None, tmp_path / 'mine.pth', 'cpu', allow_imports=given)
    assert 'mine.parts' in sys.modules
    load_model(None, tmp_path / 'mine.pth', 'cpu')  # the program has it already


def test_the_flag_of_the_tools(beside, trained, photos, tmp_path):
    """It reaches the loading: there the module runs, and is what fails."""
    (beside / 'agreed.py').write_text("raise ImportError('AGREED ' + __name__)")
    loaded = torch.load(trained / 'best.pth', weights_only=True)
    loaded['meta']['cfg'] = loaded['meta']['cfg'].replace("'fcn_plugin'", "'agreed'")
    torch.save(loaded, tmp_path / 'agreed.pth')
    given = ['--weight-path', tmp_path / 'agreed.pth']
    show = ['--img-path', photos, '--out-dir', tmp_path / 'out']
    for call in (['predict.py', *given, *show], ['predict_show.py', *given, *show],
                 ['export.py', *given, '--out', tmp_path / 'net.onnx'],
                 ['analysis_tools/evaluate_folder.py', tmp_path / 'agreed.pth', photos,
                  photos]):
        Image.new('L', (50, 70)).save(photos / 'A.png')
        assert '--allow-imports agreed' in run_tool(*call).err, call
        assert 'AGREED agreed' in run_tool(*call, '--allow-imports', 'agreed').err, call
    # what only copies the config imports nothing
    succeed('model_converters/publish_model.py', tmp_path / 'agreed.pth',
            tmp_path / 'public.pth')


# --- ONNX -------------------------------------------------------------------------------


@pytest.mark.parametrize('content', [b'', b'nonsense', b'\x08\x07' * 99, b'\xff' * 999],
                         ids=['empty', 'text', 'fields', 'ones'])
def test_what_is_no_onnx(tmp_path, content):
    pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
    (tmp_path / 'bad.onnx').write_bytes(content)
    with pytest.raises(ValueError, match='bad.onnx'):
        FCNInferencer(tmp_path / 'bad.onnx')


def test_onnx_reads_no_file_elsewhere(tmp_path):
    onnx = pytest.importorskip('onnx', reason="the extra 'export' is not installed")
    pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
    (tmp_path / 'secret').write_bytes(b'\0' * 16)
    weight = onnx.TensorProto(name='w', data_type=1, dims=[4], data_location=1)
    weight.external_data.add(key='location', value='../secret')
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('Add', ['x', 'w'], ['y'])], 'g',
        [onnx.helper.make_tensor_value_info('x', 1, [4])],
        [onnx.helper.make_tensor_value_info('y', 1, [4])], [weight])
    (tmp_path / 'in').mkdir()
    path = tmp_path / 'in' / 'bad.onnx'
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(ValueError, match='bad.onnx'):
        FCNInferencer(path)


# --- memory ---------------------------------------------------------------------------------


def bomb(path, width=60000, height=60000):
    """A PNG of 3.6 thousand million black pixels in half a megabyte."""
    def chunk(kind, data):
        return (struct.pack('>I', len(data)) + kind + data
                + struct.pack('>I', zlib.crc32(kind + data)))

    packer = zlib.compressobj(9)
    row = bytes(1 + width // 8)  # 1 bit a pixel
    data = b''.join([packer.compress(row * 1000) for _ in range(height // 1000)]
                    + [packer.flush()])
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 1, 0, 0, 0, 0))
        + chunk(b'IDAT', data) + chunk(b'IEND', b''))
    return path


BOUNDED = """
import resource, sys
import fcn_plugin
from fcn_plugin.images.reading import read_image
from fcn_plugin.models.converters import read_caffemodel
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    {call}
except ValueError as error:
    print(error)
else:
    sys.exit('nothing was raised')
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown < {most} * 1024, f'{{grown >> 10}} MB more'
"""


@pytest.mark.parametrize('kind', ['png', 'caffemodel'])
def test_memory_is_bounded(forked_python, tmp_path, kind):
    if kind == 'png':
        path, call, words = bomb(tmp_path / 'bomb.png'), 'read_image', 'bomb.png'
    else:  # a length of 2**60 in a file of a few bytes, behind a layer of many fields
        path, call, words = tmp_path / 'bad.caffemodel', 'read_caffemodel', 'at byte'
        path.write_bytes(b'\xa2\x06' + b'\xff' * 8 + b'\x0f' + b'\x08\x01' * 500000)
    done = subprocess.run(
        [forked_python, '-c', BOUNDED.format(call=f'{call}({str(path)!r})', most=100)],
        capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[1])})
    assert done.returncode == 0, done.stderr[-2000:]
    assert words in done.stdout and len(done.stdout.splitlines()) == 1
