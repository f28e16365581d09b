"""Labels of images of any size, stride and batch, against plain torch in float64."""
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

CHANNELS, CLASSES = 4, 5
SIDES = st.integers(1, 600)


class PooledPixels(nn.Module):
    """A backbone whose maps are means over the image's cells: no weights, all strides."""

    def __init__(self, strides):
        super().__init__()
        self.strides = strides

    def forward(self, image):
        image = torch.cat([image, image.sum(1, keepdim=True).sin()], 1)
        return tuple(F.avg_pool2d(image, stride) for stride in self.strides)


@pytest.fixture(scope='module', autouse=True)
def registered():
    MODELS.register_module(module=PooledPixels)
    yield
    del MODELS.module_dict['PooledPixels']


def build(strides, **test_cfg):
    count = len(strides)
    model = MODELS.build(dict(
        type='FCNSegmentor',
        data_preprocessor=dict(type='FCNDataPreProcessor', mean=[99.] * 3, std=[50.] * 3),
        backbone=dict(type='PooledPixels', strides=strides),
        decode_head=dict(type='FCNSkipHead', in_index=tuple(range(count)),
                         in_channels=(CHANNELS, ) * count, in_strides=strides,
                         num_classes=CLASSES), test_cfg=test_cfg))
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model.eval()


def reference(model, pixels, strides):
    """Scores (C, H, W) of one image: pad, pool, score, enlarge, add, cut."""
    height, width = pixels.shape[-2:]
    image = (pixels.double()[None] - 99) / 50
    image = F.pad(image, (0, -width % strides[-1], 0, -height % strides[-1]), 'replicate')
    image = torch.cat([image, image.sum(1, keepdim=True).sin()], 1)
    total = 0
    for i in reversed(range(len(strides))):
        layer = model.decode_head.score[f'stride{strides[i]}']
        total = total + F.conv2d(F.avg_pool2d(image, strides[i]), layer.weight.double(),
                                 layer.bias.double())
        factor = strides[i] // strides[i - 1] if i else strides[0]
        total = F.interpolate(total, scale_factor=factor, mode='bilinear',
                              align_corners=False)
    return total[0, :, :height, :width]


def sample(size):
    data = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))
    data.gt_sem_seg = PixelData(data=torch.zeros(1, *size, dtype=torch.long))
    return data


@settings(max_examples=40, deadline=None, derandomize=True)
@given(sizes=st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=3),
       strides=st.sampled_from([(2, ), (4, ), (32, ), (2, 6), (16, 32), (8, 16, 32),
                                (4, 8, 16, 32), (3, 6, 12)]),
       how=st.sampled_from(['labels', 'logits', 'tile']))
def test_labels_of_any_size(sizes, strides, how):
    torch.manual_seed(sum(map(sum, sizes)))
    options = dict(labels={}, logits=dict(logits=True),
                   tile=dict(mode='tile', tile=160, overlap=33))[how]
    model = build(strides, **options)
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
    with torch.no_grad():
        found = model.test_step(dict(inputs=images, data_samples=list(map(sample, sizes))))
        for image, size, result in zip(images, sizes, found):
            labels = result.pred_sem_seg.data
            assert labels.shape == (1, *size)
            expected = reference(model, image, strides)
            if how == 'logits':
                assert result.seg_logits.data.shape == (CLASSES, *size)
                assert (result.seg_logits.data - expected).abs().max() < 1e-3
            best = expected.topk(2, 0).values
            clear = best[0] - best[1] > 1e-3
            assert torch.equal(labels[0].long()[clear], expected.argmax(0)[clear])
            assert clear.float().mean() > 0.9 or clear.numel() < 100
