"""Segments images and videos: overlays with a legend, label maps and heat maps.

    python tools/predict.py --img-path photo.jpg --weight-path best.pth
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('predict', __doc__)
