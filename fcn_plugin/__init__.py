"""The fully convolutional networks of Long, Shelhamer and Darrell for mmsegmentation.

Importing the package registers its types into mmseg's registries, so that
``custom_imports=dict(imports=['fcn_plugin'])`` is all that a config needs.
"""
import os
import sys
import sysconfig

from .version import __version__

__all__ = ['__version__', 'register']


def register() -> None:
    """Imports all types, which registers them. Calls after the first change nothing."""
    from . import compat
    compat.apply()  # before anything imports mmseg
    from . import datasets, engine, evaluation, modalities, models  # noqa: F401


def _is_command() -> bool:
    """Whether this process was started as ``fcn``, which registers for itself.

    Its ``--help`` would otherwise wait seconds for torch. What Python was started with says
    so, and not ``sys.argv``: processes that a data loader spawns are given that too.
    """
    started = sys.orig_argv[1:3]
    if started == ['-m', __name__]:
        return True
    script = os.path.realpath(started[0]) if started else ''
    command = os.path.join(os.path.realpath(sysconfig.get_path('scripts')), 'fcn')
    return script in (command, f'{command}.exe')


if not _is_command():
    register()
