# The changes of camvid.py to runs of 300 iterations, five minutes each on two CPU cores:
#   python tools/analysis_tools/run_experiments.py configs/experiments/camvid_300.py --amp
_base_ = './camvid.py'
config = './_base_/camvid_300.py'
