"""The paper's metrics against loops, mmseg's metric and any number of processes."""
import math
import re
from unittest import mock

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing
from mmengine.dataset import DefaultSampler
from mmseg.evaluation import IoUMetric
from PIL import Image

from fcn_plugin.evaluation import FCNMetric, confusion_matrix, fcn_metric, segmentation_metrics

CLASSES = 4
NAMES = ('aAcc', 'mAcc', 'mIoU', 'fwIoU')


def labels(*size, classes=CLASSES, ignored=0.):
    found = torch.randint(0, classes, size)
    found[torch.rand(size) < ignored] = 255
    return found


def sample(prediction, truth=None, path='folder/image.jpg', **meta):
    """What mmengine's Evaluator hands to a metric."""
    data = dict(img_path=path, pred_sem_seg=dict(data=prediction[None]), **meta)
    return data if truth is None else dict(data, gt_sem_seg=dict(data=truth[None]))


def samples(count=7):
    """Images of different sizes, and a class that is never the truth."""
    return [
        sample(labels(3 + i, 9), labels(3 + i, 9, classes=CLASSES - 1, ignored=0.2),
               path=f'{i}.jpg') for i in range(count)
    ]


def make(kind=FCNMetric, classes=CLASSES, **kwargs):
    metric = kind(**kwargs)
    metric.dataset_meta = dict(classes=[f'class {i}' for i in range(classes)])
    return metric


def count_by_loop(prediction, truth):
    matrix = np.zeros((CLASSES, CLASSES), np.int64)
    for p, t in zip(prediction.flatten().tolist(), truth.flatten().tolist()):
        if t != 255:
            matrix[t, p] += 1
    return matrix


def paper(n):
    """Section 5 of the paper, term by term; a class without pixels does not count."""
    t, classes = n.sum(1), range(len(n))
    accuracies = [n[i, i] / t[i] for i in classes if t[i]]
    unions = {i: t[i] + sum(n[j, i] for j in classes) - n[i, i] for i in classes}
    ious = {i: n[i, i] / unions[i] for i in classes if unions[i]}
    return dict(
        aAcc=sum(n[i, i] for i in classes) / sum(t),
        mAcc=sum(accuracies) / len(accuracies),
        mIoU=sum(ious.values()) / len(ious),
        fwIoU=sum(t[i] * ious[i] for i in ious) / sum(t))


# --- confusion_matrix ------------------------------------------------------


@pytest.mark.parametrize('bad', [CLASSES, CLASSES + 1, 254, -1])
def test_labels_that_are_no_class(bad):
    """The label C too: it is where ignored pixels are counted."""
    truth = labels(5, 5, ignored=0.2)
    truth[2, 3] = bad
    with pytest.raises(ValueError, match=rf'the truth holds the labels \[{bad}\], '
                       f'expected 0 to {CLASSES - 1} or the ignored 255'):
        confusion_matrix(labels(5, 5), truth, CLASSES)


@pytest.mark.parametrize('bad', [CLASSES, 255, -1])
def test_predictions_that_are_no_class(bad):
    prediction = labels(5, 5).fill_(1)
    prediction[2, 3] = bad
    with pytest.raises(ValueError, match='the prediction holds labels from '
                       f'{min(bad, 1)} to {max(bad, 1)}, expected 0 to 3'):
        confusion_matrix(prediction, labels(5, 5), CLASSES)


def test_shapes_that_differ():
    with pytest.raises(ValueError, match=r'is \(4, 6\), but the truth is \(6, 4\)'):
        confusion_matrix(labels(4, 6), labels(6, 4), CLASSES)


@pytest.mark.parametrize('kind', [torch.uint8, torch.int32, torch.int64])
def test_matrix_equals_loop(kind):
    prediction, truth = labels(2, 9, 7), labels(2, 9, 7, ignored=0.3)
    matrix = confusion_matrix(prediction.to(kind), truth.to(kind), CLASSES)
    assert matrix.dtype == torch.int64
    np.testing.assert_array_equal(matrix, count_by_loop(prediction, truth))


