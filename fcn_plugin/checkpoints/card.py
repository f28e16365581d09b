"""The card of a model that is given away: what it is, how good, and on what terms."""
import json
import re
from typing import Any

from mmengine.config import Config

from .naming import HUB
from .safe_config import TRUSTED

#: Notes that every card has a line for, said or not.
_ASKED = ('data', 'figures', 'license')
#: Licences that the hub knows by these names, those of models and pictures. It refuses a card
#: with another one, unless that is called 'other' and named beside.
_LICENSES = {
    'agpl-3.0', 'apache-2.0', 'bsd-2-clause', 'bsd-3-clause', 'cc0-1.0', 'cc-by-2.0',
    'cc-by-3.0', 'cc-by-4.0', 'cc-by-nc-2.0', 'cc-by-nc-3.0', 'cc-by-nc-4.0',
    'cc-by-nc-nd-4.0', 'cc-by-nc-sa-4.0', 'cc-by-nd-4.0', 'cc-by-sa-3.0', 'cc-by-sa-4.0',
    'gpl-2.0', 'gpl-3.0', 'lgpl-3.0', 'mit', 'mpl-2.0', 'odbl', 'openrail', 'other',
    'unknown', 'unlicense'}


def model_card(title: str, file: str, given: str, digest: str, meta: dict[str, Any],
               config: Config, count: int, dtype: str) -> str:
    """A model card in Markdown, as model hubs show it.

    Args:
        title (str): The heading.
        file (str): The name of the file of weights.
        given (str): How a command names the model: the file, or an address.
        digest (str): The file's SHA-256.
        meta (dict): What the file says of itself; 'notes' become lines of a table, and
            'license' among them (such as 'cc-by-nc-4.0') what the hub files it under, as
            'other' with a name where it does not know it.
        config (Config): Of the model.
        count (int): Numbers in the file.
        dtype (str): Of kernels.
    """
    notes = {**dict.fromkeys(_ASKED, 'not said'), **meta['notes']}
    rows = [f'| {_cell(key)} | {_cell(value)} |' for key, value in notes.items()]
    head = ['pipeline_tag: image-segmentation', 'tags: [semantic-segmentation, fcn]']
    if 'license' in meta['notes']:
        head = _license(str(notes['license'])) + head
    classes = [_cell(name) for name in meta['dataset_meta']['classes']]
    backbone, decode_head = (config.model.get(part) or {} for part in (
        'backbone', 'decode_head'))
    if isinstance(decode_head, (list, tuple)):  # of a cascade
        decode_head = decode_head[-1]
    imports = (config.get('custom_imports') or {}).get('imports') or []
    own = [name for name in ([imports] if isinstance(imports, str) else imports)
           if name.partition('.')[0] not in TRUSTED]
    flag, argument = (f' --allow-imports {" ".join(own)}  # not in this file: on PYTHONPATH',
                      f', allow_imports={own}') if own else ('', '')
    return '\n'.join([
        '---', *head, '---', f'# {_cell(title)}', '',
        f'{decode_head.get("type")} on {backbone.get("type")}, {len(classes)} classes, '
        f'{count / 1e6:.2f} M numbers, kernels in {dtype}; for fcn_plugin on mmsegmentation.',
        '', '| | |', '|---|---|', *rows, '', '## How to run', '', '```bash',
        "pip install 'mmseg-fcn-plugin[hub]'" if given.startswith(HUB) else
        'pip install mmseg-fcn-plugin', f'fcn predict photo.jpg --checkpoint {given}{flag}',
        '```', '', '```python', 'from fcn_plugin.apis import FCNInferencer',
        f"result = FCNInferencer({given!r}{argument})('photo.jpg')", "result.save('out')",
        '```', '', '## Classes', '', ', '.join(classes), '', '## SHA-256', '',
        'Loading compares it, and so does `sha256sum`:', '', '```', f'{digest}  {file}', '```',
        ''])


def _license(said: str) -> list[str]:
    """The hub's lines for a licence: 'MIT' or 'CC BY-NC 4.0' is one that it knows."""
    name = re.sub(r'[^a-z0-9.]+', '-', said.lower()).strip('-')
    if name in _LICENSES:
        return [f'license: {name}']
    return ['license: other', f'license_name: {json.dumps(name)}'] if name else []


def _cell(value: Any) -> str:
    return ' '.join(str(value).split()).replace('|', r'\|')
