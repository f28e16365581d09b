# SIFT Flow, 256x256, one image at a time: 33 semantic classes, and 3 geometric ones as a
# second task. The folders are made of the archive by
#   fcn paper-data siftflow SiftFlowDataset test.txt --out data/siftflow
dataset_type = 'SIFTFlowDataset'
data_root = 'data/siftflow'
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadTasks'),
    dict(type='PackTasks')
]
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='trainval.txt',
        pipeline=pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='test.txt', pipeline=pipeline))
test_dataloader = val_dataloader
