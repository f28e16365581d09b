"""SBD's masks and lists, from files as scipy writes them, whole and damaged."""
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from fcn_plugin.datasets import sbd
from fcn_plugin.datasets.sbd import read_sbd_labels, sbd_to_voc

SPLITS = Path('ImageSets', 'Segmentation')


def labels_of(name):
    rng = np.random.default_rng(sum(map(ord, name)))
    return rng.integers(0, 21, rng.integers(4, 20, 2)).astype(np.uint8)


def mat(labels, compressed=True):
    """A file as SBD has them, with a field beside."""
    content = io.BytesIO()
    struct = dict(Segmentation=labels, CategoriesPresent=np.unique(labels))
    savemat(content, dict(GTcls=struct), do_compression=compressed)
    return content.getvalue()


def write_lists(folder, **lists):
    folder.mkdir(parents=True, exist_ok=True)
    for name, images in lists.items():
        (folder / f'{name}.txt').write_text('\n'.join(images) + '\n')


@pytest.fixture
def roots(tmp_path):
    """SBD, VOC 2012 and VOC 2011 in small: t.. and v.. are VOC's train and val."""
    source = tmp_path / 'benchmark_RELEASE' / 'dataset'
    write_lists(source, train=['2_a', '1_t', '3_v'], val=['4_b', '5_t', '6_v'])
    (source / 'cls').mkdir()
    for name in ('1_t', '2_a', '3_v', '4_b', '5_t', '6_v'):
        (source / 'cls' / f'{name}.mat').write_bytes(mat(labels_of(name)))
    write_lists(tmp_path / 'VOC2012' / SPLITS, train=['1_t', '5_t', '8_t'],
                val=['3_v', '6_v', '9_v'])
    write_lists(tmp_path / 'VOC2011' / SPLITS, val=['9_v', '3_v', '6_v'])
    return tmp_path / 'benchmark_RELEASE', tmp_path / 'VOC2012', tmp_path / 'VOC2011'


@pytest.fixture(autouse=True)
def expected_counts(monkeypatch):
    monkeypatch.setattr(sbd, 'AUGMENTED', 5)
    monkeypatch.setattr(sbd, 'SEG11VALID', 2)


def tree(folder):
    return {p.relative_to(folder): p.read_bytes()
            for p in folder.rglob('*') if p.is_file()}


# --- a mask ----------------------------------------------------------------


@pytest.mark.parametrize('compressed', [True, False])
def test_read(tmp_path, compressed):
    path, labels = tmp_path / 'a.mat', labels_of('a')
    path.write_bytes(mat(labels, compressed))
    found = read_sbd_labels(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize('content', [
    b'', b'\x89PNG\r\n' + bytes(300), b'\x89HDF' + bytes(300),
    b'MATLAB 7.3'.ljust(124) + b'\x00\x02IM' + bytes(600), mat(labels_of('a'))[:-9]],
    ids=['empty', 'picture', 'HDF', 'MATLAB 7.3', 'cut off'])
def test_another_file(tmp_path, content):
    path = tmp_path / 'a.mat'
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        read_sbd_labels(path)
    assert str(error.value).startswith(f'{path} is no MATLAB 5 file (')
    assert '\n' not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='a.mat'):
        read_sbd_labels(tmp_path / 'a.mat')


@pytest.mark.parametrize('labels, words', [
    (np.full((4, 5), 21, np.uint8), 'uint8 of shape (4, 5), expected integers (H, W)'),
    (np.full((4, 5), -1, np.int16), 'int16'),
    (np.ones((4, 5)), 'float64'),
    (np.zeros((2, 3, 4), np.uint8), '(2, 3, 4)'),
    (np.zeros((0, 4), np.uint8), '(0, 4)'),
    ('text', 'from 0 to 20'),
    (dict(a=1), 'from 0 to 20')])
def test_no_labels(tmp_path, labels, words):
    path = tmp_path / 'a.mat'
    savemat(path, dict(GTcls=dict(Segmentation=labels)))
    with pytest.raises(ValueError) as error:
        read_sbd_labels(path)
    assert words in str(error.value) and str(path) in str(error.value)


def test_other_variables(tmp_path):
    savemat(tmp_path / 'inst.mat', dict(GTinst=dict(Segmentation=labels_of('a'))))
    with pytest.raises(ValueError, match='inst.mat is not a mask of SBD: it has no GTcls'):
        read_sbd_labels(tmp_path / 'inst.mat')


def test_without_scipy(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'scipy.io', None)
    with pytest.raises(ImportError, match='scipy, which is not installed: pip install'):
        read_sbd_labels(tmp_path / 'a.mat')


# --- the data set ----------------------------------------------------------


