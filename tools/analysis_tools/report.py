"""Makes one HTML page of a training run, which needs no other file.

    python tools/analysis_tools/report.py work_dirs/<name of the config>

It has curves, the four figures, classes, confusions, best and worst images, the config.
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('report', __doc__)
