from .fcn_segmentor import FCNDataPreProcessor, FCNSegmentor

__all__ = ['FCNDataPreProcessor', 'FCNSegmentor']
