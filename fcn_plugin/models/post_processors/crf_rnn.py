"""Mean-field steps as a layer that is trained with the network."""
import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...utils.errors import InputError
from .base import PostProcessor
from .dense_crf import check_kernels, check_steps
from .mean_field import Kernels, mean_field
from .permutohedral import appearance_filter, smoothness_filter


@MODELS.register_module()
class CRFRNN(nn.Module, PostProcessor):
    """The CRF as a recurrent layer (Zheng et al., ICCV 2015).

    The mean-field steps of :class:`DenseCRF`, unrolled, on the network's scores. It learns
    a weight for each kernel and class, and the compatibility of classes, which need not be
    symmetric. As in the paper, it does not learn the deviations. It starts with the
    settings of :class:`DenseCRF`: equal weights for all classes, Potts. Gradients reach
    the network through all steps.

    In a config: ``model = dict(post_processor=dict(type='CRFRNN', num_classes=21))``, on
    top of a trained network (``load_from``).

    Args:
        num_classes (int): Number of classes C, at least 2.
        smoothness_weight, smoothness_sigma, appearance_weight, sigma_xy, sigma_rgb
            (float): As in :class:`DenseCRF`; the weights are where learning starts.
        train_steps (int): Mean-field steps in training. Defaults to 5.
        test_steps (int): Mean-field steps in testing. Defaults to 10. Both numbers are
            the paper's.

    Raises:
        ValueError: If a setting is out of its range.
    """

    def __init__(self,
                 num_classes: int,
                 smoothness_weight: float = 3.,
                 smoothness_sigma: float = 3.,
                 appearance_weight: float = 4.,
                 sigma_xy: float = 60.,
                 sigma_rgb: float = 5.,
                 train_steps: int = 5,
                 test_steps: int = 10) -> None:
        super().__init__()
        self.kernels = check_kernels('CRFRNN', Kernels(
            smoothness_weight, smoothness_sigma, appearance_weight, sigma_xy, sigma_rgb))
        check_steps('CRFRNN', train_steps=train_steps, test_steps=test_steps)
        if not isinstance(num_classes, int) or num_classes < 2:
            raise InputError(f'CRFRNN: num_classes={num_classes!r}, expected at least 2: the '
                             "channels of the decode head's scores")
        self.num_classes = num_classes
        self.train_steps, self.test_steps = train_steps, test_steps
        self.smoothness_weights = nn.Parameter(
            torch.full((num_classes, ), float(smoothness_weight)))
        self.appearance_weights = nn.Parameter(
            torch.full((num_classes, ), float(appearance_weight)))
        self.compatibility = nn.Parameter(1 - torch.eye(num_classes))

    def forward(self, scores: Tensor, images: Tensor) -> Tensor:
        """Scores (N, C, H, W) before the softmax to scores, of the same shape.

        Args:
            scores (Tensor): At the images' resolution.
            images (Tensor): (N, H, W, 3), 0 to 255.

        Returns:
            Tensor: Their softmax is the marginals. float32, also under autocast.
        """
        if scores.shape[1] != self.num_classes:
            raise InputError(f'CRFRNN: num_classes={self.num_classes}, but the scores have '
                             f'{scores.shape[1]} channels: set the same in both')
        if images.shape[1:3] != scores.shape[2:]:
            raise InputError(f'CRFRNN: scores are {tuple(scores.shape[2:])}, but images '
                             f'{tuple(images.shape[1:3])}: both are (H, W) of the image')
        with torch.autocast(scores.device.type, enabled=False):
            scores = scores if scores.dtype == torch.float64 else scores.float()
            return torch.stack([self._one(*pair) for pair in zip(scores, images)])

    def _one(self, scores: Tensor, image: Tensor) -> Tensor:
        height, width = image.shape[:2]
        unary = scores.flatten(1).t().contiguous()
        kernels = self.kernels
        smoothness = smoothness_filter(height, width, kernels.smoothness_sigma, unary)
        appearance = appearance_filter(image, kernels.sigma_xy, kernels.sigma_rgb, unary)

        def update(marginals: Tensor) -> Tensor:
            votes = (smoothness(marginals) * self.smoothness_weights
                     + appearance(marginals) * self.appearance_weights)
            return unary - votes @ self.compatibility.t()

        steps = self.train_steps if self.training else self.test_steps
        return mean_field(unary, update, steps).t().reshape(scores.shape)

    def refine(self, scores: Tensor, image: Tensor) -> Tensor:
        """As :meth:`PostProcessor.refine`."""
        return self(scores[None], image[None])[0]
