"""Freed memory is kept, where the C library lets it; what was imported is no garbage."""
import gc
import os
import subprocess
import sys

import pytest
from tiny_runs import run_tool

from fcn_plugin.utils import memory

# How often the kernel hands out a page while 64 MB are written and freed again and again.
# The file alone, without the package's imports, which take seconds.
PROGRAM = '''
import resource, runpy, sys
import numpy as np
print(runpy.run_path(sys.argv[1])['keep_freed_memory']())
np.ones(1 << 26, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(1 << 26, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
'''


def kept_and_faults(**environment):
    done = subprocess.run([sys.executable, '-c', PROGRAM, memory.__file__], text=True,
                          capture_output=True, check=True, env={**os.environ, **environment})
    kept, faults = done.stdout.split()[-2:]
    return kept == 'True', int(faults)


@pytest.mark.skipif(not os.confstr_names.get('CS_GNU_LIBC_VERSION'),
                    reason='needs the GNU C library')
def test_freed_memory_is_not_fetched_again():
    kept, faults = kept_and_faults()
    assert kept and faults < 100


def test_what_the_environment_says_is_left():
    kept, _ = kept_and_faults(MALLOC_TRIM_THRESHOLD_='1000000')
    assert not kept


def test_a_tool_passes_over_what_was_imported_and_keeps_no_garbage(tmp_path):
    gc.unfreeze()
    memory.keep_imported.cache_clear()  # tests before this one have called it
    before = len(gc.get_objects())
    run_tool('test.py', tmp_path / 'absent.py', 'absent.pth')
    frozen = gc.get_freeze_count()
    assert frozen > before / 2
    run_tool('test.py', tmp_path / 'absent.py', 'absent.pth')  # it is called once more
    assert gc.get_freeze_count() <= frozen
