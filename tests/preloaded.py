"""Imported by the process that trainings are forked off: all that they would load again."""
import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401  by mmengine's visualizer
import torch.distributed.run
import torch.utils.cpp_extension  # noqa: F401  by mmengine's list of what is installed

import fcn_plugin.engine.train  # noqa: F401
from fcn_plugin.ops import labels

labels.compiled()
