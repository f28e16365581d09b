"""The runner: the same run by any way to start it, with any loop, gone on with or not."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS as ROOT_RUNNERS
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import RUNNERS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from noise_runs import Noise, named, noise_run, seen
from PIL import Image
from tiny_runs import SHAPES, forget_runs, write_config
from torch.utils.data import DataLoader

from fcn_plugin.datasets.bad_samples import BadSampleError
from fcn_plugin.engine import FCNRunner, FCNVisualizationHook
from fcn_plugin.engine.train import build_runner
from fcn_plugin.utils.config import load_config
from fcn_plugin.utils.errors import InputError, NotFiniteError

OURS = dict(type='ExactResumeTrainLoop')
ITERATIONS = dict(type='IterBasedTrainLoop')
BY_EPOCH = dict(by_epoch=False)
EPOCHS = dict(type='EpochBasedTrainLoop')
INFINITE = dict(type='InfiniteSampler', shuffle=True)
ENDING = dict(type='DefaultSampler', shuffle=True)


# --- going on -------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """mmengine's loops wait for two seconds where the data begin anew."""
    monkeypatch.setattr('mmengine.runner.loops.time.sleep', lambda seconds: None)


@pytest.mark.parametrize('loop, again', [(OURS, 0), (ITERATIONS, 4), (BY_EPOCH, 4)])
@pytest.mark.parametrize('sampler', [INFINITE, ENDING, None])
def test_a_resumed_run_sees_what_an_unbroken_one_does(tmp_path, loop, again, sampler):
    """In mmengine's loops too, which load the images before once more."""
    kind = dict(sampler=sampler) if sampler else dict(data=dict(sampler=None, shuffle=True))
    whole = seen(noise_run(tmp_path / 'whole', loop=dict(loop, max_iters=9), **kind))
    assert len(whole) == 9
    seen(noise_run(tmp_path / 'cut', loop=dict(loop, max_iters=4), **kind))
    Noise.loaded = 0
    rest = seen(noise_run(tmp_path / 'cut', loop=dict(loop, max_iters=9), resume=True, **kind))
    assert rest == whole[4:]
    if sampler is None:  # whose images nobody knows without loading them
        again = 4
    assert Noise.loaded == 2 * (5 + again)


def test_a_run_that_starts_from_weights_of_another_is_a_new_one(tmp_path):
    """With its own seed, and with the first images."""
    whole = seen(noise_run(tmp_path / 'whole', loop=dict(OURS, max_iters=4)))
    seen(noise_run(tmp_path / 'other', loop=dict(OURS, max_iters=4), randomness=dict(seed=1)))
    assert whole == seen(noise_run(tmp_path / 'new', loop=dict(OURS, max_iters=4),
                                   load_from=str(tmp_path / 'other' / 'iter_4.pth')))


def test_a_checkpoint_of_the_run_that_is_named_is_gone_on_from(tmp_path):
    """The last one is not, where the work dir has others."""
    whole = seen(noise_run(tmp_path / 'run', loop=dict(OURS, max_iters=4)))
    assert whole[2:] == seen(noise_run(tmp_path / 'run', loop=dict(OURS, max_iters=4),
                                       load_from=str(tmp_path / 'run/iter_2.pth'),
                                       resume=True))


def test_a_run_that_torchrun_has_restarted_goes_on_by_itself(tmp_path, monkeypatch):
    """Of whichever program it was started by."""
    whole = seen(noise_run(tmp_path / 'whole', loop=dict(OURS, max_iters=4)))
    seen(noise_run(tmp_path / 'cut', loop=dict(OURS, max_iters=2)))
    runner = noise_run(tmp_path / 'cut', loop=dict(OURS, max_iters=4))
    monkeypatch.setattr(runner, '_launcher', 'pytorch')
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    assert seen(runner) == whole[2:]


def test_images_that_nobody_shuffles_keep_their_order(tmp_path):
    steps = seen(noise_run(tmp_path, data=dict(sampler=None), loop=dict(OURS, max_iters=5)))
    assert [index for images, _ in steps for index, *_ in images['images']] == list(range(10))


@pytest.mark.parametrize('data', [{}, dict(sampler=None, shuffle=True)])
def test_another_seed_is_another_order(tmp_path, data):
    """Also of a sampler that has no seed of its own."""
    orders = [[number for images, _ in seen(noise_run(
        tmp_path / str(place), data=data, randomness=dict(seed=seed),
        loop=dict(OURS, max_iters=5))) for number, *_ in images['images']]
        for place, seed in enumerate((5, 5, 6, 7))]
    assert orders[0] == orders[1]
    assert len(set(map(tuple, orders))) == 3


