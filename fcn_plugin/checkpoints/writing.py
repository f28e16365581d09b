"""Writing checkpoints so that a file is whole or not there."""
import io
from pathlib import Path
from typing import Any

import torch

from ..utils.files import write_bytes


def write_checkpoint(path: Path, content: Any) -> None:
    """Saves what ``torch.load`` reads, on the disk when this returns.

    Args:
        path (Path): Replaced where it exists.
        content (Any): As ``torch.save`` takes it.

    Raises:
        OSError: With the disk's answer, of which torch's own writing to a file says
            nothing; then the file is as it was.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue(), to_disk=True)
