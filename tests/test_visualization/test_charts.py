from xml.etree import ElementTree

import numpy as np

from fcn_plugin.visualization.charts import _running_average, line_chart


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter()
            if element.tag.endswith('}text')]


def test_text_is_text():
    svg = line_chart({'a < b': ([1, 2, 3], [4, 5, float('nan')]), 'c': ([1], [2])},
                     'title & more')
    assert {'a < b', 'c', 'title & more', 'iteration'} <= set(texts(svg))
    assert svg.count('http') == svg.count('http://www.w3.org/')  # names, no addresses
    assert svg == line_chart({'a < b': ([1, 2, 3], [4, 5, float('nan')]),
                              'c': ([1], [2])}, 'title & more')


def test_a_value_that_is_no_number_is_left_out():
    assert line_chart({'a': ([1, 2, 3, 4], [4, np.inf, 5, np.nan])}, 'title') == line_chart(
        {'a': ([1, 3], [4, 5])}, 'title')


def test_one_curve_needs_no_legend():
    svg = line_chart({'loss': (range(40), np.random.rand(40))}, 'loss curve', smooth=True)
    assert 'loss' not in texts(svg)


def test_every_curve_is_drawn_and_long_ones_smoothly():
    svg = line_chart({f'curve {i}': ([1, 2], [i, i]) for i in range(9)}, 'many')
    assert {f'curve {i}' for i in range(9)} <= set(texts(svg))

    def faint(count, **options):
        svg = line_chart({'a': (range(count), np.arange(count) % 2)}, 'one', **options)
        return svg.count('stroke: #0072b2; stroke-opacity: 0.3')
    assert [faint(11), faint(11, smooth=True), faint(10, smooth=True)] == [0, 1, 0]


def test_running_average():
    values = np.random.rand(60)
    smooth = _running_average(values)
    assert len(smooth) == 60
    assert np.isclose(smooth[30], values[27:34].mean())
    assert np.isclose(smooth[0], values[:4].mean())
    assert np.allclose(_running_average(np.ones(5)), 1)
