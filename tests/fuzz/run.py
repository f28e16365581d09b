"""Fuzzes a reader of foreign bytes, guided by coverage.

    pip install -e '.[fuzz]'
    python tests/fuzz/run.py caffemodel --seconds 60

An hour is best run in pieces of two minutes with --corpus: atheris (3.0) never frees what a
comparison gives, which of arrays is gigabytes an hour. A piece ends by itself before it takes
3 GB; an input that takes them at once is a find.

Prints each kind of error that is no answer once, keeps the input that led to it in
--finds, and ends with how many inputs were tried. The exit code is 1 where there were any.
"""
import argparse
import contextlib
import io
import logging
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

FULL_KILOBYTES = 2_700_000


def main() -> None:
    import atheris
    with atheris.instrument_imports(include=['fcn_plugin']):
        from targets import MOST_BYTES, TARGETS, mutated
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('name', choices=TARGETS)
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--finds', type=Path, default=Path('finds'), metavar='DIR',
                        help='a folder for inputs that led to an error (default: finds)')
    parser.add_argument('--corpus', type=Path, metavar='DIR',
                        help='a folder for inputs that reached something new, of which the '
                        'next run goes on (default: none is kept)')
    args = parser.parse_args()
    logging.disable()  # tifffile logs each tag that it cannot read
    target, started, tried, finds = TARGETS[args.name], time.monotonic(), 0, {}
    place = Path(tempfile.mkdtemp(prefix='fuzz-'))
    folder = place / 'files'
    folder.mkdir()

    def one(data: bytes) -> None:
        nonlocal tried
        passed = time.monotonic() - started
        full = not tried % 1000 and resource.getrusage(
            resource.RUSAGE_SELF).ru_maxrss > FULL_KILOBYTES
        if passed > args.seconds or full:
            shutil.rmtree(place, ignore_errors=True)
            print(f'{args.name}: {tried:,} inputs in {passed:.0f} s, {len(finds)} finds',
                  flush=True)
            os._exit(bool(finds))  # libFuzzer would go on after an exception
        tried += 1
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                target.answer(data, folder)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in frames if 'fcn_plugin' in frame.filename] or frames
            key = type(error), ours[-1].filename, ours[-1].lineno
            if key not in finds:
                args.finds.mkdir(parents=True, exist_ok=True)
                finds[key] = args.finds / f'{args.name}-{sha256(data).hexdigest()[:12]}'
                finds[key].write_bytes(data)
                print(f'--- {finds[key]}', traceback.format_exc(), sep='\n', flush=True)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        dice = random.Random(seed)
        data = mutated(data, dice) if dice.random() < 0.5 else atheris.Mutate(data, most)
        return target.mended(data)[:most]

    corpus = args.corpus or place / 'corpus'
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(seed)
    args.finds.mkdir(parents=True, exist_ok=True)
    atheris.Setup([sys.argv[0], f'-max_len={MOST_BYTES}', '-rss_limit_mb=3000', '-timeout=20',
                   '-verbosity=0', f'-artifact_prefix={args.finds}/{args.name}-',
                   str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == '__main__':
    main()
