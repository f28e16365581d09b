"""Segments images and videos: overlays with a legend, label maps and heat maps; or regions
for a labelling tool. Of a stream, frames are labelled as fast as it goes and the others
dropped.

    fcn predict photo.jpg --checkpoint best.pth
    fcn predict photos holiday.mp4 --out labelled
    fcn predict orthophoto.tif --checkpoint best.pth  # of any size
    fcn predict new --checkpoint best.pth --format labelme --out new
    fcn predict 0                             # a camera, until Ctrl-C
    fcn predict rtsp://10.0.0.5:8554/live
    ffmpeg -i ... -f matroska - | fcn predict -
"""
from typing import Any

from ..utils.arguments import ToolParser

REGISTERS = True  # an exported file is run without mmseg and torch


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_images(True, 'an image or a video, a folder of them, a quoted glob, '
                      "or a stream: a camera's number, an address, or - for a pipe")
    parser.add_shared('--checkpoint', '--config', '--backbone')
    parser.add_shared('--out', default='work_dirs/predict')
    parser.add_argument('--heatmap', metavar='CLASS',
                        help='also write the probability of this class, given by name '
                        'or index')
    parser.add_argument('--format', choices=['coco', 'labelme', 'labelstudio', 'cvat', 'yolo'],
                        help='in place of pictures, write regions that this tool opens')
    parser.add_argument('--tolerance', type=float, metavar='PIXELS',
                        help='how far corners that are left out may lie from the outline '
                        'of a region (default: 1, or as much less as keeps 99 %% of pixels '
                        'and nine tenths of each region)')
    parser.add_argument('--min-area', type=int, default=0, metavar='PIXELS',
                        help='leave out regions, and holes, that are smaller')
    parser.add_shared('--crf')
    parser.add_shared('--opacity', default=0.5)
    parser.add_shared('--device', '--runtime')
    parser.add_argument('--batch-size', type=int, default=1, metavar='N',
                        help='images or frames at once (default: %(default)s)')
    parser.add_argument('--video-suffix', default='.mp4', metavar='SUFFIX',
                        help='.mp4, .webm (for browsers), .avi, .mkv or .mov (default: '
                        '%(default)s)')
    parser.add_argument('--resume', action='store_true', help='leave out images whose files '
                        'are there already, as after a run that was interrupted')
    parser.add_shared('--overwrite', '--fast', '--tile', '--overlap', '--cfg-options',
                      '--allow-imports')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..inference.predict_files import predict_to_files
    predict_to_files(**arguments)
