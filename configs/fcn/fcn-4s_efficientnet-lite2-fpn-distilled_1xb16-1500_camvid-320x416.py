# The same with two teachers: what its base has become, and one whose batch norms kept
# ImageNet's statistics. Labels are resized exactly. It starts from the mean of what the -2000
# config has trained:
#   fcn publish work_dirs/street_taught_0/iter_2000.pth --average \
#       work_dirs/street_taught_1/iter_2000.pth work_dirs/street_1150.safetensors \
#       --out work_dirs/street_2000.safetensors
# The other teacher is
#   python tools/train.py --amp \
#       configs/fcn/fcn-4s_efficientnet-lite2-fpn_1xb16-2000_camvid-320x416.py \
#       --work-dir work_dirs/street_teacher_3 --cfg-options randomness.seed=3 \
#       model.backbone.norm_eval=True \
#       train_dataloader.dataset.pipeline.2.resize_type=AlignedResize
_base_ = './fcn-4s_efficientnet-lite2-fpn-distilled_1xb16-1150_camvid-320x416.py'
max_iters = 1500
load_from = 'work_dirs/street_2000.safetensors'
teachers = [load_from, 'work_dirs/street_teacher_3/iter_2000.pth']
model = dict(teachers=teachers, teacher_scales=(5 / 6, 1, 7 / 6), teacher_flip=True)
_base_.train_pipeline[2].resize_type = 'AlignedResize'
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=750)
