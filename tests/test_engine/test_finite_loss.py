"""A loss that is no number stops the run and leaves what repeats the step."""
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import load_checkpoint
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny_runs import SHAPES, run_tool, write_config
from torch import distributed, nn

from fcn_plugin.engine import CPUAmpOptimWrapper, FiniteLossHook
from fcn_plugin.resuming.seeding import STEP, seed_of
from fcn_plugin.utils.errors import NotFiniteError


def test_stops_and_repeats(tmp_path):
    config = write_config(tmp_path, SHAPES + """
optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=1e30), clip_grad=None)
randomness = dict(seed=5)
""")
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'work')
    assert done.code == 2, done.out[-1000:]
    line = done.err.strip().splitlines()[-1]
    assert line.startswith('error: the loss is ') and 'shapes/train/' in line
    kept = torch.load(tmp_path / 'work' / 'bad_step.pth', weights_only=True)
    assert len(kept['img_path']) == len(kept['inputs']) == 2
    assert all(image in line for image in kept['img_path'])

    assert kept['iter'] > 0
    torch.manual_seed(seed_of(STEP, 5, 0, kept['iter']))
    assert torch.equal(kept['random_state'], torch.get_rng_state())  # of this very step

    model = MODELS.build(Config.fromfile(config).model)
    load_checkpoint(model, str(tmp_path / 'work' / 'bad_step.pth'))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=truth)) for truth in kept['truth']]
    torch.set_rng_state(kept['random_state'])
    data = model.data_preprocessor(
        dict(inputs=kept['inputs'], data_samples=samples), training=True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    assert not torch.isfinite(loss)


# --- with any wrapper -----------------------------------------------------------------


class Scaled(BaseModel):
    """Its loss is its weight times the sum of what it is given, in two parts."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 2))

    def forward(self, inputs, data_samples, mode):
        parts = nn.functional.linear(torch.stack(inputs).flatten(1), self.weight)
        losses = dict(loss_a=parts.sum(), loss_b=[parts.mean(), parts.mean()],
                      accuracy=torch.tensor(float('nan')))  # no loss
        return losses if mode == 'loss' else parts


@pytest.fixture
def one_of_several():
    """As the only process of a group."""
    distributed.init_process_group('gloo', store=distributed.HashStore(), rank=0,
                                   world_size=1)
    yield
    distributed.destroy_process_group()


def batch(value):
    return dict(inputs=[torch.tensor([1., value])],
                data_samples=[SegDataSample(metainfo=dict(img_path='a.png'))])


def attached(model, wrapper, folder, **options):
    """A hook that looks at a model, and the step that a loop takes."""
    optim = wrapper(optimizer=torch.optim.SGD(model.parameters(), 0.1), **options)
    runner = SimpleNamespace(model=model, optim_wrapper=optim, work_dir=folder, iter=6)
    hook = FiniteLossHook()
    hook.before_train(runner)
    optim.initialize_count_status(model, 0, 100)

    def step(value):
        data = batch(value)
        hook.before_train_iter(runner, 0, data)
        return model.train_step(data, optim)

    return hook, runner, step


KINDS = [(OptimWrapper, {}), (OptimWrapper, dict(accumulative_counts=2)),
         (OptimWrapper, dict(clip_grad=dict(max_norm=1))), (CPUAmpOptimWrapper, {}),
         # at the scale that it starts with float16 overflows, and steps are left out
         pytest.param(AmpOptimWrapper, dict(loss_scale=dict(init_scale=1.)),
                      marks=pytest.mark.skipif(not torch.cuda.is_available(),
                                               reason='needs a GPU'))]


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
@pytest.mark.parametrize('wrapper, options', KINDS)
@pytest.mark.parametrize('processes', [None, 'several'])
def test_with_any_optimiser_wrapper(tmp_path, request, wrapper, options, processes, bad):
    model = Scaled()
    if wrapper is AmpOptimWrapper:
        model.cuda()
    if processes:
        request.getfixturevalue('one_of_several')
        model = MMDistributedDataParallel(model)
    _, _, step = attached(model, wrapper, tmp_path, **options)
    step(2.)
    step(2.)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    assert before['module.weight' if processes else 'weight'][0, 0] != 1
    with pytest.raises(NotFiniteError, match=f'^the loss is -?{bad} in iteration 7, for a'):
        step(bad)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    for parameter, grad in zip(model.parameters(), grads):  # no backward pass was made
        assert parameter.grad is None if grad is None else torch.equal(parameter.grad, grad)
    kept = torch.load(tmp_path / 'bad_step.pth', weights_only=True)
    assert list(kept['state_dict']) == ['weight'] and kept['iter'] == 6
    assert torch.isfinite(kept['state_dict']['weight']).all()


def test_the_random_state_is_that_before_the_step(tmp_path):
    """So that the step can be repeated, dropout and all."""
    model, data, before = Scaled(), batch(float('nan')), torch.get_rng_state()
    hook, runner, _ = attached(model, OptimWrapper, tmp_path)
    hook.before_train_iter(runner, 0, data)
    torch.rand(3)
    with pytest.raises(NotFiniteError):
        model.train_step(data, runner.optim_wrapper)
    kept = torch.load(tmp_path / 'bad_step.pth', weights_only=True)
    assert torch.equal(kept['random_state'], before)


def test_every_process_keeps_a_batch_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr('fcn_plugin.engine.hooks.get_rank', lambda: 1)
    _, _, step = attached(Scaled(), OptimWrapper, tmp_path)
    with pytest.raises(NotFiniteError, match='bad_step_1.pth'):
        step(float('nan'))
    assert [path.name for path in tmp_path.iterdir()] == ['bad_step_1.pth']


def test_looks_in_training_alone(tmp_path):
    """Neither at predictions, nor in validation, nor when training has ended."""
    model = Scaled()
    hook, runner, step = attached(model, OptimWrapper, tmp_path)
    nothing = batch(float('nan'))
    model(**nothing, mode='tensor')
    model.eval()
    model(**nothing, mode='loss')
    model.train()
    hook.before_train(runner)  # a second training with the same hook
    assert len(model._forward_hooks) == 1
    hook.after_train(runner)
    assert not model._forward_hooks
    step(float('nan'))
    assert not (tmp_path / 'bad_step.pth').exists()
