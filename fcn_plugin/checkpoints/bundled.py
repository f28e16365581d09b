"""What a checkpoint may be called: a file, an address, a model of the package."""
from collections.abc import Sequence
from pathlib import Path

from ..utils.addresses import WEB
from ..utils.paths import HUB, WEIGHT_SUFFIXES, PathLike

_FOLDER = Path(__file__).resolve().parents[1] / 'weights'
#: Their files by name. 'objects' tells the 20 kinds of PASCAL VOC in photographs, 'street' the
#: 11 of CamVid seen from a car; ``weights/README.md`` says how well.
BUNDLED = {name: _FOLDER / f'{name}.safetensors' for name in ('objects', 'street')}
#: The one that is taken where none is named.
DEFAULT = 'objects'


def is_weights(thing: object) -> bool:
    """Whether that is the path, the address or the name of weights, by how it looks."""
    return isinstance(thing, (str, Path)) and (
        str(thing) in BUNDLED or str(thing).startswith(HUB)
        or Path(thing).suffix.lower() in WEIGHT_SUFFIXES or str(thing).startswith(WEB)
        and Path(thing).suffix.lower() not in ('.py', '.onnx'))


def weights_file(checkpoint: PathLike | None) -> PathLike:
    """The file of a checkpoint that is given by its path or by a name.

    Args:
        checkpoint (str or Path, optional): A path or URI, or a key of :data:`BUNDLED`,
            unless a file of that name lies here. None stands for :data:`DEFAULT`.

    Returns:
        str or Path: As given, or the file of the package.

    Raises:
        FileNotFoundError: If it is a single word, but neither a file nor a name.
    """
    name = DEFAULT if checkpoint is None else str(checkpoint)
    if Path(name).suffix == '.pth':  # as the models of the package ended up to version 0.2
        renamed = Path(name).resolve().with_suffix('.safetensors')
        if renamed in BUNDLED.values():
            return renamed
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
