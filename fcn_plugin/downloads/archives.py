"""The published archives of data sets: where they are, and unpacking them."""
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from ..utils.errors import InputError
from ..utils.files import move_into, staging_folder
from .download import byte_progress, download


class Archive(NamedTuple):
    """A tar archive with one data set.

    Attributes:
        url (str): Its publisher's address.
        checksum (str): Algorithm and digest, as torchvision publishes them; the data
            sets' own pages give none.
        inside (str): The data set's folder in the archive.
        folder (str): Its folder under the one that the user names.
    """
    url: str
    checksum: str
    inside: str
    folder: str


_VOC = 'http://host.robots.ox.ac.uk/pascal/VOC'
ARCHIVES = {
    'voc2012': Archive(
        url=f'{_VOC}/voc2012/VOCtrainval_11-May-2012.tar',
        checksum='md5:6cd6e144f989b92b3379bac3b3de84fd',
        inside='VOCdevkit/VOC2012',
        folder='VOCdevkit/VOC2012'),
    'voc2011': Archive(
        url=f'{_VOC}/voc2011/VOCtrainval_25-May-2011.tar',
        checksum='md5:6c3384ef61512963050cb5d687e5bf1e',
        inside='TrainVal/VOCdevkit/VOC2011',
        folder='VOCdevkit/VOC2011'),
    'sbd': Archive(
        url='https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/'
        'semantic_contours/benchmark.tgz',
        checksum='md5:82b4d87ceb2ed10f6038a1cba92111cb',
        inside='benchmark_RELEASE',
        folder='benchmark_RELEASE'),
}


def _check_member(member: tarfile.TarInfo) -> None:
    """Refuses all but files and folders below the target, which data sets are made of."""
    name, windows = PurePosixPath(member.name), PureWindowsPath(member.name)
    if not (member.isfile() or member.isdir()):
        problem = 'is neither a file nor a folder but a link or a device'
    elif name.is_absolute() or windows.anchor or '..' in (*name.parts, *windows.parts):
        problem = 'would be written outside the folder it is unpacked to'
    elif member.size < 0:
        problem = f'has a size of {member.size} bytes'
    else:
        return
    raise InputError(f'its member {member.name!r} {problem}')


def _refuse_existing(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not overwrite:
        raise FileExistsError(f'{folder} exists: name another folder, or allow '
                              'replacing files in it with --overwrite')


def extract(archive: str | Path,
            folder: str | Path,
            inside: str = '.',
            overwrite: bool = False) -> None:
    """Unpacks one folder of a tar archive, wholly or not at all.

    Members are unpacked to a folder beside the target. It is moved into place after the
    last one.

    Args:
        archive (str or Path): A tar file, compressed or not.
        folder (str or Path): Where the content of ``inside`` goes.
        inside (str): A folder in the archive. Defaults to '.', all of it.
        overwrite (bool): Replace files of the same names in a folder that exists; its
            other files stay. Defaults to False.

    Raises:
        FileExistsError: If ``folder`` exists and ``overwrite`` is not set.
        ValueError: If the archive is damaged, lacks ``inside`` or has a member that is
            a link, a device, or meant for a place outside.
    """
    archive, folder = Path(archive), Path(folder)
    _refuse_existing(folder, overwrite)
    with staging_folder(folder) as staging:
        try:
            with byte_progress() as progress, \
                    progress.open(archive, 'rb', description=archive.name) as file, \
                    tarfile.open(fileobj=file) as tar:
                # Python's own check comes on top where it has one (3.11.4 and later).
                tar.extraction_filter = getattr(tarfile, 'data_filter',
                                                lambda member, path: member)
                for member in tar:
                    _check_member(member)
                    free = shutil.disk_usage(staging).free
                    if member.size > free:
                        raise InputError(
                            f'its member {member.name!r} has {member.size} bytes, but '
                            f'the disk has room for {free}')
                    tar.extract(member, staging)
            if not (staging / inside).is_dir():
                found = ', '.join(sorted(p.name for p in staging.iterdir())[:10])
                raise InputError(f'it has no folder {inside}, but {found or "nothing"}')
        except (ValueError, OSError, EOFError, zlib.error, tarfile.TarError) as error:
            raise InputError(f'{archive} cannot be unpacked: {error}; '
                             f'{folder} is as it was') from None
        move_into(staging / inside, folder)


def fetch(name: str,
          dest: str | Path,
          url: str | None = None,
          overwrite: bool = False) -> Path:
    """Downloads, checks and unpacks a data set.

    Args:
        name (str): A key of :data:`ARCHIVES`.
        dest (str or Path): The folder for the archive and for the data set's folder. An
            archive of the publisher's name that is there already is used.
        url (str, optional): A mirror. Its archive must have the same checksum.
        overwrite (bool): As in :func:`extract`. Defaults to False.

    Returns:
        Path: The data set's folder.
    """
    if name not in ARCHIVES:
        raise InputError(f'no archive {name!r}, expected one of {", ".join(ARCHIVES)}')
    archive, dest = ARCHIVES[name], Path(dest)
    folder = dest / archive.folder
    _refuse_existing(folder, overwrite)
    file = download(url or archive.url, dest / PurePosixPath(archive.url).name,
                    archive.checksum)
    extract(file, folder, archive.inside, overwrite)
    return folder
