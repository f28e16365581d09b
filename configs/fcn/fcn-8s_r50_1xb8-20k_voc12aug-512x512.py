_base_ = [
    '../_base_/models/fcn-8s_r50.py', '../_base_/datasets/voc12aug_512x512.py',
    '../_base_/schedules/schedule_20k.py', '../_base_/default_runtime.py'
]
batch_size = 8
lr = 0.01

train_dataloader = dict(batch_size=batch_size)
optim_wrapper = dict(optimizer=dict(lr=lr))
