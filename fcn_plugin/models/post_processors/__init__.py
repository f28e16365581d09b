from .base import PostProcessor
from .crf_rnn import CRFRNN
from .dense_crf import DenseCRF, dense_crf
from .permutohedral import PermutohedralFilter

__all__ = ['CRFRNN', 'DenseCRF', 'PermutohedralFilter', 'PostProcessor', 'dense_crf']
