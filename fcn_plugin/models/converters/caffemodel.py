"""Reads the weights of a Caffe model: binary protobuf, without Caffe or protobuf.

The wire format is a sequence of fields, each a tag (a varint: field number and wire
type) and a payload. Messages are read at a fixed depth, net, layer, blob or settings, shape;
whatever else a file holds is stepped over, never entered.
"""
import dataclasses
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from ...utils.errors import InputError

# Wire types. 3 and 4 are groups, which no Caffe message has and which would nest.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Released models have some hundreds of fields. Layers, blobs and pieces of data are
# fields too, so that this one bound keeps time and memory in proportion to the file.
_MAX_FIELDS = 1 << 18
_MAX_DIMS = 32  # Caffe's own bound on the axes of a blob
_MAX_NAME = 256

# V1LayerParameter numbers its types; these are the ones that nets like ours have.
_V1_TYPES = {
    2: 'BNLL', 3: 'Concat', 4: 'Convolution', 6: 'Dropout', 14: 'InnerProduct', 15: 'LRN',
    17: 'Pooling', 18: 'ReLU', 19: 'Sigmoid', 22: 'Split', 23: 'TanH', 25: 'Eltwise',
    26: 'Power', 39: 'Deconvolution'}
# The fields of what types are set by, in LayerParameter and in V1LayerParameter.
_SETTINGS = {
    'Convolution': (106, 10), 'Deconvolution': (106, 10), 'Crop': (144, ),
    'Eltwise': (110, 24), 'InnerProduct': (117, 17), 'LRN': (118, 18), 'Pooling': (121, 19),
    'ReLU': (123, 30)}


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer and its weights.

    Attributes:
        name (str): Its name in the net.
        type (str): Caffe's name of its type, such as 'Convolution'; '' where unknown.
        blobs (tuple[np.ndarray]): Its parameters in Caffe's order (weight, bias),
            float32 or, from nets trained in double precision, float64.
        bottoms, tops (tuple[str]): The names of what it reads and of what it makes; none in
            a file of weights alone.
        settings (Mapping[int, tuple[float]]): The numbers of its type's own message
            (``convolution_param``), by their fields in caffe.proto.
    """
    name: str
    type: str
    blobs: tuple[np.ndarray, ...]
    bottoms: tuple[str, ...] = ()
    tops: tuple[str, ...] = ()
    settings: Mapping[int, tuple[float, ...]] = dataclasses.field(
        default_factory=dict)


class CaffeModel(NamedTuple):
    """What :func:`read_caffemodel` finds.

    Attributes:
        layers (list[Layer]): All layers, those without weights too, as in the file.
            Their arrays are read-only views of ``data``.
        data (np.memmap): The file, mapped: (bytes, ) uint8.
    """
    layers: list[Layer]
    data: np.memmap


def read_caffemodel(path: str | Path) -> CaffeModel:
    """Reads the layers of a binary ``.caffemodel``, of the old and the new format.

    The file is mapped into memory and weights are views of it, so that reading
    costs next to nothing and a weight is loaded when it is used. Every length is
    compared with what is left of the file before anything is made of it.

    Args:
        path (str or Path): The file.

    Raises:
        OSError: If there is no such file, or it cannot be opened.
        ValueError: If it is no complete Caffe model, with the byte at which that
            shows and what was expected there.
    """
    if not Path(path).stat().st_size:
        raise InputError(f"cannot read '{path}' as a Caffe model: the file is empty")
    data = np.memmap(path, np.uint8, mode='r')
    return CaffeModel(_Reader(path, data).net(), data)


class _Field(NamedTuple):
    """A field: its number, wire type, and payload ``data[start:stop]``."""
    number: int
    wire: int
    start: int
    stop: int


class _Reader:
    """The messages of one file. Methods take the bytes [at, end) of a message.

    Args:
        path (str or Path): For errors alone.
        data (np.ndarray): (bytes, ) uint8.
    """

    def __init__(self, path: str | Path, data: np.ndarray) -> None:
        # Slices of a plain array cost less than those of a memmap.
        self.path, self.data = path, np.asarray(data)
        self.bytes = memoryview(data)
        self.fields_left = _MAX_FIELDS

    def fail(self, at: int, expected: str, found: str) -> NoReturn:
        raise InputError(
            f"cannot read '{self.path}' as a Caffe model: at byte {at} of "
            f'{len(self.data)}: expected {expected}, found {found}. It must be '
            'a complete binary .caffemodel (no .prototxt, no HDF5, no archive); download it '
            'again')

    # --- the wire format ---------------------------------------------------

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """An unsigned number of up to 64 bits, and where it stops."""
        value = 0
        for i in range(10):
            if at + i >= end:
                self.fail(at, 'a number', 'the end of its message')
            byte = self.bytes[at + i]
            value |= (byte & 0x7f) << 7 * i
            if byte < 0x80:
                if value >> 64:
                    break
                return value, at + i + 1
        self.fail(at, 'a number of at most 64 bits', 'a longer one')

    def field(self, at: int, end: int) -> _Field:
        self.fields_left -= 1
        if self.fields_left < 0:
            self.fail(at, f'at most {_MAX_FIELDS} fields in all', 'more')
        tag, start = self.varint(at, end)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            self.fail(at, 'a field number from 1 to 2**29 - 1', str(number))
        if wire == _VARINT:
            size = self.varint(start, end)[1] - start
        elif wire == _BYTES:
            size, start = self.varint(start, end)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            self.fail(at, 'wire type 0, 1, 2 or 5', f'{wire} (groups are not Caffe\'s)')
        if size > end - start:
            self.fail(at, f'{size} bytes for field {number}',
                      f'{end - start} left in its message')
        return _Field(number, wire, start, start + size)

    def fields(self, at: int, end: int) -> Iterator[_Field]:
        while at < end:
            field = self.field(at, end)
            yield field
            at = field.stop

    def expect(self, field: _Field, *wires: int) -> None:
        if field.wire not in wires:
            wanted = ' or '.join(map(str, wires))
            self.fail(field.start, f'wire type {wanted} for field {field.number}',
                      str(field.wire))

    def number(self, field: _Field) -> int:
        self.expect(field, _VARINT)
        return self.varint(field.start, field.stop)[0]

    def text(self, field: _Field) -> str:
        self.expect(field, _BYTES)
        size = field.stop - field.start
        if size > _MAX_NAME:
            self.fail(field.start, f'a name of at most {_MAX_NAME} bytes', f'{size}')
        try:
            return bytes(self.bytes[field.start:field.stop]).decode()
        except UnicodeDecodeError:
            self.fail(field.start, 'a name in UTF-8', 'other bytes')

    # --- the messages ------------------------------------------------------

    def net(self) -> list[Layer]:
        """NetParameter: field 2 is ``layers`` of the old format, 100 ``layer`` of the new."""
        layers = []
        for field in self.fields(0, len(self.data)):
            if field.number in (2, 100):
                self.expect(field, _BYTES)
                layers.append(self.layer(field, old=field.number == 2))
        if not layers:
            self.fail(len(self.data), 'layers', 'none')
        return layers

    def layer(self, message: _Field, old: bool) -> Layer:
        """V1LayerParameter or LayerParameter."""
        name_at, type_at, blobs_at = (4, 5, 6) if old else (1, 2, 7)
        joints: dict[int, list[str]] = {number: [] for number in ((2, 3) if old else (3, 4))}
        others: list[_Field] = []
        name, kind, blobs = '', '', []
        for field in self.fields(message.start, message.stop):
            if field.number == name_at:
                name = self.text(field)
            elif field.number == type_at and old:
                number = self.number(field)
                kind = _V1_TYPES.get(number, f'V1 type {number}')
            elif field.number == type_at:
                kind = self.text(field)
            elif field.number == blobs_at:
                self.expect(field, _BYTES)
                blobs.append(self.blob(field, name))
            elif field.number in joints:
                joints[field.number].append(self.text(field))
            elif field.number == 1 and old:
                self.fail(field.start, 'layers of format V1 or newer', 'format V0, '
                          "which Caffe's upgrade_net_proto_binary converts")
            elif field.wire == _BYTES:
                others.append(field)
        settings = _SETTINGS.get(kind, ())[old:1 + old]
        bottoms, tops = map(tuple, joints.values())
        return Layer(name, kind, tuple(blobs), bottoms, tops, self.settings(
            [field for field in others if field.number in settings]))

    def settings(self, messages: list[_Field]) -> dict[int, tuple[float, ...]]:
        """The numbers among the fields of a message, which may come in parts."""
        found: dict[int, tuple[float, ...]] = {}
        for message in messages:
            for field in self.fields(message.start, message.stop):
                if field.wire == _FIXED32:
                    value, = struct.unpack('<f', self.bytes[field.start:field.stop])
                elif field.wire == _VARINT:
                    value = self.number(field)
                else:
                    continue
                found[field.number] = (*found.get(field.number, ()), value)
        return found

    def blob(self, message: _Field, layer: str) -> np.ndarray:
        """BlobProto: its array in the shape that it states, as a view where possible."""
        legacy: dict[int, int] = {}
        shape: list[int] = []
        single, double = [], []
        at = message.start
        while at < message.stop:
            field = self.field(at, message.stop)
            at = field.stop
            if field.number in (1, 2, 3, 4):  # num, channels, height, width
                legacy[field.number] = self.number(field)
            elif field.number == 7:
                self.expect(field, _BYTES)
                self.dims(field, shape)
            elif field.number in (5, 6) and field.wire == _FIXED32:
                run, at = self.unpacked(field, message.stop)
                single += [run] * (field.number == 5)  # 6 are gradients
            elif field.number == 5:
                single.append(self.packed(field, '<f4'))
            elif field.number == 8 and field.wire == _FIXED64:
                double.append(self.data[field.start:field.stop].view('<f8'))
            elif field.number == 8:
                double.append(self.packed(field, '<f8'))
        if legacy:  # takes precedence in Caffe too
            shape = [legacy.get(number, 0) for number in (1, 2, 3, 4)]
        pieces = double or single
        count = sum(map(len, pieces))
        if not count or math.prod(shape) != count:
            size = 'x'.join(map(str, shape)) or 'a single'
            self.fail(message.start, f"{size} values in a blob of layer '{layer}'",
                      str(count))
        values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return values.reshape(shape)

    def dims(self, message: _Field, dims: list[int]) -> None:
        """BlobShape: appends its dims, packed or not."""
        for field in self.fields(message.start, message.stop):
            if field.number != 1:
                continue
            self.expect(field, _VARINT, _BYTES)
            at = field.start
            while at < field.stop:
                dim, at = self.varint(at, field.stop)
                dims.append(dim)
                if len(dims) > _MAX_DIMS:
                    self.fail(at, f'at most {_MAX_DIMS} dimensions', 'more')

    def packed(self, field: _Field, dtype: str) -> np.ndarray:
        self.expect(field, _BYTES)
        size = np.dtype(dtype).itemsize
        if (field.stop - field.start) % size:
            self.fail(field.start, f'a multiple of {size} bytes of data',
                      f'{field.stop - field.start}')
        return self.data[field.start:field.stop].view(dtype)

    def unpacked(self, first: _Field, end: int) -> tuple[np.ndarray, int]:
        """A run of single floats, each behind a tag, as one view, and where it stops.

        Old files may hold a hundred million: a Python step for each would take
        minutes.
        """
        tag = first.number << 3 | _FIXED32
        at, chunk = first.stop, 1 << 16
        while at < end:
            rows = self.data[at:at + min((end - at) // 5, chunk) * 5].reshape(-1, 5)
            others = np.flatnonzero(rows[:, 0] != tag)
            at += 5 * int(others[0] if len(others) else len(rows))
            if len(others) or not len(rows):
                break
        # The first one's tag may be padded; its last byte stands before the value.
        run = self.data[first.start - 1:at].reshape(-1, 5)
        return run[:, 1:].view('<f4')[:, 0], at
