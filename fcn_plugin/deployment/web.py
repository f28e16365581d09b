"""A network as a page that labels pictures in a browser."""
import base64
import gzip
import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..checkpoints.naming import BUNDLED, weights_file
from ..runtimes.graph_backend import GraphBackend
from ..runtimes.onnxruntime_graph import OnnxruntimeGraph
from ..utils.errors import InputError
from ..utils.files import check_outputs, move_into, staging_folder
from ..utils.paths import PathLike
from ..version import __version__
from .export import export
from .onnxruntime_web import WASM, WEBGPU, copy_runtime

_MODEL = 'model.onnx'


def export_page(weight_path: PathLike | None, out: PathLike,
                onnxruntime_web: PathLike | None = None, overwrite: bool = False,
                **options: Any) -> dict[str, float]:
    """Writes a page that labels pictures and what a camera sees, in the browser alone.

    ONNX Runtime Web runs the graph: on the processor, with threads where the server isolates
    the page (``Cross-Origin-Opener-Policy: same-origin``, ``Cross-Origin-Embedder-Policy:
    require-corp``), or by WebGPU where that gives the same labels sooner.

    Args:
        weight_path (str or Path, optional): As in
            :func:`~fcn_plugin.deployment.export.export`.
        out (str or Path): A folder for any static server; or a page, ``.html``, that holds
            all files itself and opens without a server, on the processor alone.
        onnxruntime_web (str or Path, optional): See
            :func:`~fcn_plugin.deployment.onnxruntime_web.copy_runtime`. Defaults to None: npm
            fetches it.
        overwrite (bool): Whether the page may be replaced. Defaults to False.
        options (Any): Others of ``export``, but ``scores`` and ``preprocess``, which a page
            needs.

    Returns:
        dict[str, float]: See ``export``.

    Raises:
        ValueError: If the network cannot be exported so, or takes other images than of three
            channels; then nothing is written.
        ImportError: If onnxruntime-web is not given and cannot be fetched.
    """
    out = Path(out).expanduser()
    single = out.suffix.lower() in ('.html', '.htm')
    if out.exists() and out.is_dir() == single:
        raise InputError(f"'{out}' is a {'folder' if single else 'file'}: a page is a new "
                         'folder, or a file that ends in .html')
    check_outputs([out if single else out / 'index.html'], overwrite)
    files: dict[str, Any] = dict(WASM, model=_MODEL)
    if not single:  # 27 MB, of which few browsers would make use
        files['gpu'] = WEBGPU
    needed = [*WASM.values(), *(() if single else WEBGPU.values())]
    with staging_folder(out) as folder:
        copy_runtime(needed, folder, onnxruntime_web)
        found = export(weight_path, folder / _MODEL, scores=True, preprocess=True,
                       shown=f'{out}: {_MODEL}', **options)
        meta = GraphBackend(OnnxruntimeGraph(folder / _MODEL, 'cpu')).meta
        if meta['channels'] != 3:
            raise InputError('a page labels pictures of three channels, but the network takes '
                             f'{meta["channels"]}')
        kept = {name: _packed(folder / name)
                for name in (*WASM.values(), _MODEL) if single}
        page = folder / 'index.html'
        page.write_text(_page(_settings(meta, weight_path, files, folder, single), kept),
                        encoding='utf-8')
        size = sum(file.stat().st_size for file in ([page] if single else folder.iterdir()))
        if single:
            os.replace(page, out)
        else:
            move_into(folder, out)
    print(f'{out} ({size / 1e6:.1f} MB): ' + (
        'open it in a browser' if single else
        f'python -m http.server -d {out}, then open http://localhost:8000'))
    return found


def _settings(meta: dict, weight_path: PathLike | None, files: dict, folder: Path,
              single: bool) -> dict[str, Any]:
    """What the page knows of its network."""
    import matplotlib  # as in heatmap
    weights = weights_file(weight_path)
    loaded = sum((folder / name).stat().st_size for name in (*WASM.values(), _MODEL))
    return dict(
        {key: meta.get(key) for key in ('classes', 'palette', 'background', 'resize',
                                        'keep_ratio')},
        name=Path(weights).stem, version=__version__, files=files,
        megabytes=None if single else round(loaded / 1e6),
        heat=matplotlib.colormaps['viridis'](range(256), bytes=True)[:, :3].tobytes().hex(),
        terms=(Path(weights).with_name('LICENSE').read_text(encoding='utf-8')
               if Path(weights) in BUNDLED.values() else None))


def _packed(file: Path) -> str:
    return base64.b64encode(gzip.compress(file.read_bytes(), mtime=0)).decode()


def _page(settings: dict[str, Any], kept: dict[str, str]) -> str:
    environment = Environment(loader=PackageLoader('fcn_plugin', 'deployment'),
                              autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    return environment.get_template('page.html').render(settings=settings, kept=kept)
