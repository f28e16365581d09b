"""mmengine's and mmseg's hooks, where they fall short."""
import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import cv2
import torch
from mmengine.dist import get_rank, is_main_process
from mmengine.hooks import CheckpointHook, EarlyStoppingHook, Hook, LoggerHook
from mmengine.runner import Runner
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from torch.utils.hooks import RemovableHandle

from ..checkpoints.writing import write_checkpoint
from ..images.channels import turned
from ..utils.errors import NotFiniteError
from ..utils.names import name_apart
from ..utils.wrappers import unwrapped
from ..visualization import as_picture


@HOOKS.register_module()
class FCNLoggerHook(LoggerHook):
    """mmengine's hook, with one process alone writing a test's metrics.

    mmengine 0.10.7 lets every process write the same JSON file at once, which breaks it.

    Args:
        **kwargs: As in mmengine's ``LoggerHook``: interval, log_metric_by_epoch, ...
    """

    def after_test_epoch(self, runner: Runner,
                         metrics: dict[str, float] | None = None) -> None:
        """Logs the metrics, in the main process only."""
        if is_main_process():
            super().after_test_epoch(runner, metrics)


@HOOKS.register_module()
class FCNVisualizationHook(SegVisualizationHook):
    """mmseg's hook, drawing on the pixels that the model was given.

    mmseg's reads the image's file again, which data made in memory do not have,
    and whose size is not the prediction's where that is not rescaled.

    Args:
        **kwargs: As in ``SegVisualizationHook``: draw, interval, show, wait_time.
    """

    def __init__(self, **kwargs) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'The draw is False')  # the default, no news
            super().__init__(**kwargs)
        self._names: dict[str, str] = {}

    def _after_iter(self, runner: Runner, batch_idx: int, data_batch: dict,
                    outputs: Sequence[SegDataSample], mode: str = 'val') -> None:
        if not self.draw or mode == 'train' or not self.every_n_inner_iters(
                batch_idx, self.interval):
            return
        batch, samples = data_batch['inputs'], data_batch['data_samples']
        if isinstance(batch[0], (list, tuple)):  # test-time augmentation: the first view
            batch, samples = batch[0], samples[0]
        for pixels, sample, output in zip(batch, samples, outputs):
            height, width = output.pred_sem_seg.shape
            image = as_picture(pixels.permute(1, 2, 0).cpu().numpy()[..., turned(len(pixels))])
            if image.shape[:2] != (height, width):
                image = cv2.resize(image, (width, height))
            # The view's meta information: the merged output has that of the last view.
            if sample.get('flip'):  # as predictions are flipped back
                image = cv2.flip(image, 1 if sample.flip_direction == 'horizontal' else 0)
            self._visualizer.add_datasample(
                f'{mode}_{name_apart(output.img_path, self._names)}', image,
                data_sample=output, show=self.show, wait_time=self.wait_time,
                # in testing runner.iter would build the training data
                step=runner.iter if mode == 'val' else 0)


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stops before a step whose loss is no number, and keeps what repeats it.

    The weights stay as they were: the loss is looked at before the backward pass, wherever
    the model is called with ``mode='loss'`` in training, as mmengine's ``train_step`` does.
    mmengine's ``CheckInvalidLossHook`` looks when the weights are spoilt already.
    ``<work_dir>/bad_step.pth`` gets, as plain tensors and data, 'state_dict',
    'optimizer', 'random_state' (torch's, of the CPU, before the step), 'iter',
    'img_path', 'inputs' and 'truth' of the batch as the model was given it.

    Raises:
        FloatingPointError: With the iteration, the images and that file.
    """
    priority = 'VERY_LOW'

    _handle: RemovableHandle | None = None

    def before_train(self, runner: Runner) -> None:
        """Has the model show its losses."""
        def look(module, args, kwargs, losses):
            if kwargs.get('mode') == 'loss' and module.training:
                with torch.no_grad():
                    loss, _ = module.parse_losses(losses)
                if not bool(torch.isfinite(loss).all()):
                    self._stop(runner, loss)

        self.after_train(runner)  # of a run that was broken off
        # Inside the wrapper for several processes, in front of the backward pass.
        self._handle = unwrapped(runner.model).register_forward_hook(look, with_kwargs=True)

    def after_train(self, runner: Runner) -> None:
        """Looks no more."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        """Remembers the batch and the random state."""
        self._batch, self._random = data_batch, torch.get_rng_state()

    def _stop(self, runner: Runner, loss: torch.Tensor) -> None:
        samples = self._batch['data_samples']
        images = [str(sample.get('img_path')) for sample in samples]
        what = (f'the loss is {float(loss.detach().mean())} in iteration {runner.iter + 1}, '
                f'for {", ".join(images)}')
        # Every process has a batch of its own.
        rank = f'_{get_rank()}' if get_rank() else ''
        path = Path(runner.work_dir, f'bad_step{rank}.pth')
        write_checkpoint(path, dict(
            state_dict=unwrapped(runner.model).state_dict(),
            optimizer=runner.optim_wrapper.state_dict(),
            random_state=self._random, iter=runner.iter, img_path=images,
            inputs=list(self._batch['inputs']),
            truth=[sample.gt_sem_seg.data if 'gt_sem_seg' in sample else None
                   for sample in samples]))
        raise NotFiniteError(
            f'{what}. The weights are those before this step; they, the '
            f"optimiser's state and the batch are in '{path}'. A lower learning rate, or "
            'optim_wrapper.clip_grad, often helps')


@HOOKS.register_module()
class FCNCheckpointHook(CheckpointHook):
    """mmengine's hook, which keeps the best checkpoint until a better one is written.

    mmengine 0.10.7 removes it first; a disk that fails then leaves none.

    Args:
        *args, **kwargs: As in mmengine's ``CheckpointHook``: interval, save_best, ...
    """
    file_backend: Any

    def before_train(self, runner: Runner) -> None:
        """Finds the folder of the checkpoints."""
        super().before_train(runner)
        self.file_backend = _RemovesBestLater(self.file_backend)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        # A run that is killed in between goes on from before this validation.
        known = runner.message_hub.runtime_info
        self.file_backend.remove_former([known[key] for key in known if 'best_ckpt' in key])
        super()._save_checkpoint_with_step(runner, step, meta)


class _RemovesBestLater:
    """A file backend of mmengine's that keeps best checkpoints for a while."""
    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._former: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        if Path(path).name.startswith('best_'):
            self._former.append(path)
        else:
            self._backend.remove(path)

    def remove_former(self, known: list) -> None:
        for path in set(self._former).difference(known):  # one of the same step is new
            self._backend.remove(path)
        self._former.clear()


@HOOKS.register_module()
class ExactEarlyStoppingHook(EarlyStoppingHook):
    """mmengine's hook, which in a resumed run goes on with what it has counted.

    Args:
        *args, **kwargs: As in mmengine's ``EarlyStoppingHook``: monitor, patience, ...
    """
    priority = 'LOW'  # before CheckpointHook writes what was counted

    def before_train(self, runner: Runner) -> None:
        """Takes up the best score and the validations since."""
        counted = runner.message_hub.runtime_info.get('early_stopping')
        if counted:
            self.best_score, self.wait_count = counted

    def after_val_epoch(self, runner: Runner,
                        metrics: dict[str, float] | None = None) -> None:
        """Counts, and ends the training if it is time."""
        super().after_val_epoch(runner, metrics or {})
        runner.message_hub.update_info('early_stopping', [self.best_score, self.wait_count])


@HOOKS.register_module()
class ProgressHook(Hook):
    """A line on the terminal: a bar, the time left and the best mean IoU so far.

    For loops that count iterations. It goes away where something is logged, and for
    validation, and comes back with the next step. Where there is no terminal nothing is
    drawn.

    Args:
        interval (int): It goes away every so many steps, for what is logged then. Defaults to
            25.
        file (TextIO, optional): The terminal. Defaults to None: stderr.
    """
    priority = 'ABOVE_NORMAL'  # before what logs

    def __init__(self, interval: int = 25, file: TextIO | None = None) -> None:
        self.interval, self.file = interval, file or sys.stderr
        self._drawn = 0

    def before_train(self, runner: Runner) -> None:
        """Notes when this start begins, and where."""
        self._began, self._first = time.monotonic(), runner.iter

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Draws the line, or takes it away."""
        done, steps = runner.iter + 1, runner.max_iters
        self._erase()
        loop = runner.train_loop
        if (not is_main_process() or not self.file.isatty() or done == steps
                or done % self.interval == 0 or done % loop.val_interval == 0):
            return
        seconds = (time.monotonic() - self._began) / (done - self._first) * (steps - done)
        best = runner.message_hub.runtime_info.get('best_score')
        bar = f'{"#" * (20 * done // steps):-<20}'
        line = (f'{bar} {done}/{steps}, at most {timedelta(seconds=round(seconds))} left'
                + (f', best mean IoU {best:.2f}' if best is not None else ''))
        line = line[:shutil.get_terminal_size().columns - 1]
        self._drawn = len(line)
        # Back at its beginning, where whatever comes next is written over it.
        self.file.write(f'{line}\r')
        self.file.flush()

    def _erase(self) -> None:
        if self._drawn:
            self.file.write(f'{" " * self._drawn}\r')
            self.file.flush()
            self._drawn = 0
