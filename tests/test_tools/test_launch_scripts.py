"""The launchers' command lines, as a stub of ``python`` and ``srun`` sees them."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
from process_runs import environment, have_left, noting_ends
from tiny_runs import write_config

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
VARIABLES = ('NNODES', 'NODE_RANK', 'MASTER_ADDR', 'MASTER_PORT', 'PORT', 'GPUS',
             'GPUS_PER_NODE', 'CPUS_PER_TASK', 'SRUN_ARGS', 'TORCHRUN_ARGS', 'PYTHON')
STUB = """#!/bin/sh
printf '%s\\n' "$(basename "$0")" "$@" >"$ARGV_FILE"
echo "$MASTER_PORT" >"$ARGV_FILE.port"
exit 7
"""


@pytest.fixture
def launch(tmp_path):
    """Runs a script; gives the argv that its stub saw, None if it saw none."""
    programs = tmp_path / 'bin'
    programs.mkdir()
    for name in ('python', 'srun'):
        (programs / name).write_text(STUB)
        (programs / name).chmod(0o755)
    argv_file = tmp_path / 'argv'

    def run(script, *args, **variables):
        env = {k: v for k, v in os.environ.items() if k not in VARIABLES}
        env = env | variables | {
            'PATH': f'{programs}:{env["PATH"]}', 'ARGV_FILE': str(argv_file)}
        run.result = subprocess.run(
            ['bash', TOOLS / script, *args], env=env, cwd=tmp_path,
            capture_output=True, text=True)
        if not argv_file.exists():
            return None
        return argv_file.read_text().splitlines()

    run.programs = programs
    run.port = lambda: Path(f'{argv_file}.port').read_text().strip()
    return run


@pytest.mark.parametrize('script, complete', [
    ('dist_train.sh', ['c.py', '2']),
    ('dist_test.sh', ['c.py', 'w.pth', '2']),
    ('slurm_train.sh', ['part', 'job', 'c.py']),
    ('slurm_test.sh', ['part', 'job', 'c.py', 'w.pth']),
])
def test_too_few_arguments(launch, script, complete):
    for n in range(len(complete)):
        assert launch(script, *complete[:n]) is None
        assert launch.result.returncode == 2
        assert launch.result.stdout == ''
        usage, = launch.result.stderr.splitlines()
        assert usage.startswith('usage:') and script in usage
    assert launch(script, *complete) is not None
    assert launch.result.returncode == 7, "the tool's own status must come through"


@pytest.mark.parametrize('script, args', [
    ('dist_train.sh', ['a config.py', '4']),
    ('dist_test.sh', ['a config.py', 'w.pth', '4']),
])
def test_dist(launch, script, args):
    tool = str(TOOLS / script.replace('dist_', '').replace('.sh', '.py'))
    further = ['--amp', '--cfg-options', 'a=1', 'b="x y"']
    argv = launch(script, *args, *further)
    assert argv == [
        'python', str(TOOLS / 'misc' / 'launch.py'), '--nnodes=1', '--node_rank=0',
        '--master_addr=127.0.0.1', '--master_port=29500', '--nproc_per_node=4',
        tool, *args[:-1], '--launcher', 'pytorch', *further]
    argv = launch(script, *args, NNODES='3', NODE_RANK='2', MASTER_ADDR='host',
                  PORT='29501')
    assert argv[2:7] == ['--nnodes=3', '--node_rank=2', '--master_addr=host',
                         '--master_port=29501', '--nproc_per_node=4']
    argv = launch(script, *args, TORCHRUN_ARGS='--max-restarts=3 --log-dir=logs')
    assert argv[6:10] == ['--nproc_per_node=4', '--max-restarts=3', '--log-dir=logs', tool]


@pytest.mark.parametrize('nproc, variables, message', [
    ('0', {}, 'NPROC=0, expected a whole number of at least 1'),
    ('2', dict(NNODES='0'), 'NNODES=0, expected a whole number of at least 1'),
    ('2', dict(NODE_RANK='1'), 'NODE_RANK=1 of NNODES=1 machines, expected 0 to 0'),
    ('2', dict(NNODES='2', NODE_RANK='-1'), 'NODE_RANK=-1 of NNODES=2 machines'),
])
def test_numbers_of_machines_and_processes(launch, nproc, variables, message):
    """torchrun says an assertion of its own, or waits for ever."""
    launch('dist_train.sh', 'c.py', nproc, PYTHON=sys.executable, **variables)
    assert launch.result.returncode == 2
    line, = launch.result.stderr.splitlines()
    assert line.startswith(f'error: {message}')


def test_slurm_train(launch):
    argv = launch('slurm_train.sh', 'part', 'job', 'c.py')
    tool = str(TOOLS / 'train.py')
    assert argv == [
        'srun', '--partition=part', '--job-name=job', '--gres=gpu:4',
        '--ntasks=4', '--ntasks-per-node=4', '--cpus-per-task=5',
        '--kill-on-bad-exit=1', str(launch.programs / 'python'), '-u',
        tool, 'c.py', '--launcher', 'slurm']
    assert launch.port() == '29500'

    argv = launch('slurm_train.sh', 'part', 'job', 'c.py', 'my runs', '--amp',
                  GPUS='16', CPUS_PER_TASK='2', PORT='29501',
                  SRUN_ARGS='--time=1:00 --exclusive')
    assert argv[3:10] == ['--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8',
                          '--cpus-per-task=2', '--kill-on-bad-exit=1',
                          '--time=1:00', '--exclusive']
    assert argv[-7:] == [tool, 'c.py', '--launcher', 'slurm', '--work-dir',
                         'my runs', '--amp']
    assert launch.port() == '29501'

    # An option in fourth place is no work directory.
    argv = launch('slurm_train.sh', 'part', 'job', 'c.py', '--amp', GPUS='1')
    assert argv[-2:] == ['slurm', '--amp']
    assert '--gres=gpu:1' in argv


@pytest.mark.parametrize('name, value', [
    ('GPUS', 'four'), ('GPUS', '0'), ('GPUS_PER_NODE', '2.5'), ('CPUS_PER_TASK', '-1')])
def test_slurm_s_numbers(launch, name, value):
    for script in ('slurm_train.sh', 'slurm_test.sh'):
        assert launch(script, 'part', 'job', 'c.py', 'w.pth', **{name: value}) is None
        assert launch.result.returncode == 2
        line, = launch.result.stderr.splitlines()
        assert line.startswith(f'error: {name}={value}, expected a whole number')


SRUN = """#!/bin/sh
# Starts two tasks with the variables of Slurm's that are read.
while [ "${1#--}" != "$1" ]; do shift; done
for task in 1 0; do
    SLURM_NTASKS=2 SLURM_NODELIST=node[1-2] SLURM_PROCID=$task SLURM_LOCALID=$task "$@" &
