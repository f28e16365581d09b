"""Pictures that compare images with predictions, and with the truth.

    python tools/predict_show.py --img-path 'photos/*.jpg' --weight-path best.pth
    python tools/predict_show.py --weight-path best.pth  # its validation set
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('show', __doc__)
