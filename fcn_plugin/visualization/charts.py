"""Curves as SVG, for a page."""
import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Curve = tuple[Sequence[float], Sequence[float]]

#: Colours that the colour-blind tell apart (Okabe and Ito).
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#404040')


def line_chart(curves: Mapping[str, Curve], title: str, smooth: bool = False) -> str:
    """Draws curves over iterations.

    Args:
        curves (Mapping): From names to x and y values, as many of one as of the other.
            Values that are not finite are left out.
        title (str): Above the chart.
        smooth (bool): Whether each curve is drawn faintly, with a running average over
            about a tenth of it on top. Defaults to False.

    Returns:
        str: An ``<svg>`` element, 4.4 inches wide, with its text as text, not as shapes.
    """
    # about as wide as a phone, so that text keeps its size there
    figure = Figure(figsize=(4.4, 2.9 + 0.16 * (len(curves) > 1) * -(-len(curves) // 2)),
                    layout='constrained')
    axes = figure.add_subplot()
    for (name, points), colour in zip(curves.items(), COLOURS * len(curves)):
        x, y = (np.asarray(values, float) for values in points)
        x, y = x[np.isfinite(y)], y[np.isfinite(y)]
        marker = 'o' if len(x) < 30 and not smooth else None
        if smooth and len(x) > 10:
            axes.plot(x, y, color=colour, alpha=0.3, linewidth=1)
            y = _running_average(y)
        axes.plot(x, y, color=colour, label=name, linewidth=1.6, marker=marker,
                  markersize=4)
    axes.set_title(title, fontsize=10, loc='left')
    axes.set_xlabel('iteration', fontsize=9)
    axes.tick_params(labelsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    if len(curves) > 1:
        figure.legend(loc='outside lower left', ncols=2, fontsize=8, frameon=False)
    text = io.StringIO()
    with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': title}):
        # No date, creator or the like: matplotlib's would link to other sites.
        figure.savefig(text, format='svg', metadata={
            key: None for key in ('Date', 'Creator', 'Format', 'Type')})
    svg = text.getvalue()
    return svg[svg.index('<svg'):]


def _running_average(values: np.ndarray) -> np.ndarray:
    """The average over a tenth of the values; over fewer at both ends."""
    half = max(1, len(values) // 20)
    total = np.concatenate([[0], np.cumsum(values)])
    index = np.arange(len(values))
    first, last = np.maximum(0, index - half), np.minimum(len(values), index + half + 1)
    return (total[last] - total[first]) / (last - first)
