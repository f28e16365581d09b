import numpy as np
import pytest
import torch
from caffe_nets import early_net, late_net, narrow_trunk, paper_net, port_net, two_task_net

from fcn_plugin.models import BilinearDeconv
from fcn_plugin.models.converters import from_port, our_net, to_port


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(our_net, 'build_backbone', narrow_trunk)


# --- bad arguments -----------------------------------------------------------


@pytest.mark.parametrize('change, message', [
    ({'bn1.running_mean': torch.zeros(4)}, "'bn1.running_mean' is not the weight"),
    ({'epoch': 3}, "'epoch' is not the weight or bias"),
    ({'fc6.weight': None}, "'fc6.weight' is not the weight"),
    ({'score_pool2.weight': torch.zeros(1)}, 'no place for score_pool2'),
    ({'new.bias': torch.zeros(1)}, "there is 'new.bias', but no 'new.weight'"),
    ({'fc6.bias': torch.zeros(3)}, "'fc6': weights of shape 3, expected 16")])
def test_no_port(change, message):
    with pytest.raises(ValueError, match=message):
        from_port({**port_net('8s'), **change})


@pytest.mark.parametrize('change, message', [
    ({'auxiliary_head.conv.weight': torch.zeros(1)}, 'no place for auxiliary_head'),
    ({'decode_head.score.stride4.bias': torch.zeros(5)}, 'no place for .*stride4.bias'),
    ({'backbone.conv6.conv.weight': torch.zeros(16, 32, 3, 3)}, '32, 3, 3.*, but'),
    ({'backbone.conv7.conv.bias': 'text'}, 'is a str, expected a tensor'),
    ({'decode_head.score.stride32.bias': None}, 'no vector decode_head.score')])
def test_a_net_that_the_port_has_not(change, message):
    with pytest.raises(ValueError, match=message):
        to_port({**from_port(port_net('8s')).state_dict, **change})


def test_a_state_dict_that_lacks_a_layer():
    state_dict = from_port(port_net('8s')).state_dict
    del state_dict['backbone.features.3.conv.bias']
    with pytest.raises(ValueError, match='lacks backbone.features.3.conv.bias'):
        to_port(state_dict)


# --- there and back ----------------------------------------------------------


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert torch.equal(one[key], other[key]), key


@pytest.mark.parametrize('variant', ['32s', '16s', '8s', 'at-once'])
def test_round_trip(variant):
    port = port_net(variant)
    conversion = from_port(port, 'at-once' if variant == 'at-once' else None)
    assert conversion.variant == variant
    again = to_port(conversion.state_dict)
    assert_same(again, port)
    assert_same(from_port(again).state_dict, conversion.state_dict)
    # Caffe's names, so that a script written for the port finds them.
    assert set(again) == {
        f'{name}.{parameter}' for name, (kind, arrays) in paper_net(variant).items()
        if kind != 'Scale' for parameter, _ in zip(('weight', 'bias'), arrays)}


def test_names_do_not_tell_at_once():
    staged, unsaid, at_once = (from_port(port_net('8s'), variant)
                               for variant in ('8s', None, 'at-once'))
    assert staged.variant == unsaid.variant == '8s' and at_once.variant == 'at-once'
    assert 'skip_scales' not in unsaid.decode_head
    assert at_once.decode_head['skip_scales'] == (0.0001, 0.01, 1)
    assert '--variant at-once otherwise' in unsaid.notes[0]
    assert not staged.notes and not at_once.notes


def test_other_types_and_prefixes():
    port = port_net('32s')
    expected = from_port(port).state_dict
    assert_same(from_port({f'module.{key}': value.double().requires_grad_()
                           for key, value in port.items()}).state_dict, expected)
    half = {key: value.bfloat16() for key, value in port.items()}
    in_full = {key: value.float() for key, value in half.items()}
    assert_same(from_port(half).state_dict, from_port(in_full).state_dict)
    ours = from_port(in_full).state_dict
    again = to_port({key: value.bfloat16() for key, value in ours.items()})
    assert_same(again, in_full)
    assert {value.dtype for value in again.values()} == {torch.float32}


