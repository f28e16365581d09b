"""The forked ``python`` of the tests does what ``python`` does."""
import json
import subprocess
import time

import pytest

CODE = """
import atexit, json, os, random, sys, numpy, torch
atexit.register(print, 'the end')
print(json.dumps(dict(arguments=sys.argv, folder=os.getcwd(), variables=dict(os.environ),
                      drawn=[random.random(), numpy.random.rand(), torch.rand(1).item()])))
print('a line', file=sys.stderr)
sys.exit(3)
"""


def test_code_has_its_own_place_and_numbers(forked_python, tmp_path):
    drawn = []
    for _ in range(2):
        done = subprocess.run([forked_python, '-c', CODE, 'a b'], cwd=tmp_path,
                              env=dict(ONE='1'), capture_output=True, text=True)
        assert done.returncode == 3 and done.stderr == 'a line\n'
        first, last = done.stdout.splitlines()
        found = json.loads(first)
        assert last == 'the end' and found['arguments'] == ['-c', 'a b']
        assert found['folder'] == str(tmp_path)
        assert found['variables'].pop('ONE') == '1'
        assert set(found['variables']) <= {'LC_CTYPE'}  # which Python itself sets
        drawn.append(found['drawn'])
    assert all(a != b for a, b in zip(*drawn))


HEARS = 'import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); '


@pytest.mark.parametrize('before, ended, code', [
    ('', 'terminate', -15), (HEARS, 'terminate', 5), ('', 'kill', -9)])
def test_it_ends_as_the_signal_that_it_gets_has_it_end(forked_python, before, ended, code):
    program = f'{before}import time; print(1, flush=True); time.sleep(20)'
    with subprocess.Popen([forked_python, '-c', program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b'1\n'
        getattr(process, ended)()
        begun = time.monotonic()
        assert process.wait(10) == code and process.stdout.read() == b''
        assert time.monotonic() - begun < 10  # the fork is gone, too, which holds the pipe
