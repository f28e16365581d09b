"""One trunk, two tasks: loaded, trained, predicted and judged apart."""
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS, TRANSFORMS
from mmseg.structures import SegDataSample
from PIL import Image
from scipy.io import savemat
from tiny_runs import CONFIGS, HERE, succeed, write_config

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.evaluation import FCNMetric
from fcn_plugin.modalities.siftflow import FOLDERS, SCENES, siftflow_to_folders

SEMANTIC, GEOMETRIC = 5, 3


@pytest.fixture
def archive(tmp_path):
    """Six images in SIFT Flow's layout; of the last one no pixel is labelled."""
    root, maps = tmp_path / 'SiftFlowDataset', {}
    for folder in ('Images', *FOLDERS.values()):
        (root / folder / SCENES).mkdir(parents=True)
    for i in range(6):
        name = f'coast_{i}'
        pixels = np.random.randint(0, 256, (32, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / 'Images' / SCENES / f'{name}.jpg')
        maps[name] = (np.random.randint(0, 34, (32, 40)),
                      np.random.choice([-1, 1, 2, 3], (32, 40)) if i < 5 else
                      np.full((32, 40), -1))
        for folder, labels in zip(FOLDERS.values(), maps[name]):
            savemat(root / folder / SCENES / f'{name}.mat', dict(S=labels))
    (tmp_path / 'test.txt').write_text(f'coast_3\n{SCENES}\\coast_4.jpg\n')
    return root, tmp_path / 'test.txt', maps


def build(**head):
    return MODELS.build(dict(
        type='FCNSegmentor', data_preprocessor=dict(type='FCNDataPreProcessor'),
        backbone=dict(type='FullyConvVGG', depth=11, fc_channels=8, alignment='caffe'),
        decode_head=dict(dict(
            type='FCNSkipHead', alignment='caffe', in_index=(0, 1, 2),
            in_channels=(256, 512, 8), in_strides=(8, 16, 32), num_classes=SEMANTIC), **head)))


def filled(model):
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=(2 / parameter[0].numel())**0.5
                              if parameter.dim() == 4 else 0.1)
    return model.eval()


def sample(size):
    one = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))
    one.gt_sem_seg = PixelData(data=torch.randint(0, SEMANTIC, (1, *size)))
    one.set_data(dict(gt_geometric=PixelData(data=torch.randint(0, GEOMETRIC, (1, *size)))))
    return one


# --- what is refused ---------------------------------------------------------


@pytest.mark.parametrize('change', [
    dict(upsampler=dict(type='BilinearDeconv', learnable=True)),
    dict(final_upsampler=dict(type='BilinearDeconv', learnable=True)),
    dict(out_channels=1, num_classes=2, threshold=0.3)])
def test_tasks_must_not_be_mixed(change):
    with pytest.raises(ValueError, match='need two classes or more in each task, and'):
        build(other_tasks=dict(geometric=3), **change)


def test_images_without_labels_of_a_task_are_named():
    samples = [sample((40, 50)), sample((40, 50))]
    del samples[1].gt_geometric
    with pytest.raises(ValueError, match="no labels of the task 'geometric'.*PackTasks"):
        build(other_tasks=dict(geometric=GEOMETRIC)).loss(torch.randn(2, 3, 40, 50), samples)


def test_tasks_that_are_not_there(tmp_path):
    metric = FCNMetric(task='moon')
    metric.dataset_meta = dict(classes=('a', ), tasks=dict(geometric=('b', )))
    with pytest.raises(ValueError, match="no task 'moon'.*: geometric"):
        metric.evaluate(1)
    with pytest.raises(ValueError, match="the task 'height' has no folder"):
        DATASETS.build(dict(type='MultiTaskDataset', data_root=str(tmp_path), pipeline=[],
                            metainfo=dict(classes=('a', ), tasks=dict(height=('b', )))))


