# One cycle of AdamW in 850 iterations, minutes on a CPU.
max_iters = 850
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='FewGroupsOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.01))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(type='ExactResumeTrainLoop', max_iters=max_iters, val_interval=425)
