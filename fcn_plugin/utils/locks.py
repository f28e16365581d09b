"""One run at a time in a work dir."""
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

#: Where a launcher tells a process its number among all.
_RANKS = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')


@contextmanager
def alone_in(work_dir: Path, launcher: str | None = None) -> Iterator[None]:
    """Keeps other runs out of a work dir, where both would write the same checkpoints.

    The first process of a run holds a POSIX lock on ``<work_dir>/.running``, which ends with
    it, however it ends, and which forked processes do not hold. Windows, and a file system
    without such locks, keep nothing out.

    Args:
        work_dir (Path): Made where it does not exist.
        launcher (str, optional): What has started the processes of the run. Defaults to None:
            there is one.

    Raises:
        ValueError: If a run in another process trains there.
    """
    if fcntl is None or int(os.environ.get(_RANKS.get(launcher or '', ''), 0)):
        yield
        return
    work_dir.mkdir(parents=True, exist_ok=True)
    with Path(work_dir, '.running').open('a+') as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                file.seek(0)
                raise InputError(
                    f"another run trains in '{work_dir}' ({file.read() or 'unknown'}): wait "
                    'until it has ended, stop it, or give this one another --work-dir'
                ) from None
        else:
            file.truncate(0)
            file.write(f'process {os.getpid()} on {socket.gethostname()}')
            file.flush()
        yield
