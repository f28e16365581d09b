"""Memory of a process: what it frees is kept, what it imported is no garbage."""
import ctypes
import gc
import os
import sys
from functools import cache

# <malloc.h> of the GNU C library
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Tells the C library to keep the memory that this process frees.

    The GNU C library gets tensors above 32 MB from the kernel one by one and gives
    them back when they are freed, so that the kernel clears each of their pages anew
    in each iteration: half the time of a convolutional network on an image of
    1024x1024. Kept memory costs nothing of this; the process stays as large as it
    ever was until it ends, as with PyTorch's memory on a GPU.

    Processes forked later inherit it. Nothing is done where another C library or
    allocator is in use, or where ``MALLOC_TRIM_THRESHOLD_`` or ``MALLOC_MMAP_MAX_``
    in the environment say how it is to be.

    Returns:
        bool: Whether memory is kept from now on because of this call.
    """
    if sys.platform != 'linux' or not os.environ.keys().isdisjoint(
            ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_MAX_')):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt  # musl has none
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))


@cache
def keep_imported() -> None:
    """Has the garbage collector pass over all objects that exist now.

    For programs, once the imports are done. torch and mmsegmentation leave hundreds of
    thousands of objects, and mmengine collects garbage for each data set that it builds: a
    third of a second each time, most of it spent on them. Processes forked later share
    their memory for longer, too. Calls after the first change nothing.
    """
    gc.freeze()
