# What matters for a small network on CamVid, one change each:
#   python tools/analysis_tools/run_experiments.py configs/experiments/camvid.py --amp
# camvid_300.py beside it makes the same changes to runs an eighth as long.
# The paper's own claims are among them: that learned interpolation does not matter, that
# augmentation hardly helps, and that classes need not be balanced.
config = './_base_/camvid.py'

# Pipelines are lists, so that a change names the place: 2 resizes, 3 crops, 5 distorts.
_pipeline = 'train_dataloader.dataset.pipeline'
_head = 'model.decode_head'
# Entries of a list are merged, so what is put between them needs the whole list.
_augmented = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.6, 1.6), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(240, 320), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion', brightness_delta=48, contrast_range=(0.4, 1.6),
         saturation_range=(0.4, 1.6), hue_delta=18),
]
_blurred = dict(type='mmpretrain.GaussianBlur', magnitude_range=(0.2, 2.),
                magnitude_std='inf', prob=0.5)
_low_light = dict(type='RandomLowLight', prob=0.5, max_stops=3., max_noise=8.)
_packed = dict(type='PackSegInputs')
changes = {
    'base': {},
    'stride_8': {
        'model.backbone.out_indices': (3, 4, 5),
        'model.neck.in_channels': [40, 112, 320],
        'model.neck.num_outs': 3,
        f'{_head}.in_channels': (128, 128, 128),
        f'{_head}.in_index': (0, 1, 2),
        f'{_head}.in_strides': (8, 16, 32),
    },
    'no_pyramid': {
        'model.neck': None,
        f'{_head}.in_channels': (24, 40, 112, 320),
    },
    'one_score': {  # no fusion: the pyramid's finest map alone is scored
        f'{_head}.in_channels': (128, ),
        f'{_head}.in_index': (0, ),
        f'{_head}.in_strides': (4, ),
    },
    'learned_upsampling': {
        f'{_head}.upsampler': dict(type='BilinearDeconv', learnable=True),
    },
    'skip_scales': {
        f'{_head}.skip_scales': (1e-4, 1e-3, 1e-2, 1.),
    },
    'zero_scores': {
        f'{_head}.zero_init_scores': True,
    },
    'not_balanced': {
        f'{_head}.loss_decode.class_weight': None,
    },
    'summed_loss': {  # a pixel weighs the same in every batch, ignored ones or not
        f'{_head}.loss_decode.avg_non_ignore': False,
        f'{_head}.loss_decode.reduction': 'sum',
        f'{_head}.loss_decode.loss_weight': 1 / (8 * 240 * 320),
    },
    'no_distortion': {
        f'{_pipeline}.5.brightness_delta': 0,
        f'{_pipeline}.5.contrast_range': (1., 1.),
        f'{_pipeline}.5.saturation_range': (1., 1.),
        f'{_pipeline}.5.hue_delta': 1,  # mmseg draws from an empty range at 0
    },
    'blurred_too': {
        _pipeline: _augmented + [_blurred, _packed],
    },
    'low_light_too': {
        _pipeline: _augmented + [_low_light, _packed],
    },
    'blurred_and_low_light': {
        _pipeline: _augmented + [_blurred, _low_light, _packed],
    },
    'a_quarter_of_each': {  # the recipe of the model that comes with the package
        _pipeline: _augmented + [dict(_blurred, prob=0.25), dict(_low_light, prob=0.25),
                                 _packed],
    },
    'aligned_labels': {  # resized as images are, in place of OpenCV's nearest
        f'{_pipeline}.2.resize_type': 'AlignedResize',
    },
    'no_rescaling': {
        f'{_pipeline}.2.ratio_range': (1., 1.),
    },
    'whole_images': {
        f'{_pipeline}.3.crop_size': (360, 480),
    },
    'lr_a_third': {
        'optim_wrapper.optimizer.lr': 3.3e-4,
    },
    'lr_times_three': {
        'optim_wrapper.optimizer.lr': 3e-3,
    },
    'frozen_norms': {
        'model.backbone.norm_eval': True,
    },
    'no_averaging': {
        'custom_hooks': [],
    },
    'deep_supervision': {
        'model.auxiliary_head': dict(
            type='FCNHead', in_channels=128, in_index=2, channels=64, num_convs=1,
            num_classes=11, norm_cfg=dict(type='BN'),
            loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True,
                             loss_weight=0.4)),
    },
}
