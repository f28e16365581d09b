# FCN-32s on SIFT Flow: one trunk, semantic and geometric classes, their losses added. It
# starts from the same weights as on VOC:
#   python tools/model_converters/caffe2fcn.py VGG_ILSVRC_16_layers.caffemodel \
#       data/vgg16_ilsvrc_caffe.pth
_base_ = [
    '../_base_/models/fcn-32s_vgg16-paper.py', '../_base_/schedules/schedule_paper.py',
    '../_base_/default_runtime.py', '../_base_/datasets/siftflow.py'
]
model = dict(
    data_preprocessor=dict(mean=[114.578, 115.294, 108.353]),
    decode_head=dict(num_classes=33, other_tasks=dict(geometric=3)))
train_cfg = dict(max_iters=300000)
val_evaluator = [dict(type='FCNMetric'), dict(type='FCNMetric', task='geometric')]
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(interval=4000))
