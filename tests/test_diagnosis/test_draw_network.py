"""The figure of a network, drawn from its modules."""
import pytest
from mmseg.registry import MODELS
from PIL import Image
from tiny_runs import CONFIGS, SHAPES, run_tool, succeed, write_config

from fcn_plugin.diagnosis.draw_network import describe_head
from fcn_plugin.visualization.network import draw_network

TOOL = 'misc/draw_network.py'
AT_ONCE, = CONFIGS.glob('paper/fcn-8s-at-once_*.py')


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_the_figure_says_what_the_head_is_made_of():
    head = MODELS.build(dict(
        type='FCNSkipHead', in_index=(0, 1, 2), in_channels=(5, 6, 7), in_strides=(4, 8, 32),
        num_classes=3, skip_scales=(0.5, 1, 1),
        upsampler=dict(type='BilinearDeconv', learnable=True)))
    assert [stage.scale for stage in describe_head(head)] == [0.5, 1, 1]
    said = texts(draw_network(describe_head(head), 3, 'a title'))
    for text in ('a title', 'stride 4', 'stride 8', 'stride 32', '5', '6', '7',
                 'x 0.5, score 1x1', 'BilinearUpsample'):
        assert said.count(text) == 1, text
    assert [text for text in said if text in ('x2', 'x4', 'x8')] == ['x4', 'x2', 'x4']
    assert said.count('BilinearDeconv, learned') == said.count('+') == 2
    assert said.count('3') == 3  # classes, one score map a stride
    assert said.count('backbone') == 1
    for upsampler in head.upsample.values():  # as a config that freezes it has it
        upsampler.weight.requires_grad = False
    assert {stage.upsampler for stage in describe_head(head)[1:]} == {'BilinearDeconv, fixed'}


def test_the_tool_draws_a_config(tmp_path):
    out = tmp_path / 'network.png'
    assert str(out) in succeed(TOOL, AT_ONCE, '--out', out)
    with Image.open(out) as picture:
        assert picture.width > picture.height > 300
        colours = {colour for _, colour in picture.convert('RGB').getcolors(1 << 20)}
    assert {(0x56, 0xb4, 0xe9), (0xe6, 0x9f, 0x00), (0, 0x9e, 0x73)} <= colours
    assert list(tmp_path.iterdir()) == [out]

    out.write_text('mine')
    done = run_tool(TOOL, AT_ONCE, '--out', out)
    assert done.code == 2 and f"there is '{out}' already" in done.err and not done.out
    assert out.read_text() == 'mine'
    done = run_tool(TOOL, AT_ONCE, '--out', out, '--overwrite')
    assert done.code == 0 and not done.err and out.read_bytes().startswith(b'\x89PNG')


def test_a_backbone_that_reads_its_numbers_and_one_channel(tmp_path):
    config = write_config(tmp_path, SHAPES + "model['decode_head'].update("
                          'num_classes=2, threshold=0.5)\n')
    succeed(TOOL, config, '--out', tmp_path / 'network.svg', '--cfg-options',
            'model.decode_head.out_channels=1')
    drawn = (tmp_path / 'network.svg').read_text()
    assert drawn.startswith('<?xml') and '<!-- FCN-8s on ResNet -->' in drawn
    assert drawn.count('<!-- 1 -->') == 3 and '<!-- 2 -->' not in drawn


@pytest.mark.parametrize('config, out, said', [
    ('absent.py', 'a.png', 'absent.py: no such config file'),
    (AT_ONCE, 'a.bmp', "a.bmp ends in '.bmp', expected one of .png, .svg, .pdf"),
    (AT_ONCE, 'absent/a.png', 'there is no folder'),
])
def test_faults_are_one_line(tmp_path, config, out, said):
    done = run_tool(TOOL, config, '--out', tmp_path / out)
    assert done.code == 2 and said in done.err
    assert len(done.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_another_head_is_refused(tmp_path):
    plain = write_config(tmp_path, """
model = dict(
    type='EncoderDecoder', backbone=dict(type='ResNet', depth=18),
    decode_head=dict(type='FCNHead', in_channels=512, channels=8, num_classes=2))""")
    done = run_tool(TOOL, plain, '--out', tmp_path / 'a.png')
    assert done.code == 2
    assert 'decode_head is FCNHead, and the figure is of FCNSkipHead' in done.err
