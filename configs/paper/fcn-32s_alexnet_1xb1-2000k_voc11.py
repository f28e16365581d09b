# FCN-AlexNet as its authors have it. It has a solver of its own: the mean loss, and the
# gradients of 20 images to a step, so that 2,000,000 images make their 100,000 steps; in
# the trunk biases learn and decay as weights do. It starts from the ILSVRC CaffeNet, the
# AlexNet that pools before it normalises (bvlc_alexnet does it after):
#   python tools/model_converters/caffe2fcn.py bvlc_reference_caffenet.caffemodel \
#       data/alexnet_ilsvrc_caffe.pth
_base_ = './fcn-32s_vgg16_1xb1-100k_voc11.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='FullyConvAlexNet',
        init_cfg=dict(type='Pretrained', checkpoint='data/alexnet_ilsvrc_caffe.pth')),
    decode_head=dict(
        final_upsampler=dict(type='BilinearDeconv', kernel_size=63),
        loss_decode=dict(
            _delete_=True, type='CrossEntropyLoss', avg_non_ignore=True)))
optim_wrapper = dict(
    accumulative_counts=20,
    optimizer=dict(lr=1e-4, momentum=0.9),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1., decay_mult=1.))))
train_cfg = dict(max_iters=2000000, val_interval=80000)
default_hooks = dict(checkpoint=dict(interval=80000))