def test_learned_kernels_survive():
    port = port_net('8s')
    port['upscore2.weight'] += 0.01 * torch.randn(5, 5, 4, 4)
    conversion = from_port(port)
    assert conversion.decode_head['upsampler']['learnable']
    assert_same(to_port(conversion.state_dict), port)


def test_one_kernel_a_class_is_written_in_full():
    state_dict = from_port(port_net('16s')).state_dict
    deconv = BilinearDeconv(5, 2, learnable=True)
    with torch.no_grad():
        deconv.weight.mul_(torch.arange(1, 6)[:, None, None, None])
    key = 'decode_head.upsample.stride32.weight'
    port = to_port({**state_dict, key: deconv.weight})
    scores = torch.randn(1, 5, 3, 3)
    full = torch.nn.functional.conv_transpose2d(
        scores, port['upscore2.weight'], stride=2, padding=1)
    np.testing.assert_allclose(full, deconv(scores).detach(), atol=1e-5)


# --- two inputs, two tasks -----------------------------------------------------------


def port_of(net):
    return {f'{name}.{parameter}': torch.from_numpy(array)
            for name, (_, arrays) in net.items()
            for parameter, array in zip(('weight', 'bias'), arrays)}


@pytest.mark.parametrize('net, tasks, variant', [
    (early_net(), None, 'colour-depth'),
    *((two_task_net(stage), dict(geometric=3), f'siftflow-{stage}')
      for stage in ('32s', '16s', '8s'))])
def test_names_of_the_authors_come_back(net, tasks, variant):
    port = port_of(net)
    conversion = from_port(port, variant.partition('-')[0] if tasks else variant)
    assert conversion.variant == variant and conversion.num_classes == 5
    assert conversion.decode_head.get('other_tasks') == tasks
    assert_same(to_port(conversion.state_dict, tasks), port)


def test_two_streams_share_the_mean_of_their_biases():
    port = port_of(late_net())
    conversion = from_port(port)
    assert conversion.decode_head['skip_scales'] == (0.5, )
    again = to_port(conversion.state_dict)
    biases = [f'score_fr{stream}.bias' for stream in ('color', 'hha')]
    mean = (port[biases[0]] + port[biases[1]]) / 2
    assert not torch.equal(port[biases[0]], mean)
    assert_same(again, dict(port, **dict.fromkeys(biases, mean)))


@pytest.mark.parametrize('net, change, message', [
    (late_net(), {'conv2_1hha': None}, 'stream hha: .*lacks conv2_1'),
    (late_net(), {'upscore': None}, "stream color: none of the paper's nets"),
    (late_net(), {'score_frhha': ('', [np.zeros((4, 16, 1, 1)), np.zeros(4)])},
     "stream hha: layer 'upscore'"),
    (early_net(), {'conv1_1': paper_net('32s')['conv1_1']}, 'no place for conv1_1_bgrd'),
    (two_task_net('8s'), {'score_pool4_geo': None}, 'lacks score_pool4_geo'),
    (two_task_net('8s'), {'score_fr_sem': None}, 'lacks score_fr_sem'),
    (two_task_net('8s'), {'score_pool3_geo': ('', [np.zeros((4, 16, 1, 1)), np.zeros(4)])},
     'differ in their number of classes: .*score_pool3 5 and 4'),
    (two_task_net('16s'), {'upscore2_geo': ('', [np.ones((3, 3, 4, 4))])},
     'two tasks is learned'),
    (two_task_net('16s'), {'upscore2_geo': ('', [np.ones(3)])}, 'weights of four')])
def test_a_net_of_two_that_is_cut_off_or_another(net, change, message):
    changed = {name: layer for name, layer in {**net, **change}.items() if layer}
    with pytest.raises(ValueError, match=message):
        from_port({key: value.float() for key, value in port_of(changed).items()})


def test_tasks_that_the_authors_have_not():
    with pytest.raises(ValueError, match="'geometric' beside the first"):
        to_port(from_port(port_of(two_task_net('8s'))).state_dict, dict(near=3))
