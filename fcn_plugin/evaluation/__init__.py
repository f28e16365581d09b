"""The paper's four metrics on one confusion matrix."""
from .confusion import confusion_matrix, segmentation_metrics
from .fcn_metric import FCNMetric

__all__ = ['FCNMetric', 'confusion_matrix', 'segmentation_metrics']
