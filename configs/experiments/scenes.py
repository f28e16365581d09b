# Whether depth and a second task are used, on drawn scenes, one change each:
#   python tools/analysis_tools/run_experiments.py configs/experiments/scenes.py
config = './_base_/scenes.py'

_mean, _std = 'model.data_preprocessor.mean', 'model.data_preprocessor.std'
_depth = {
    'train_dataloader.dataset.inputs': ('colour', 'depth'),
    'val_dataloader.dataset.inputs': ('colour', 'depth'),
    'test_dataloader.dataset.inputs': ('colour', 'depth'),
    _mean: [123.675, 116.28, 103.53, 8.],
    _std: [58.395, 57.12, 57.375, 0.4],
}
_stream = dict(type='mmpretrain.ResNet', depth=18, stem_channels=32, base_channels=32,
               out_indices=(1, 2, 3))
changes = {
    'colour': {},
    'colour_depth': {**_depth, 'model.backbone.in_channels': 4},
    'late_fusion': {
        **_depth,
        'model.backbone': dict(
            _delete_=True, type='LateFusion', streams=[_stream, dict(_stream, in_channels=1)]),
        'model.decode_head.in_channels': (128, 256, 512),
    },
    'two_tasks': {
        **_depth,
        'model.backbone.in_channels': 4,
        'model.decode_head.other_tasks': dict(geometric=2),
        'val_evaluator': [dict(type='FCNMetric'), dict(type='FCNMetric', task='geometric')],
    },
}
