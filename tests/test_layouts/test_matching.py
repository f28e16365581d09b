"""Which images of a folder the regions of exports are of."""
import re
from pathlib import Path

import pytest

from fcn_plugin.annotations.regions import Annotated, Region
from fcn_plugin.layouts.matching import match, merged

ROOT = Path('/data')


def record(name, source='coco.json', size=None, **more):
    return Annotated(name, size, (Region('road'), ), ROOT / source, **more)


def of_images(pictures, *records):
    """By image, the exports that it is in; and notes and faults."""
    files = [ROOT / name for name in pictures]
    notes, faults = [], []
    found, _ = match(ROOT, files, files, records, notes, faults)
    return {path.relative_to(ROOT).as_posix(): [
        one.source.relative_to(ROOT).as_posix() for one in ones]
        for path, ones in found.items()}, notes, faults


def test_an_export_beside_images_is_of_those():
    found, notes, faults = of_images(
        ['a/x/1.png', 'b/x/1.png'], record('1.png', 'a/coco.json'),
        record('1.png', 'b/coco.json'))
    assert found == {'a/x/1.png': ['a/coco.json'], 'b/x/1.png': ['b/coco.json']}
    assert not notes and not faults


def test_an_image_that_its_name_alone_finds_is_told_of():
    found, notes, faults = of_images(['x/1.png', 'x/2.png'], record('y/1.png'))
    assert found == {'x/1.png': ['coco.json']} and not faults
    assert notes == ['1 images are found by their names alone, such as y/1.png for x/1.png']


@pytest.mark.parametrize('more, fault', [
    (dict(size=(4, 6)), None), (dict(size=None), None),
    (dict(size=(6, 4)), 'give 1.png two sizes, \\(6, 4\\) and \\(4, 6\\)'),
    (dict(size=(4, 6), shares=True), 'two sizes'), (dict(fault='damaged'), 'damaged')])
def test_what_several_files_say_of_one_image(more, fault):
    both = merged([record('1.png', 'a.json'), record('1.png', 'b.json', (4, 6)),
                   record('1.png', 'c.json', **more)])
    assert both.size == (4, 6) and len(both.regions) == 3
    assert both.fault is None if fault is None else re.search(fault, both.fault)