@pytest.mark.parametrize('ignored', [255, 0, -1, CLASSES])
def test_ignored_pixels_are_in_no_row(ignored):
    truth = torch.tensor([1, ignored, 2, ignored])
    matrix = confusion_matrix(torch.tensor([1, 1, 3, 0]), truth, CLASSES, ignored)
    assert matrix.sum() == 2 and matrix[1, 1] == 1 and matrix[2, 3] == 1


def test_nothing_to_count():
    assert confusion_matrix(labels(0, 3), labels(0, 3), CLASSES).sum() == 0
    ignored = torch.full((2, 3), 255)
    assert confusion_matrix(labels(2, 3), ignored, CLASSES).sum() == 0


# --- segmentation_metrics --------------------------------------------------


def test_metrics_equal_the_paper():
    matrix = confusion_matrix(labels(40, 40), labels(40, 40, ignored=0.2), CLASSES)
    found = segmentation_metrics(matrix)
    for name, value in paper(matrix.numpy()).items():
        assert found[name] == pytest.approx(value, rel=1e-14)


def test_metrics_by_hand():
    found = segmentation_metrics(torch.tensor([[3, 1], [2, 4]]))
    assert found['aAcc'] == 7 / 10
    assert found['mAcc'] == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert found['IoU'].tolist() == pytest.approx([3 / 6, 4 / 7])
    assert found['mIoU'] == pytest.approx((3 / 6 + 4 / 7) / 2)
    assert found['fwIoU'] == pytest.approx((4 * 3 / 6 + 6 * 4 / 7) / 10)


def test_absent_classes():
    """Never true: no accuracy. Neither true nor predicted: no IoU either. One pixel counts."""
    matrix = torch.tensor([[3, 1, 2, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    found = segmentation_metrics(matrix)
    assert found['IoU'].isnan().tolist() == [False, False, False, True]
    assert found['Acc'].isnan().tolist() == [False, False, True, True]
    assert found['IoU'][2] == 0
    for name, value in paper(matrix.numpy()).items():
        assert found[name] == pytest.approx(value, rel=1e-14)


def test_nothing_seen():
    found = segmentation_metrics(torch.zeros(3, 3, dtype=torch.int64))
    assert all(math.isnan(found[name]) for name in NAMES)


def test_large_counts_are_exact():
    """Beyond 2^24, where float32 would lose pixels."""
    big = 2**40
    found = segmentation_metrics(torch.tensor([[big, 1], [0, 1]]))
    assert 1 - found['aAcc'] == pytest.approx(1 / (big + 2), rel=1e-3)


# --- FCNMetric -------------------------------------------------------------


def test_format_only_needs_a_folder():
    with pytest.raises(ValueError, match='output_dir must name a folder'):
        make(format_only=True)


@pytest.mark.parametrize('prediction, truth, words', [
    (labels(4, 4), labels(4, 4).fill_(7), r'the truth holds the labels \[7\]'),
    (labels(4, 4).fill_(9), labels(4, 4), 'the prediction holds labels from 9 to 9'),
    (labels(4, 4), labels(4, 5), r'the prediction is \(4, 4\)')])
def test_error_names_the_image(prediction, truth, words):
    metric = make()
    with pytest.raises(ValueError, match=f'^street/b.png: {words}'):
        metric.process({}, [sample(*[labels(4, 4)] * 2),
                            sample(prediction, truth, path='street/b.png')])


def test_equals_mmseg():
    data = samples()
    ours, theirs = make(), make(IoUMetric)
    for metric in (ours, theirs):
        metric.process({}, data[:3])
        metric.process({}, data[3:])
    found, expected = ours.evaluate(7), theirs.evaluate(7)
    assert set(found) == set(NAMES) and set(expected) == {'aAcc', 'mAcc', 'mIoU'}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.0101)  # both round to 0.01


def test_percent_of_the_sum_over_images():
    data = samples()
    metric = make()
    metric.process({}, data)
    matrix = sum(count_by_loop(s['pred_sem_seg']['data'], s['gt_sem_seg']['data'])
                 for s in data)
    np.testing.assert_array_equal(metric.confusion, matrix)
    expected = {name: round(100 * value, 2) for name, value in paper(matrix).items()}
    assert metric.evaluate(7) == pytest.approx(expected)


def test_one_row_and_one_column():
    """Squeezing must take away the channel only."""
    metric = make()
    metric.process({}, [sample(labels(1, 5), labels(1, 5)),
                        sample(labels(5, 1), labels(5, 1))])
    assert metric.confusion.sum() == 10


def test_evaluate_starts_anew():
    metric = make()
    wrong, right = labels(5, 5).fill_(0), labels(5, 5).fill_(1)
    metric.process({}, [sample(wrong, right)])
    assert metric.evaluate(1)['aAcc'] == 0
    metric.process({}, [sample(right, right)])
    assert metric.evaluate(1)['aAcc'] == 100
    assert metric.confusion is None
    assert math.isnan(metric.evaluate(1)['aAcc'])


def test_prefix():
    metric = make(prefix='val')
    metric.process({}, samples(1))
    assert set(metric.evaluate(1)) == {f'val/{name}' for name in NAMES}


def test_a_further_task_has_labels_and_classes_of_its_own():
    metric, prediction, truth = FCNMetric(task='far'), labels(9, 9), labels(9, 9)
    metric.dataset_meta = dict(classes=('near', ), tasks=dict(far=list('abcd')))
    metric.process({}, [dict(pred_far=dict(data=prediction[None]),
                             gt_far=dict(data=truth[None]))])
    expected = paper(count_by_loop(prediction, truth))
    assert metric.evaluate(1) == {
        f'far/{name}': round(100 * value, 2) for name, value in expected.items()}


def test_the_table_names_what_it_shows(monkeypatch):
    said = []
    monkeypatch.setattr(fcn_metric, 'print_log', lambda text, **_: said.append(text))
    metric = make(classes=2)  # of the matrix [[3, 1], [2, 4]]
    metric.process({}, [sample(torch.tensor([[0, 0, 0, 1, 0, 0, 1, 1, 1, 1]]),
                               torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1, 1, 1]]))])
    metric.evaluate(1)
    rows = [[cell.strip() for cell in line.strip('|').split('|')]
            for line in '\n'.join(said).splitlines() if line.startswith('|')]
    assert rows == [['Class', 'IoU', 'Acc'], ['class 0', '50.00', '75.00'],
                    ['class 1', '57.14', '66.67']]