done
wait $! && wait
"""


@pytest.mark.slow
def test_two_tasks_of_slurm_train(launch, forked_python, tmp_path):
    (launch.programs / 'srun').write_text(SRUN)
    (launch.programs / 'scontrol').write_text('#!/bin/sh\nprintf "127.0.0.1\\nnode2\\n"')
    (launch.programs / 'scontrol').chmod(0o755)
    launch('slurm_train.sh', 'part', 'job', write_config(tmp_path), 'my work',
           '--cfg-options', 'train_cfg.max_iters=2',
           **environment(forked_python, GPUS='2', PORT='29707',
                         **noting_ends(tmp_path / 'ends')))
    assert launch.result.returncode == 0, launch.result.stderr
    assert have_left(tmp_path / 'ends') == {'left_0': 'True', 'left_1': 'True'}
    assert (tmp_path / 'my work' / 'iter_2.pth').is_file()
    printed = launch.result.stdout
    assert 'GPU number: 2' in printed
    assert printed.count('\nnext\n') == printed.count('mean IoU  ') == 1  # one summary
    assert (tmp_path / 'my work' / 'predictions.png').is_file()


def test_slurm_test(launch):
    argv = launch('slurm_test.sh', 'part', 'job', 'c.py', 'w.pth', '--tta',
                  GPUS='2', GPUS_PER_NODE='1', PYTHON='/my/python 3')
    assert argv == [
        'srun', '--partition=part', '--job-name=job', '--gres=gpu:1',
        '--ntasks=2', '--ntasks-per-node=1', '--cpus-per-task=5',
        '--kill-on-bad-exit=1', '/my/python 3', '-u', str(TOOLS / 'test.py'),
        'c.py', 'w.pth', '--launcher', 'slurm', '--tta']
