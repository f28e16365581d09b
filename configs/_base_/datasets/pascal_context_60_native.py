# PASCAL-Context as the authors used it: its 59 classes and, as a class before them, all that
# is none of these; all images at their own sizes, one at a time.
_base_ = './pascal_context_59.py'
dataset_type = 'PascalContextDataset'
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')
]
train_dataloader = dict(
    batch_size=1, dataset=dict(type=dataset_type, pipeline=test_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type, pipeline=test_pipeline))
test_dataloader = val_dataloader
