"""Labelling in tiles, switched on in a config."""
from mmengine.config import Config
from mmseg.registry import MODELS

from ...utils.errors import InputError
from .fcn_segmentor import FCNSegmentor


def use_tiles(config: Config, tile: int | None, overlap: int | None = None) -> None:
    """Has a config's segmentor label in tiles, in place; see :class:`FCNSegmentor`.

    Args:
        config (Config): With the model.
        tile (int, optional): Side of a tile, in pixels. None leaves the config alone.
        overlap (int, optional): Pixels that a tile sees beyond what it labels. Defaults
            to None: 128.

    Raises:
        ValueError: If its segmentor is of another type, or there is an overlap alone.
    """
    if tile is None:
        if overlap is not None:
            raise InputError(f'an overlap of {overlap} pixels, but of no tiles: give their '
                             'side as well (--tile), or leave --overlap out')
        return
    kind = config.model.type
    found = MODELS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(found, type) and issubclass(found, FCNSegmentor)):
        raise InputError(f'tiles need an FCNSegmentor, but the model is a {kind}')
    config.model.test_cfg = dict(config.model.get('test_cfg') or {}, mode='tile',
                                 tile=tile, overlap=128 if overlap is None else overlap)
