"""The figure of a network: maps, score layers, upsampling and fusion."""
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

_MAP, _SCORE, _FUSED, _IMAGE = '#56b4e9', '#e69f00', '#009e73', '#cccccc'
_TOP, _MIDDLE, _BOTTOM = 4.9, 2.6, 0.3  # heights of the three rows
_STEP = 3.3  # from one column to the next


class Stage(NamedTuple):
    """One column of the figure: a map, its score layer, and what it is fused with.

    Attributes:
        stride (int): Of the map.
        channels (int): Of the map.
        score (str): Describes its score layer.
        upsampler (str): Describes the upsampling of the scores to the next finer stride,
            or, for the finest, to the image.
        scale (float): The factor before its score layer; 1 is none.
    """
    stride: int
    channels: int
    score: str
    upsampler: str
    scale: float = 1


def draw_network(stages: Sequence[Stage], classes: int, title: str) -> Figure:
    """Draws a skip architecture, fine to coarse from left to right.

    The numbers in the boxes are channels.

    Args:
        stages (Sequence[Stage]): Fine to coarse.
        classes (int): Number of classes C.
        title (str): Above the figure.

    Returns:
        Figure: To be saved.
    """
    width = _STEP * (len(stages) + 1)
    figure = Figure(figsize=(width * 0.82, 5.6))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-1.7, width - 1.3), ylim=(-1.35, 6.75), aspect='equal')
    axes.set_axis_off()
    axes.text(-1.4, 6.4, title, fontsize=14, weight='bold', va='center')
    _box(axes, 0, _TOP, 1.6, _IMAGE, 'image')
    _box(axes, 0, _BOTTOM, 1.6, _IMAGE, 'labels')
    for i, stage in enumerate(stages):
        x, side = _STEP * (i + 1), _side(i)
        before = _STEP * i + (_side(i - 1) if i else 1.6) / 2
        _arrow(axes, (before, _TOP), (x - side / 2, _TOP),
               'backbone' if i == 0 else '')
        _box(axes, x, _TOP, side, _MAP, f'{stage.channels}')
        axes.text(x, _TOP + side / 2 + 0.22, f'stride {stage.stride}', ha='center',
                  fontsize=11)
        scale = '' if stage.scale == 1 else f'x {stage.scale:g}, '
        _arrow(axes, (x, _TOP - side / 2), (x, _MIDDLE + side / 2))
        axes.text(x + 0.14, (_TOP + _MIDDLE) / 2, scale + stage.score, fontsize=10,
                  va='center')
        _box(axes, x, _MIDDLE, side, _SCORE, f'{classes}')
        _fuse(axes, stages, i)
    return figure


def _fuse(axes: Axes, stages: Sequence[Stage], i: int) -> None:
    """The bottom row of column i, and the arrow that leaves it to the left."""
    x, side = _STEP * (i + 1), _side(i)
    last = i == len(stages) - 1
    if last:  # nothing coarser to be added
        _arrow(axes, (x, _MIDDLE - side / 2), (x, _BOTTOM), head=False)
        start = x
    else:
        _arrow(axes, (x, _MIDDLE - side / 2), (x, _BOTTOM + 0.26))
        axes.add_patch(Circle((x, _BOTTOM), 0.26, facecolor=_FUSED, edgecolor='black'))
        axes.text(x, _BOTTOM, '+', ha='center', va='center', fontsize=15, color='white',
                  weight='bold')
        start = x - 0.26
    end = _STEP * i + (0.26 if i else 0.8)
    _arrow(axes, (start, _BOTTOM), (end, _BOTTOM))
    middle = (start + end) / 2
    finer = stages[i - 1].stride if i else 1
    axes.text(middle, _BOTTOM + 0.18, f'x{stages[i].stride // finer}', ha='center',
              va='bottom', fontsize=12, weight='bold')
    axes.text(middle, _BOTTOM - 0.2, stages[i].upsampler, ha='center', va='top',
              fontsize=8.5)


def _side(i: int) -> float:
    return 1.3 * 0.78**i


def _box(axes: Axes, x: float, y: float, side: float, colour: str, text: str) -> None:
    axes.add_patch(Rectangle((x - side / 2, y - side / 2), side, side, facecolor=colour,
                             edgecolor='black'))
    axes.text(x, y, text, ha='center', va='center', fontsize=11)


def _arrow(axes: Axes, start, end, text: str = '', head: bool = True) -> None:
    axes.annotate('', end, start, arrowprops=dict(
        arrowstyle='-|>' if head else '-', color='black', shrinkA=0, shrinkB=0))
    if text:
        axes.text((start[0] + end[0]) / 2, start[1] + 0.12, text, ha='center',
                  va='bottom', fontsize=9)