def test_a_resumed_run_of_epochs(tmp_path):
    hooks = dict(logger=None, checkpoint=dict(type='CheckpointHook', interval=1))

    def run(folder, epochs, **options):
        return noise_run(folder, loop=dict(EPOCHS, max_epochs=epochs), sampler=ENDING,
                         default_hooks=hooks, **options)

    whole = seen(run(tmp_path / 'whole', 4))
    orders = {str([images for images, _ in whole[i:i + 5]]) for i in (0, 5, 10, 15)}
    assert len(whole) == 20 and len(orders) == 4
    seen(run(tmp_path / 'cut', 2))
    assert seen(run(tmp_path / 'cut', 4, resume=True)) == whole[10:]


def test_runs_of_the_same_second_have_a_log_each(tmp_path, monkeypatch):
    """The one that is gone on with would write behind a line that is half written."""
    monkeypatch.setattr('mmengine.runner.runner.time.strftime', lambda *_: '20261126_045850')
    for steps in (1, 2):
        seen(noise_run(tmp_path, loop=dict(OURS, max_iters=steps), resume=True))
    assert sorted(path.name for path in tmp_path.glob('*/*.log')) == [
        '20261126_045850.log', '20261126_045850_2.log']


def test_our_loop_with_mmengine_s_runner(tmp_path):
    """It is mmengine's then: all batches are drawn."""
    whole = seen(noise_run(tmp_path, Runner, loop=dict(OURS, max_iters=4)))
    Noise.loaded = 0
    rest = seen(noise_run(tmp_path, Runner, loop=dict(OURS, max_iters=6), resume=True))
    assert len(whole) == 4 and len(rest) == 2 and Noise.loaded == 2 * 6


def test_what_was_loaded_by_hand_stays(tmp_path):
    """A checkpoint that was resumed before train() is not resumed twice."""
    whole = seen(noise_run(tmp_path / 'whole', loop=dict(OURS, max_iters=6)))
    seen(noise_run(tmp_path / 'cut', loop=dict(OURS, max_iters=6)))
    again = noise_run(tmp_path / 'other', loop=dict(OURS, max_iters=6))
    again.resume(str(tmp_path / 'cut' / 'iter_4.pth'))
    assert seen(again) == whole[4:]


class Stop(Hook):
    """Breaks a run off in the validation behind a step."""

    def __init__(self, step):
        self.step = step

    def before_val(self, runner):
        if runner.iter == self.step:
            raise InterruptedError


JUDGED = dict(dataset=Noise(), batch_size=5, num_workers=0, collate_fn=named,
              sampler=dict(type='DefaultSampler', shuffle=False))


@pytest.mark.parametrize('loop', [OURS, ITERATIONS])
def test_a_validation_that_was_due_is_made_up_for(tmp_path, loop):
    """Also where the interval changes on the way, and at the end."""
    judged = []

    class Note(Hook):
        def after_val(self, runner):
            judged.append(runner.iter)

    def run(*hooks, **options):
        return noise_run(
            tmp_path, loop=dict(loop, max_iters=7, val_interval=2,
                                dynamic_intervals=[(6, 1), (8, 4)]),
            val_dataloader=JUDGED, val_cfg=dict(), val_evaluator=dict(
                type='DumpResults', out_file_path=str(tmp_path / 'out.pkl')),
            custom_hooks=[Note(), *hooks], **options)

    with pytest.raises(InterruptedError):
        run(Stop(5)).train()
    assert judged == [2, 4]
    run(resume=True).train()
    assert judged == [2, 4, 5, 6, 7]
    run(resume=True).train()
    assert judged == [2, 4, 5, 6, 7, 7], 'the last one is not in the last checkpoint'


def test_a_validation_that_was_not_due_yet_is_none(tmp_path):
    judged = []

    class Note(Hook):
        def after_val(self, runner):
            judged.append(runner.iter)

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == 4 and not resume:
                raise InterruptedError

    def run():
        noise_run(tmp_path, loop=dict(OURS, max_iters=7, val_begin=5, val_interval=2),
                  val_dataloader=JUDGED, val_cfg=dict(), val_evaluator=dict(
                      type='DumpResults', out_file_path=str(tmp_path / 'out.pkl')),
                  custom_hooks=[Note()], resume=resume).train()

    resume = False
    with pytest.raises(InterruptedError):
        run()
    resume = True
    run()
    assert judged == [6, 7]


