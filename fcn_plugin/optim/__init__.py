"""What wraps optimisers: mixed precision without a GPU, and few groups of parameters."""
from .amp import CPUAmpOptimWrapper
from .groups import FewGroupsOptimWrapperConstructor, regroup

__all__ = ['CPUAmpOptimWrapper', 'FewGroupsOptimWrapperConstructor', 'regroup']
