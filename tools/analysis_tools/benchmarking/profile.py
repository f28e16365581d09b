"""Where the time of one test and one training iteration goes."""
import functools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager

import torch
from mmengine.dataset import Compose
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData

from fcn_plugin.evaluation import FCNMetric

from .contenders import build_model
from .tasks import Case, as_samples, optim_wrapper, random_batch, write_images


class Stages:
    """Sums up the seconds between the marks of an iteration, by name."""

    def __init__(self) -> None:
        self.rounds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def __call__(self, name: str):
        began = self._now()
        yield
        self.rounds[name].append(self._now() - began)

    @staticmethod
    def _now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    def watch(self, owner: object, method: str, name: str) -> None:
        """Times every call of a method of one object."""
        inner: Callable = getattr(owner, method)

        @functools.wraps(inner)
        def timed(*args, **kwargs):
            with self(name):
                return inner(*args, **kwargs)

        # Past nn.Module, which would take a function for no attribute of its own.
        object.__setattr__(owner, method, timed)

    def medians(self, skip: int = 2) -> dict[str, float]:
        """Milliseconds of each stage, the first ``skip`` rounds left out.

        ``everything else`` is what no stage but ``total`` has seen.
        """
        names = [name for name in self.rounds if name != 'total']
        self.rounds['everything else'] = [
            total - sum(parts) for total, *parts in zip(
                self.rounds['total'], *(self.rounds[name] for name in names))]
        return {name: 1e3 * statistics.median(values[skip:])
                for name, values in self.rounds.items()}


@torch.no_grad()
def profile_test(case: Case, rounds: int, fast: bool) -> dict[str, float]:
    """One image from its file to the metric, in milliseconds by stage."""
    path = str(write_images(case._replace(images=1)) / 'img' / '00000.jpg')
    truth = torch.zeros(1, case.size, case.size, dtype=torch.int64)
    pipeline = Compose([dict(type='LoadImageFromFile'), dict(type='PackSegInputs')])
    model = build_model('ours-fast' if fast else 'ours', case.config, case.classes,
                        case.device)
    metric = FCNMetric()
    metric.dataset_meta = dict(classes=tuple(map(str, range(case.num_classes))))
    stages = Stages()
    stages.watch(model.data_preprocessor, 'forward', 'preprocessing')
    stages.watch(model, 'extract_feat', 'backbone')
    stages.watch(model.decode_head, 'forward', 'score, fuse')
    stages.watch(model, '_finish', 'labels')
    for _ in range(rounds + 2):
        with stages('total'):
            with stages('file to pixels'):
                data = pipeline(dict(img_path=path))
            sample, = model.test_step({key: [value] for key, value in data.items()})
            sample.gt_sem_seg = PixelData(data=truth)
            with stages('metric'):
                metric.process({}, [sample.to_dict()])
    return stages.medians()


def profile_train(case: Case, rounds: int) -> dict[str, float]:
    """One iteration on a batch in memory, in milliseconds by stage."""
    model = build_model('ours', case.config, case.classes, case.device)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, fused=True)
    wrapper: OptimWrapper = optim_wrapper(case, optimizer)
    images, truth = random_batch(case)
    stages = Stages()
    stages.watch(model.data_preprocessor, 'forward', 'preprocessing')
    stages.watch(model, 'extract_feat', 'backbone')
    stages.watch(model.decode_head, 'loss', 'score, fuse, upsample, loss')
    stages.watch(wrapper, 'backward', 'backward')
    stages.watch(wrapper, 'step', 'optimiser')
    for _ in range(rounds + 2):
        samples = as_samples(truth)
        with stages('total'):
            model.train_step(dict(inputs=list(images), data_samples=samples), wrapper)
    return stages.medians()