def test_images_without_a_counted_pixel():
    data = samples(1)
    alone, together = make(), make()
    alone.process({}, data)
    together.process({}, data + [sample(labels(4, 4), torch.full((4, 4), 255))])
    assert together.evaluate(2) == alone.evaluate(1)


def test_output_dir(tmp_path):
    metric = make(output_dir=tmp_path / 'a' / 'b', classes=300)
    small, large = labels(4, 6), labels(4, 6).fill_(256)
    metric.process({}, [
        sample(small, small, path='x/small.one.jpg'),
        sample(large, large, path='large.png'),
        sample(small, small, path='shifted.jpg', reduce_zero_label=True)])
    read = {p.name: np.asarray(Image.open(p)) for p in (tmp_path / 'a' / 'b').iterdir()}
    assert set(read) == {'small.one.png', 'large.png', 'shifted.png'}
    assert read['small.one.png'].dtype == np.uint8
    np.testing.assert_array_equal(read['small.one.png'], small)
    np.testing.assert_array_equal(read['large.png'], large)
    np.testing.assert_array_equal(read['shifted.png'], small + 1)
    assert metric.evaluate(3)['aAcc'] == 100


def test_no_prediction_is_written_over_another(tmp_path):
    """Images of one name in two folders; one that a sampler repeats is the same."""
    metric, one = make(output_dir=tmp_path), labels(4, 6)
    for path in ('a/1.jpg', 'a/1.jpg', 'a/2.jpg'):
        metric.process({}, [sample(one, one, path=path)])
    with pytest.raises(ValueError, match="'a/1.jpg' and of 'b/1.jpg' would both be .*1.png"):
        metric.process({}, [sample(one, one, path='b/1.jpg')])
    metric.evaluate(4)
    metric.process({}, [sample(one, one, path='b/1.jpg')])  # the next test, as ever


