"""AlexNet whose fully connected layers are convolutions: the trunk of FCN-AlexNet."""
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..geometry import CAFFE_PADDING, Grid

LRN = dict(size=5, alpha=1e-4, beta=0.75)
"""The response normalisation behind pool1 and pool2; torch divides ``alpha`` by ``size``,
as Caffe does."""


@MODELS.register_module()
class FullyConvAlexNet(BaseModule):
    """The trunk of the authors' FCN-AlexNet, in their alignment alone.

    conv1 pads the image by 100, pooling is 3x3 with stride 2 and rounds up, fc6 is 6x6 and
    not padded; a grouped convolution's halves see half of the channels each. So a map
    of stride 32 covers an image of any size from 1x1 up. The layers are called conv1 to
    conv7; Caffe's fc6 and fc7 are conv6 and conv7. The head behind it upsamples with
    ``final_upsampler=dict(type='BilinearDeconv', kernel_size=63)``: no whole number of pixels
    would be cropped with 64.

    ImageNet weights come from AlexNet's Caffe model by
    ``tools/model_converters/caffe2fcn.py``.

    Args:
        in_channels (int): Channels of the image. Defaults to 3.
        fc_channels (int): Width of conv6 and conv7. Defaults to 4096, AlexNet's.
        fc_dropout (float): Elementwise dropout after conv6 and after conv7.
            Defaults to 0.5.
        init_cfg (dict | list[dict], optional): As in mmengine. Defaults to None: He's
            initialisation.
    """

    alignment = 'caffe'

    def __init__(self, in_channels: int = 3, fc_channels: int = 4096,
                 fc_dropout: float = 0.5, init_cfg=None) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d'))
        self.conv1 = nn.Conv2d(in_channels, 96, 11, stride=4, padding=CAFFE_PADDING)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.conv6 = nn.Conv2d(256, fc_channels, 6)
        self.conv7 = nn.Conv2d(fc_channels, fc_channels, 1)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.norm = nn.LocalResponseNorm(**LRN)
        self.fc_dropout = nn.Dropout(fc_dropout)

    @property
    def grids(self) -> list[Grid]:
        """list[Grid]: Where conv7's map lies in the image."""
        grid = Grid().convolve(11, 4, CAFFE_PADDING)
        for _ in range(3):  # conv2 to conv5 pad what their kernels take
            grid = grid.convolve(3, 2)
        return [grid.convolve(6)]

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """An image (N, C, H, W) to conv7's map, (N, ``fc_channels``, h, w), stride 32."""
        x = self.norm(self.pool(F.relu(self.conv1(image))))
        x = self.norm(self.pool(F.relu(self.conv2(x))))
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = self.pool(F.relu(self.conv5(x)))
        x = self.fc_dropout(F.relu(self.conv6(x)))
        return (self.fc_dropout(F.relu(self.conv7(x))), )
