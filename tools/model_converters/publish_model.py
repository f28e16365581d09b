"""Makes a file to give away of a checkpoint: no optimiser, half the bytes.

    python tools/model_converters/publish_model.py work_dirs/NAME/best_mIoU_iter_2400.pth \\
        street.safetensors --notes data=CamVid terms='CC BY-NC' mIoU=71.2
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('publish', __doc__)
