_base_ = [
    '../_base_/models/fcn-8s_vgg19.py', '../_base_/datasets/voc12_224x224.py',
    '../_base_/schedules/schedule_20k.py', '../_base_/default_runtime.py'
]
batch_size = 16
lr = 0.002

model = dict(test_cfg=dict(rescale=False))
train_dataloader = dict(batch_size=batch_size)
optim_wrapper = dict(
    optimizer=dict(lr=lr), paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10))))
