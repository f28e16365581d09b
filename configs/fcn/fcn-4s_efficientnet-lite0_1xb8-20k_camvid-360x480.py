_base_ = [
    '../_base_/models/fcn-4s_efficientnet-lite0.py', '../_base_/datasets/camvid_360x480.py',
    '../_base_/schedules/schedule_20k.py', '../_base_/default_runtime.py'
]
batch_size = 8
lr = 0.01

model = dict(decode_head=dict(num_classes=11))
train_dataloader = dict(batch_size=batch_size)
optim_wrapper = dict(optimizer=dict(lr=lr))
