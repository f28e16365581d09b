"""Graphs of every backbone that a config names, at sizes other than the traced one."""
import re
from copy import deepcopy
from importlib.util import find_spec

import pytest
import torch
from mmpretrain.models.backbones import EfficientNet
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from test_deployed import HEAD, build
from tiny_runs import CONFIGS

from fcn_plugin import compat
from fcn_plugin.deployment.deployed import DeployedSegmentor
from fcn_plugin.deployment.export import write_onnx
from fcn_plugin.deployment.symbolic_sizes import for_any_size
from fcn_plugin.models import describe_backbone
from fcn_plugin.models.backbones.efficientnet_lite import EfficientNetLite
from fcn_plugin.models.same_padding import same_padded
from fcn_plugin.runtimes.table import RUNTIMES, open_graph

pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
# The smallest of each kind that a config names: the same modules, in the same order.
BACKBONES = {
    'FullyConvVGG': dict(depth=11, fc_channels=8, fc_kernel_size=3, out_indices=(2, 3, 5)),
    'mmpretrain.ResNet': dict(depth=18, stem_channels=8, base_channels=8,
                              out_indices=(1, 2, 3)),
    'mmpretrain.MobileNetV2': dict(widen_factor=0.25, out_indices=(2, 4, 6)),
    'mmpretrain.HRNet': dict(extra={
        f'stage{i}': dict(num_modules=1, num_branches=i, num_blocks=(1, ) * i,
                          block='BASIC' if i > 1 else 'BOTTLENECK',
                          num_channels=(8, 16, 24, 32)[:i]) for i in range(1, 5)}),
    'mmpretrain.ConvNeXt': dict(
        arch=dict(depths=[1, 1, 1, 1], channels=[8, 16, 24, 32]), out_indices=(1, 2, 3),
        gap_before_final_norm=False),
    'mmpretrain.SwinTransformer': dict(
        arch=dict(embed_dims=12, depths=[2, 2, 2, 2], num_heads=[1, 2, 3, 3]),
        pad_small_map=True, out_indices=(1, 2, 3)),
    'EfficientNetLite': dict(out_indices=(3, 4, 5)),
    # nobody's config here, but mmpretrain's padding of it was what went wrong
    'mmpretrain.EfficientNet': dict(arch='b0', out_indices=(3, 4, 5)),
}
NARROW = 0.25, 0.25, 224  # of EfficientNet's width and depth; and its image's side
SWIN = 'mmpretrain.SwinTransformer'
SIZES = ((64, 96), (97, 131), (33, 300), (160, 32), (1, 50))


@pytest.fixture(autouse=True)
def shallow(monkeypatch):
    """One block of each width in networks whose depth is not an argument."""
    monkeypatch.setitem(EfficientNet.arch_settings, 'b0', NARROW)
    layers = EfficientNetLite.layer_settings['0']
    monkeypatch.setitem(EfficientNetLite.layer_settings, '0', [
        [block for i, block in enumerate(layer) if not i or block[1] != layer[i - 1][1]]
        for layer in layers])


@torch.no_grad()
def network(kind):
    backbone = dict(BACKBONES[kind], type=kind)
    built = MODELS.build(backbone)
    maps = [one for one in describe_backbone(built) if one.stride]
    model = build(backbone=backbone, decode_head=dict(
        HEAD, in_channels=[one.channels for one in maps],
        in_index=list(range(len(maps))), in_strides=[one.stride for one in maps]))
    # Scores of hundreds would leave no digit for rounding.
    features = model.extract_feat(torch.randn(1, 3, 64, 64))
    for score, feature in zip(model.decode_head.score.values(), features):
        torch.nn.init.normal_(score.weight, std=float(
            1 / (feature.std() * feature.shape[1]**0.5)))
    return model


def test_every_backbone_of_a_config_is_here():
    named = set()
    for file in CONFIGS.glob('_base_/models/*.py'):
        named |= set(re.findall(r"backbone=dict\(\s*(?:_delete_=True,\s*)?type='([\w.]+)'",
                                file.read_text()))
    for file in CONFIGS.glob('fcn/*.py'):
        named |= set(re.findall(r"_delete_=True,\s*type='(mmpretrain[\w.]+)'",
                                file.read_text()))
    assert len(named) >= 6 and named <= set(BACKBONES)


