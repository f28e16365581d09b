"""The authors' nets, to the letter, against plain float64 code written from the paper.

The reference below shares nothing with the package: numpy-like functional torch in
float64, with the authors' numbers typed in.
"""
import pytest
import torch
import torch.nn.functional as F
from caffe_nets import FC, WIDTHS, encode, narrow_trunk, paper_net
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.registry import MODELS

from fcn_plugin.models import FullyConvVGG
from fcn_plugin.models.converters import convert_layers, our_net, read_caffemodel
from fcn_plugin.models.geometry import Grid, crop_at

BLOCKS = ((0, 1), (3, 4), (6, 7, 8), (10, 11, 12), (14, 15, 16))  # places in `features`
SIZES = [(1, 1), (7, 31), (32, 32), (33, 50), (64, 97), (101, 75), (129, 160)]
NETS = {  # strides used, skip scales, crop offsets: logits, pool4, pool3
    '32s': ((32, ), (1, ), (19, )),
    '16s': ((16, 32), (1, 1), (27, 5)),
    '8s': ((8, 16, 32), (1, 1, 1), (31, 5, 9)),
    'at-once': ((8, 16, 32), (0.0001, 0.01, 1), (31, 5, 9)),
}
PLACES = {  # the authors' names of layers
    f'conv{block}_{i}': f'backbone.features.{place}.conv'
    for block, places in enumerate(BLOCKS, 1) for i, place in enumerate(places, 1)}
PLACES.update(fc6='backbone.conv6.conv', fc7='backbone.conv7.conv',
              score_fr='decode_head.score.stride32',
              score_pool4='decode_head.score.stride16',
              score_pool3='decode_head.score.stride8')
WIDTH, CLASSES = 24, 5


def build(net, **kwargs):
    """A net of the authors' width, but for fc6 and fc7."""
    strides, scales, _ = NETS[net]
    count = len(strides)
    model = MODELS.build(dict(dict(
        type='FCNSegmentor', data_preprocessor=dict(type='FCNDataPreProcessor'),
        backbone=dict(type='FullyConvVGG', depth=16, alignment='caffe', fc_channels=WIDTH,
                      out_indices=(2, 3, 5)[-count:]),
        decode_head=dict(type='FCNSkipHead', alignment='caffe',
                         in_index=tuple(range(count)), in_strides=strides,
                         in_channels=(256, 512, WIDTH)[-count:], num_classes=CLASSES,
                         skip_scales=scales)), **kwargs))
    for parameter in model.parameters():  # He's scale, so that no map dies out
        if parameter.dim() == 4:
            torch.nn.init.normal_(parameter, std=(2 / parameter[0].numel())**0.5)
        else:
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def upsample(scores, factor):
    size = 2 * factor
    centre = factor - 0.5
    ramp = torch.tensor([1 - abs(i - centre) / factor for i in range(size)]).double()
    kernel = torch.zeros(CLASSES, CLASSES, size, size).double()
    for c in range(CLASSES):
        kernel[c, c] = ramp[:, None] * ramp[None, :]
    return F.conv_transpose2d(scores, kernel, stride=factor)


def reference(weights, image, net):
    """The authors' graph; ``weights`` and ``image`` in float64."""
    _, scales, offsets = NETS[net]

    def conv(x, name, padding):
        return F.conv2d(x, weights[f'{name}.weight'], weights[f'{name}.bias'],
                        padding=padding)

    x, pools = image, []
    for block in BLOCKS:
        for place in block:
            name = f'backbone.features.{place}.conv'
            x = F.relu(conv(x, name, 100 if place == 0 else 1))
        x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        pools.append(x)
    x = F.relu(conv(x, 'backbone.conv6.conv', 0))
    x = F.relu(conv(x, 'backbone.conv7.conv', 0))
    fused = conv(x, 'decode_head.score.stride32', 0)
    for stride, pool, scale, offset in zip((16, 8), (pools[3], pools[2]),
                                           reversed(scales[:-1]), offsets[1:]):
        fused = upsample(fused, 2)
        height, width = fused.shape[-2:]
        skip = conv(pool * scale, f'decode_head.score.stride{stride}', 0)
        fused = fused + skip[..., offset:offset + height, offset:offset + width]
    logits = upsample(fused, {'32s': 32, '16s': 16}.get(net, 8))
    at = offsets[0]
    return logits[..., at:at + image.shape[-2], at:at + image.shape[-1]]


# --- bad arguments -----------------------------------------------------------