def test_what_was_made_up_for_is_in_the_last_checkpoint(tmp_path):
    """Where the best is kept, and that validation is the best."""
    judged = []

    class Better(BaseMetric):
        def process(self, data_batch, data_samples):
            self.results.append(None)

        def compute_metrics(self, results):
            judged.append(None)
            return dict(mIoU=len(judged))

    def run(*hooks, **options):
        return noise_run(
            tmp_path, loop=dict(OURS, max_iters=4, val_interval=4), val_dataloader=JUDGED,
            val_cfg=dict(), val_evaluator=dict(type=Better), custom_hooks=hooks,
            default_hooks=dict(logger=None, checkpoint=dict(
                type='CheckpointHook', by_epoch=False, save_best='mIoU', rule='greater',
                interval=1)), **options)

    with pytest.raises(InterruptedError):
        run(Stop(4)).train()
    for _ in range(2):
        run(resume=True).train()
    assert len(judged) == 1


def test_the_seed_of_the_run_that_is_gone_on_with_is_kept(tmp_path, capfd):
    """Whatever the config says by now: all images and steps are that run's."""
    whole = seen(noise_run(tmp_path / 'whole', loop=dict(OURS, max_iters=4)))
    numbers = [{number for images, own in run for _, *drawn in [*images['images'], (0, *own)]
                for number in drawn} for run in (whole, seen(noise_run(
                    tmp_path / 'new', loop=dict(OURS, max_iters=4), randomness=dict(seed=1))))]
    assert not numbers[0] & numbers[1]
    for seed, said in ((1, True), (None, False)):
        folder = tmp_path / f'resumed {seed}'
        seen(noise_run(folder, loop=dict(OURS, max_iters=1)))
        capfd.readouterr()
        again = noise_run(folder, loop=dict(OURS, max_iters=4), resume=True,
                          randomness=dict(seed=seed), log_level='WARNING')
        assert seen(again) == whole[1:] and again.seed == 5
        printed = capfd.readouterr()
        assert ('randomness.seed=1' in printed.out + printed.err) is said


def test_a_loader_that_is_built_already_is_taken_as_it_is(tmp_path, capfd):
    loader = DataLoader(Noise(), 2, collate_fn=named)
    run = noise_run(tmp_path, loop=dict(OURS, max_iters=3), log_level='WARNING')
    assert run.build_dataloader(loader) is loader
    printed = capfd.readouterr()
    assert 'used as it is' in printed.out + printed.err
    seen(noise_run(tmp_path, loop=dict(OURS, max_iters=3), train_dataloader=loader))
    rest = seen(noise_run(tmp_path, loop=dict(OURS, max_iters=5), train_dataloader=loader,
                          resume=True))
    assert [[number for number, *_ in images['images']] for images, _ in rest] == [
        [6, 7], [8, 9]]


# --- by mmsegmentation's own way ------------------------------------------------------


def from_file(path, work, **options):
    """As mmseg's tools/train.py builds it."""
    forget_runs()
    config = Config.fromfile(path)
    config.merge_from_dict(dict(work_dir=str(work), launcher='none') | options)
    return RUNNERS.build(config)


def weights(work):
    return torch.load(work / 'iter_4.pth', weights_only=True)['state_dict']


def test_a_config_resumes_exactly_by_itself(tmp_path):
    config = write_config(tmp_path, SHAPES.replace('val_interval=2', 'val_interval=4')
                          + "model['decode_head']['dropout_ratio'] = 0.5\n"
                          'randomness = dict(seed=0)\n')
    runner = from_file(config, tmp_path / 'whole')
    assert type(runner) is FCNRunner
    runner.train()
    from_file(config, tmp_path / 'cut', **{'train_cfg.max_iters': 2}).train()
    again = from_file(config, tmp_path / 'cut', resume=True)
    again.train()
    assert again.start_iter == 2
    found = weights(tmp_path / 'cut')
    for name, value in weights(tmp_path / 'whole').items():
        assert torch.equal(value, found[name]), name


def test_a_config_of_before(tmp_path):
    """Without runner_type, with mmengine's loop: the same weights by our tools."""
    config = write_config(tmp_path, SHAPES + 'randomness = dict(seed=0)\n')
    from_file(config, tmp_path / 'now').train()
    old = Config.fromfile(config)
    old.pop('runner_type')
    old.merge_from_dict({'train_cfg.type': 'IterBasedTrainLoop', 'launcher': 'none',
                         'work_dir': str(tmp_path / 'before')})
    for options in ({'train_cfg.max_iters': 2}, dict(resume=True)):
        forget_runs()
        part = Config(old.to_dict())
        part.merge_from_dict(options)
        runner = build_runner(part)
        assert type(runner) is FCNRunner
        runner.train()
    before = weights(tmp_path / 'before')
    for name, value in weights(tmp_path / 'now').items():
        assert torch.equal(value, before[name]), name
    dumped = max((tmp_path / 'before').glob('*.py'))
    assert Config.fromfile(dumped).runner_type == 'FCNRunner'
    assert 'runner_type' not in part, 'the config that was given is not changed'


