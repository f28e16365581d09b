"""The Python in docs/inference.md, docs/export.md and docs/faq.md runs as it stands there."""
import re

import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from PIL import Image
from tiny_runs import CONFIGS, ROOT, run_tool

from fcn_plugin.checkpoints.loading import read_checkpoint
from fcn_plugin.deployment.export import export
from fcn_plugin.images.video import VideoOutput


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


def test_faq_more_channels(tmp_path):
    config, = (code for code in blocks('faq.md', 'python') if 'channels = 6' in code)
    (tmp_path / 'mine.py').write_text(config.replace("'./", f"'{CONFIGS}/fcn/"))
    init_default_scope('mmseg')
    model = MODELS.build(Config.fromfile(tmp_path / 'mine.py').model)
    model.eval()
    image = torch.from_numpy(np.random.default_rng(0).integers(
        0, 2**16, (6, 40, 50), dtype=np.uint16))
    sample = SegDataSample(metainfo=dict(img_shape=(40, 50), ori_shape=(40, 50)))
    with torch.no_grad():
        result, = model.test_step(dict(inputs=[image], data_samples=[sample]))
    assert result.pred_sem_seg.data.shape == (1, 40, 50)
    # What the page says of mmcv's own step.
    pixels = image[:4].permute(1, 2, 0).numpy().astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'image.png')
    plain, unchanged = (
        LoadImageFromFile(**options)(dict(img_path=str(tmp_path / 'image.png')))['img']
        for options in ({}, dict(color_type='unchanged')))
    assert plain.shape == (40, 50, 3) and unchanged.shape == (40, 50, 4)


def test_faq_refused_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = dict(weight=torch.arange(3.))
    torch.save(dict(state_dict=weights, meta=dict(made_in=tmp_path)), 'old.pth')
    with pytest.raises(ValueError, match='more than tensors and plain data'):
        read_checkpoint('old.pth')
    code, = (code for code in blocks('faq.md', 'python') if 'old.pth' in code)
    exec(code, {})
    found = read_checkpoint('weights.pth')['state_dict']
    assert torch.equal(found['weight'], weights['weight'])


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
