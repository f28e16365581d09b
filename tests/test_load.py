"""Ten thousand images, one in fifty of them bad, in two processes at once."""
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from process_runs import environment

IMAGES = int(os.environ.get('LOAD_IMAGES', 10_000))
WARM_UP, STEP = IMAGES // 20, max(1, IMAGES // 100)  # of each process's half


def good(number):
    """PNG and JPEG of a few sizes, no two alike."""
    random = np.random.RandomState(number)
    pixels = random.randint(0, 256, (24 + 8 * (number % 3), 40, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, ('PNG', 'JPEG')[number % 2], compress_level=1)
    return file.getvalue()


def bad(number):
    """Empty, text, cut, or a picture of 400 megapixels by its header."""
    huge = io.BytesIO()
    Image.new('1', (1, 1)).save(huge, 'BMP')
    huge = huge.getvalue()
    huge = huge[:18] + (20_000).to_bytes(4, 'little') * 2 + huge[26:]
    return (b'', b'no picture', good(number)[:-300], huge)[number // 50 % 4]


def work(weights, folder, rank):
    """What a process has: its half, in batches of sixteen."""
    import torch

    from fcn_plugin.apis import FCNInferencer
    from fcn_plugin.utils.memory import keep_freed_memory
    torch.set_num_threads(1)
    keep_freed_memory()  # as the commands do
    mine = sorted(Path(folder).iterdir())[int(rank)::2]
    failed, done, memory = [], [], []
    segment = FCNInferencer(weights, device='cpu', cfg_options=dict(test_pipeline=[
        dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32), keep_ratio=False),
        dict(type='PackSegInputs')]))
    for number, result in enumerate(segment.stream(mine, 16, progress=False, failed=failed)):
        assert result.labels.shape == result.image.shape[:2]
        done.append(result.path.name)
        if number >= WARM_UP and number % STEP == 0:
            pages = int(Path('/proc/self/statm').read_text().split()[1])
            memory.append(pages * os.sysconf('SC_PAGE_SIZE') / 1e6)
    print(json.dumps(dict(done=done, failed=list(map(str, failed)), memory=memory)))


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/statm').is_file(), reason='memory is read in /proc')
def test_ten_thousand_images(trained, forked_python, tmp_path):
    """Memory stays within 2 % from a tenth of the way on; LOAD_IMAGES is another number."""
    folder = tmp_path / 'images'
    folder.mkdir()
    wrong = set()
    for number in range(IMAGES):
        # one in fifty, and of these each process has its half
        spoilt = number % 50 == number // 50 % 2
        name = f'{number:05d}.{("png", "jpg")[number % 2]}'
        (folder / name).write_bytes(bad(number) if spoilt else good(number))
        wrong |= {name} if spoilt else set()
    started = [subprocess.Popen(
        [forked_python, '-W', 'ignore', __file__, trained / 'best.pth', folder, str(rank)],
        stdout=subprocess.PIPE, text=True, env=environment()) for rank in (0, 1)]
    found = [json.loads(each.communicate()[0].splitlines()[-1]) for each in started]
    for rank, one in enumerate(found):
        memory, left_out = one['memory'], one['failed']
        print(f'process {rank}: {len(one["done"])} done, {len(left_out)} named; '
              f'{memory[0]:.0f} MB, at most {max(memory):.0f}, in the end {memory[-1]:.0f}')
        assert len(memory) > 10 and max(memory) < 1.02 * memory[0]
        names = [path.name for path in sorted(folder.iterdir())[rank::2]]
        assert one['done'] == [name for name in names if name not in wrong]
        assert [sum(name in text for text in left_out) for name in names if name in wrong] == (
            [1] * len(left_out))
    assert sum(len(one['failed']) for one in found) == len(wrong) == IMAGES // 50


if __name__ == '__main__':
    work(*sys.argv[1:])
