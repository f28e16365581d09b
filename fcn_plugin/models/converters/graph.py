"""What a Caffe model says of how its layers are joined, compared with the authors' nets.

A file that Caffe wrote holds the whole net beside its weights. Layers of the authors' names
and shapes can compute something else: another padding, a pooling by means, skips that are
scaled. So the input of each layer with weights is written as what is done to the outputs of
other layers with weights, such as ``max 2/2(relu(conv1_2))``, and compared with theirs.
"""
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest
from typing import NamedTuple

from ..geometry import CAFFE_PADDING
from .caffemodel import Layer

_IMAGE = 'the image'
_UNKNOWN = '?'
# What a stream, a task or a fourth channel adds to a layer's name.
_ENDS = re.compile('(color|hha|_sem|_geo|_bgrd)$')
_POOLINGS = 'max', 'average', 'stochastic'
_SUMS = 'product', 'sum', 'maximum'


class Net(NamedTuple):
    """The net that a file must hold.

    Attributes:
        trunk (Sequence[str]): Its convolutions up to fc7.
        upsampling (Mapping[str, int]): Its upsampling layers and their factors, coarse to
            fine; empty for a classifier, which ends in fc8 and pads the image as any other
            map.
        offsets (Sequence[int]): What is cropped: one of each skip, and one of the image.
        scaled (bool): Whether skips are scaled. Defaults to False.
        late (bool): Whether the scores of two streams are averaged. Defaults to False.
    """
    trunk: Sequence[str]
    upsampling: Mapping[str, int] = {}
    offsets: Sequence[int] = ()
    scaled: bool = False
    late: bool = False

    def reads(self) -> dict[str, str]:
        """What the layers of the authors' net read."""
        alexnet = 'conv1' in self.trunk
        pool = 'max 3/2' if alexnet else 'max 2/2'
        reads = {self.trunk[0]: _IMAGE, 'score_fr': 'relu(fc7)', 'fc8': 'relu(fc7)'}
        for before, name in pairwise(self.trunk):
            reads[name] = f'relu({before})'
            normed = alexnet and name in ('conv2', 'conv3')
            if normed or name.endswith('_1') or name == 'fc6':
                reads[name] = f'{pool}({reads[name]})'
            if normed:
                reads[name] = f'lrn 5 0.0001 0.75 1({reads[name]})'
        source = 'sum(0.5 score_fr, 0.5 score_fr)' if self.late else 'score_fr'
        pools = ['pool4', 'pool3'][:len(self.upsampling) - 1]
        for upscore, at, offset in zip_longest(self.upsampling, pools, self.offsets):
            reads[upscore] = source
            if at is not None:
                reads[f'scale_{at}'] = f'{pool}(relu(conv{at[-1]}_3))'
                reads[f'score_{at}'] = f'scale_{at}' if self.scaled else reads[f'scale_{at}']
                source = f'sum(crop {offset}(score_{at}), {upscore})'
        return reads

    def moves(self, name: str, size: int) -> list[int]:
        """Padding, stride and dilation of a layer with a kernel of ``size``."""
        padding = size // 2 if name.startswith('conv') else 0
        if name == self.trunk[0]:
            padding = CAFFE_PADDING if self.upsampling else padding * (name != 'conv1')
        return [padding, self.upsampling.get(name, 4 if name == 'conv1' else 1), 1]


