# What every run shares.
custom_imports = dict(imports=['fcn_plugin'])
default_scope = 'mmseg'
runner_type = 'FCNRunner'  # looks at images, resumes exactly
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))  # without a GPU tools/train.py takes gloo
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False

val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='FCNLoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # the last two checkpoints, and beside them the best by mean IoU
    checkpoint=dict(type='FCNCheckpointHook', by_epoch=False, interval=2000,
                    max_keep_ckpts=2, save_best='mIoU'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # stops before a step that would spoil the weights
    finite_loss=dict(type='FiniteLossHook'),
    visualization=dict(type='FCNVisualizationHook'))

val_evaluator = dict(type='FCNMetric')
test_evaluator = dict(type='FCNMetric')
tta_model = dict(type='FCNTTAModel')
