"""A disk that fails now and then, for what the command ``fcn`` writes below a folder.

``failing_disk.c`` stands in for the C library's calls of a process that has imported
everything; each run is a fork of that. Started as a script, this file is that process.
"""
import contextlib
import ctypes
import gc
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent


class Run(NamedTuple):
    """How ``fcn`` ended.

    Attributes:
        code (int): The exit code.
        out (str): What it printed.
        err (str): What it printed to stderr.
        calls (list[int]): For each call of the disk that could have failed, in how many ways.
    """
    code: int
    out: str
    err: str
    calls: list[int]


class FailingDisk:
    """The process that runs are forked off.

    Args:
        library (Path): ``failing_disk.c``, built.
    """

    def __init__(self, library):
        paths = os.pathsep.join([str(HERE), str(HERE.parent),
                                 os.environ.get('PYTHONPATH', '')])
        self.process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', __file__], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
            env=os.environ | dict(LD_PRELOAD=str(library), PYTHONPATH=paths))

    def fcn(self, folder, *arguments, at=0, way=0, seed=0, chance=0.):
        """Calls ``fcn`` in ``folder``, whose files the call number ``at`` fails for in one of
        its ways, or each call by chance."""
        request = dict(folder=str(folder), arguments=list(map(str, arguments)), at=at,
                       way=way, seed=seed, chance=chance)
        self.process.stdin.write(json.dumps(request) + '\n')
        self.process.stdin.flush()
        return Run(**json.loads(self.process.stdout.readline()))

    def end(self):
        """Ends the process."""
        self.process.communicate()


def run(folder, arguments, at, way, seed, chance):
    """Of the process forked: what ``fcn`` does, as JSON."""
    import torch

    from fcn_plugin import cli
    torch.set_num_threads(1)
    disk, code = ctypes.CDLL(None), 0
    os.chdir(folder)
    sys.argv = ['fcn', *arguments]
    disk.disk_arm(folder.encode(), ctypes.c_uint64(seed), ctypes.c_double(chance),
                  ctypes.c_long(at), way)
    with contextlib.redirect_stdout(io.StringIO()) as out, \
            contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
    calls = []
    while ways := disk.disk_ways(ctypes.c_long(len(calls) + 1)):
        calls.append(ways)
    disk.disk_arm(b'', ctypes.c_uint64(0), ctypes.c_double(0), ctypes.c_long(0), 0)
    return json.dumps(Run(code, out.getvalue(), err.getvalue(), calls)._asdict())


def serve():
    answers = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        if not os.fork():
            os.write(answers, run(**json.loads(line)).encode() + b'\n')
            os._exit(0)
        os.wait()


if __name__ == '__main__':
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import preloaded  # noqa: F401
    from PIL import Image

    import fcn_plugin.checkpoints.publish
    import fcn_plugin.deployment.export
    import fcn_plugin.inference.predict_files
    import fcn_plugin.own_data.check_dataset  # noqa: F401
    Image.init()
    fcn_plugin.deployment.export._TIMED = 1  # no test looks at how long it takes
    gc.freeze()  # lest each fork goes through all that is imported
    serve()