def test_a_config_names_images_that_cannot_be_used_by_itself(tmp_path):
    for folder in ('img', 'ann'):
        (tmp_path / folder).mkdir()
    for i in range(3):
        Image.new('RGB', (40, 40)).save(tmp_path / 'img' / f'{i}.jpg')
        Image.fromarray(np.full((40, 40), 77, np.uint8)).save(tmp_path / 'ann' / f'{i}.png')
    config = write_config(tmp_path, SHAPES + f"""
train_dataloader['dataset'] = dict(
    _delete_=True, type='BaseSegDataset', data_root='{tmp_path}',
    data_prefix=dict(img_path='img', seg_map_path='ann'), metainfo=dict(
        classes=list('abcdefghi')), pipeline=[
        dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
        dict(type='PackSegInputs')])
""")
    with pytest.raises(BadSampleError, match='the label 77 in its mask .* 9 classes'):
        from_file(config, tmp_path / 'work').train()
    with pytest.raises(InputError, match="on_bad_sample='ignore', expected"):
        from_file(config, tmp_path / 'work', on_bad_sample='ignore')


def test_a_config_stops_before_a_loss_that_is_no_number_by_itself(tmp_path):
    config = write_config(tmp_path, SHAPES + """
optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=1e30))
""")
    with pytest.raises(NotFiniteError, match='the loss is '):
        from_file(config, tmp_path / 'work').train()
    assert (tmp_path / 'work' / 'bad_step.pth').is_file()


def test_another_network_s_checkpoint_is_refused(tmp_path):
    torch.save(dict(state_dict=dict(other=torch.zeros(1))), tmp_path / 'other.pth')
    runner = from_file(write_config(tmp_path), tmp_path / 'work',
                       load_from=str(tmp_path / 'other.pth'))
    with pytest.raises(InputError, match='is of another network'):
        runner.train()


def test_a_checkpoint_that_lacks_an_entry_is_not_gone_on_with(tmp_path):
    """mmengine would go on with what it was initialised with."""
    config, work = write_config(tmp_path), tmp_path / 'work'
    from_file(config, work, **{'train_cfg.max_iters': 1}).train()
    content = torch.load(work / 'iter_1.pth', weights_only=False)
    del content['state_dict']['decode_head.score.stride8.weight']
    torch.save(content, work / 'iter_1.pth')
    with pytest.raises(InputError, match=r'it lacks 1 entries \(decode_head.score.stride8'):
        from_file(config, work, resume=True).train()


# --- other runners --------------------------------------------------------------------


@ROOT_RUNNERS.register_module()
class DerivedRunner(FCNRunner):
    """A user's own."""


@pytest.mark.parametrize('name, said', [
    ('ShardedRunner', '--fsdp was removed in 0.2.*Leave runner_type, strategy.*dist_train'),
    ('Runner', "runner_type='Runner', expected 'FCNRunner'.*derived from"),
    ('FCNRuner', "'FCNRuner' is no registered runner; did you mean 'FCNRunner'")])
def test_other_runners(tmp_path, name, said):
    config = Config.fromfile(write_config(tmp_path))
    config.merge_from_dict(dict(work_dir=str(tmp_path), runner_type=name))
    with pytest.raises(InputError, match=said):
        build_runner(config)
    config.runner_type = 'DerivedRunner'
    forget_runs()
    assert type(build_runner(config)) is DerivedRunner


def test_two_runs_of_a_process_write_to_folders_of_their_own(tmp_path):
    """Of a config that names its visualizer, by which mmengine would find the first run's."""
    path = write_config(tmp_path, SHAPES)
    assert Config.fromfile(path).visualizer.name
    for name in ('first', 'second'):
        build_runner(load_config(str(path), work_dir=str(tmp_path / name)))
        assert len(list((tmp_path / name).glob('*/vis_data/config.py'))) == 1


