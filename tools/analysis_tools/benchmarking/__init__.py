"""Side-by-side timings of this package, plain PyTorch and mmsegmentation."""
import fcn_plugin  # noqa: F401  before anything imports mmseg

from .report import run_benchmark
from .timing import Timing, measure

__all__ = ['Timing', 'measure', 'run_benchmark']
