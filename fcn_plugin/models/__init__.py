"""The network: backbones, the head, its upsamplers, and the segmentor around them."""
from .backbones import FullyConvVGG
from .decode_heads import FCNSkipHead
from .feature_maps import FeatureMap, describe_backbone
from .segmentors import FCNDataPreProcessor, FCNSegmentor
from .upsamplers import BilinearDeconv, BilinearUpsample, MaxUnpool

__all__ = [
    'BilinearDeconv', 'BilinearUpsample', 'FCNDataPreProcessor', 'FCNSegmentor',
    'FCNSkipHead', 'FeatureMap', 'FullyConvVGG', 'MaxUnpool', 'describe_backbone'
]
