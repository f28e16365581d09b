"""A training loop that goes on from a checkpoint without loading what is done."""
from collections.abc import Iterator
from typing import Any

from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop

from .repeatable import leave_out


class _Rest:
    """The batches of a resumed run: None for each that is done, then the others.

    After a resume mmengine's loop draws as many batches as were trained on.
    """

    def __init__(self, batches: Iterator[Any], done: int) -> None:
        self.batches, self.done = batches, done

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.done:
            self.done -= 1
            return None
        return next(self.batches)


@LOOPS.register_module()
class ExactResumeTrainLoop(IterBasedTrainLoop):
    """mmengine's ``IterBasedTrainLoop``, which loads no image of the steps that are done.

    With ``FCNRunner``; with any other runner it is mmengine's. Samplers and batch samplers
    of other libraries load all images from the start, as mmengine does.

    Args:
        runner (Runner): See ``IterBasedTrainLoop``.
        dataloader (DataLoader or dict): See ``IterBasedTrainLoop``.
        *args, **kwargs: max_iters, val_begin, val_interval, dynamic_intervals, as there.
    """

    def __init__(self, runner, dataloader, *args, **kwargs) -> None:
        # Once IterBasedTrainLoop is initialised, worker processes load images.
        BaseLoop.__init__(self, runner, dataloader)
        done = getattr(runner, 'start_iter', 0)
        images = getattr(runner, 'start_images', None)
        self._left_out = done if done and leave_out(self.dataloader, done, images) else 0
        super().__init__(runner, self.dataloader, *args, **kwargs)

    def run(self) -> Any:
        """Launches training."""
        done, self._left_out = min(self._left_out, self.iter), 0
        self.dataloader_iterator: Any = _Rest(self.dataloader_iterator, done)
        return super().run()
