"""Memory does not grow with the image: one of LARGE_SIDE pixels a side, JPEG in tiles."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from process_runs import environment

SIDE = int(os.environ.get('LARGE_SIDE', 10_000))  # 40,000 takes about six minutes of a core
NATIVE = {'test_pipeline': [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]}


def draw(path):
    """Twenty tiles of blocks, again and again."""
    import tifffile
    tiles = [np.kron(np.random.randint(0, 256, (64, 64, 3), np.uint8),
                     np.ones((8, 8, 1), np.uint8)) for _ in range(20)]
    count = (-(-SIDE // 512)) ** 2
    tifffile.imwrite(path, (tiles[i % 20] for i in range(count)), shape=(SIDE, SIDE, 3),
                     dtype=np.uint8, tile=(512, 512), photometric='rgb', compression='jpeg',
                     maxworkers=1)


def work(weights, path, labels):
    """Labels the image as ``fcn predict`` does, and prints the memory at each row of tiles."""
    import torch

    from fcn_plugin.apis import FCNInferencer
    from fcn_plugin.large_images.label_tiff import write_label_tiff
    from fcn_plugin.large_images.labelling import label_windows, tiling_of
    from fcn_plugin.large_images.overview import Overview
    from fcn_plugin.large_images.tiff_windows import open_windows
    from fcn_plugin.utils.memory import keep_freed_memory
    torch.set_num_threads(1)
    keep_freed_memory()  # as the command does
    backend = FCNInferencer(weights, device='cpu', cfg_options=NATIVE)._backend
    backend([np.zeros((64, 64, 3), np.uint8)])  # compiles
    memory = [resident()]

    def watched(windows):
        for window in windows:
            if not window.columns.start:
                memory.append(resident())
            yield window

    with open_windows(Path(path)) as image:
        windows = watched(label_windows(backend, image, tiling_of(backend)))
        write_label_tiff(Path(labels), image.size, Overview(image.size).watch(windows),
                         backend.meta['palette'])
    print(json.dumps([*memory, resident()]))


def resident():
    """Megabytes."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/statm').is_file(), reason='memory is read in /proc')
def test_memory_of_a_large_image(trained, forked_python, tmp_path):
    """Within 1 GB of the loaded program, and even over the second half of the image.

    The allocator keeps more with each of the first rows, of which there are more under load.
    """
    tifffile = pytest.importorskip('tifffile')
    pytest.importorskip('imagecodecs')
    draw(tmp_path / 'a.tif')
    done = subprocess.run(
        [forked_python, '-W', 'ignore', __file__, trained / 'best.pth', tmp_path / 'a.tif',
         tmp_path / 'labels.tif'], stdout=subprocess.PIPE, text=True, env=environment(),
        check=True)
    loaded, *rows = json.loads(done.stdout.splitlines()[-1])
    middle, later = rows[len(rows) // 2], max(rows[len(rows) // 2:])
    print(f'{SIDE}x{SIDE} pixels: {loaded:.0f} MB before, {middle:.0f} in the middle, '
          f'{later:.0f} at most after it')
    assert max(rows) - loaded < 1000
    assert later - middle < SIDE ** 2 / 2 / 1e6, 'as if the labels were kept'
    with tifffile.TiffFile(tmp_path / 'labels.tif') as file:
        assert file.pages[0].shape == (SIDE, SIDE)


if __name__ == '__main__':
    work(*sys.argv[1:])
