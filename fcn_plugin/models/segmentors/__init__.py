from .fcn_segmentor import FCNDataPreProcessor, FCNSegmentor, FCNTTAModel
from .post_processing import PostProcessing, with_post_processing

__all__ = [
    'FCNDataPreProcessor', 'FCNSegmentor', 'FCNTTAModel', 'PostProcessing',
    'with_post_processing'
]
