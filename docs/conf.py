"""The documentation site: python -m sphinx docs build/site, with the extra "docs"."""
import re
from pathlib import Path

_VERSION = Path(__file__).parents[1] / 'fcn_plugin/version.py'

project = 'fcn_plugin'
author = 'The fcn_plugin contributors'
copyright = author
release = re.search(r"__version__ = '(.+)'", _VERSION.read_text(encoding='utf-8'))[1]

extensions = ['myst_parser', 'sphinx_copybutton']
exclude_patterns = ['build', '*.ipynb']
myst_heading_anchors = 4
html_theme = 'furo'
html_title = f'fcn_plugin {release}'
