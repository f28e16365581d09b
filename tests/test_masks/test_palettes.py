"""Whether one value, or one colour, means the same in all masks."""
from pathlib import Path

from fcn_plugin.masks.palettes import palette_fault


def test_a_colour_that_has_two_values():
    """No value has two colours then."""
    masks = [(Path('a.png'), {0: 0, 1: 0xff0000}), (Path('b.png'), {0: 0, 2: 0xff0000})]
    assert '#ff0000 is value 1 in a.png and value 2 in b.png' in palette_fault(masks)
    assert palette_fault(masks[:1] * 2) is None
