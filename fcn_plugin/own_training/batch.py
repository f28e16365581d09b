"""How many images a step can have: measured, by steps that grow."""
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from ..diagnosis.cost import peak_of
from ..engine.explain import explain_errors
from ..utils.config import network
from ..utils.errors import InputError

#: Of the memory that is free, what a step may need. The rest is for loaded images, and for
#: validation, whose images are larger than crops.
SHARE = 0.6


def fitting_batch(config: Config, crop_size: tuple[int, int], most: int, device: str
                  ) -> tuple[int, str]:
    """The largest batch whose step fits the memory, by steps on random pixels in float32.

    Two images, then twice as many while twice the memory of the step before is at most
    :data:`SHARE` of what is free.

    Args:
        config (Config): With the model.
        crop_size (tuple[int, int]): (H, W) of the images, in pixels.
        most (int): Images at most, from 2.
        device (str): 'cpu', 'cuda:0', ...

    Returns:
        tuple[int, str]: The batch, and why, in words.

    Raises:
        ValueError: If not even two images fit.
    """
    init_default_scope(config.get('default_scope', 'mmseg'))
    with explain_errors(config):
        model = revert_sync_batchnorm(MODELS.build(network(config))).to(device).train()
    free = free_memory(device)
    if free is None:
        return min(4, most), 'this system does not tell what memory is free'
    return _grow(lambda batch: peak_of(lambda: _step(model, crop_size, batch), device), free,
                 most)


def _grow(need: Callable[[int], int | None], free: int, most: int) -> tuple[int, str]:
    """The rule, whatever measures.

    Args:
        need (Callable): Images of a step to the bytes that it needs, or None where that is
            not told. Raises torch's RuntimeError where they are more than there are.
        free (int): Bytes.
        most (int): Images.
    """
    batch, bytes_, size = 0, 0, 2
    while size > batch and (not batch or 2 * bytes_ <= SHARE * free):
        try:
            needed = need(size)
        except RuntimeError as error:
            if 'memory' not in str(error):
                raise
            break
        if needed is None:
            return min(4, most), 'this system does not tell what memory a step needs'
        if needed > SHARE * free:
            break
        batch, bytes_, size = size, needed, min(2 * size, most)
    if not batch:
        raise InputError(
            f'a step on two crops does not fit {SHARE:.0%} of the {free / 2**30:.1f} GiB of '
            'memory that are free: end what else runs, take a smaller network by --base, or '
            'choose the batch by --cfg-options train_dataloader.batch_size=2')
    return batch, (f'a step needs {bytes_ / 2**30:.1f} of the {free / 2**30:.1f} GiB that are '
                   'free')


def _step(model: nn.Module, crop_size: tuple[int, int], batch: int) -> None:
    """One step of training, with all that an optimiser keeps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.)
    device = next(model.parameters()).device
    classes = model.decode_head.num_classes
    pixels = torch.randint(0, 256, (3, *crop_size), dtype=torch.uint8)
    samples = [SegDataSample(
        gt_sem_seg=PixelData(data=torch.randint(0, classes, (1, *crop_size))),
        metainfo=dict(img_shape=crop_size, ori_shape=crop_size)) for _ in range(batch)]
    data = model.data_preprocessor(
        dict(inputs=[pixels] * batch, data_samples=samples), training=True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def free_memory(device: str) -> int | None:
    """Bytes that are free: of the GPU, or under Linux of the machine or the container.

    Args:
        device (str): 'cpu', 'cuda:0', ...

    Returns:
        int, optional: None where the system does not tell.
    """
    if device.startswith('cuda'):
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path('/proc/meminfo').read_text().splitlines()
    except OSError:
        return None
    free = next(int(line.split()[1]) << 10 for line in lines if line.startswith('MemAvail'))
    return _of_group(Path('/sys/fs/cgroup'), free)


def _of_group(group: Path, free: int) -> int:
    """Of bytes that are free in the machine those that a container may take."""
    with suppress(OSError, ValueError, StopIteration):  # 'max' where a group has no limit
        # Of what the group holds, pages of files that nobody reads go first.
        unread = next(int(line.split()[1]) for line in
                      (group / 'memory.stat').read_text().splitlines()
                      if line.startswith('inactive_file '))
        held = int((group / 'memory.current').read_text()) - unread
        free = min(free, int((group / 'memory.max').read_text()) - held)
    return max(free, 0)
