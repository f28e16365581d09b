"""Freed memory is kept, where the C library lets it."""
import os
import subprocess
import sys

import pytest

# How often the kernel hands out a page while 64 MB are written and freed again and again.
PROGRAM = '''
import resource, sys
import numpy as np
from fcn_plugin.utils.memory import keep_freed_memory
print(keep_freed_memory())
np.ones(1 << 26, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(1 << 26, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
'''


def kept_and_faults(**environment):
    done = subprocess.run([sys.executable, '-c', PROGRAM], capture_output=True, text=True,
                          check=True, env={**os.environ, **environment})
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
