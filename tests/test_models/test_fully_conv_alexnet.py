"""FCN-AlexNet against plain float64 code with the authors' numbers typed in."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from caffe_nets import ALEXNET, FC, alexnet, bilinear, encode, narrow_alexnet
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.registry import MODELS

from fcn_plugin.models import BilinearDeconv, FullyConvAlexNet
from fcn_plugin.models.converters import (
    Layer,
    convert_layers,
    from_port,
    our_net,
    read_caffemodel,
    to_port,
)
from fcn_plugin.models.geometry import bilinear_kernel

CLASSES, OFFSET = 5, 18
PADDING, GROUPS = dict(conv1=100, conv2=2, conv3=1, conv4=1, conv5=1), dict(
    conv2=2, conv4=2, conv5=2)


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(our_net, 'build_alexnet', narrow_alexnet)


def build(**head):
    return MODELS.build(dict(
        type='FCNSegmentor', data_preprocessor=dict(type='FCNDataPreProcessor'),
        backbone=dict(type='FullyConvAlexNet', fc_channels=FC),
        decode_head=dict(dict(
            type='FCNSkipHead', alignment='caffe', in_index=(0, ), in_channels=(FC, ),
            in_strides=(32, ), num_classes=CLASSES,
            final_upsampler=dict(type='BilinearDeconv', kernel_size=63)), **head))).eval()


def layers(net):
    return [Layer(name, kind, tuple(arrays)) for name, (kind, arrays) in net.items()]


@pytest.fixture(scope='module')
def net():
    return alexnet(CLASSES)


@pytest.fixture(scope='module')
def model(net, tmp_path_factory):
    """From the bytes of a Caffe model."""
    path = tmp_path_factory.mktemp('caffe') / 'net.caffemodel'
    path.write_bytes(encode(net))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(our_net, 'build_alexnet', narrow_alexnet)
        conversion = convert_layers(read_caffemodel(path).layers)
    model = build(**conversion.decode_head)
    model.load_state_dict(conversion.state_dict)
    return model


def reference(net, image):
    """The authors' graph on an image in float64."""
    weights = {name: [torch.from_numpy(array).double() for array in arrays]
               for name, (_, arrays) in net.items()}

    def conv(x, name, stride=1):
        return F.conv2d(x, *weights[name], stride, PADDING.get(name, 0),
                        groups=GROUPS.get(name, 1)).relu()

    def norm(x):
        squares = F.pad(x**2, (0, 0, 0, 0, 2, 2))
        total = sum(squares[:, i:i + x.shape[1]] for i in range(5))
        return x / (1 + 1e-4 / 5 * total)**0.75

    def pool(x):
        height, width = (-(-(side - 3) // 2) * 2 + 3 for side in x.shape[-2:])
        x = F.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2]),
                  value=float('-inf'))
        return F.max_pool2d(x, 3, 2)

    x = norm(pool(conv(image, 'conv1', 4)))
    x = norm(pool(conv(x, 'conv2')))
    for name in ('conv3', 'conv4', 'conv5'):
        x = conv(x, name)
    x = conv(conv(pool(x), 'fc6'), 'fc7')
    x = F.conv_transpose2d(F.conv2d(x, *weights['score_fr']), *weights['upscore'], stride=32)
    return x[..., OFFSET:OFFSET + image.shape[-2], OFFSET:OFFSET + image.shape[-1]]


# --- bad arguments -----------------------------------------------------------


def test_the_head_needs_its_alignment():
    with pytest.raises(ValueError, match="alignment is 'same', but the backbone's is 'caffe'"):
        build(alignment='same', final_upsampler=dict(type='BilinearUpsample'))


@pytest.mark.parametrize('size', [62, 65])
def test_a_kernel_that_does_not_interpolate(size):
    with pytest.raises(ValueError, match=f'kernel of {size} .* by 32, expected 63 or 64'):
        bilinear_kernel(32, size)


def test_an_odd_kernel_has_no_middle_in_even_rows():
    with pytest.raises(ValueError, match='kernel of 63 shifts the scores by half a pixel'):
        BilinearDeconv(2, 32, kernel_size=63)
    assert BilinearDeconv(2, 3, kernel_size=5)(torch.ones(1, 2, 4, 4)).shape[-1] == 12


@pytest.mark.parametrize('missing', [*ALEXNET, 'score_fr', 'upscore'])
def test_a_missing_layer_is_named(net, missing):
    with pytest.raises(ValueError, match=f"lacks {missing}|none of the paper's nets"):
        convert_layers(layers({name: net[name] for name in net if name != missing}))


def test_vgg_sized_upsampling_is_another_net(net):
    other = {**net, 'upscore': ('Deconvolution', [bilinear(CLASSES, 32)])}
    with pytest.raises(ValueError, match="'upscore'.*5x5x64x64, expected 5x5x63x63"):
        convert_layers(layers(other))
    with pytest.raises(ValueError, match='alexnet contradicts|32s contradicts'):
        convert_layers(layers(net), '32s')


# --- values ------------------------------------------------------------------


def test_the_kernel_is_the_papers():
    np.testing.assert_allclose(bilinear_kernel(32, 63), bilinear(1, 32, 63)[0, 0], atol=1e-7)


