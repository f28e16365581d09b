"""mmengine's runner, with images that are looked at and runs that can be gone on with."""
import copy
import logging
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dist import broadcast_object_list
from mmengine.logging import MMLogger, print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

from .. import compat
from ..checkpoints.fit import check_checkpoint
from ..checkpoints.naming import weights_file
from ..checkpoints.work_dir import latest_readable
from ..datasets.bad_samples import check_choice
from ..datasets.guarded import guarded
from ..resuming.repeatable import PlacedSampler, RepeatableDataset
from ..resuming.resume import ExactResumeHook
from ..resuming.seeding import BUILD, seeded
from ..resuming.start import checkpoint_of_restart
from ..utils.config import num_classes
from ..utils.files import new_folder


def _is_of_a_run(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith('paramwise_options -- ')


@RUNNERS.register_module()
class FCNRunner(Runner):
    """mmengine's ``Runner`` for every run of this package, with or without its tools.

    * Images and masks that cannot be used are named or left out, as ``on_bad_sample`` of
      the config says (:class:`~fcn_plugin.datasets.guarded.GuardedDataset`).
    * Training draws its images, their order and all other random numbers by the run's seed
      and the place in the run, so that a run which is killed and resumed ends as if it
      never had been (:class:`~fcn_plugin.resuming.resume.ExactResumeHook`).
    * ``resume`` goes on from the run's own last checkpoint that can be read, also where
      ``load_from`` names another run's; a checkpoint of another network is refused.
    * Each run has a log folder of its own, also one that begins in another's second.
    * Several processes work without a GPU.

    A config asks for it by ``runner_type = 'FCNRunner'``.

    Args:
        *args, **kwargs: See mmengine's ``Runner``.

    Attributes:
        start_iter (int): The iterations that are done in the checkpoint which training
            goes on from; 0 in a new run, and before :meth:`train`.
        start_images (int, optional): The images that all processes drew for them; None where
            the checkpoint does not say.
    """
    start_iter = 0
    start_images: int | None = None
    _load_from: str | None
    _timestamp: str

    @classmethod
    def from_cfg(cls, cfg: Config | ConfigDict | dict) -> 'FCNRunner':
        """The runner of a config, which is not changed.

        Raises:
            ValueError: For an unknown ``on_bad_sample``.
        """
        given = cfg if isinstance(cfg, Config) else Config(cfg)
        # A copy whose text yapf does not lay out: with 254 classes that takes seconds, at the
        # start and at every checkpoint.
        cfg = Config(copy.deepcopy(given.to_dict()), cfg_text=given.text,
                     filename=given.filename, env_variables=given.env_variables,
                     format_python_code=False)
        check_choice(cfg.get('on_bad_sample', 'error'))
        # So that the config in the work dir says so.
        cfg.setdefault('runner_type', cls.__name__)
        compat.init_cpu_distributed(cfg)
        return super().from_cfg(cfg)

    def setup_env(self, env_cfg: dict) -> None:
        """Sets up processes and threads, and a log folder that no other run writes to.

        mmengine names it after the second: a run resumed within it would write behind a line
        that the broken run left half written.
        """
        super().setup_env(env_cfg)
        name = [new_folder(self.work_dir, self._timestamp) if self._rank == 0 else '']
        broadcast_object_list(name)
        self._timestamp = name[0]

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """A logger without the lines of ``paramwise_cfg``: mmengine writes up to four for each
        parameter, and :class:`~fcn_plugin.optim.FewGroupsOptimWrapperConstructor` one a group.
        """
        logger = super().build_logger(*args, **kwargs)
        logger.addFilter(_is_of_a_run)
        return logger

    def build_visualizer(self, visualizer: Visualizer | dict | None = None) -> Visualizer:
        """Builds one of this run's: by a name, mmengine would find that of a run before."""
        if isinstance(visualizer, dict):
            visualizer = dict(visualizer, name=self.log_dir)
        return super().build_visualizer(visualizer)

    def register_hooks(self, default_hooks: dict | None = None,
                       custom_hooks: list | None = None) -> None:
        """Registers the config's hooks, and :class:`ExactResumeHook`."""
        super().register_hooks(default_hooks, custom_hooks)
        self.register_hook(ExactResumeHook())

    # An instance's, where mmengine's is static: loops call it on the runner.
    def build_dataloader(self, dataloader: DataLoader | dict,
                         seed: int | None = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """A loader whose images are looked at, and drawn by place in training.

        Args:
            dataloader (DataLoader or dict): Its config. A loader that is built already is
                used as it is, with a warning.
            seed, diff_rank_seed: See mmengine's ``Runner``.
        """
        if isinstance(dataloader, DataLoader):
            print_log('a data loader that is built already is used as it is: nothing looks '
                      'at its images, and a resumed run draws others; give its config '
                      'instead', 'current', 30)
            return dataloader
        config = dict(dataloader, dataset=guarded(
            dataloader['dataset'], self.cfg.get('on_bad_sample', 'error'),
            num_classes(self.cfg)))
        if not config.get('num_workers'):  # torch takes no persistent ones of none
            config.pop('persistent_workers', None)
        if dataloader is not self._train_dataloader:
            return super().build_dataloader(config, seed, diff_rank_seed)
        config['dataset'] = dict(type=RepeatableDataset, dataset=config['dataset'],
                                 seed=self.seed)
        config['sampler'] = dict(
            type=PlacedSampler, sampler=config['sampler'], order_seed=self.seed,
            shuffle=config.pop('shuffle', False))
        with seeded(BUILD, self.seed):  # where a sampler draws its seed
            return super().build_dataloader(config, seed, diff_rank_seed)

    def train(self) -> nn.Module:
        """Trains, from the start or from where the run was.

        Returns:
            nn.Module: The model after training.

        Raises:
            ValueError: If training would start from another network's weights, or none of
                the run's checkpoints can be read.
        """
        if not self._has_loaded:
            self._take_up(self._check_start())
        return super().train()

    def test_checkpoint(self, checkpoint: str) -> dict[str, float]:
        """Evaluates a checkpoint on the test data, when training has ended.

        Args:
            checkpoint (str): The weights' file.

        Returns:
            dict[str, float]: The metrics; none where there is no test data.
        """
        if self._test_dataloader is None:
            return {}
        # EMAHook would part the averaged weights from the others, as where training goes
        # on, and judge the others.
        self._resume = False
        # Also the last one: in several processes batch norms' statistics differ.
        self.load_checkpoint(checkpoint)
        return self.test()

    def _check_start(self) -> dict[str, Any]:
        """Meta of the checkpoint that the run goes on from, empty where it is a new one."""
        if not self._resume:
            latest = checkpoint_of_restart(self._launcher, self.work_dir, False)
            if latest:
                self._load_from, self._resume = latest, True
        if self._resume:
            self._choose_checkpoint()
        if self._load_from is None:
            return {}
        self._load_from = str(weights_file(self._load_from))
        meta = check_checkpoint(self.model, self._load_from, self.cfg, whole=self._resume)
        return meta if self._resume else {}

    def _choose_checkpoint(self) -> None:
        """Has a run go on from its own checkpoint rather than from where it once began.

        mmengine would resume from ``load_from``, which for a config that names one is
        another run's end. A checkpoint of this work dir may be named; where there is none,
        the run begins with ``load_from``'s weights.
        """
        start = self._load_from
        if start and Path(start).resolve().parent == Path(self.work_dir).resolve():
            return
        latest = latest_readable(self.work_dir)
        if latest is not None:
            self._load_from = latest
            return
        self._resume = False
        if start:
            print_log(f'--resume: {self.work_dir} has no checkpoint; a new run begins with '
                      f'the weights of {start}', 'current')

    def _take_up(self, meta: dict[str, Any]) -> None:
        """Takes the place and the seed of the run that this one goes on with."""
        self.start_iter, self.start_images = meta.get('iter', 0), meta.get('images')
        # mmengine takes the seed, too, but when the data are built already.
        seed, own = meta.get('seed'), self._randomness_cfg.get('seed')
        if seed is None or seed == own:
            return
        if own is not None:
            print_log(f'the config has randomness.seed={own}, but the run that is gone on '
                      f'with had {seed}, which is kept', 'current', 30)
        self._randomness_cfg.update(seed=seed)
        self.set_randomness(**self._randomness_cfg)
