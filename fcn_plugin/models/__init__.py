"""The network: backbones, head, upsamplers, post processors, segmentor around them."""
from .backbones import FullyConvAlexNet, FullyConvVGG
from .decode_heads import FCNSkipHead
from .feature_maps import FeatureMap, describe_backbone
from .packaged_weights import load_from_pypi
from .post_processors import CRFRNN, DenseCRF, dense_crf
from .segmentors import (
    DistilledFCNSegmentor,
    FCNDataPreProcessor,
    FCNSegmentor,
    FCNTTAModel,
    without_teachers,
)
from .speed_up import speed_up
from .upsamplers import BilinearDeconv, BilinearUpsample, MaxUnpool

__all__ = [
    'BilinearDeconv', 'BilinearUpsample', 'CRFRNN', 'DenseCRF', 'DistilledFCNSegmentor',
    'FCNDataPreProcessor', 'FCNSegmentor', 'FCNSkipHead', 'FCNTTAModel', 'FeatureMap',
    'FullyConvAlexNet', 'FullyConvVGG', 'MaxUnpool', 'dense_crf', 'describe_backbone',
    'load_from_pypi', 'speed_up', 'without_teachers'
]
