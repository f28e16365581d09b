"""Writes a trained network as ONNX, or as a program of torch.export.

    python tools/export.py --weight-path best.pth --out best.onnx --preprocess
"""
import argparse

from mmengine.config import DictAction

from fcn_plugin.apis.export import export
from fcn_plugin.utils.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Writes a network as one file that takes batches of any size, checks '
        'it against PyTorch and times both.')
    parser.add_argument('--weight-path', required=True, metavar='FILE',
                        help='the checkpoint')
    parser.add_argument('--out', required=True, metavar='FILE',
                        help='.onnx, or .pt2 for torch.export')
    parser.add_argument('--config', metavar='FILE',
                        help='the config it was trained with; without it, the one kept '
                        'in the checkpoint')
    parser.add_argument('--backbone', help='vgg16, vgg19, resnet50 or resnet101: takes '
                        "this project's FCN-8s where the checkpoint keeps no config")
    parser.add_argument('--scores', action='store_true',
                        help='also return the probabilities of all classes')
    parser.add_argument('--preprocess', action='store_true',
                        help='take images as they are read, uint8 RGB: resizing and '
                        'normalisation become part of the graph')
    parser.add_argument('--img-path', metavar='PATH|DIR|GLOB',
                        help='images to check and time with; default: drawn ones')
    parser.add_argument('--opset', type=int, default=17,
                        help="ONNX's operator set; default: %(default)s")
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a file that exists')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        metavar='KEY=VALUE', help='override settings of the config')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    args = vars(parser.parse_args())
    del args['debug']  # read by run()
    export(**args)


if __name__ == '__main__':
    run(main)
