# VOC 2011 as the authors used it: training on SBD's training images, validation on those
# of VOC 2011 that SBD does not train on (seg11valid), all at their own sizes, one at a
# time. The lists are what tools/dataset_converters/sbd2voc.py writes.
_base_ = './voc12_512x512.py'
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')
]
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        data_prefix=dict(seg_map_path='SegmentationClassAug'),
        ann_file='ImageSets/Segmentation/sbd_train.txt',
        pipeline=test_pipeline))
val_dataloader = dict(
    dataset=dict(
        data_root='data/VOCdevkit/VOC2011',
        ann_file='ImageSets/Segmentation/seg11valid.txt',
        pipeline=test_pipeline))
test_dataloader = val_dataloader
