from .efficientnet_lite import EfficientNetLite
from .fully_conv_alexnet import FullyConvAlexNet
from .fully_conv_googlenet import FullyConvGoogLeNet
from .fully_conv_vgg import FullyConvVGG
from .late_fusion import JoinedScores, LateFusion

__all__ = ['EfficientNetLite', 'FullyConvAlexNet', 'FullyConvGoogLeNet', 'FullyConvVGG',
           'JoinedScores', 'LateFusion']
