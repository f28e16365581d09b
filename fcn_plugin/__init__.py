"""The fully convolutional networks of Long, Shelhamer and Darrell for mmsegmentation.

Importing the package registers its types into mmseg's registries, so that
``custom_imports=dict(imports=['fcn_plugin'])`` is all that a config needs.
"""
from . import compat

compat.apply()  # before anything imports mmseg

from . import datasets, engine, evaluation, models  # noqa: E402,F401
from .version import __version__  # noqa: E402

__all__ = ['__version__']
