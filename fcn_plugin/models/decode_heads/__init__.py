from .cell_sampler import CellSampler
from .fcn_skip_head import FCNSkipHead

__all__ = ['CellSampler', 'FCNSkipHead']