@pytest.mark.parametrize('value, said', [(255, 1), (0, 0)])
def test_masks_in_which_no_pixel_counts(monkeypatch, value, said):
    """All figures were nan, and nothing said why."""
    lines = []
    monkeypatch.setattr(fcn_metric, 'print_log', lambda line, *_, **__: lines.append(line))
    metric, one = make(), labels(4, 6)
    metric.process({}, [sample(one, one.clone().fill_(value))])
    assert math.isnan(metric.evaluate(1)['mIoU']) == bool(said)
    assert sum('no pixel of the masks counts: they hold 255' in line for line in lines) == said


def test_names_that_are_one_to_windows_and_macos(tmp_path):
    """Unless one folder has both, which is then on neither."""
    metric, one = make(output_dir=tmp_path), labels(4, 6)
    metric.process({}, [sample(one, one, path=path) for path in (
        'a/Größe.jpg', 'a/größe.jpg', 'a/GRO.jpg')])
    for path in ('b/gro.jpg', 'b/GRO\u0308SSE.jpg'):
        with pytest.raises(ValueError, match='would both be'):
            metric.process({}, [sample(one, one, path=path)])


def test_format_only_needs_no_truth(tmp_path):
    metric = make(format_only=True, output_dir=str(tmp_path))
    metric.process({}, [sample(labels(4, 6))])
    assert metric.evaluate(1) == {}
    assert [p.name for p in tmp_path.iterdir()] == ['image.png']


# --- several processes -----------------------------------------------------


def dealt(data, rank, processes, round_up):
    """What mmengine's sampler gives to one of several processes."""
    with mock.patch('mmengine.dataset.sampler.get_dist_info',
                    return_value=(rank, processes)):
        sampler = DefaultSampler(data, shuffle=False, seed=0, round_up=round_up)
    return [data[i] for i in sampler]


@pytest.mark.parametrize('round_up', [True, False])
@pytest.mark.parametrize('images', [1, 2, 7])
@pytest.mark.parametrize('processes', [1, 2, 3])
@pytest.mark.parametrize('widths', [(), (1, 4)])
def test_any_number_of_processes(monkeypatch, processes, images, round_up, widths):
    data = samples(images)
    alone = make(trimap_widths=widths)
    alone.process({}, data)
    matrix, expected = alone.confusion.clone(), alone.evaluate(images)
    assert len(expected) == 4 + 2 * len(widths)

    parts = []

    def all_reduce(part):  # the last process sees them all
        parts.append(part.clone())
        part.copy_(sum(parts))

    monkeypatch.setattr(fcn_metric, 'get_world_size', lambda: processes)
    monkeypatch.setattr(fcn_metric, 'all_reduce', all_reduce)
    for rank in range(processes):
        monkeypatch.setattr(fcn_metric, 'get_rank', lambda: rank)
        metric = make(trimap_widths=widths)
        for one in dealt(data, rank, processes, round_up):
            metric.process({}, [one])
        found = metric.evaluate(images)
    np.testing.assert_array_equal(sum(parts)[0], matrix)
    assert len(sum(parts)) == 1 + len(widths)
    assert found == expected


# --- bands around boundaries -----------------------------------------------


@pytest.mark.parametrize('widths', [5, 'wide', [0], [-1, 5], [5, 5], [2.5], [None]])
def test_trimap_widths_that_are_none(widths):
    with pytest.raises(ValueError, match='^FCNMetric: trimap_widths=.*, expected a list '
                       'of different integers'):
        make(trimap_widths=widths)


def band_by_loop(truth, width):
    """Pixels that count and are less than ``width`` away from a boundary pixel."""
    height, length = truth.shape
    grid = [(y, x) for y in range(height) for x in range(length)]
    edge = [(y, x) for y, x in grid
            if any(0 <= v < height and 0 <= u < length and truth[v, u] != truth[y, x]
                   for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)))]
    band = torch.zeros(truth.shape, dtype=torch.bool)
    for y, x in grid:
        band[y, x] = truth[y, x] != 255 and any(
            (y - v)**2 + (x - u)**2 < width**2 for v, u in edge)
    return band


