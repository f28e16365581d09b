"""Pictures of labels: pure functions on numpy arrays.

Images are RGB, (H, W, 3) uint8; labels are integers, (H, W); a palette is a
sequence of RGB triples. Charts are in :mod:`.charts`, which imports all of matplotlib.
"""
from .comparison import comparison, comparison_row, error_map
from .heatmap import heatmap
from .label_png import save_label_png
from .legend import add_legend, class_shares, merge_shares
from .overlay import colour_labels, default_palette, overlay
from .picture import as_picture, save_picture
from .text import enlarge, resize_labels

__all__ = [
    'add_legend', 'as_picture', 'class_shares', 'colour_labels', 'comparison',
    'comparison_row', 'default_palette', 'enlarge', 'error_map', 'heatmap', 'merge_shares',
    'overlay', 'resize_labels', 'save_label_png', 'save_picture'
]
