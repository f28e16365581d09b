# One network that learns what three know together (docs/recipes.md). The street model is the
# mean of its weights and of those from which it starts. These are the mean of two itself:
#   fcn publish \
#       work_dirs/fcn-4s_efficientnet-lite2-fpn_1xb16-3000_camvid-320x416/iter_3000.pth \
#       --average work_dirs/street_1700.safetensors --out work_dirs/street_3000.safetensors
# The other two teachers come from fcn-4s_efficientnet-lite2-fpn_1xb16-2000_camvid-320x416.py.
#   python tools/train.py --amp \
#       configs/fcn/fcn-4s_efficientnet-lite2-fpn-distilled_1xb16-1150_camvid-320x416.py
_base_ = './fcn-4s_efficientnet-lite2-fpn_1xb16-3000_camvid-320x416.py'
max_iters = 1150
load_from = 'work_dirs/street_3000.safetensors'
teachers = [load_from, *(f'work_dirs/street_teacher_{seed}/iter_2000.pth' for seed in (1, 2))]
model = dict(type='DistilledFCNSegmentor', teachers=teachers)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=575)
