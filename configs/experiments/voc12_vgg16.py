# The paper's stages on VOC at 224x224: FCN-32s, 16s from it, 8s from that, and 8s at once:
#   python tools/analysis_tools/run_experiments.py configs/experiments/voc12_vgg16.py --amp
_base_ = './_base_/vgg16_stages.py'
config = '../fcn/fcn-8s_vgg16-lean_1xb16-1500_voc12-224x224.py'