def test_alignments_must_agree():
    same = dict(type='FullyConvVGG', depth=11, fc_channels=WIDTH, out_indices=(5, ))
    with pytest.raises(ValueError, match="head's alignment is 'caffe', but the backbone's"):
        build('32s', backbone=same)
    head = dict(type='FCNSkipHead', alignment='full', in_index=(0, ), in_strides=(32, ),
                in_channels=(WIDTH, ), num_classes=2)
    with pytest.raises(ValueError, match="alignment is 'full', expected"):
        MODELS.build(head)
    with pytest.raises(ValueError, match="alignment is 'full', expected"):
        MODELS.build(dict(same, alignment='full'))


def test_unpooling_has_no_place_in_the_authors_nets():
    with pytest.raises(ValueError, match='not by MaxUnpool'):
        MODELS.build(dict(
            type='FCNSkipHead', alignment='caffe', in_index=(0, 1), in_strides=(16, 32),
            in_channels=(8, 8), num_classes=2, upsampler=dict(type='MaxUnpool')))


def test_maps_that_do_not_meet():
    with pytest.raises(ValueError, match='does not lie on'):
        Grid(8, 0).offset_of(Grid(8, 4))
    with pytest.raises(ValueError, match='cannot crop 3x3 at 2 from a map of 4x4'):
        crop_at(torch.zeros(1, 1, 4, 4), 2, (3, 3))
    for size in ((4, 5), (5, 4)):  # too small along one axis
        with pytest.raises(ValueError, match=f'from a map of {size[0]}x{size[1]}'):
            crop_at(torch.zeros(1, 1, *size), 2, (3, 3))


@pytest.mark.parametrize('kernel', [3, 5, 7])
def test_a_smaller_fc6_covers_images_of_any_size_or_says_which_does(kernel):
    model = MODELS.build(dict(
        type='FCNSegmentor', data_preprocessor=None,
        backbone=dict(type='FullyConvVGG', depth=11, fc_channels=4, alignment='caffe',
                      fc_kernel_size=kernel),
        decode_head=dict(
            type='FCNSkipHead', alignment='caffe', in_index=(0, 1, 2), in_strides=(8, 16, 32),
            in_channels=(256, 512, 4), num_classes=2))).eval().to('meta')
    refused = []
    for side in range(1, 33):
        image = torch.empty(1, 3, side, side, device='meta')
        try:
            logits = model.encode_decode(image, [dict(img_shape=(side, side))])
            assert logits.shape == (1, 2, side, side)
        except ValueError as error:
            assert 'where fc_kernel_size is 5 or 7' in str(error)
            refused.append(side)
    assert len(refused) == (16 if kernel == 3 else 0)


# --- values ------------------------------------------------------------------


@pytest.mark.parametrize('net', NETS)
def test_offsets_are_the_published_ones(net):
    head = build(net).decode_head
    assert (head.image_offset, *reversed(head.skip_offsets)) == NETS[net][2]


def test_a_smaller_fc6_lies_where_its_kernel_puts_it():
    pool5, conv7 = FullyConvVGG(11, (4, 5), alignment='caffe', fc_channels=4,
                                fc_kernel_size=3).grids
    assert conv7 == Grid(32, pool5.start + 32)


def equal_the_reference(model, net, size, batch=1):
    weights = {name: value.double() for name, value in model.state_dict().items()}
    image = torch.randn(batch, 3, *size) * 60
    with torch.no_grad():
        logits = model.encode_decode(image, [dict(img_shape=size)] * batch)
        expected = reference(weights, image.double(), net)
    assert logits.shape == expected.shape == (batch, CLASSES, *size)
    error = (logits - expected).abs().max() / expected.abs().max()
    assert error < 1e-4, (size, float(error))


def test_scores_equal_the_authors_graph_at_full_width():
    equal_the_reference(build('at-once'), 'at-once', (33, 50))


@pytest.mark.parametrize('net', NETS)
@pytest.mark.parametrize('size', SIZES)
def test_scores_equal_the_authors_graph(narrow, net, size):
    equal_the_reference(narrow[net], net, size)


