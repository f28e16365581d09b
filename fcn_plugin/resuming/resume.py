"""Going on from a checkpoint to the very weights that an unbroken run ends with.

mmengine 0.10.7 restores the weights, the optimiser, the schedules and what was logged. The
rest is made a function of the run's seed and of a place in it: the random states of every
step (:class:`ExactResumeHook`) and of every image (:mod:`fcn_plugin.resuming.repeatable`).
"""
from bisect import bisect

import torch
from mmengine.dist import broadcast, get_rank
from mmengine.hooks import CheckpointHook, Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from ..checkpoints.work_dir import noted_here
from ..optim import regroup
from .repeatable import drawn, placed_sampler
from .seeding import STEP, seed_cpu, seed_of


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Makes a run that was killed and resumed end like one that was never killed.

    * Before each step the random states, a GPU's too, are set to what the run's seed, the
      process and the number of the step say.
    * In loops that count iterations, a validation that was due at the step of the checkpoint
      and is not in it is done after the resume.
    * In other loops the data begins with the pass that follows the checkpoint.

    ``FCNRunner`` has it in every run.
    """
    priority = 'HIGHEST'  # before any other hook draws a random number

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Takes what version 0.2 kept of an optimiser, too."""
        if isinstance(runner.optim_wrapper, OptimWrapper) and 'optimizer' in checkpoint:
            regroup(checkpoint, runner.optim_wrapper.optimizer, runner.model)

    def before_train(self, runner: Runner) -> None:
        """Finds the checkpoints, and tells the sampler how many passes are done."""
        for key, path in noted_here(runner.message_hub.runtime_info, runner.work_dir).items():
            runner.message_hub.update_info(key, path)
        loop = runner.train_loop
        sampler = placed_sampler(loop.dataloader)
        # Loops that count iterations have begun to load images by now, from the first on.
        if sampler is not None and runner.epoch and not isinstance(loop, IterBasedTrainLoop):
            sampler.skip(passes=runner.epoch)

    def before_train_epoch(self, runner: Runner) -> None:
        """Takes up what the checkpoint does not say."""
        loop = runner.train_loop
        if not isinstance(loop, IterBasedTrainLoop) or not loop.iter:
            return
        known = runner.message_hub.runtime_info
        for hook in runner.hooks:
            # Without it the hook does not save again after the best score so far.
            if isinstance(hook, CheckpointHook) and hook.last_ckpt is None:
                hook.last_ckpt = known.get('last_ckpt')
        # val_interval is the first one yet.
        interval = loop.dynamic_intervals[
            bisect(loop.dynamic_milestones, loop.iter + 1) - 1]
        if (runner.val_loop is not None and loop.iter >= loop.val_begin
                and (loop.iter % interval == 0 or loop.iter == loop.max_iters)
                and known.get('validated_iter') != loop.iter):
            runner.val_loop.run()

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        """Sets the random states, those of GPUs too."""
        seed = seed_of(STEP, runner.seed, get_rank(), runner.iter)
        seed_cpu(seed)
        torch.manual_seed(seed)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Notes how many images all processes have drawn, for another number of them."""
        meta = checkpoint['meta']
        meta['images'] = drawn(runner.train_loop.dataloader, meta['iter'])

    def before_val_epoch(self, runner: Runner) -> None:
        """Has all processes judge by the statistics that are saved, the first one's."""
        for buffer in runner.model.buffers():
            broadcast(buffer)

    def after_val_epoch(self, runner: Runner,
                        metrics: dict[str, float] | None = None) -> None:
        """Notes, for checkpoints, which validation was the last."""
        runner.message_hub.update_info('validated_iter', runner.iter)
