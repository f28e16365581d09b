# The authors' solver: a fixed rate for a loss that is summed over pixels, so the rate is
# small; heavy momentum; biases learn twice as fast and do not decay.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='FewGroupsOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=1e-10, momentum=0.99, weight_decay=5e-4),
    paramwise_cfg=dict(bias_lr_mult=2., bias_decay_mult=0.))
param_scheduler = []
train_cfg = dict(type='ExactResumeTrainLoop', max_iters=100000, val_interval=4000)
