_base_ = [
    '../_base_/models/fcn-8s_vgg16.py', '../_base_/datasets/pascal_context_59.py',
    '../_base_/schedules/schedule_20k.py', '../_base_/default_runtime.py'
]
batch_size = 8
lr = 0.002

model = dict(decode_head=dict(num_classes=59))
train_dataloader = dict(batch_size=batch_size)
optim_wrapper = dict(
    optimizer=dict(lr=lr), paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10))))
