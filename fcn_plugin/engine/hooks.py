"""mmengine's and mmseg's hooks, where they fall short."""
import warnings
from pathlib import Path
from typing import Dict, Optional, Sequence

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import LoggerHook
from mmengine.runner import Runner
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample


@HOOKS.register_module()
class FCNLoggerHook(LoggerHook):
    """mmengine's hook, with one process alone writing a test's metrics.

    mmengine 0.10.7 lets every process write the same JSON file at the same time,
    which leaves a broken one now and then.

    Args:
        **kwargs: As in mmengine's ``LoggerHook``: interval, log_metric_by_epoch, ...
    """

    def after_test_epoch(self, runner: Runner,
                         metrics: Optional[Dict[str, float]] = None) -> None:
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
            # "The draw is False" is the default and no news.
            warnings.filterwarnings('ignore', 'The draw is False')
            super().__init__(**kwargs)

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
            image = np.ascontiguousarray(pixels[[2, 1, 0]].permute(1, 2, 0).cpu().numpy())
            if image.shape[:2] != (height, width):
                image = cv2.resize(image, (width, height))
            # Of the view: the merged output has the last view's meta information.
            if sample.get('flip') and sample.get('flip_direction') == 'horizontal':
                image = np.ascontiguousarray(image[:, ::-1])
            self._visualizer.add_datasample(
                f'{mode}_{Path(output.img_path).name}', image.astype(np.uint8),
                data_sample=output, show=self.show, wait_time=self.wait_time,
                # in testing runner.iter would build the training data
                step=runner.iter if mode == 'val' else 0)
