# FCN-32s on the 59 classes of PASCAL-Context, as the paper judges it; the released nets score
# the background, too: ...-context-60.py. It starts from the same weights as on VOC:
#   python tools/model_converters/caffe2fcn.py VGG_ILSVRC_16_layers.caffemodel \
#       data/vgg16_ilsvrc_caffe.pth
_base_ = [
    '../_base_/models/fcn-32s_vgg16-paper.py',
    '../_base_/datasets/pascal_context_59_native.py',
    '../_base_/schedules/schedule_paper.py', '../_base_/default_runtime.py'
]
model = dict(decode_head=dict(num_classes=59))
train_cfg = dict(max_iters=300000)
default_hooks = dict(checkpoint=dict(interval=4000))