def test_archives_that_are_others(archive, tmp_path):
    root, test, maps = archive
    with pytest.raises(FileNotFoundError, match='holds no .jpg: name the folder'):
        siftflow_to_folders(tmp_path, test, tmp_path / 'out')
    test.write_text('moon\n')
    with pytest.raises(ValueError, match="1 of 1 names are no images of .*'moon'"):
        siftflow_to_folders(root, test, tmp_path / 'out')
    test.write_text('coast_1\n')
    path = root / FOLDERS['geometric'] / SCENES / 'coast_2.mat'
    for wrong in (4, -2):
        savemat(path, dict(S=np.full((32, 40), wrong)))
        with pytest.raises(ValueError,
                           match=f"coast_2.mat: 'S' .* from {wrong} to {wrong}, expected"):
            siftflow_to_folders(root, test, tmp_path / 'out')
    savemat(path, dict(labels=np.zeros((32, 40))))
    with pytest.raises(ValueError, match="coast_2.mat has no 'S'"):
        siftflow_to_folders(root, test, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


# --- the data ----------------------------------------------------------------


def test_maps_of_tasks_lie_in_folders_as_the_first_one_s(tmp_path):
    (tmp_path / 'list.txt').write_text('north/1\nsouth/1\n')
    dataset = DATASETS.build(dict(
        type='MultiTaskDataset', data_root=str(tmp_path), ann_file='list.txt', pipeline=[],
        data_prefix=dict(img_path='image', seg_map_path='kind', height='height'),
        metainfo=dict(classes=('a', ), tasks=dict(height=('b', )))))
    assert [dataset.get_data_info(i)['task_paths'] for i in range(2)] == [
        dict(height=f'{tmp_path}/height/{name}/1.png') for name in ('north', 'south')]


def test_siftflow(archive, tmp_path):
    root, test, maps = archive
    assert siftflow_to_folders(root, test, tmp_path / 'out') == dict(trainval=3, test=2)
    dataset = DATASETS.build(dict(
        type='SIFTFlowDataset', data_root=str(tmp_path / 'out'), ann_file='test.txt',
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadTasks'),
                  dict(type='RandomFlip', prob=1.), dict(type='PackTasks')]))
    assert len(dataset.metainfo['classes']) == 33
    # of the first task some classes are chosen, which says nothing of the other
    names = dataset.metainfo['classes']
    some = DATASETS.build(dict(
        type='SIFTFlowDataset', data_root=str(tmp_path / 'out'), ann_file='test.txt',
        metainfo=dict(classes=names[1::-1]), pipeline=[dict(type='LoadTasks')]))[0]
    semantic, geometric = maps['coast_3']
    np.testing.assert_array_equal(some['gt_seg_map'], np.select(
        [semantic == 2, semantic == 1], [0, 1], 255))
    np.testing.assert_array_equal(some['gt_geometric'], np.where(
        geometric > 0, geometric - 1, 255))
    for item, name in zip(dataset, ('coast_3', 'coast_4')):
        packed = item['data_samples']
        for found, labels in zip((packed.gt_sem_seg, packed.get('gt_geometric')), maps[name]):
            expected = np.where(labels > 0, labels - 1, 255)[:, ::-1]
            np.testing.assert_array_equal(found.data[0], expected)


# --- the network -------------------------------------------------------------


def test_two_tasks_are_two_nets_on_one_trunk():
    """Scores, losses and labels of each are those of a net with that task alone."""
    both = filled(build(other_tasks=dict(geometric=GEOMETRIC)))
    first, second = build(), build(num_classes=GEOMETRIC)
    for net, part in ((first, slice(0, SEMANTIC)), (second, slice(SEMANTIC, None))):
        net.load_state_dict({key: value[part] if '.score.' in key else value
                             for key, value in both.state_dict().items()})
        net.eval()
    size = (61, 90)
    image, truth = torch.randn(1, 3, *size) * 60, sample(size)
    alone = truth.clone()
    alone.gt_sem_seg = truth.get('gt_geometric')
    with torch.no_grad():
        losses = both.loss(image, [truth])
        torch.testing.assert_close(losses['decode.loss_ce'],
                                   first.loss(image, [truth])['decode.loss_ce'])
        torch.testing.assert_close(losses['decode.loss_ce_geometric'],
                                   second.loss(image, [alone])['decode.loss_ce'])
        total, logged = both.parse_losses(losses)
        assert float(total) == pytest.approx(sum(float(value) for value in losses.values()))
        assert {'decode.loss_ce', 'decode.loss_ce_geometric'} <= set(logged)
        found, = both.predict(image, logits=True)
        one, two = (net.predict(image, logits=True)[0] for net in (first, second))
    assert torch.equal(found.pred_sem_seg.data, one.pred_sem_seg.data)
    assert torch.equal(found.get('pred_geometric').data, two.pred_sem_seg.data)
    torch.testing.assert_close(found.seg_logits.data, one.seg_logits.data)
    assert both.encode_decode(image, [dict(img_shape=size)]).shape[1] == SEMANTIC
    assert len(found.pred_sem_seg.data.unique()) > 1
    both.parse_losses(both.loss(image, [truth]))[0].backward()
    for parameter in both.decode_head.score.parameters():
        assert all(part.any() for part in parameter.grad.split([SEMANTIC, GEOMETRIC]))


@pytest.mark.parametrize('ignored', [255, 250])
def test_tasks_of_images_of_two_sizes_are_padded_alike(ignored):
    model = filled(build(other_tasks=dict(geometric=SEMANTIC), ignore_index=ignored))
    model.data_preprocessor.seg_pad_val = ignored
    for name, value in model.state_dict().items():
        if '.score.' in name:
            value[SEMANTIC:] = value[:SEMANTIC]
    sizes = (40, 50), (33, 60)
    samples = [sample(size) for size in sizes]
    for one in samples:
        one.set_data(dict(gt_geometric=one.gt_sem_seg.clone()))
    data = model.data_preprocessor(dict(
        inputs=[torch.randn(3, *size) for size in sizes], data_samples=samples), True)
    with torch.no_grad():
        losses = model(**data, mode='loss')
    first, second = (losses[f'decode.loss_ce{task}'] for task in ('', '_geometric'))
    assert torch.isfinite(first) and first == second


