_base_ = [
    '../_base_/models/fcn-32s_r18-half.py', '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_shapes.py', '../_base_/default_runtime.py'
]
model = dict(decode_head=dict(num_classes=9))
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=425))
randomness = dict(seed=0)