def blobs(count=3):
    """Images with room between their boundaries."""
    truth = labels(3, 4, classes=3, ignored=0.2).repeat_interleave(5, 0)
    truth = truth.repeat_interleave(4, 1)
    return [sample(labels(15, 16), truth.roll(7 * i, 0), f'{i}.jpg')
            for i in range(count)]


def test_trimap_equals_loop():
    data, widths = blobs(), (3, 1, 6)
    metric = make(trimap_widths=widths)
    metric.process({}, data)
    found = metric.evaluate(3)
    plain = make()
    plain.process({}, data)
    assert list(found.items())[:4] == list(plain.evaluate(3).items())
    assert list(found)[4:] == [f'{name}_trimap_{width}' for width in widths
                               for name in ('mIoU', 'aAcc')]
    for width in widths:
        matrix = 0
        for one in data:
            truth = one['gt_sem_seg']['data'][0].clone()
            truth[~band_by_loop(truth, width)] = 255
            matrix += count_by_loop(one['pred_sem_seg']['data'], truth)
        expected = paper(matrix)
        for name in ('mIoU', 'aAcc'):
            assert found[f'{name}_trimap_{width}'] == (
                pytest.approx(100 * expected[name], abs=0.00501))


def test_trimap_leaves_out_the_label_that_is_ignored():
    """And no other: 255 may be a class."""
    data, found = blobs(), []
    for before, after, ignored in ((255, 255, 255), (255, 9, 9), (2, 255, 9)):
        metric = make(trimap_widths=[3], ignore_index=ignored, classes=256)
        for one in data:
            for kind in ('gt_sem_seg', 'pred_sem_seg'):
                values = one[kind]['data']
                values[values == before] = after
        metric.process({}, data)
        found.append(metric.evaluate(3))
    assert found[0] == found[1] == found[2]


def test_trimap_of_truth_without_boundaries():
    metric = make(trimap_widths=[40], prefix='val')
    metric.process({}, [sample(labels(4, 5), labels(4, 5).fill_(1))])
    found = metric.evaluate(1)
    assert math.isnan(found['val/mIoU_trimap_40'])
    assert found['val/aAcc'] >= 0


def evaluate_in_group(rank, processes, data, file, queue, folder=None):
    torch.set_num_threads(1)  # a forked OpenMP pool hangs
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{file}', rank=rank, world_size=processes)
    metric = make(output_dir=folder)
    metric.process({}, dealt(data, rank, processes, round_up=True))
    try:
        queue.put((rank, metric.evaluate(len(data))))
    except ValueError as error:
        queue.put((rank, str(error)))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def in_two(tmp_path, data, folder=None):
    """What two real processes say, by rank."""
    context = torch.multiprocessing.get_context('fork')
    queue = context.Queue()
    workers = [
        context.Process(target=evaluate_in_group, daemon=True,
                        args=(rank, 2, data, tmp_path / 'store', queue, folder))
        for rank in range(2)
    ]
    for worker in workers:
        worker.start()
    found = dict(queue.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    return found


def test_real_processes(tmp_path):
    data = samples(3)
    alone = make()
    alone.process({}, data)
    assert in_two(tmp_path, data) == dict.fromkeys(range(2), alone.evaluate(3))


@pytest.mark.parametrize('third, clash', [('a/3.jpg', False), ('b/2.jpg', True)])
def test_no_process_writes_over_another_s_prediction(tmp_path, third, clash):
    one = labels(4, 6)  # the second process has the second image, and the first once more
    data = [sample(one, one, path=path) for path in ('a/1.jpg', 'a/2.jpg', third)]
    for found in in_two(tmp_path, data, tmp_path / 'out').values():
        if clash:
            assert re.match("the labels of '[ab]/2.jpg' and of '[ab]/2.jpg' would both", found)
        else:
            assert found['mIoU'] == 100
