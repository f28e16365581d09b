from .data_preprocessor import FCNDataPreProcessor
from .fcn_segmentor import FCNSegmentor
from .post_processing import PostProcessing, with_post_processing
from .test_time import FCNTTAModel

__all__ = [
    'FCNDataPreProcessor', 'FCNSegmentor', 'FCNTTAModel', 'PostProcessing',
    'with_post_processing'
]
