# The built-in shapes at 64x64, 4 whole images a step at a fixed rate, as the paper compares
# patches with whole images: half a minute on a CPU core.
_base_ = '../../fcn/fcn-8s_r18-half_1xb16-850_shapes-128x128.py'
max_iters = 160

train_dataloader = dict(
    batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(image_size=64))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(length=60))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = []
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(logger=dict(interval=4), checkpoint=dict(interval=max_iters))
