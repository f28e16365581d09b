"""A ``python`` that starts at once: forks of a process that has imported everything.

For what is tested in processes of its own, and not how long they take to import torch.
"""
import atexit
import ctypes
import faulthandler
import gc
import json
import multiprocessing
import os
import random
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
import types
from pathlib import Path

CLONE_NEWNET = 0x40000000
READ_AT_IMPORT = ('huggingface_hub', )  # the environment, which is another in each fork
# Has a fork do its work, passes signals on to it, and ends as it does.
STUB = """#!{python} -IS
import contextlib, json, os, signal, socket, sys

def pass_on(number, _):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)

with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    asked = json.dumps(dict(arguments=sys.argv[1:], folder=os.getcwd(),
                            environment=dict(os.environ), asking=os.getpid())).encode()
    socket.send_fds(server, [len(asked).to_bytes(8, 'little')], [0, 1, 2])
    server.sendall(asked)
    pid = int.from_bytes(server.recv(8), 'little')
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    code = int.from_bytes(server.recv(8), 'little', signed=True)
if code < 0:
    if code != -signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def fork_server(_, arguments, files):
    """Runs Python's own fork server in a fork of this process, once it is first asked.

    Stands in for ``multiprocessing.util.spawnv_passfds``, whose process would import
    everything anew. Call before anything has run, or has been captured.

    Args:
        arguments (list[str]): Of Python; the last is the code that is run.
        files (list[int]): The server's socket, and a pipe that ends with those that ask.

    Returns:
        int: The process.
    """
    process = os.fork()
    if process:
        return process
    try:
        faulthandler.disable()
        first, second = sorted(files)
        for closed in ((3, first), (first + 1, second), (second + 1, 4096)):
            os.closerange(*closed)
        open_streams()
        here = Path(__file__).resolve().parent
        sys.path[:0] = [str(here), str(here.parent)]
        os.environ['PYTHONPATH'] = os.pathsep.join(
            [*sys.path[:2], os.environ.get('PYTHONPATH', '')])
        os.environ['OMP_NUM_THREADS'] = '1'
        sys.modules['torch'].set_num_threads(1)
        gc.freeze()
        gc.enable()
        if files[1] not in select.select(files, [], [])[0]:
            exec(arguments[-1])
    finally:
        os._exit(0)


def open_streams():
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, 1, closefd=False) for number, mode in enumerate('rww'))


def write_stub(path, address):
    """Writes the program that asks the server at a socket.

    Returns:
        Path: The program.
    """
    path.write_text(STUB.format(python=sys.executable, address=str(address)))
    path.chmod(0o755)
    return path


def serve(address, tests):
    """Forks a process for each connection, until it is killed, or the tests have been.

    Args:
        address (Path): The socket, which is made.
        tests (int): The process that runs tests.
    """
    signal.signal(signal.SIGCHLD, reap)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f'{address}.new')
        server.listen(16)
        server.settimeout(5)
        os.rename(f'{address}.new', address)  # there once it answers
        while Path(f'/proc/{tests}').exists():
            try:
                connection = server.accept()[0]
            except TimeoutError:
                continue
            if not os.fork():
                server.close()
                watch(connection)
            connection.close()


def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def watch(connection):
    """Has a fork do what is asked, and says how it ended. Who asks no more has it killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, files, *_ = socket.recv_fds(connection, 8, 3)
    asked = json.loads(connection.recv(int.from_bytes(length, 'little'), socket.MSG_WAITALL))
    child = os.fork()
    if not child:
        connection.close()
        become(files, **asked)
    connection.sendall(child.to_bytes(8, 'little'))
    ended = os.pidfd_open(child)
    if ended not in select.select([connection, ended], [], [])[0]:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        connection.sendall(code.to_bytes(8, 'little', signed=True))
    finally:
        os._exit(0)


def become(files, arguments, folder, environment, asking):
    """Does in this process what ``python`` does with the arguments."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    code = 1
    try:
        join_network(asking)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        random.seed()
        sys.modules['numpy'].random.seed()
        sys.modules['torch'].seed()
        multiprocessing.set_start_method(None, force=True)
        for name in [name for name in sys.modules if name.split('.')[0] in READ_AT_IMPORT]:
            del sys.modules[name]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        open_streams()
        run(arguments)
        code = 0
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code & 0xff)


def join_network(process):
    """Enters the network namespace of another process."""
    theirs = f'/proc/{process}/ns/net'
    if os.path.samefile(theirs, '/proc/self/ns/net'):
        return
    with open(theirs) as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'setns has failed')


def run(arguments):
    """Runs a script, a module (-m) or code (-c), behind any of -u and -W."""
    arguments = list(arguments)
    while arguments[0] in ('-u', '-W'):
        del arguments[:1 + (arguments[0] == '-W')]
    first = arguments.pop(0)
    name = arguments.pop(0) if first in ('-m', '-c') else first
    paths = [path for path in os.environ.get('PYTHONPATH', '').split(os.pathsep) if path]
    start = os.getcwd() if first in ('-m', '-c') else os.path.dirname(os.path.abspath(name))
    sys.path[:0] = [start, *paths]
    for path in paths:
        if Path(path, 'sitecustomize.py').is_file():
            runpy.run_path(str(Path(path, 'sitecustomize.py')))
    sys.argv = [first if first == '-c' else name, *arguments]
    if first == '-m':
        runpy.run_module(name, run_name='__main__', alter_sys=True)
        return
    code = name if first == '-c' else Path(name).read_bytes()
    main = sys.modules['__main__'] = types.ModuleType('__main__')
    main.__file__ = name
    exec(compile(code, '<string>' if first == '-c' else name, 'exec'), main.__dict__)
