"""The files of onnxruntime-web, which runs graphs in browsers, from its npm package."""
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..utils.errors import InputError, MissingPackageError
from ..utils.paths import PathLike

#: The release that pages are tested with, and the SHA-256 of its archive on npm.
VERSION = '1.30.0'
_SHA256 = 'd2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71'
#: On processors, and on graphics cards: a module, and what it runs.
WASM = dict(module='ort.wasm.bundle.min.mjs', wasm='ort-wasm-simd-threaded.wasm')
WEBGPU = dict(module='ort.webgpu.bundle.min.mjs',
              wasm='ort-wasm-simd-threaded.asyncify.wasm')
_WAY_OUT = (f'unpack npm\'s package onnxruntime-web (tested: {VERSION}) and name its folder '
            'by --onnxruntime-web')


def copy_runtime(names: Sequence[str], target: Path, folder: PathLike | None = None) -> None:
    """Copies files of onnxruntime-web.

    Args:
        names (Sequence[str]): As in its folder ``dist``.
        target (Path): The folder that they are written to.
        folder (str or Path, optional): The package, or its ``dist``. Defaults to None: npm
            fetches :data:`VERSION`, 33 MB.

    Raises:
        ValueError: If the folder lacks one, or another archive was fetched.
        ImportError: If there is no npm, or it fetches nothing.
    """
    if folder is None:
        _fetch(names, target)
        return
    folder = Path(folder).expanduser()
    places = {name: [place for place in (folder / name, folder / 'dist' / name)
                     if place.is_file()] for name in names}
    lacking = [name for name, found in places.items() if not found]
    if lacking:
        raise InputError(f"'{folder}' lacks {', '.join(lacking)}: {_WAY_OUT}, "
                         'node_modules/onnxruntime-web, or leave that out to have npm '
                         'fetch it')
    for name, found in places.items():
        shutil.copyfile(found[0], target / name)


def _fetch(names: Sequence[str], target: Path) -> None:
    npm = shutil.which('npm')
    if npm is None:
        raise MissingPackageError("a page needs onnxruntime-web's files, and there is no npm "
                                  'to fetch them: install Node.js (https://nodejs.org), or '
                                  f'{_WAY_OUT}')
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, 'pack', f'onnxruntime-web@{VERSION}', '--silent', '--ignore-scripts'],
            cwd=folder, text=True, capture_output=True)
        archive = Path(folder, f'onnxruntime-web-{VERSION}.tgz')
        if done.returncode or not archive.is_file():
            lines = (done.stderr or done.stdout).strip().splitlines() or ['it said nothing']
            raise MissingPackageError(f'npm did not fetch onnxruntime-web {VERSION} '
                                      f'({lines[0]}): try again, or {_WAY_OUT}')
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != _SHA256:
            raise InputError(f'npm fetched another onnxruntime-web {VERSION} than the tested '
                             f'one: its SHA-256 is {found}, not {_SHA256}. If you trust it, '
                             f'{_WAY_OUT}')
        with tarfile.open(archive) as packed:
            for name in names:
                with packed.extractfile(f'package/dist/{name}') as file, open(
                        target / name, 'wb') as copy:
                    shutil.copyfileobj(file, copy)
