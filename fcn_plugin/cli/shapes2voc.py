"""Writes the built-in shapes to disk in the layout of PASCAL VOC.

An example of what data of your own must look like:

    fcn shapes2voc --out data/shapes --train 200 --val 50
"""
from typing import Any

from ..utils.arguments import ToolParser


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_output('out_dir', metavar=None if parser.is_tool else 'DIR',
                      help='folder to write to')
    parser.add_argument('--train', type=int, default=200, metavar='N',
                        help='number of training images (default: %(default)s)')
    parser.add_argument('--val', type=int, default=50, metavar='N',
                        help='number of validation images (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0,
                        help='another seed makes other images (default: %(default)s)')
    parser.add_argument('--image-size', type=int, nargs=2, default=(96, 160),
                        metavar=('MIN', 'MAX'),
                        help='range of height and of width (default: 96 160)')
    parser.add_argument('--border', type=float, default=2, metavar='PX',
                        help='width of the ignored outlines (default: %(default)s)')
    parser.add_shared('--overwrite', help='write into a folder that is not empty')
    return parser.parse()


def run(out_dir: str, overwrite: bool, train: int, val: int, **drawn: Any) -> None:
    from ..datasets.shapes import ShapesDataset
    from ..datasets.voc_layout import write_voc
    subsets = {split: ShapesDataset(count, split, **drawn)
               for split, count in (('train', train), ('val', val))}
    write_voc(out_dir, subsets, overwrite)
    print(f'{out_dir}: {train} training and {val} validation images')
