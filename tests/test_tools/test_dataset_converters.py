"""tools/dataset_converters: their arguments reach what they call."""
import hashlib
import io
import tarfile

import numpy as np
import pytest
from scipy.io import savemat
from tiny_runs import run_tool, succeed

from fcn_plugin.downloads import archives
from fcn_plugin.downloads.archives import ARCHIVES


@pytest.fixture
def sbd_archive():
    """A benchmark.tgz of two images."""
    mat = io.BytesIO()
    savemat(mat, dict(GTcls=dict(Segmentation=np.ones((4, 5), np.uint8))))
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode='w:gz') as tar:
        for name, data in (('train.txt', b'a\n'), ('val.txt', b'b\n'),
                           ('cls/a.mat', mat.getvalue()), ('cls/b.mat', mat.getvalue())):
            member = tarfile.TarInfo(f'benchmark_RELEASE/dataset/{name}')
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


@pytest.mark.filterwarnings('ignore:.* images, expected')
def test_download_and_convert(tmp_path, monkeypatch, sbd_archive):
    """From an archive that the user has brought along."""
    digest = f'md5:{hashlib.md5(sbd_archive).hexdigest()}'
    monkeypatch.setitem(ARCHIVES, 'sbd', ARCHIVES['sbd']._replace(checksum=digest))
    (tmp_path / 'benchmark.tgz').write_bytes(sbd_archive)
    printed = succeed('dataset_converters/download.py', 'sbd', tmp_path)
    assert f'sbd is in {tmp_path}/benchmark_RELEASE' in printed
    done = run_tool('dataset_converters/download.py', 'sbd', tmp_path)
    assert done.code == 2 and done.err.startswith(f'error: {tmp_path}/benchmark_RELEASE')
    succeed('dataset_converters/download.py', 'sbd', tmp_path, '--overwrite')

    for year, splits in (('VOC2012', ('train', 'val')), ('elsewhere', ('val', ))):
        lists = tmp_path / year / 'ImageSets' / 'Segmentation'
        lists.mkdir(parents=True)
        for split in splits:
            (lists / f'{split}.txt').write_text(f'{split}\n')
    arguments = (tmp_path / 'benchmark_RELEASE', tmp_path / 'VOC2012', '--voc2011',
                 tmp_path / 'elsewhere')
    printed = succeed('dataset_converters/sbd2voc.py', *arguments)
    assert 'SegmentationClassAug: 2 images' in printed
    assert 'aug.txt: 2 images' in printed and 'seg11valid.txt: 1 images' in printed
    done = run_tool('dataset_converters/sbd2voc.py', *arguments)
    assert done.code == 2 and done.err.count('\n') == 1 and '--overwrite' in done.err
    succeed('dataset_converters/sbd2voc.py', *arguments, '--overwrite')


def test_mirror(tmp_path, monkeypatch):
    def download(url, path, checksum):
        raise OSError(f'asked {url}')

    monkeypatch.setattr(archives, 'download', download)
    done = run_tool('dataset_converters/download.py', 'voc2011', tmp_path, '--url',
                    'http://mirror/a.tar')
    assert done.code == 2 and done.err == 'error: asked http://mirror/a.tar\n'
