# Streets that no training image shows, in a quarter of an hour on two CPU cores: one of
# CamVid's training drives is trained on, and the other two are judged, together by
#   P=configs/experiments/camvid_one_drive.py
#   python tools/analysis_tools/run_experiments.py $P --amp
# and each by fcn test with
#   --cfg-options "test_dataloader.dataset.drives=('0001TP',)"
config = './_base_/camvid_one_drive.py'
_frozen = {'model.backbone.norm_eval': True}  # ImageNet's means and variances stay
_more = {
    'load_from': 'work_dirs/camvid_one_drive/base/seed0/iter_500.pth',  # needs base first
    'train_dataloader.dataset.pipeline.2.resize_type': 'AlignedResize',
    'optim_wrapper.optimizer.lr': 5e-4,
    'param_scheduler.0.end': 50,
    'param_scheduler.1.begin': 50,
    'param_scheduler.1.end': 300,
    'train_cfg.max_iters': 300,
    'train_cfg.val_interval': 300,
}
_more_done = 'work_dirs/camvid_one_drive/more/seed0/iter_300.pth'
_taught = {
    **_more,
    'load_from': _more_done,  # needs more and frozen_statistics first
    'model.type': 'DistilledFCNSegmentor',
    'model.teacher_scales': (5 / 6, 1, 7 / 6),
    'model.teacher_flip': True,
    'param_scheduler.1.end': 500,
    'train_cfg.max_iters': 500,
    'train_cfg.val_interval': 500,
}
changes = {
    'base': {},
    'frozen_statistics': _frozen,
    'more': _more,
    'more_frozen': {**_more, **_frozen},
    'taught_by_itself': {**_taught, 'model.teachers': [_more_done]},
    'taught_by_both': {**_taught, 'model.teachers': [
        _more_done, 'work_dirs/camvid_one_drive/frozen_statistics/seed0/iter_500.pth']},
}
