# SGD with polynomial decay. batch_size and lr stand at the top of each run.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='FewGroupsOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=500, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=500, end=20000, by_epoch=False)
]
train_cfg = dict(type='ExactResumeTrainLoop', max_iters=20000, val_interval=2000)
