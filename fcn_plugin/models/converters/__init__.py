"""Weights of the authors' nets, and of ports of them, to ours and back."""
from .caffemodel import CaffeModel, Layer, read_caffemodel
from .mapping import VARIANTS, Conversion, convert_layers
from .pascal_context import reorder_classes
from .ports import from_port, to_port

__all__ = [
    'CaffeModel', 'Conversion', 'Layer', 'VARIANTS', 'convert_layers', 'from_port',
    'read_caffemodel', 'reorder_classes', 'to_port'
]
