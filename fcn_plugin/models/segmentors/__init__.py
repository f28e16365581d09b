from .data_preprocessor import FCNDataPreProcessor
from .distillation import DistilledFCNSegmentor, without_teachers
from .fcn_segmentor import FCNSegmentor
from .post_processing import PostProcessing, with_post_processing
from .test_time import FCNTTAModel

__all__ = [
    'DistilledFCNSegmentor', 'FCNDataPreProcessor', 'FCNSegmentor', 'FCNTTAModel',
    'PostProcessing', 'with_post_processing', 'without_teachers'
]
