"""Converts NYUDv2 or SIFT Flow to folders of images and label maps.

    fcn paper-data nyud nyu_depth_v2_labeled.mat classMapping40.mat splits.mat \\
        --out data/nyudv2
    fcn paper-data siftflow SiftFlowDataset test.txt --out data/siftflow

NYUDv2 takes its labelled archive, the 40 classes of its 894 and its split; it gets depth
and HHA beside colour. SIFT Flow takes its folder and a list of its test images.
"""
from typing import Any

from ..utils.arguments import ToolParser
from ..utils.errors import InputError

TAKES = dict(nyud=3, siftflow=2)


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_argument('kind', choices=['nyud', 'siftflow'], help='which data it is')
    parser.add_argument('sources', nargs='+', metavar='FILE',
                        help='what was downloaded, in the order above')
    parser.add_output('out_dir', metavar='OUT_DIR', help='folder to make')
    return parser.parse()


def run(kind: str, sources: list[str], out_dir: str) -> None:
    if len(sources) != TAKES[kind]:
        raise InputError(f'{kind} takes {TAKES[kind]} files or folders before the output, but '
                         f'{len(sources)} given: {" ".join(sources)}')
    if kind == 'nyud':
        from ..modalities.nyud_archive import nyud_to_folders
        archive, mapping, splits = sources
        lists = nyud_to_folders(archive, mapping, splits, out_dir)
    else:
        from ..modalities.siftflow import siftflow_to_folders
        root, test_list = sources
        lists = siftflow_to_folders(root, test_list, out_dir)
    for name, count in lists.items():
        print(f'{out_dir}/{name}.txt: {count} images')
