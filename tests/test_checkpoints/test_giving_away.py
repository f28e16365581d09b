"""Models given away: safetensors, their cards, and the hub."""
import hashlib
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hub_stand_in import running_hub
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save, save_file
from tiny_runs import forget_runs, run_tool, succeed

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.loading import load_model, read_checkpoint
from fcn_plugin.checkpoints.naming import is_weights
from fcn_plugin.checkpoints.publish import publish
from fcn_plugin.checkpoints.safe_file import write_safetensors
from fcn_plugin.downloads.hub import _explained
from fcn_plugin.utils.errors import InputError

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)


@pytest.fixture
def given_away(trained, tmp_path):
    return publish(trained / 'best.pth', tmp_path / 'bars.safetensors', 'float32',
                   dict(data='shapes | drawn', license='cc-by-4.0', mIoU=71.2))


def test_both_kinds_of_file_are_one_model(trained, given_away, tmp_path):
    other = read_checkpoint(publish(trained / 'best.pth', tmp_path / 'bars.pth', 'float32'))
    found = read_checkpoint(given_away)
    assert found['meta']['cfg'] == other['meta']['cfg']
    assert found['meta']['notes']['mIoU'] == 71.2
    assert tuple(found['meta']['dataset_meta']['classes']) == (
        other['meta']['dataset_meta']['classes'])
    assert found['meta']['dataset_meta']['palette'] == other['meta']['dataset_meta']['palette']
    assert found['state_dict'].keys() == other['state_dict'].keys()
    for key, value in found['state_dict'].items():
        assert value.dtype == other['state_dict'][key].dtype
        assert torch.equal(value, other['state_dict'][key]), key
    with safe_open(given_away, 'pt') as file:  # as others read it
        assert json.loads(file.metadata()['fcn_plugin'])['notes']['license'] == 'cc-by-4.0'


def test_all_that_takes_a_checkpoint_takes_it(trained, given_away, photos, tmp_path):
    wanted = FCNInferencer(trained / 'best.pth', device='cpu')(IMAGE).labels
    for given in (dict(model=given_away), dict(model=str(given_away)),
                  dict(weights=given_away)):
        assert np.array_equal(FCNInferencer(**given, device='cpu')(IMAGE).labels, wanted)
    succeed('predict.py', '--img-path', photos / 'b.png', '--weight-path', given_away,
            '--out-dir', tmp_path / 'out')
    assert list((tmp_path / 'out').glob('b*.png'))
    succeed('model_converters/publish_model.py', given_away, tmp_path / 'again.pth')
    # the runner loads by mmengine
    config = Config.fromfile(trained / 'config.py')
    config.pop('val_dataloader')
    config.test_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(
        type='DefaultSampler', shuffle=False), dataset=dict(
            type='ShapesDataset', length=3, split='val', image_size=(40, 70),
            pipeline=[dict(type='PackSegInputs')]))
    config.test_evaluator, config.test_cfg = dict(type='FCNMetric'), dict(type='TestLoop')
    config.dump(tmp_path / 'test.py')
    figures = []
    for file in (trained / 'best.pth', given_away):
        printed = succeed('test.py', tmp_path / 'test.py', file, '--work-dir',
                          tmp_path / file.suffix)
        figures.append(re.findall(r'mIoU\D+([\d.]+)', printed))
    forget_runs()
    assert figures[0] == figures[1] != []


def test_the_card_names_file_terms_and_how_to_run(given_away):
    card = given_away.with_suffix('.md').read_text('utf-8')
    digest = hashlib.sha256(given_away.read_bytes()).hexdigest()
    assert f'\n{digest}  bars.safetensors\n' in card
    assert card.startswith('---\nlicense: cc-by-4.0\n')
    assert r'| data | shapes \| drawn |' in card and '| figures | not said |' in card
    assert 'background, bar, ring' in card and '| mIoU | 71.2 |' in card
    command, = re.findall('^fcn (.+)$', card, re.M)
    assert command == 'predict photo.jpg --checkpoint bars.safetensors'


@pytest.mark.parametrize('imports', ['my_data', ['fcn_plugin', 'mmseg.models', 'my_data']])
def test_the_card_names_code_that_is_not_in_the_file(trained, tmp_path, imports):
    """A data set of one's own, say: the command that the card had could not load the file."""
    kept = torch.load(trained / 'best.pth')
    config = Config.fromstring(kept['meta']['cfg'], '.py')
    config.custom_imports = dict(imports=imports)
    kept['meta']['cfg'] = config.pretty_text
    torch.save(kept, tmp_path / 'best.pth')
    card = publish(tmp_path / 'best.pth', tmp_path / 'a.safetensors').with_suffix('.md')
    text = card.read_text('utf-8')
    assert ('fcn predict photo.jpg --checkpoint a.safetensors --allow-imports my_data  # not '
            'in this file: on PYTHONPATH\n') in text
    assert "FCNInferencer('a.safetensors', allow_imports=['my_data'])('photo.jpg')" in text