def test_the_config_s_text_is_not_laid_out(tmp_path, monkeypatch):
    """yapf takes seconds over the classes of a large data set, at every checkpoint."""
    def laid_out(*args, **kwargs):
        raise AssertionError('yapf was called')

    palette = [[value, 0, 0] for value in range(254)]
    config = write_config(tmp_path, f'{SHAPES}palette = {palette}')
    monkeypatch.setattr('mmengine.config.config.FormatCode', laid_out)
    runner = from_file(config, tmp_path / 'run')
    read = Config.fromstring(runner.cfg.pretty_text, '.py')
    assert read.to_dict() == runner.cfg.to_dict() and read.palette == palette


def test_what_ends_a_run_early_has_counted_when_the_checkpoint_is_written(tmp_path):
    """A resumed run goes on from what stands there."""
    config = write_config(tmp_path, SHAPES + """
custom_hooks = [dict(type='ExactEarlyStoppingHook', monitor='mIoU')]
""")
    hooks = [type(hook).__name__ for hook in from_file(config, tmp_path / 'run').hooks]
    assert hooks.index('ExactEarlyStoppingHook') < hooks.index('FCNCheckpointHook')


# --- pictures -------------------------------------------------------------------------


@pytest.mark.parametrize('direction, axis', [('horizontal', 1), ('vertical', 0)])
def test_images_are_flipped_back_as_predictions_are(monkeypatch, direction, axis):
    drawn = []
    monkeypatch.setattr(SegLocalVisualizer, 'add_datasample',
                        lambda self, name, image, **kwargs: drawn.append(image))
    image = np.random.randint(0, 256, (6, 8, 3), dtype=np.uint8)  # red first
    seen = torch.from_numpy(np.flip(image, axis)[..., ::-1].copy()).permute(2, 0, 1)
    sample = SegDataSample(metainfo=dict(
        flip=True, flip_direction=direction, img_path='a.png'))
    output = sample.clone()
    output.pred_sem_seg = PixelData(data=torch.zeros(1, 6, 8))
    SegLocalVisualizer.get_instance('pictures')
    FCNVisualizationHook(draw=True, interval=1).after_test_iter(
        None, 0, dict(inputs=[seen], data_samples=[sample]), [output])
    np.testing.assert_array_equal(drawn, [image])


@pytest.fixture
def draw(monkeypatch):
    """Draws outputs of these paths, one a batch, every so many; gives the pictures' names."""
    drawn = []
    monkeypatch.setattr(SegLocalVisualizer, 'add_datasample',
                        lambda self, name, image, **kwargs: drawn.append(name))
    SegLocalVisualizer.get_instance('pictures')

    def names(paths, interval):
        hook = FCNVisualizationHook(draw=True, interval=interval)
        for number, path in enumerate(paths):
            output = SegDataSample(metainfo=dict(img_path=path))
            output.pred_sem_seg = PixelData(data=torch.zeros(1, 6, 8))
            hook.after_test_iter(None, number, dict(
                inputs=[torch.zeros(3, 6, 8, dtype=torch.uint8)],
                data_samples=[output]), [output])
        return drawn
    return names


def test_images_of_one_name_have_pictures_of_their_own(draw):
    """In two folders; each validation draws the same image under the same name."""
    paths = ('/data/a/0.png', '/data/b/0.png', '/data/a/0.png', '/more/b/0.png')
    assert draw(paths, 1) == ['test_0.png', 'test_b_0.png', 'test_0.png', 'test_more_b_0.png']


def test_pictures_have_the_size_of_a_prediction_and_the_step_of_a_validation(monkeypatch):
    """So that one validation does not write over another's. Training gives losses alone."""
    drawn = []
    monkeypatch.setattr(SegLocalVisualizer, 'add_datasample', lambda self, name, image, step,
                        **kwargs: drawn.append((image.shape, step)))
    SegLocalVisualizer.get_instance('pictures')
    hook, runner = FCNVisualizationHook(draw=True, interval=1), SimpleNamespace(iter=7)
    output = SegDataSample(metainfo=dict(img_path='a.png'))
    output.pred_sem_seg = PixelData(data=torch.zeros(1, 12, 16))
    batch = dict(inputs=[torch.zeros(3, 6, 9, dtype=torch.uint8)], data_samples=[output])
    hook.after_train_iter(runner, 0, batch, dict(loss=1.))
    hook.after_val_iter(runner, 0, batch, [output])
    hook.after_test_iter(None, 0, batch, [output])
    assert drawn == [((12, 16, 3), 7), ((12, 16, 3), 0)]


def test_pictures_are_drawn_of_every_so_many_batches(draw):
    paths = [f'{number}.png' for number in range(7)]
    assert draw(paths, 3) == ['test_2.png', 'test_5.png']
