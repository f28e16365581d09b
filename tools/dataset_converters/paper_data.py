"""Converts NYUDv2 or SIFT Flow to folders of images and label maps.

    python tools/dataset_converters/paper_data.py nyud \\
        nyu_depth_v2_labeled.mat classMapping40.mat splits.mat data/nyudv2
    python tools/dataset_converters/paper_data.py siftflow \\
        SiftFlowDataset test.txt data/siftflow

NYUDv2 takes its labelled archive, the 40 classes of its 894 and its split; it gets depth
and HHA beside colour. SIFT Flow takes its folder and a list of its test images.
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('paper-data', __doc__)