@pytest.mark.parametrize('said, lines', [
    ('MIT', ['license: mit']), ('CC BY-NC 4.0', ['license: cc-by-nc-4.0']),
    ('Acme terms, 2026: ask', ['license: other', 'license_name: "acme-terms-2026-ask"']),
    ('---', []), ('許可', [])])
def test_a_card_names_a_licence_as_the_hub_does(trained, tmp_path, said, lines):
    file = publish(trained / 'best.pth', tmp_path / 'a.safetensors', 'float32',
                   dict(license=said))
    card = file.with_suffix('.md').read_text('utf-8')
    head = card.split('---\n')[1].splitlines()
    assert [line for line in head if line.startswith('license')] == lines
    assert f'| license | {said} |' in card


def test_tensors_that_share_memory_or_are_turned_are_written(tmp_path):
    one = torch.arange(6.).reshape(2, 3)
    weights, meta = dict(a=one, b=one, c=one.T, d=one[:, 1]), dict(name='道')
    digest = write_safetensors(tmp_path / 'a.safetensors', weights, meta)
    assert digest == hashlib.sha256((tmp_path / 'a.safetensors').read_bytes()).hexdigest()
    found = read_checkpoint(tmp_path / 'a.safetensors')
    assert found['meta'] == meta and found['state_dict'].keys() == weights.keys()
    assert all(torch.equal(found['state_dict'][key], weights[key]) for key in weights)


def test_a_foreign_file_wants_a_config(trained, tmp_path):
    weights = read_checkpoint(trained / 'best.pth')['state_dict']
    # another program may use the same word for something else
    save_file(weights, tmp_path / 'a.safetensors', {'sha256': 'x', 'cfg': '1'})
    assert read_checkpoint(tmp_path / 'a.safetensors')['meta'] == {}
    with pytest.raises(InputError, match='a.safetensors.*--config'):
        load_model(None, tmp_path / 'a.safetensors', 'cpu')
    load_model(trained / 'config.py', tmp_path / 'a.safetensors', 'cpu')


def flip(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1:]


@pytest.mark.parametrize('spoil, words', [
    (lambda content: b'', 'damaged, cut off or no file of safetensors'),
    (lambda content: content[:-1], 'damaged, cut off or no file of safetensors'),
    (lambda content: b'PK\x03\x04' + bytes(99), 'damaged, cut off or no file'),
    (lambda content: b'\xff' * 99, 'damaged, cut off or no file of safetensors'),
    (lambda content: flip(content, len(content) - 2), 'its tensors or its notes'),
    (lambda content: content.replace(b'shapes', b'shades', 1), 'its tensors or its notes'),
    *[(lambda content, text=text: save({'a': torch.zeros(2)}, {'fcn_plugin': text}), words)
      for text, words in (('{', 'damaged'), ('[' * 99999, 'damaged'),
                          ('[1]', 'a dict .meta.'), ('{"cfg": 1}', 'a text .cfg.'),
                          ('{"cfg": "import os"}', 'is no plain assignment'))]])
def test_a_damaged_file_is_one_line(given_away, photos, spoil, words):
    given_away.write_bytes(spoil(given_away.read_bytes()))
    given_away.with_suffix('.md').unlink()
    done = run_tool('predict.py', '--img-path', photos, '--weight-path', given_away)
    assert done.code == 2 and 'Traceback' not in done.err
    line, = done.err.strip().splitlines()
    assert re.search(words, line) and '--debug shows' not in line, line


@pytest.mark.parametrize('card', ['bars.md', 'README.md'])
def test_a_file_that_is_not_the_card_s(given_away, card):
    text = given_away.with_suffix('.md').read_text('utf-8')
    given_away.with_suffix('.md').unlink()
    beside = given_away.with_name(card)
    beside.write_text(text.replace('  bars', '  others'), 'utf-8')
    read_checkpoint(given_away)  # it speaks of another file
    beside.write_text(re.sub('^[0-9a-f]{64}', '0' * 64, text, flags=re.M), 'utf-8')
    with pytest.raises(InputError, match=f'not the file that .*{card}. names'):
        read_checkpoint(given_away)