@pytest.mark.parametrize('kind', BACKBONES)
@torch.no_grad()
def test_onnx_at_any_size(kind, tmp_path):
    """Traced at 67x101 in a batch of two, run one by one at other sizes, by each runtime."""
    model = network(kind)
    deployed = DeployedSegmentor(model, scores=True, preprocess=True).eval()
    write_onnx(deployed, tmp_path / 'a.onnx', '{}', 17)
    graphs = [open_graph(tmp_path / 'a.onnx', 'cpu', name) for name in RUNTIMES
              if find_spec(name)]
    for size in SIZES:
        image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
        sample, = model.test_step(dict(inputs=[image.clone()], data_samples=[
            SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size))]))
        expected = sample.seg_logits.data.softmax(0)
        rgb = image.flip(0).permute(1, 2, 0)[None].numpy()
        for graph in graphs:
            labels, scores = map(torch.from_numpy, graph.run(rgb))
            assert torch.allclose(scores[0], expected, atol=1e-3), (size, graph)
            # Labels may differ where two classes score alike to rounding.
            own = expected.gather(0, labels.long())
            assert (expected.max(0).values - own).max() < 1e-3, (size, graph)


def test_a_network_is_left_as_it_was():
    model = network('mmpretrain.EfficientNet')
    kinds = [type(module) for module in model.modules()]
    copy = for_any_size(model)
    assert copy is not model and [type(module) for module in model.modules()] == kinds
    plain = network('mmpretrain.ResNet')
    assert for_any_size(plain) is plain


def test_windows_that_shift_in_large_images_alone():
    model = MODELS.build(dict(BACKBONES['mmpretrain.SwinTransformer'], pad_small_map=False,
                              type='mmpretrain.SwinTransformer'))
    with pytest.raises(ValueError, match='give the backbone pad_small_map=True'):
        for_any_size(model)


def test_compiled_once_and_right_at_any_size():
    """What --compile does of EfficientNet's padding, with a compiler that keeps graphs."""
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    class Chain(torch.nn.ModuleList):
        """Not Sequential: torch compiles none of its own loops, but each layer by itself."""

        def forward(self, x):
            for layer in self:
                x = layer(x)
            return x

    plain, compiled = (Chain([
        same_padded(3, 8, 3, 2), same_padded(8, 8, 5, 1), same_padded(8, 8, 5, 2)])
        for _ in range(2))
    compiled.load_state_dict(plain.state_dict())
    torch._dynamo.reset()
    compat.compile_for_any_size(compiled, backend=count)
    # Networks get sizes that their strides divide: one graph; another size has its own.
    for size in ((2, 3, 64, 96), (4, 3, 96, 64), (3, 3, 128, 160), (2, 3, 67, 101)):
        image = torch.randn(size)
        torch.testing.assert_close(compiled(image), plain(image))
        assert len(graphs) == 1 + (size[2] % 4 != 0)
    # Remainders in a size grow from layer to layer: inductor did not finish with them.
    values = [node.meta.get('example_value') for node in graphs[0].graph.nodes]
    sizes = [str(value.shape) for value in values if isinstance(value, torch.Tensor)]
    assert sizes and not any('Mod' in size or '%' in size for size in sizes)
    torch._dynamo.reset()


def test_shifted_windows_compiled_for_training_s_size():
    """torch does not come to an end over them where sizes are unknown."""
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch.manual_seed(0)
    compiled = MODELS.build(dict(BACKBONES[SWIN], type=SWIN))
    plain = deepcopy(compiled)
    torch._dynamo.reset()
    compat.compile_for_any_size(compiled, backend=count)
    for training, size in ((True, (2, 3, 64, 96)), (False, (1, 3, 96, 64)),
                           (True, (2, 3, 64, 96))):
        image = torch.randn(size)
        maps = []
        for module in (compiled, plain):
            module.train(training)
            torch.manual_seed(1)  # paths are dropped at random in training
            maps.append(module(image))
        for ours, theirs in zip(*maps):
            torch.testing.assert_close(ours, theirs)
        assert len(graphs) == 1
    torch._dynamo.reset()
