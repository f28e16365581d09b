"""The Python in docs/inference.md and docs/export.md runs as it stands there."""
import re

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from tiny_runs import CONFIGS, ROOT, run_tool

from fcn_plugin.apis.export import export
from fcn_plugin.apis.images import VideoOutput


def blocks(page, language):
    text = (ROOT / 'docs' / page).read_text(encoding='utf-8')
    return re.findall(rf'```{language}\n(.*?)```', text, re.S)


@pytest.fixture
def place(trained, tmp_path, monkeypatch):
    """A folder with what the pages speak of, as the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'best.pth').symlink_to(trained / 'best.pth')
    (tmp_path / 'photos').mkdir()
    for name in ('street.jpg', 'photos/a.png', 'photos/b.jpg'):
        Image.fromarray(np.random.randint(0, 256, (40, 50, 3), dtype=np.uint8)).save(name)
    video = VideoOutput(tmp_path / 'clip.mp4', 25)
    for _ in range(3):
        video.write(np.random.randint(0, 256, (40, 50, 3), dtype=np.uint8))
    video.close()
    return tmp_path


def test_inference_page(place):
    code = blocks('inference.md', 'python')
    assert len(code) >= 4
    exec('\n'.join(code).replace("'car'", "'bar'"), {})  # the tiny model knows bars
    written = {path.name for path in (place / 'out').iterdir()}
    assert {'street_overlay.jpg', 'street_labels.png', 'a_overlay.png',
            'b_heatmap_bar.png', 'clip_overlay.mp4'} <= written


def test_export_page(place, trained, capsys):
    pytest.importorskip('onnx', reason="the extra 'export' is not installed")
    pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
    export('best.pth', 'best.onnx', preprocess=True)
    exec('\n'.join(blocks('export.md', 'python')), {})
    assert capsys.readouterr().out.split('\n')[-2] in (
        'background', 'bar', 'ring', 'frame', 'cross', 'square', 'triangle',
        'striped disc', 'checked disc')


def test_tensorboard_on_the_command_line():
    config = Config.fromfile(CONFIGS / 'fcn/fcn-8s_r18-half_1xb16-850_shapes-128x128.py')
    config.merge_from_dict(
        {'visualizer.vis_backends.0.type': 'TensorboardVisBackend'})
    assert config.visualizer.vis_backends == [dict(type='TensorboardVisBackend')]


@pytest.mark.parametrize('page', ['inference.md', 'export.md'])
def test_flags_and_links(page):
    text = (ROOT / 'docs' / page).read_text(encoding='utf-8')
    tools = re.findall(r'python tools/([\w/]+\.py)(.*)', text)
    assert tools
    for tool, arguments in tools:
        help_text = run_tool(tool, '--help').out
        assert [f for f in re.findall(r'--[\w-]+', arguments) if f not in help_text] == []
    for target in re.findall(r'\]\((?!https?:)([^)#]+)\)', text):
        assert (ROOT / 'docs' / target).exists(), target
