# Streets that no training image shows: each of CamVid's three training drives is left out in
# turn and judged, by the street model's recipe at a quarter of its length.
#   python tools/analysis_tools/run_experiments.py configs/experiments/camvid_drives.py --amp
# Recipes are compared by the mean of the three. The validation images, which base is judged
# on, lie between training images of the same drive and say little of other streets.
config = './_base_/camvid_drives.py'

_judged = {
    f'{loader}.dataset.data_prefix': dict(img_path='train', seg_map_path='trainannot')
    for loader in ('val_dataloader', 'test_dataloader')
}
changes = {
    'base': {},
    'without_0001TP': {
        'train_dataloader.dataset.drives': ('0006R0', '0016E5'),
        'val_dataloader.dataset.drives': ('0001TP', ),
        'test_dataloader.dataset.drives': ('0001TP', ),
        **_judged,
    },
    'without_0006R0': {
        'train_dataloader.dataset.drives': ('0001TP', '0016E5'),
        'val_dataloader.dataset.drives': ('0006R0', ),
        'test_dataloader.dataset.drives': ('0006R0', ),
        **_judged,
    },
    'without_0016E5': {
        'train_dataloader.dataset.drives': ('0001TP', '0006R0'),
        'val_dataloader.dataset.drives': ('0016E5', ),
        'test_dataloader.dataset.drives': ('0016E5', ),
        **_judged,
    },
}
