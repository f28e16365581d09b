# VOC 2012 with the SBD annotations in training: 10,582 images instead of 1,464.
# SegmentationClassAug and aug.txt are made by
#   python tools/dataset_converters/sbd2voc.py \
#       data/benchmark_RELEASE data/VOCdevkit/VOC2012
_base_ = './voc12_512x512.py'
train_part = dict(
    type={{_base_.dataset_type}},
    data_root={{_base_.data_root}},
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    ann_file='ImageSets/Segmentation/train.txt',
    pipeline={{_base_.train_pipeline}})
aug_part = dict(
    type={{_base_.dataset_type}},
    data_root={{_base_.data_root}},
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
    ann_file='ImageSets/Segmentation/aug.txt',
    pipeline={{_base_.train_pipeline}})
train_dataloader = dict(
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[train_part, aug_part]))
