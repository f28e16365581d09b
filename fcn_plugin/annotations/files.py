"""Files of strangers, read so that the worst that they do is an error of one line."""
import base64
import binascii
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from ..utils.errors import InputError


def read_json(file: Path) -> Any:
    """What a JSON file holds, in UTF-8 with or without a mark.

    Raises:
        ValueError: If it is none.
    """
    try:
        return json.loads(file.read_bytes().decode('utf-8-sig'))
    except (ValueError, RecursionError) as error:
        raise InputError(f'{file}: it is no JSON in UTF-8: {error}') from None


def read_xml(file: Path) -> ElementTree.Element:
    """The root of an XML file.

    Raises:
        ValueError: If it is none, or declares entities, which a few lines can make fill the
            memory.
    """
    parser = ElementTree.XMLParser(target=_Builder())
    try:
        return ElementTree.fromstring(file.read_bytes(), parser)
    except ElementTree.ParseError as error:
        raise InputError(f'{file}: it is no XML: {error}') from None
    except InputError as error:
        raise InputError(f'{file}: {error}') from None


class _Builder(ElementTree.TreeBuilder):
    """Stops at a DOCTYPE, before the entities that are declared in it."""

    def doctype(self, *_: Any) -> None:
        raise InputError('it has a DOCTYPE, which no labelling tool writes; files with one '
                         'are not read')


def decoded(text: Any) -> bytes:
    """Bytes that are written in base64.

    Raises:
        ValueError: If it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise InputError('its mask is not base64') from None


def png_mask(data: bytes) -> np.ndarray:
    """The pixels of a PNG that are on: not clear, or not black where none is clear.

    Returns:
        np.ndarray: (h, w) bool.

    Raises:
        ValueError: If it is no PNG.
    """
    try:
        with Image.open(io.BytesIO(data), formats=['PNG']) as picture:
            clear = picture.mode in ('LA', 'PA', 'RGBA') or 'transparency' in picture.info
            pixels = np.asarray(picture.convert('RGBA' if clear else 'RGB'))
    except Exception as error:  # Pillow answers damaged files with almost any error
        raise InputError(f'its mask is no PNG: {error}') from None
    return pixels[..., 3] > 0 if clear else pixels.max(axis=2) > 0
