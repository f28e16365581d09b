"""What programs import: prediction in two lines, training and judging from a config.

.. code-block:: python

    from fcn_plugin.apis import FCNInferencer
    FCNInferencer(weights='best.pth')('photo.jpg').save('out')
"""
from ..checkpoints.loading import load_model, read_checkpoint
from ..deployment.export import export
from ..engine.test import test
from ..engine.train import train
from ..inference.inferencer import FCNInferencer
from ..inference.result import Result
from ..utils.config import load_config

__all__ = ['FCNInferencer', 'Result', 'export', 'load_config', 'load_model',
           'read_checkpoint', 'test', 'train']
