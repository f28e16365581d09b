"""Unpacking archives that mean well, and others."""
import hashlib
import io
import re
import tarfile
from pathlib import Path

import pytest

from fcn_plugin.downloads import archives
from fcn_plugin.downloads.archives import ARCHIVES, Archive, extract, fetch

FILES = {'VOCdevkit/VOC2012/JPEGImages/a.jpg': b'image' * 1000,
         'VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt': b'a\n'}


def write_tar(path, files=FILES, extra=(), mode='w'):
    """A tar file of files, then of other members."""
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member, io.BytesIO(bytes(max(member.size, 0))))
    return path


def member(name, kind=tarfile.REGTYPE, link='', size=0):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes()
            for p in folder.rglob('*') if not p.is_dir()}


@pytest.fixture
def target(tmp_path):
    """A folder to unpack to, in one that nothing else must be written to."""
    (tmp_path / 'around').mkdir()
    return tmp_path / 'around' / 'VOC2012'


@pytest.mark.parametrize('mode', ['w', 'w:gz', 'w:bz2'])
def test_whole(tmp_path, target, mode):
    extract(write_tar(tmp_path / 'a.tar', mode=mode), target)
    assert files(target) == FILES
    assert [p.name for p in target.parent.iterdir()] == ['VOC2012']


def test_one_folder_of_it(tmp_path, target):
    archive = write_tar(tmp_path / 'a.tar', {**FILES, 'VOCdevkit/VOCcode/x.m': b'x'})
    extract(archive, target, 'VOCdevkit/VOC2012')
    assert files(target) == {'JPEGImages/a.jpg': b'image' * 1000,
                             'ImageSets/Segmentation/train.txt': b'a\n'}
    with pytest.raises(ValueError, match='no folder VOCdevkit/VOC2011, but VOCdevkit'):
        extract(archive, target.with_name('other'), 'VOCdevkit/VOC2011')
    assert [p.name for p in target.parent.iterdir()] == ['VOC2012']


def test_existing(tmp_path, target):
    target.mkdir()
    for name in ('mine.txt', 'a.txt'):
        (target / name).write_text('mine')
    archive = write_tar(tmp_path / 'a.tar', {'a.txt': b'new', 'b/c.txt': b'new'})
    with pytest.raises(FileExistsError, match='VOC2012 exists: .*--overwrite'):
        extract(archive, target)
    assert files(target) == {'mine.txt': b'mine', 'a.txt': b'mine'}
    extract(archive, target, overwrite=True)
    assert files(target) == {'mine.txt': b'mine', 'a.txt': b'new', 'b/c.txt': b'new'}


def test_target_on_another_disk(tmp_path, target):
    """A link to a folder: staged beside what it points to."""
    (tmp_path / 'disk' / 'VOC2012').mkdir(parents=True)
    target.symlink_to(tmp_path / 'disk' / 'VOC2012')
    extract(write_tar(tmp_path / 'a.tar'), target, overwrite=True)
    assert target.is_symlink() and files(tmp_path / 'disk' / 'VOC2012') == FILES


@pytest.mark.parametrize('hostile, words', [
    (member('../evil'), 'outside'),
    (member('a/../../evil'), 'outside'),
    (member('/tmp/fcn-evil'), 'outside'),
    (member('..\\evil'), 'outside'),
    (member('C:\\evil'), 'outside'),
    (member('..', tarfile.DIRTYPE), 'outside'),
    (member('link', tarfile.SYMTYPE, '../evil'), 'a link or a device'),
    (member('link', tarfile.SYMTYPE, 'VOCdevkit'), 'a link or a device'),
    (member('link', tarfile.LNKTYPE, next(iter(FILES))), 'a link or a device'),
    (member('fifo', tarfile.FIFOTYPE), 'a link or a device'),
    (member('device', tarfile.CHRTYPE), 'a link or a device'),
    (member('device', tarfile.BLKTYPE), 'a link or a device')])
@pytest.mark.parametrize('own_check_alone', [False, True])
def test_hostile(tmp_path, target, monkeypatch, hostile, words, own_check_alone):
    if own_check_alone:  # as on Python before 3.11.4
        monkeypatch.delattr(tarfile, 'data_filter')
    archive = write_tar(tmp_path / 'a.tar', extra=[hostile])
    with pytest.raises(ValueError, match=f'a.tar cannot be unpacked: its member '
                       f'{re.escape(repr(hostile.name))} .*{words}'):
        extract(archive, target)
    assert not list(target.parent.iterdir())
    assert {p.name for p in tmp_path.iterdir()} == {'a.tar', 'around'}
    assert not Path('/tmp/fcn-evil').exists()


