# FCN-32s. It starts from the ILSVRC VGG16 of BGR input with its fully connected layers,
# which its publisher has as a Caffe model:
#   python tools/model_converters/caffe2fcn.py VGG_ILSVRC_16_layers.caffemodel \
#       data/vgg16_ilsvrc_caffe.pth
_base_ = [
    '../_base_/models/fcn-32s_vgg16-paper.py', '../_base_/datasets/voc11_native.py',
    '../_base_/schedules/schedule_paper.py', '../_base_/default_runtime.py'
]
default_hooks = dict(checkpoint=dict(interval=4000))
