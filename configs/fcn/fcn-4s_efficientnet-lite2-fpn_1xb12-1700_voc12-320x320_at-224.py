# The objects model judged where images and truth are 224x224, the size of the published plain
# FCNs. It looks at these pixels enlarged to 352x352, so that objects are about as large as in
# training, and its labels are brought back to 224x224.
#   fcn test fcn-4s_efficientnet-lite2-fpn_1xb12-1700_voc12-320x320_at-224 objects
_base_ = './fcn-4s_efficientnet-lite2-fpn_1xb12-1700_voc12-320x320.py'
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='KeepSize'),
    dict(type='mmpretrain.ResizeEdge', scale=352),
    dict(type='PackSegInputs')
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