def test_a_card_may_name_any_file(tmp_path):
    path = tmp_path / 'a+b (1).safetensors'
    digest = write_safetensors(path, dict(a=torch.ones(2)), {})
    path.with_suffix('.md').write_text(f'{digest}  {path.name}\n')
    assert read_checkpoint(path)['state_dict']['a'].sum() == 2
    path.with_suffix('.md').write_text(f'{"0" * 64}  {path.name}.old\n')
    path.write_bytes(save(dict(a=torch.ones(3))))  # which says nothing of itself
    assert read_checkpoint(path)['meta'] == {}
    path.with_suffix('.md').write_text(f'{"0" * 64}  {path.name}\n')
    with pytest.raises(InputError, match='is not the file that'):
        read_checkpoint(path)


def test_a_file_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('USERPROFILE', str(tmp_path))
    write_safetensors(tmp_path / 'a.safetensors', dict(a=torch.ones(2)), {})
    # as a config's load_from, which mmengine reads
    assert CheckpointLoader.load_checkpoint('~/a.safetensors')['state_dict']['a'].sum() == 2


def test_what_is_not_there_is_said_so(tmp_path):
    for name in ('none.pth', 'none.safetensors'):
        with pytest.raises(FileNotFoundError, match=name) as caught:
            read_checkpoint(tmp_path / name)
        assert 'cut off' not in str(caught.value)


def test_a_pth_that_says_nonsense_of_itself(trained, tmp_path):
    for meta in (['cfg'], dict(cfg=5), dict(dataset_meta='bar')):
        torch.save(dict(state_dict={}, meta=meta), tmp_path / 'odd.pth')
        with pytest.raises(InputError, match='odd.pth. says of itself is damaged'):
            read_checkpoint(tmp_path / 'odd.pth')
    torch.save(dict(state_dict={}, meta=None), tmp_path / 'none.pth')  # it says nothing
    assert read_checkpoint(tmp_path / 'none.pth')['meta'] == {}


def test_nothing_is_replaced_unasked(trained, given_away, tmp_path):
    given_away.unlink()
    before = given_away.with_suffix('.md').read_text('utf-8')
    with pytest.raises(FileExistsError, match='bars.md'):
        publish(trained / 'best.pth', given_away)
    assert given_away.with_suffix('.md').read_text('utf-8') == before
    publish(trained / 'best.pth', given_away, overwrite=True)
    read_checkpoint(given_away)  # the card is the new file's


def test_what_names_weights(tmp_path):
    assert all(map(is_weights, ('a.pth', tmp_path / 'a.safetensors', 'hf://me/net.v2')))
    assert not any(map(is_weights, ('fcn-8s', 'a.py', 'net.onnx', None, 5)))


# --- the hub ---------------------------------------------------------------------------

SESSION = """
import json, sys
from pathlib import Path
import numpy as np
from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.publish import publish
from tiny_runs import run_tool

trained, folder, photo = map(Path, sys.argv[1:])
image = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)
said = {}

def labels(name, **options):
    try:
        said[name] = FCNInferencer(name, device='cpu', **options)(image).labels.tolist()
    except Exception as error:
        said[name] = f'{type(error).__name__}: {error}'

done = run_tool('model_converters/publish_model.py', trained / 'best.pth',
                folder / 'bars.safetensors', '--push', 'me/bars', '--dtype', 'float32')
said['publish'] = done.out + done.err
for name in ('hf://me/bars', 'hf://me/bars@main', *json.loads(sys.stdin.readline())):
    labels(name)
done = run_tool('predict.py', '--img-path', photo, '--weight-path', 'hf://me/bars',
                '--out-dir', folder / 'out')
said['predict'] = done.out + done.err
print(json.dumps(said))
"""


# Xet, the newer way of large files, is a service of its own.
PLAIN = {'HF_HUB_DISABLE_XET': '1', 'HF_HUB_DISABLE_TELEMETRY': '1'}


