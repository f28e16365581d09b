# One network that learns what three know together (docs/recipes.md). The objects model is the
# mean of its weights and of those from which it starts. The three have come about as its base
# says, with the seeds 0, 1 and 2 (randomness.seed), each the mean of its two runs:
#   fcn publish work_dirs/SECOND_RUN/best_mIoU_iter_1700.pth --dtype float32 \
#       --average work_dirs/FIRST_RUN/best_mIoU_iter_3200.pth --out work_dirs/objects_0.pth
# It starts from the first of them:
#   python tools/train.py --amp \
#       configs/fcn/fcn-4s_efficientnet-lite2-fpn-distilled_1xb12-1200_voc12-320x320.py
_base_ = './fcn-4s_efficientnet-lite2-fpn_1xb12-1700_voc12-320x320.py'
max_iters = 1200
teachers = [f'work_dirs/objects_{seed}.pth' for seed in range(3)]
load_from = teachers[0]
model = dict(type='DistilledFCNSegmentor', teachers=teachers)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=400)