@torch.no_grad()
def test_dropout_is_elementwise_behind_both_wide_layers():
    trunk = FullyConvAlexNet(fc_channels=64, fc_dropout=0.25)
    for layer, weight in ((trunk.conv6, torch.zeros(64, 256, 6, 6)),
                          (trunk.conv7, torch.eye(64)[..., None, None])):
        layer.weight.copy_(weight)
        layer.bias.fill_(layer is trunk.conv6)
    found, = trunk(torch.zeros(1, 3, 120, 120))  # of ones, each dropped or times 4 / 3 twice
    assert set(found.unique().tolist()) <= {0., float(torch.tensor(4 / 3)**2), 16 / 9}
    assert found.gt(0).float().mean() == pytest.approx(0.75**2, abs=0.1)
    assert (found.std((2, 3)) > 0).any()
    assert (trunk.eval()(torch.zeros(1, 3, 120, 120))[0] == 1).all()


def test_layers_start_by_he_s_initialisation():
    trunk = FullyConvAlexNet(fc_channels=8)
    trunk.init_weights()
    std = (2 / (384 * 9))**0.5
    assert trunk.conv3.weight.std().item() == pytest.approx(std, rel=0.01)
    assert not trunk.conv3.bias.any()


def test_the_offset_is_the_published_one(model):
    assert model.decode_head.image_offset == OFFSET


@settings(max_examples=12, deadline=None, derandomize=True)
@given(height=st.integers(1, 400), width=st.integers(1, 400), batch=st.integers(1, 2))
def test_any_size_scores_as_the_authors_graph(model, net, height, width, batch):
    image = torch.randn(batch, 3, height, width) * 60
    with torch.no_grad():
        logits = model.encode_decode(image, [dict(img_shape=(height, width))] * batch)
        expected = reference(net, image.double())
    assert logits.shape == expected.shape == (batch, CLASSES, height, width)
    assert (logits - expected).abs().max() < 1e-4 * expected.abs().max()


def test_labels_are_those_of_the_highest_scores(model):
    """In one step from stride 32, without logits."""
    image = torch.randn(1, 3, 75, 131) * 60
    with torch.no_grad():
        expected = model.encode_decode(image, [dict(img_shape=(75, 131))])
        found, = model.predict(image, logits=True)
    # but for the borders, at which the last upsampling fades
    error = (found.seg_logits.data - expected)[..., 16:-32, 16:-32]
    assert error.abs().max() < 1e-4 * expected.abs().max()
    same = found.pred_sem_seg.data == expected.argmax(1)
    assert same.double().mean() > 0.999  # ties of two classes apart


# --- there and back ----------------------------------------------------------


def test_every_weight_gets_its_place_and_goes_back(net):
    conversion = convert_layers(layers(net))
    assert conversion.variant == 'alexnet' and conversion.notes == []
    assert conversion.decode_head == dict(
        in_strides=(32, ), num_classes=CLASSES,
        final_upsampler=dict(type='BilinearDeconv', kernel_size=63))
    port = to_port(conversion.state_dict)
    assert port.keys() == {f'{name}.{parameter}' for name, (_, arrays) in net.items()
                           for parameter, _ in zip(('weight', 'bias'), arrays)}
    for name, (_, arrays) in net.items():
        for parameter, array in zip(('weight', 'bias'), arrays):
            np.testing.assert_array_equal(port[f'{name}.{parameter}'], array)
    again = from_port(port).state_dict
    assert again.keys() == conversion.state_dict.keys()
    assert all(torch.equal(again[key], value)
               for key, value in conversion.state_dict.items())


def test_learned_kernels_survive(net):
    kernel = net['upscore'][1][0] + 0.01
    conversion = convert_layers(layers({**net, 'upscore': ('Deconvolution', [kernel])}))
    model = build(**conversion.decode_head)
    model.load_state_dict(conversion.state_dict)
    np.testing.assert_array_equal(model.decode_head.upsample_image.weight.detach(), kernel)
    np.testing.assert_array_equal(to_port(conversion.state_dict)['upscore.weight'], kernel)


def test_imagenets_classifier_starts_it(net, tmp_path):
    """fc6 and fc7 are matrices there, and the classes are others."""
    classifier = {name: net[name] for name in ALEXNET}
    for name in ('fc6', 'fc7'):
        weight, bias = net[name][1]
        classifier[name] = ('InnerProduct', [weight.reshape(len(weight), -1), bias])
    classifier['fc8'] = ('InnerProduct', [np.zeros((7, FC)), np.zeros(7)])
    conversion = convert_layers(layers(classifier))
    assert conversion.variant == 'imagenet' and 'AlexNet of ImageNet' in conversion.report()
    assert 'not stored: the classifier' in conversion.report()
    torch.save(dict(state_dict=conversion.state_dict), tmp_path / 'alexnet.pth')
    backbone = FullyConvAlexNet(fc_channels=FC, init_cfg=dict(
        type='Pretrained', checkpoint=str(tmp_path / 'alexnet.pth')))
    backbone.init_weights()
    for name, ours in zip(ALEXNET, (f'conv{i}' for i in range(1, 8))):
        np.testing.assert_array_equal(backbone.get_submodule(ours).weight.detach(),
                                      net[name][1][0])
    with pytest.raises(ValueError, match="ImageNet's AlexNet, expected imagenet"):
        convert_layers(layers(classifier), '32s')
