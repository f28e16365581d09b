# NYUDv2, its 40 classes, at its own size of 640x480, one image at a time. The folders are
# made of the labelled archive by
#   fcn paper-data nyud nyu_depth_v2_labeled.mat classMapping40.mat splits.mat \
#       --out data/nyudv2
dataset_type = 'NYUDv2Dataset'
data_root = 'data/nyudv2'
inputs = ('colour', )
pipeline = [
    dict(type='LoadRGBD', inputs=inputs),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs')
]
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='train.txt', pipeline=pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='test.txt', pipeline=pipeline))
test_dataloader = val_dataloader
