# The changes of camvid_vgg16.py to runs of 300 iterations on half-size crops, for two CPU
# cores; 'full' and 'full_sgd', 134 M parameters, are not for those:
#   python tools/analysis_tools/run_experiments.py configs/experiments/camvid_vgg16_300.py \
#       --amp --only at_once 32s 16s 8s learned_upsampling unpool sgd resnet50
_base_ = './camvid_vgg16.py'
config = './_base_/camvid_vgg16_300.py'
