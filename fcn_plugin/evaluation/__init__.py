"""The paper's metrics on confusion matrices, and what strides leave of them."""
from .confusion import FIGURES, confusion_matrix, segmentation_metrics
from .fcn_metric import FCNMetric, check_label_files
from .stride_ceiling import coarsen_labels, stride_ceiling
from .trimap import boundary_distance

__all__ = [
    'FIGURES', 'FCNMetric', 'boundary_distance', 'check_label_files', 'coarsen_labels',
    'confusion_matrix', 'segmentation_metrics', 'stride_ceiling'
]
