"""Drawn scenes: what they hold, and that colour does not tell what depth tells."""
from itertools import combinations

import numpy as np
import pytest
import torch
from experimenting import Plan
from mmseg.registry import DATASETS, MODELS
from tiny_runs import CONFIGS

PIPELINE = [dict(type='PackTasks')]


def build(**kwargs):
    return DATASETS.build(dict(dict(
        type='ScenesDataset', length=40, image_size=(64, 80), pipeline=PIPELINE), **kwargs))


@pytest.mark.parametrize('inputs', [(), ('hha', )])
def test_other_inputs(inputs):
    with pytest.raises(ValueError, match='expected some of colour, depth'):
        build(inputs=inputs)


def test_colour_is_drawn_before_the_kind():
    """The same image in colour, whatever is done with depth; and nothing of global chance."""
    both, colour, depth = (build(inputs=inputs) for inputs in (
        ('colour', 'depth'), ('colour', ), ('depth', )))
    for i in (0, 7):
        image = both[i]['inputs']
        np.testing.assert_array_equal(image[:3], colour[i]['inputs'])
        np.testing.assert_array_equal(image[3:], depth[i]['inputs'])
        np.testing.assert_array_equal(
            image[[3, 0, 1, 2]], build(inputs=('depth', 'colour'))[i]['inputs'])
        assert image[:3].min() >= 0 and image[:3].max() <= 255
        assert np.log(500) < image[3].min() and image[3].max() < np.log(50000)


def test_splits_and_seeds_share_no_image():
    images = [build(**each)[2]['inputs'] for each in (
        {}, dict(split='val'), dict(split='test'), dict(seed=1))]
    assert not any(torch.equal(*pair) for pair in combinations(images, 2))
    assert torch.equal(build()[2]['inputs'], images[0])


def test_surfaces_lie_where_their_kind_says():
    """At a rectangle's border depth jumps to where its kind says, or stays."""
    steps = {kind: [] for kind in (2, 3, 4)}
    for item in build(length=200, split='val'):
        depth = item['inputs'][3].numpy()
        sample = item['data_samples']
        kinds = sample.gt_sem_seg.data[0].numpy()
        geometric = sample.get('gt_geometric').data[0].numpy()
        assert ((kinds == 0) <= (geometric == 0)).all()
        assert ((kinds == 1) <= (geometric == 1)).all()
        rows, columns = np.nonzero((kinds[:, 1:] > 1) & (kinds[:, :-1] < 2)
                                   & (geometric[:, 1:] == geometric[:, :-1]))
        for kind in steps:
            mine = kinds[rows, columns + 1] == kind
            steps[kind] += list((depth[:, 1:] - depth[:, :-1])[rows, columns][mine])
    poster, box, niche = (np.median(each) for each in steps.values())
    assert abs(poster) < 0.02 and box < -0.25 and niche > 0.25


def test_a_flip_turns_both_label_maps():
    plain = build()[3]['data_samples']
    turned = build(pipeline=[dict(type='RandomFlip', prob=1.), *PIPELINE])[3]['data_samples']
    for name in ('gt_sem_seg', 'gt_geometric'):
        np.testing.assert_array_equal(plain.get(name).data.flip(-1), turned.get(name).data)


# --- the plans ------------------------------------------------------------------------


@pytest.mark.parametrize('plan', ['scenes', 'sampling'])
def test_every_network_of_a_plan_learns_from_its_data(plan, tmp_path):
    for each in Plan(CONFIGS / f'experiments/{plan}.py', tmp_path).runs():
        network = MODELS.build(each.config.model)
        items = DATASETS.build(each.config.train_dataloader.dataset)
        batch = [items[i] for i in range(2)]
        data = network.data_preprocessor({key: [item[key] for item in batch]
                                          for key in ('inputs', 'data_samples')}, True)
        losses = network(**data, mode='loss')
        assert ('decode.loss_ce_geometric' in losses) == (each.name == 'two_tasks')
        network.parse_losses(losses)[0].backward()
        assert all(parameter.grad is not None and parameter.grad.isfinite().all()
                   for parameter in network.parameters())
