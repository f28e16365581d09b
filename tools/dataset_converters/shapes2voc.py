"""Writes the built-in shapes to disk in the layout of PASCAL VOC.

An example of what data of your own must look like:

    python tools/dataset_converters/shapes2voc.py data/shapes --train 200 --val 50
"""
from fcn_plugin.datasets.shapes import ShapesDataset
from fcn_plugin.datasets.voc_layout import write_voc
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('out_dir', help='folder to write to')
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


def main() -> None:
    args = parse_args()
    subsets = {
        split: ShapesDataset(args[split], split, args['seed'], args['image_size'],
                             args['border'])
        for split in ('train', 'val')
    }
    write_voc(args['out_dir'], subsets, args['overwrite'])
    print('{out_dir}: {train} training and {val} validation images'.format(**args))


if __name__ == '__main__':
    run(main)
