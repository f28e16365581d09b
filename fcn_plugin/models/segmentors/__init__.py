from .fcn_segmentor import FCNDataPreProcessor, FCNSegmentor, FCNTTAModel

__all__ = ['FCNDataPreProcessor', 'FCNSegmentor', 'FCNTTAModel']