@pytest.mark.parametrize('net', ['16s', 'at-once'])
def test_a_converted_net_scores_as_the_authors(net, tmp_path, monkeypatch):
    """From the bytes of a caffemodel to scores, config settings included."""
    monkeypatch.setattr(our_net, 'build_backbone', narrow_trunk)
    layers = paper_net(net, CLASSES)
    for _, (kind, arrays) in layers.items():
        if kind == 'Convolution':  # He's scale, so that no map dies out
            arrays[0] *= (2 / arrays[0][0].size)**0.5
    source = tmp_path / 'net.caffemodel'
    source.write_bytes(encode(layers))
    conversion = convert_layers(read_caffemodel(source).layers)
    model = build_narrow(net, **conversion.decode_head)
    model.load_state_dict(conversion.state_dict)

    weights = {f'{ours}.{parameter}': torch.from_numpy(array).double()
               for name, ours in PLACES.items() if name in layers
               for parameter, array in zip(('weight', 'bias'), layers[name][1])}
    image = torch.randn(1, 3, 61, 90) * 60
    with torch.no_grad():
        logits = model.encode_decode(image, [dict(img_shape=(61, 90))]).double()
    expected = reference(weights, image.double(), net)
    assert (logits - expected).abs().max() < 1e-4 * expected.abs().max()


def build_narrow(net, **head):
    """A sixteenth of the width, with weights yet to be filled."""
    strides, _, _ = NETS[net]
    model = build(net)
    trunk = narrow_trunk(alignment='caffe', out_indices=(2, 3, 5)[-len(strides):])
    model.backbone = trunk.to_empty(device='cpu')
    channels = dict(zip((8, 16, 32), (*WIDTHS[2:4], FC)))
    model.decode_head = MODELS.build(dict(
        type='FCNSkipHead', alignment='caffe', in_index=tuple(range(len(strides))),
        in_channels=[channels[stride] for stride in strides], **head))
    model.decode_head.align(model.backbone.grids)
    return model.eval()


@pytest.fixture(scope='module')
def narrow():
    """The nets, with weights by chance."""
    torch.manual_seed(0)
    models = {}
    for net, (strides, scales, _) in NETS.items():
        models[net] = build_narrow(net, in_strides=strides, num_classes=CLASSES,
                                   skip_scales=scales)
        for layer in models[net].modules():
            if type(layer) is torch.nn.Conv2d:
                torch.nn.init.normal_(layer.weight, std=(2 / layer.weight[0].numel())**0.5)
                torch.nn.init.normal_(layer.bias, std=0.1)
    return models


@settings(max_examples=12, deadline=None, derandomize=True)
@given(net=st.sampled_from(list(NETS)), height=st.integers(1, 600),
       width=st.integers(1, 600), batch=st.integers(1, 3))
def test_any_size_scores_as_the_authors_graph(narrow, net, height, width, batch):
    equal_the_reference(narrow[net], net, (height, width), batch)


def test_training_sees_the_same_scores():
    """The loss of the caffe alignment is over the image's own pixels."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample
    model = build('8s')
    image, labels = torch.randn(1, 3, 33, 50), torch.randint(0, CLASSES, (1, 33, 50))
    sample = SegDataSample(metainfo=dict(img_shape=(33, 50), ori_shape=(33, 50)))
    sample.gt_sem_seg = PixelData(data=labels)
    with torch.no_grad():
        loss = model.loss(image, [sample])['decode.loss_ce']
        logits = model.encode_decode(image, [dict(img_shape=(33, 50))])
    assert float(loss) == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-5)


def test_both_alignments_agree_where_no_border_is_seen(narrow):
    """The same weights: conv7's columns lie at 32 i + 15.5, and at the authors' 32 i + 12.5.

    So the two never look at the same places of one image; they are 3 pixels apart. Cut
    by 29 pixels, 32 less those 3, the image puts column i of the one on column i + 1 of
    the other, and out of reach of the padding the scores are equal.
    """
    caffe = narrow['32s']
    trunk = narrow_trunk(out_indices=(5, )).to_empty(device='cpu').eval()
    trunk.load_state_dict(caffe.backbone.state_dict())
    head = MODELS.build(dict(
        type='FCNSkipHead', in_index=(0, ), in_strides=(32, ), in_channels=(FC, ),
        num_classes=CLASSES)).eval()
    head.load_state_dict(caffe.decode_head.state_dict())
    shift = 29
    image = torch.randn(1, 3, 640 + shift, 640 + shift) * 60
    with torch.no_grad():
        ours = head(trunk(image[..., shift:, shift:]))
        theirs = caffe.decode_head(caffe.extract_feat(image))
    # conv7 sees 404 pixels, so six of its columns at each side see the border.
    inside = ours[..., 7:13, 7:13]
    torch.testing.assert_close(inside, theirs[..., 8:14, 8:14], rtol=1e-3,
                               atol=1e-3 * float(inside.abs().max()))