@pytest.mark.parametrize('inner', ['.', 'dataset', '..'])
def test_convert(roots, inner, recwarn):
    source, voc, voc2011 = roots
    written = sbd_to_voc((source / inner).resolve(), voc)
    assert not recwarn.list
    masks = {p.stem: p for p in (voc / 'SegmentationClassAug').iterdir()}
    assert set(masks) == {'1_t', '2_a', '3_v', '4_b', '5_t', '6_v'}
    for name, path in masks.items():
        with Image.open(path) as image:
            assert image.mode == 'P'
            np.testing.assert_array_equal(image, labels_of(name))
            assert image.getpalette()[3:6] == [128, 0, 0]
            assert image.getpalette()[-3:] == [224, 224, 192]
    assert (voc / SPLITS / 'aug.txt').read_text() == '2_a\n4_b\n'
    assert (voc / SPLITS / 'sbd_train.txt').read_text() == '1_t\n2_a\n3_v\n'
    assert (voc2011 / SPLITS / 'seg11valid.txt').read_text() == '6_v\n9_v\n'
    assert written == {
        str(voc / 'SegmentationClassAug'): 6, str(voc / SPLITS / 'aug.txt'): 2,
        str(voc / SPLITS / 'sbd_train.txt'): 3,
        str(voc2011 / SPLITS / 'seg11valid.txt'): 2}
    assert not list(voc.parent.rglob('*.part'))


def test_voc2011_elsewhere_or_nowhere(roots, tmp_path):
    source, voc, voc2011 = roots
    elsewhere = voc2011.rename(tmp_path / 'elsewhere')
    assert len(sbd_to_voc(source, voc)) == 3
    sbd_to_voc(source, voc, elsewhere, overwrite=True)
    assert (elsewhere / SPLITS / 'seg11valid.txt').exists()


def test_other_counts_are_reported(roots, monkeypatch):
    monkeypatch.undo()
    with pytest.warns(UserWarning) as warned:
        sbd_to_voc(*roots)
    assert [str(w.message).split(':')[:2] for w in warned] == [
        ['train.txt and aug.txt', ' 5 images, expected 10582'],
        ['seg11valid.txt', ' 2 images, expected 736']]


@pytest.mark.parametrize('there', ['SegmentationClassAug', 'ImageSets/Segmentation/aug.txt',
                                   '../VOC2011/ImageSets/Segmentation/seg11valid.txt'])
def test_existing_output(roots, there):
    source, voc, _ = roots
    (voc / there).mkdir() if 'Class' in there else (voc / there).write_text('mine')
    before = tree(voc.parent)
    with pytest.raises(FileExistsError, match='exist: replace them with --overwrite'):
        sbd_to_voc(source, voc)
    assert tree(voc.parent) == before
    sbd_to_voc(source, voc, overwrite=True)
    assert (voc / SPLITS / 'aug.txt').read_text() == '2_a\n4_b\n'


def test_overwrite_keeps_other_masks(roots):
    source, voc, _ = roots
    masks = voc / 'SegmentationClassAug'
    masks.mkdir()
    for name in ('mine', '1_t'):
        (masks / f'{name}.png').write_text('mine')
    sbd_to_voc(source, voc, overwrite=True)
    assert (masks / 'mine.png').read_text() == 'mine'
    np.testing.assert_array_equal(Image.open(masks / '1_t.png'), labels_of('1_t'))


@pytest.mark.parametrize('overwrite', [False, True])
def test_nothing_is_half_written(roots, overwrite):
    source, voc, _ = roots
    if overwrite:
        sbd_to_voc(source, voc)
    (source / 'dataset' / 'cls' / '5_t.mat').write_bytes(b'hostile')
    before = tree(voc.parent)
    with pytest.raises(ValueError, match='5_t.mat is no MATLAB 5 file'):
        sbd_to_voc(source, voc, overwrite=overwrite)
    assert tree(voc.parent) == before
    assert not list(voc.parent.rglob('*.part'))


def test_missing(roots):
    source, voc, _ = roots
    with pytest.raises(FileNotFoundError, match='holds no folder cls'):
        sbd_to_voc(voc, voc)
    with pytest.raises(FileNotFoundError, match='train.txt is missing'):
        sbd_to_voc(source, source)
    with pytest.raises(FileNotFoundError, match='val.txt is missing'):
        sbd_to_voc(source, voc, voc.with_name('VOC2010'))  # named, and not merely beside
    (source / 'dataset' / 'cls' / '2_a.mat').unlink()
    with pytest.raises(FileNotFoundError, match='lacks 1 of 6 masks, 2_a.mat for one'):
        sbd_to_voc(source, voc)


def test_names_that_lead_elsewhere(roots):
    source, voc, _ = roots
    write_lists(source / 'dataset', val=['../../secret'])
    with pytest.raises(ValueError, match="val.txt: '../../secret' is not the name"):
        sbd_to_voc(source, voc)
