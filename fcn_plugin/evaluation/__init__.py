"""The paper's metrics on confusion matrices, and what strides leave of them."""
from .confusion import FIGURES, confusion_matrix, segmentation_metrics
from .fcn_metric import FCNMetric
from .stride_ceiling import coarsen_labels, stride_ceiling
from .trimap import boundary_distance

__all__ = [
    'FIGURES', 'FCNMetric', 'boundary_distance', 'coarsen_labels', 'confusion_matrix',
    'segmentation_metrics', 'stride_ceiling'
]