def differences(layers: Sequence[Layer], net: Net) -> Iterator[str]:
    """Says of each layer how what the file has differs from the authors' net.

    Files of weights alone say nothing of it, nor do those whose layers do not follow one
    another: they have no differences.

    Args:
        layers (Sequence[Layer]): All of a file, in its order.
        net (Net): The net that it must be.
    """
    seen: set[str] = set()
    tops = {top for layer in layers for top in layer.tops}
    for layer in layers:
        if not tops.isdisjoint(set(layer.bottoms) - seen):
            return
        seen.update(layer.tops)
    made: dict[str, str] = {}
    reads, last = net.reads(), [*net.upsampling][-1:]
    for layer in layers:
        inputs = [made.get(bottom, _IMAGE) for bottom in layer.bottoms]
        name = _ENDS.sub('', layer.name)
        made.update(dict.fromkeys(layer.tops, name if layer.blobs else _made(layer, inputs)))
        if inputs and layer.blobs and name in reads:
            found, wanted = ', '.join(inputs), reads[name]
            # Crops of an older Caffe find their offsets themselves; of the old format the
            # numbers of some types, crops among them, differ from branch to branch.
            if _UNKNOWN not in found and found not in (
                    wanted, re.sub(r'crop \d+', 'crop', wanted)):
                yield f"layer '{layer.name}' reads {found}, expected {wanted}"
            if layer.type in ('Convolution', 'Deconvolution'):
                yield from _moved(layer, net.moves(name, layer.blobs[0].shape[-1]))
        elif layer.type == 'Crop' and inputs[:1] == last and (
                _crop(layer) not in ('crop', f'crop {net.offsets[-1]}')):
            yield f"layer '{layer.name}' is {_crop(layer)}, expected crop {net.offsets[-1]}"


def _moved(layer: Layer, wanted: list[int]) -> Iterator[str]:
    found = [_sides(layer, *fields) for fields in ((3, 9, 10, 0), (6, 13, 14, 1),
                                                   (18, 18, 18, 1))]
    if found != wanted:
        yield (f"layer '{layer.name}' has " + ', expected '.join(
            '{} pixels of padding, stride {} and dilation {}'.format(*each)
            for each in (found, wanted)))


def _made(layer: Layer, inputs: list[str]) -> str:
    """What a layer without weights makes of its inputs."""
    joined = ', '.join(inputs)
    number = {key: values[-1] for key, values in layer.settings.items()}
    if not inputs or layer.type in ('Dropout', 'Split') or (
            layer.type == 'Concat' and set(inputs) == {_IMAGE}):
        return inputs[0] if inputs else _IMAGE
    if layer.type == 'ReLU':
        slope = number.get(1, 0)
        return f'relu of slope {slope:g}({joined})' if slope else f'relu({joined})'
    if layer.type == 'Pooling':
        kind = _POOLINGS[int(number.get(1, 0)) % 3]
        extra = ''.join(f' {what} {number[key]:g}' for key, what in (
            (4, 'padded by'), (9, 'padded by'), (10, 'padded by'), (12, 'global'),
            (13, 'rounded by')) if number.get(key))
        return (f'{kind} {_sides(layer, 2, 5, 6, 0)}/{_sides(layer, 3, 7, 8, 1)}{extra}'
                f'({joined})')
    if layer.type == 'LRN':
        values = (number.get(key, default) for key, default in (
            (1, 5), (2, 1.), (3, 0.75), (5, 1.)))
        within = ' within channels' * bool(number.get(4))
        return f'lrn {" ".join(f"{value:g}" for value in values)}{within}({joined})'
    if layer.type == 'Eltwise':
        factors = [f'{factor:g} ' * (factor != 1) for factor in
                   layer.settings.get(2, (1, ) * len(inputs))]
        terms = sorted(map(''.join, zip(factors, inputs)))
        return f'{_SUMS[int(number.get(1, 1)) % 3]}({", ".join(terms)})'
    if layer.type == 'Crop':
        return f'{_crop(layer)}({inputs[0]})'
    return _UNKNOWN if not layer.type or layer.type.startswith('V1 type') else (
        f'{layer.type}({joined})')


def _crop(layer: Layer) -> str:
    offsets, axis = layer.settings.get(2, ()), layer.settings.get(1, (2, ))[-1]
    text = ' and '.join(dict.fromkeys(f'{offset:g}' for offset in offsets))
    return ' '.join(['crop'] + [text] * bool(text) + [f'from axis {axis}'] * (axis != 2))


def _sides(layer: Layer, both: int, height: int, width: int, default: int) -> int | str:
    """A length of both sides by its fields in the message: one for all, or one a side."""
    values = layer.settings.get(both) or [
        value for key in (height, width) for value in layer.settings.get(key, (default, ))]
    lengths = [int(value) for value in dict.fromkeys(values)]
    return lengths[0] if len(lengths) == 1 else 'x'.join(map(str, lengths))