@pytest.fixture(scope='module')
def session(trained, forked_python, tmp_path_factory):
    """What one process does with a hub, which HF_ENDPOINT names from its start."""
    folder = tmp_path_factory.mktemp('hub')
    photo = folder / 'photo.png'
    Image.fromarray(IMAGE).save(photo)
    with running_hub() as hub:
        good = publish(trained / 'best.pth', folder / 'model.safetensors', 'float32')
        files = {'model.safetensors': good.read_bytes(),
                 'README.md': good.with_suffix('.md').read_bytes()}
        first = hub.add('you/two', files)
        # another model under the card of the first, the one commit behind it
        other = publish(trained / 'best.pth', folder / 'b' / 'model.safetensors', 'float16')
        hub.add('you/two', {'model.safetensors': other.read_bytes()})
        hub.add('you/no-card', {'model.safetensors': files['model.safetensors']})
        hub.add('you/pickle', {'model.pth': b'evil', 'README.md': b''})
        for name in ('you/secret', 'me/secret', 'you/gated'):
            hub.add(name, files)
        hub.private.update({'you/secret': 'Bearer you', 'me/secret': 'Bearer writer'})
        hub.gated.add('you/gated')
        # a download that ends early
        cut = flip(files['model.safetensors'], 0)
        hub.add('you/cut', {**files, 'model.safetensors': cut})
        hub.large[hashlib.sha256(cut).hexdigest()] = cut[:-9]
        names = [f'hf://you/two@{first}', 'hf://you/two', 'hf://you/no-card', 'hf://you/pickle',
                 'hf://you/none', 'hf://you/two@never', 'hf://you', 'hf://you/two/model.pth',
                 'hf://you/two@', 'hf://you/two@../../elsewhere',
                 'hf://you/two@v1/../../elsewhere', 'hf://me/secret', 'hf://you/secret',
                 'hf://you/gated', 'hf://you/cut']
        done = subprocess.run(
            [forked_python, '-W', 'ignore', '-c', SESSION, trained, folder, photo], text=True,
            input=json.dumps(names) + '\n', capture_output=True, env={
                **os.environ, 'HF_ENDPOINT': hub.address, 'HF_HOME': str(folder / 'home'),
                'HF_TOKEN': 'writer', 'PYTHONPATH': os.path.dirname(os.path.dirname(__file__)),
                **PLAIN})
        assert done.returncode == 0, done.stderr[-3000:]
        yield json.loads(done.stdout.splitlines()[-1]), hub, folder, first


def test_a_model_goes_to_the_hub_and_comes_back(session, trained):
    said, hub, folder, first = session
    (commit, files), = hub.repos['me/bars'].items()
    assert set(files) == {'model.safetensors', 'README.md'}
    assert files['model.safetensors'] == (folder / 'bars.safetensors').read_bytes()
    assert '--checkpoint hf://me/bars\n' in files['README.md'].decode()
    assert 'mmseg-fcn-plugin[hub]' in files['README.md'].decode()
    assert f'{hub.address}/me/bars/commit/{commit}' in said['publish']
    wanted = FCNInferencer(trained / 'best.pth', device='cpu')(IMAGE).labels.tolist()
    for name in ('hf://me/bars', 'hf://me/bars@main', 'hf://you/no-card', 'hf://me/secret',
                 f'hf://you/two@{first}'):
        assert said[name] == wanted, name
    # beside a file of a commit lies the card of that commit
    assert (folder / 'home/hub/models--you--two/snapshots' / first / 'README.md').is_file()
    assert list((folder / 'out').glob('photo*.png')), said['predict']


@pytest.mark.parametrize('name, words', [
    ('hf://you/two', 'is not the file that .*README.md. names'),
    ('hf://you/pickle', 'hf://you/pickle. gives no model.safetensors'),
    ('hf://you/none', 'gives no model.safetensors: the hub shows you no .*hf auth login'),
    ('hf://you/secret', 'gives no model.safetensors: the hub shows you no .*hf auth login'),
    ('hf://you/gated', 'gives no model.safetensors: its owner decides .*ask for it'),
    ('hf://you/cut', 'gives no model.safetensors: .*has size.*connection'),
    ('hf://you/two@never', 'gives no model.safetensors: it has no such branch, tag or commit'),
    ('hf://you', "'hf://you' names no model of the hub: expected user/name"),
    ('hf://you/two/model.pth', 'names no model of the hub: expected user/name'),
    ('hf://you/two@', "names no revision ''"),
    ('hf://you/two@../../elsewhere', "names no revision '../../elsewhere'"),
    ('hf://you/two@v1/../../elsewhere', "names no revision 'v1/../../elsewhere'")])
def test_what_the_hub_does_not_give(session, name, words):
    assert re.match(rf'InputError: .*{words}', session[0][name], re.S), session[0][name]


FETCH = """
import os, sys
from pathlib import Path
from fcn_plugin.downloads.hub import fetch, push

for name in sys.argv[1:]:
    try:
        if name.startswith('HF_TOKEN='):
            os.environ['HF_TOKEN'] = name[9:]
        elif name.startswith('hf://'):
            print(fetch(name))
        else:
            card = f"---\\nlicense: {os.environ.get('LICENSE', 'moon')}\\n---"
            print(push(Path(name), card, 'me/new'))
    except Exception as error:
        print(f'{type(error).__name__}: {error}')
"""


