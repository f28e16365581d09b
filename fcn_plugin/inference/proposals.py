"""Predictions as regions that a labelling tool opens, to be corrected there."""
import os
from collections.abc import Sequence
from pathlib import Path

from ..annotations.formats import WRITTEN
from ..annotations.regions import Annotated
from ..utils.errors import InputError
from ..utils.files import check_outputs, output_folder
from ..utils.left_out import noting, raise_left_out
from ..utils.paths import PathLike
from .inferencer import FCNInferencer
from .outlines import proposed


def write_proposals(infer: FCNInferencer, images: Sequence[Path], out_dir: PathLike,
                    format: str, tolerance: float | None = None, min_area: int = 0,
                    batch_size: int = 1, overwrite: bool = False) -> list[Path]:
    """Writes what is found in images as regions of a labelling tool.

    The background of a model becomes no region. Images are named as seen from the folder
    that has them all. Regions have scores where ``infer`` gives some.

    Args:
        infer (FCNInferencer): Finds it.
        images (Sequence[Path]): At least one, no videos.
        out_dir (str or Path): Made where it does not exist.
        format (str): A key of :data:`~fcn_plugin.annotations.formats.WRITTEN`.
        tolerance, min_area: See :func:`~fcn_plugin.inference.outlines.proposed`.
        batch_size (int): How many images at once. Defaults to 1.
        overwrite (bool): Whether files that exist may be replaced. Defaults to False.

    Returns:
        list[Path]: The files written.

    Raises:
        FileExistsError: If there is such a file already.
        LeftOutError: A ValueError, when all others are written, if there were images that
            cannot be read or segmented.
        ValueError: If two images would share a file, or ``tolerance`` or ``min_area`` is
            negative.
    """
    for name, number in (('tolerance', tolerance or 0), ('min-area', min_area)):
        if not number >= 0:
            raise InputError(f'--{name} must be 0 pixels or more, but is {number}')
    module, out_dir = WRITTEN[format], output_folder(out_dir)
    # Without '..', by which files would be written beside the folder, not into it.
    whole = {path: Path(os.path.abspath(path)) for path in images}
    folder = Path(os.path.commonpath([path.parent for path in whole.values()]))
    found = {path: Annotated(file.relative_to(folder).as_posix(), None, (), path)
             for path, file in whole.items()}
    files = module.files_of(list(found.values()), out_dir)
    twice = {file for file in files if files.count(file) > 1} if (
        len(set(files)) < len(files)) else ()
    if twice:
        raise InputError(f"{len(twice)} files, such as '{min(twice)}', would be of two images "
                         'each, which differ in their suffix alone: rename one')
    check_outputs(files, overwrite)
    failed: list[Exception] = []
    done = []
    for result in infer.stream(images, batch_size, infer.gives_scores, failed=failed):
        with noting(failed, str(result.path)):
            image = found[result.path]._replace(size=result.labels.shape)
            done.append(proposed(image, result.labels, result.class_names, result.background,
                                 result.scores, tolerance, min_area))
    names = [name for i, name in enumerate(infer.class_names) if i != infer.background]
    written = module.write(done, out_dir, names) if done else []
    raise_left_out(failed, len(images), f'The regions of the others are in {out_dir}')
    return written
