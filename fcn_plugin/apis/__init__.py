"""What the tools call: configs, training, testing, prediction."""
from .inferencer import FCNInferencer
from .result import Result

__all__ = ['FCNInferencer', 'Result']
