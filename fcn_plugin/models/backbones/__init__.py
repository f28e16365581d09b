from .efficientnet_lite import EfficientNetLite
from .fully_conv_alexnet import FullyConvAlexNet
from .fully_conv_vgg import FullyConvVGG

__all__ = ['EfficientNetLite', 'FullyConvAlexNet', 'FullyConvVGG']