def test_views_are_averaged_task_by_task():
    model = filled(build(other_tasks=dict(geometric=GEOMETRIC)))
    model.test_cfg.logits = True
    image = torch.randint(0, 256, (3, 64, 48), dtype=torch.uint8)
    metas = [dict(img_shape=(64, 48), ori_shape=(64, 48), img_path='a.png', **flip)
             for flip in ({}, dict(flip=True, flip_direction='horizontal'))]
    views = dict(inputs=[[image], [image.flip(-1)]],
                 data_samples=[[SegDataSample(metainfo=meta)] for meta in metas])
    tta = MODELS.build(dict(type='FCNTTAModel', module=model))
    with torch.no_grad():
        found, = tta.test_step(views)
        alone = [model.test_step(dict(inputs=[each], data_samples=[SegDataSample(
            metainfo=meta)]))[0] for (each, ), meta in zip(views['inputs'], metas)]
    for pred, logits in (('pred_sem_seg', 'seg_logits'),
                         ('pred_geometric', 'geometric_logits')):
        mean = sum(one.get(logits).data.softmax(0) for one in alone) / 2
        assert torch.equal(found.get(pred).data[0].long(), mean.argmax(0))
        torch.testing.assert_close(found.get(logits).data.softmax(0), mean)


def test_from_the_archive_to_two_sets_of_figures(archive, tmp_path):
    siftflow_to_folders(*archive[:2], tmp_path / 'out')
    config = write_config(tmp_path, f"""
_base_ = '{CONFIGS}/_base_/datasets/siftflow.py'
custom_imports = dict(imports=['fcn_plugin'])
default_scope = 'mmseg'
model = dict(
    type='FCNSegmentor', data_preprocessor=dict(type='FCNDataPreProcessor'),
    backbone=dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8,
                  out_indices=(1, 2, 3)),
    decode_head=dict(type='FCNSkipHead', in_index=(0, 1, 2), in_channels=(16, 32, 64),
                     in_strides=(8, 16, 32), num_classes=33,
                     other_tasks=dict(geometric=3)))
data_root = '{tmp_path}/out'
train_dataloader = dict({HERE}, dataset=dict(data_root=data_root))
val_dataloader = dict({HERE}, dataset=dict(data_root=data_root))
test_dataloader = dict({HERE}, dataset=dict(data_root=data_root))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(type='ExactResumeTrainLoop', max_iters=2, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
val_evaluator = [dict(type='FCNMetric'), dict(type='FCNMetric', task='geometric')]
test_evaluator = val_evaluator
default_hooks = dict(
    logger=dict(type='FCNLoggerHook', interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2, save_best='mIoU'))
""")
    succeed('train.py', config, '--work-dir', tmp_path / 'work')
    log, = (tmp_path / 'work').glob('*/*.log')
    text = log.read_text()
    assert 'decode.loss_ce_geometric: ' in text and 'geometric/mIoU: ' in text
    checkpoint, = (tmp_path / 'work').glob('best_*.pth')
    succeed('test.py', config, checkpoint, '--work-dir', tmp_path / 'test', '--out',
            tmp_path / 'labels')
    judged = {path.stem for path in (tmp_path / 'labels').glob('*.png')}
    assert judged == {path.stem for path in (tmp_path / 'labels/geometric').iterdir()} != set()
    succeed('predict.py', '--config', config, '--weight-path', checkpoint,
                   '--img-path', tmp_path / 'out' / 'image', '--out-dir', tmp_path / 'shown')
    assert list((tmp_path / 'shown').glob('*.png'))
    segment = FCNInferencer(config, checkpoint, device='cpu')
    image = next((tmp_path / 'out' / 'image').iterdir())
    found, rows = segment(image), segment(dict(path=[image]))
    assert (rows['labels'][0] == found.labels).all()
    assert (rows['labels_geometric'][0] == found.tasks['geometric']).all()
    assert (found.tasks['geometric'] != found.labels).any()


def test_labels_of_all_tasks_count_alike(tmp_path):
    for name in ('first', 'second'):
        Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8)).save(tmp_path / f'{name}.png')
    for reduce, expected in ((True, [[255, 0], [1, 255]]), (False, [[0, 1], [2, 0]])):
        found = TRANSFORMS.build(dict(type='LoadTasks', reduce_zero_label=reduce))(dict(
            seg_map_path=str(tmp_path / 'first.png'), seg_fields=[], label_map=None,
            task_paths=dict(height=str(tmp_path / 'second.png')), reduce_zero_label=reduce))
        assert found['gt_seg_map'].tolist() == found['gt_height'].tolist() == expected
