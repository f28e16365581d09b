"""What a checkpoint may be called: a file, a work dir, an address, a model of the package."""
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..utils.addresses import WEB
from ..utils.paths import HUB, WEIGHT_SUFFIXES, PathLike, config_names

_FOLDER = Path(__file__).resolve().parents[1] / 'weights'
#: Their files by name. 'objects' tells the 20 kinds of PASCAL VOC in photographs, 'street' the
#: 11 of CamVid seen from a car; ``weights/README.md`` says how well.
BUNDLED = {name: _FOLDER / f'{name}.safetensors' for name in ('objects', 'street')}
#: The one that is taken where none is named.
DEFAULT = 'objects'
#: The names of checkpoints. Neither bad_step.pth nor iter_8.part.pth, which a killed process
#: left while it wrote.
CHECKPOINT = re.compile(r'(?:best_(.+)_)?(?:iter|epoch)_\d+\.pth')


def is_weights(thing: object) -> bool:
    """Whether that is the path, the address or the name of weights, by how it looks, or a
    folder with a checkpoint."""
    return isinstance(thing, (str, Path)) and (
        str(thing) in BUNDLED or str(thing).startswith(HUB)
        or Path(thing).suffix.lower() in WEIGHT_SUFFIXES or str(thing).startswith(WEB)
        and Path(thing).suffix.lower() not in ('.py', '.onnx')
        or Path(thing).is_dir() and str(thing) not in config_names()
        and checkpoint_of(Path(thing)) is not None)


def weights_file(checkpoint: PathLike | None) -> PathLike:
    """The file of a checkpoint that is given by its path or by a name.

    Args:
        checkpoint (str or Path, optional): A path or URI, a key of :data:`BUNDLED`, unless a
            file of that name lies here, or the work dir of a run, for its best checkpoint.
            None stands for :data:`DEFAULT`.

    Returns:
        str or Path: As given, or the file of the package or in the work dir.

    Raises:
        FileNotFoundError: If it is a single word, but neither a file nor a name, or a folder
            without a checkpoint.
    """
    name = DEFAULT if checkpoint is None else str(checkpoint)
    if Path(name).suffix == '.pth':  # as the models of the package ended up to version 0.2
        renamed = Path(name).resolve().with_suffix('.safetensors')
        if renamed in BUNDLED.values():
            return renamed
    if name not in BUNDLED and Path(name).is_dir():
        best = checkpoint_of(Path(name))
        if best is None:
            raise FileNotFoundError(
                f"there is no checkpoint in the folder '{name}': expected the work dir of a "
                'run, with best_*.pth or last_checkpoint')
        return best
    if checkpoint is not None and (Path(name).suffix or len(Path(name).parts) > 1 or
                                   Path(name).is_file()):
        return checkpoint
    if name not in BUNDLED:
        raise FileNotFoundError(f"there is no file '{name}', and no model of the package is "
                                f'called so; there are {", ".join(BUNDLED)}')
    return BUNDLED[name]


def say_which(checkpoint: PathLike | None, classes: Sequence[str]) -> None:
    """Prints that the model is :data:`DEFAULT`, where none was named."""
    if checkpoint is None:
        print(f'no weights named: the {DEFAULT} model of the package ({", ".join(classes)})')


# --- of a work dir --------------------------------------------------------------------


def checkpoint_of(work_dir: Path, which: str = 'best') -> Path | None:
    """The checkpoint that a run has left.

    Args:
        work_dir (Path): The run's work dir.
        which (str): 'best', falling back to the last where none was judged, or 'last'.
            Of several that were the best, it is that by mean IoU where there is one, and
            of these the one written last. When it was written is read from the
            checkpoint: a file's own time changes where a folder is copied.

    Returns:
        Path: Or None, if there is none yet.
    """
    if which == 'best':
        best = [(match[1], path) for path in work_dir.glob('best_*.pth')
                if (match := CHECKPOINT.fullmatch(path.name))]
        by_figure = [path for metric, path in best if metric == 'mIoU']
        found = by_figure or [path for _, path in best]
        if found:
            return max(found, key=written) if len(found) > 1 else found[0]
    pointer = work_dir / 'last_checkpoint'
    if not pointer.is_file():
        return None
    # By name: the work dir may have been moved since.
    last = work_dir / Path(pointer.read_text().strip()).name
    return last if last.is_file() else None


def written(checkpoint: Path) -> tuple[str, int]:
    """When a checkpoint was written: the time, and after which iteration."""
    meta = peek(checkpoint).get('meta') or {}
    return meta.get('time', ''), meta.get('iter', 0)


def numbered_checkpoints(work_dir: str) -> list[Path]:
    """``iter_*.pth`` and ``epoch_*.pth`` of a run, the last one first."""
    found = [path for path in Path(work_dir).glob('*_*.pth')
             if (match := CHECKPOINT.fullmatch(path.name)) and match[1] is None]
    return sorted(found, key=lambda path: int(path.stem.partition('_')[2]), reverse=True)


def peek(path: PathLike) -> dict[str, Any]:
    """What a checkpoint says of its run, without reading its tensors into memory.

    Args:
        path (str or Path): A file.

    Returns:
        dict: All of the checkpoint, its tensors still in the file; empty where it is cut off,
        which a run goes past.
    """
    import torch  # an exported file is run without it
    try:
        return torch.load(path, map_location='cpu', mmap=True, weights_only=True)
    except OSError:
        raise
    except Exception:  # its unpickler raises almost anything
        return {}