def test_through_a_link(tmp_path, target):
    """First a link, then a file behind it."""
    outside = tmp_path / 'outside'
    outside.mkdir()
    archive = write_tar(tmp_path / 'a.tar', {}, [
        member('link', tarfile.SYMTYPE, str(outside)), member('link/evil')])
    with pytest.raises(ValueError, match='a link or a device'):
        extract(archive, target)
    assert not list(outside.iterdir()) and not list(target.parent.iterdir())


def test_larger_than_the_disk(tmp_path, target):
    content = bytearray(write_tar(tmp_path / 'a.tar', {'big': b''}).read_bytes())
    header = member('big', size=1 << 50).tobuf(tarfile.GNU_FORMAT)
    content[:len(header)] = header
    (tmp_path / 'a.tar').write_bytes(content)
    with pytest.raises(ValueError, match=f'has {1 << 50} bytes, but the disk has room'):
        extract(tmp_path / 'a.tar', target)
    assert not list(target.parent.iterdir())


def test_negative_size(tmp_path, target):
    header = bytearray(member('big', size=1 << 50).tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (2**96 - 512).to_bytes(12, 'big')
    header[148:156] = b' ' * 8
    header[148:156] = b'%06o\0 ' % sum(header[:512])
    (tmp_path / 'a.tar').write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(ValueError, match="'big' has a size of -512 bytes"):
        extract(tmp_path / 'a.tar', target)
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize('mode', ['w', 'w:gz'])
@pytest.mark.parametrize('keep', [0, 0.3, 0.6])
def test_truncated(tmp_path, target, mode, keep):
    archive = write_tar(tmp_path / 'a.tar', {'a': bytes(range(256)) * 100}, mode=mode)
    content = archive.read_bytes()
    archive.write_bytes(content[:int(keep * len(content))])
    with pytest.raises(ValueError, match='a.tar cannot be unpacked: '):
        extract(archive, target)
    assert not list(target.parent.iterdir())


def test_no_archive(tmp_path, target):
    (tmp_path / 'a.tar').write_bytes(b'<html>' * 1000)
    with pytest.raises(ValueError, match='a.tar cannot be unpacked: '):
        extract(tmp_path / 'a.tar', target)
    assert not list(target.parent.iterdir())


def test_interrupted(tmp_path, target, monkeypatch):
    """No half folder stays, nor after a process that was killed."""
    archive, unpack = write_tar(tmp_path / 'a.tar'), tarfile.TarFile.extract

    def interrupt(tar, member, *args, **kwargs):
        unpack(tar, member, *args, **kwargs)
        assert list(target.parent.rglob('*.jpg'))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, 'extract', interrupt)
        with pytest.raises(KeyboardInterrupt):
            extract(archive, target)
    assert not list(target.parent.iterdir())
    (target.parent / 'VOC2012.part' / 'left').mkdir(parents=True)
    extract(archive, target)
    assert files(target) == FILES
    assert [p.name for p in target.parent.iterdir()] == ['VOC2012']


# --- by name ---------------------------------------------------------------


def test_published():
    for archive in ARCHIVES.values():
        assert re.fullmatch(r'https?://\S+\.(tar|tgz)', archive.url)
        assert re.fullmatch(r'md5:[0-9a-f]{32}', archive.checksum)
    assert len({a.checksum for a in ARCHIVES.values()}) == len(ARCHIVES)
    assert len({a.folder for a in ARCHIVES.values()}) == len(ARCHIVES)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """An archive in the place of the published one; and what was asked for."""
    source = write_tar(tmp_path / 'source.tar')
    digest = hashlib.md5(source.read_bytes()).hexdigest()
    asked = []

    def download(url, path, checksum):
        asked.append((url, path.name, checksum))
        path.parent.mkdir(exist_ok=True)
        return Path(source.rename(path))

    monkeypatch.setattr(archives, 'download', download)
    monkeypatch.setitem(ARCHIVES, 'voc2012', Archive(
        'http://a.b/c/VOC.tar', f'md5:{digest}', 'VOCdevkit/VOC2012', 'VOCdevkit/VOC2012'))
    return asked


@pytest.mark.parametrize('url', [None, 'http://mirror/other.tar'])
def test_fetch(tmp_path, small, url):
    folder = fetch('voc2012', tmp_path / 'data', url)
    assert folder == tmp_path / 'data' / 'VOCdevkit' / 'VOC2012'
    assert (folder / 'JPEGImages' / 'a.jpg').read_bytes() == b'image' * 1000
    (asked, name, checksum), = small
    assert asked == (url or 'http://a.b/c/VOC.tar') and name == 'VOC.tar'
    assert checksum == ARCHIVES['voc2012'].checksum
    with pytest.raises(FileExistsError, match='VOC2012 exists'):
        fetch('voc2012', tmp_path / 'data')
    assert len(small) == 1  # before it downloads


def test_fetch_unknown(tmp_path):
    with pytest.raises(ValueError, match="no archive 'ade', expected one of voc2012, "):
        fetch('ade', tmp_path)