@pytest.fixture
def fetched(forked_python, session):
    """What a process prints that fetches models, or pushes files, a line each."""
    _, hub, folder, _ = session

    def fetched(*names, **environment):
        done = subprocess.run(
            [forked_python, '-W', 'ignore', '-c', FETCH, *map(str, names)], text=True,
            capture_output=True, env={
                **os.environ, 'HF_ENDPOINT': hub.address, 'HF_HOME': str(folder / 'home'),
                **PLAIN, **environment})
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()
    return fetched


def test_offline_the_cache_is_the_hub_and_a_card_that_is_not_in_it_is_missed(
        session, fetched):
    """That there is no card must be known: else another file would be taken unseen."""
    _, _, folder, first = session
    card, = (folder / 'home/hub/models--me--secret/snapshots').glob('*/README.md')
    card.unlink()  # as if the process had been killed before it came
    found = fetched('hf://me/bars', f'hf://you/two@{first}', 'hf://you/no-card',
                    'hf://me/secret', 'hf://you/none', HF_HUB_OFFLINE='1')
    for line in found[:3]:
        assert os.path.basename(line) == 'model.safetensors' and os.path.isfile(line), line
    assert re.match("InputError: 'hf://me/secret' gives no README.md, which says what the "
                    'file must be: HF_HUB_OFFLINE is set', found[3])
    assert re.match("InputError: 'hf://you/none' gives no model.safetensors: HF_HUB_OFFLINE "
                    'is set, and the cache does not have it', found[4])


def test_a_login_or_a_card_that_is_not_taken(session, fetched, tmp_path):
    file = tmp_path / 'new.safetensors'
    file.write_bytes(b'x')
    found = fetched('HF_TOKEN=stale', 'hf://you/two', file, 'HF_TOKEN=writer', file,
                    HF_HOME=str(tmp_path / 'home'))  # with an empty cache
    assert re.match("InputError: 'hf://you/two' gives no model.safetensors: .*401.*Invalid "
                    'credentials.*HF_TOKEN', found[0])
    assert re.match("InputError: the hub does not take 'me/new': .*401.*hf auth login.*"
                    "'.*new.safetensors' is written", found[1])
    assert re.match("InputError: the hub does not take 'me/new': Invalid metadata in "
                    'README.md. - "license" must be one of .*mend what it names', found[2])


def test_what_is_in_the_hub_is_pushed_again(session, fetched, tmp_path, monkeypatch):
    _, hub, *_ = session
    (tmp_path / 'new.safetensors').write_bytes(b'x')
    monkeypatch.setitem(hub.repos, 'me/new', {})
    found, = fetched('HF_TOKEN=writer', tmp_path / 'new.safetensors', LICENSE='other')
    commit, = hub.repos['me/new']
    assert found == f'{hub.address}/me/new/commit/{commit}'


@pytest.mark.parametrize('status, words', [
    (429, 'too many: wait, and try again'), (500, 'too many: the hub has a fault'),
    (403, 'too many: log in as someone who may'), (None, 'too many: look at the connection')])
def test_what_a_hub_that_answers_badly_is_said_to_do(status, words):
    """What huggingface_hub raises after it has tried for half a minute."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    cause = OSError('too many') if status is None else HfHubHTTPError(
        'too\n many', response=SimpleNamespace(status_code=status, headers={}, request=None))
    error = LocalEntryNotFoundError('An error happened')
    error.__cause__ = cause
    assert _explained(error).startswith(words)


@pytest.mark.parametrize('change, words', [
    (dict(out='bars.pth'), 'bars.pth. cannot be pushed.*ends in .safetensors'),
    (dict(push_to='bars'), "'bars' names no model of the hub"),
    (dict(push_to='hf://me/bars'), 'names no model of the hub')])
def test_what_cannot_be_pushed_is_not_written(trained, tmp_path, change, words):
    change = {'out': 'bars.safetensors', 'push_to': 'me/bars', **change}
    with pytest.raises(InputError, match=words):
        publish(trained / 'best.pth', tmp_path / change.pop('out'), **change)
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_extra_is_named(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    for call in (lambda: FCNInferencer('hf://me/bars'),
                 lambda: publish(trained / 'best.pth', tmp_path / 'a.safetensors',
                                 push_to='me/bars')):
        with pytest.raises(ImportError, match=r"me/bars. needs.*mmseg-fcn-plugin\[hub\]"):
            call()
    assert not list(tmp_path.iterdir())
