"""A loss that is no number stops the run and leaves what repeats the step."""
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny_runs import SHAPES, run_tool, write_config


def test_stops_and_repeats(tmp_path):
    config = write_config(tmp_path, SHAPES + """
optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=1e30), clip_grad=None)
""")
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'work')
    assert done.code == 2, done.out[-1000:]
    line = done.err.strip().splitlines()[-1]
    assert line.startswith('error: the loss is ') and 'shapes/train/' in line
    kept = torch.load(tmp_path / 'work' / 'bad_step.pth', weights_only=True)
    assert len(kept['img_path']) == len(kept['inputs']) == 2
    assert all(image in line for image in kept['img_path'])

    model = MODELS.build(Config.fromfile(config).model)
    load_checkpoint(model, str(tmp_path / 'work' / 'bad_step.pth'))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=truth)) for truth in kept['truth']]
    torch.set_rng_state(kept['random_state'])
    data = model.data_preprocessor(
        dict(inputs=kept['inputs'], data_samples=samples), training=True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    assert not torch.isfinite(loss)
