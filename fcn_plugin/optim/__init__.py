"""Around the optimiser: mixed precision on a CPU, groups of parameters, averaged weights."""
from .amp import CPUAmpOptimWrapper
from .averaging import ForeachEMA
from .groups import FewGroupsOptimWrapperConstructor, regroup

__all__ = ['CPUAmpOptimWrapper', 'FewGroupsOptimWrapperConstructor', 'ForeachEMA', 'regroup']
