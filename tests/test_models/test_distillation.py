"""Students of several teachers: what they are drawn to, what they keep, what is refused."""
import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS, RUNNERS
from test_fcn_segmentor import RESNET, RESNET_HEAD, image_data
from tiny_runs import SHAPES, write_config

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.publish import publish
from fcn_plugin.checkpoints.reading import read_checkpoint
from fcn_plugin.models import without_teachers
from fcn_plugin.models.segmentors import distillation

CAFFE = dict(type='FullyConvVGG', depth=11, fc_channels=16, fc_kernel_size=3,
             alignment='caffe')
PLAIN = dict(type='FCNSegmentor', backbone=RESNET, decode_head=RESNET_HEAD,
             data_preprocessor=dict(type='FCNDataPreProcessor', mean=[0] * 3, std=[255] * 3))


def network(seed, **changes):
    torch.manual_seed(seed)
    model = MODELS.build(copy.deepcopy(dict(PLAIN, **changes)))
    model.init_weights()
    for score in model.decode_head.score.values():
        torch.nn.init.normal_(score.weight, std=0.3)
    return model.eval()


@pytest.fixture
def taught(tmp_path):
    """A student of seed 0, and its teachers, of seeds 1 and 2."""
    teachers, paths = [network(seed) for seed in (1, 2)], []
    for place, model in enumerate(teachers):
        paths.append(str(tmp_path / f'{place}.pth'))
        torch.save(dict(state_dict=model.state_dict()), paths[-1])

    def build(**changes):
        model = network(0, type='DistilledFCNSegmentor', teachers=paths, **changes)
        # else batch norms would count in others' images
        model.eval()
        return model

    build.teachers = teachers
    return build


def plain(student):
    """The student as a network that is not taught."""
    model = network(3)
    model.load_state_dict(student.state_dict())
    return model


def train(config, work, **options):
    config = Config.fromfile(config)
    config.merge_from_dict(dict(work_dir=str(work), launcher='none') | options)
    RUNNERS.build(config).train()


def batch(model, *sizes):
    data = model.data_preprocessor(image_data(*sizes), training=True)
    return data['inputs'], data['data_samples']


@pytest.mark.parametrize('temperature', [1., 2.])
def test_the_loss_is_the_divergence_from_the_mean_of_the_teachers(taught, temperature):
    model = taught(temperature=temperature, blended=0.)
    images, samples = batch(model, (64, 96), (64, 96))
    found = model.loss(images, samples)['loss_distillation']

    def softened(scores):
        return (scores.double() / temperature).softmax(1)

    with torch.no_grad():
        ours = softened(model._score(images))
        theirs = softened(sum(each._score(images) for each in taught.teachers) / 2)
    divergence = (theirs * (theirs.log() - ours.log())).sum(1).mean()
    assert divergence > 0.01
    torch.testing.assert_close(found.double(), divergence * temperature ** 2, rtol=1e-4,
                               atol=1e-7)


def test_a_student_that_predicts_as_its_teacher_has_nothing_to_learn(tmp_path):
    """Predictions take class weights back, of teachers too: it learnt to take them twice."""
    head = dict(RESNET_HEAD, weights_taken_back=0.5, loss_decode=dict(
        type='CrossEntropyLoss', class_weight=[0.2, 1., 5., 2.]))
    weights = network(0, decode_head=head).state_dict()
    torch.save(dict(state_dict=weights), tmp_path / 'a.pth')
    model = network(0, decode_head=head, type='DistilledFCNSegmentor', blended=0.,
                    teachers=[str(tmp_path / 'a.pth')])
    model.load_state_dict(weights)
    model.decode_head.train()
    for dropout in model.decode_head.modules():
        if isinstance(dropout, torch.nn.modules.dropout._DropoutNd):
            dropout.eval()
    found = model.loss(*batch(model, (64, 96)))
    assert found['loss_distillation'] < 1e-5 and found['decode.loss_ce'] > 0.01


def test_labels_have_their_weight(taught):
    model = taught(blended=0., label_weight=0.25)
    images, samples = batch(model, (50, 70), (50, 70))  # padded to the stride, labels too
    expected = plain(model).loss(images.clone(), copy.deepcopy(samples))['decode.loss_ce']
    torch.testing.assert_close(model.loss(images, samples)['decode.loss_ce'], expected / 4)


def test_labels_of_blended_images_do_not_count(taught):
    model = taught(blended=0.34, label_weight=1.)  # one of three
    images, samples = batch(model, *[(64, 64)] * 3)
    before = images.clone()
    expected = plain(model).loss(images[:2], copy.deepcopy(samples[:2]))['decode.loss_ce']
    samples[2].gt_sem_seg.data.fill_(77)  # no class
    found = model.loss(images, samples)['decode.loss_ce']
    torch.testing.assert_close(found, expected)
    assert torch.equal(images, before)


def test_a_blended_image_keeps_half_of_itself_or_more():
    torch.manual_seed(0)
    images = torch.eye(8)[:, :, None, None].expand(8, 8, 2, 2)
    found = distillation._blend(images, 3)
    assert torch.equal(found[:3], images[:3])
    own = torch.stack([found[place, place] for place in range(3, 8)])
    assert (own >= 0.5).all() and (own < 1).any()
    torch.testing.assert_close(found.sum(1), torch.ones(8, 2, 2))
    assert torch.equal(distillation._blend(images, 8), images)
    kept = torch.cat([distillation._blend(images[:4], 0).max(1)[0] for _ in range(200)])
    assert kept.min() < 0.51  # up to a half is the other's


def test_gradients_reach_the_student_alone(taught):
    model = taught()
    model.train()
    losses = model.loss(*batch(model, *[(64, 64)] * 2))
    losses['loss_distillation'].backward()
    assert all(each.grad is not None for each in model.parameters())
    assert not any(each.requires_grad or each.grad is not None
                   for teacher in model._built for each in teacher.parameters())
    assert not any(teacher.training for teacher in model._built)


def test_a_checkpoint_is_the_student_s_alone(taught):
    model = taught()
    images = batch(model, (64, 64))[0]
    assert torch.equal(model._score(images), plain(model)._score(images))
    # moved and cast with the student
    assert all(each.dtype == torch.float64 for teacher in model.double()._built
               for each in teacher.parameters())


def test_it_predicts_where_the_teachers_are_not(taught, tmp_path):
    built = MODELS.build(dict(copy.deepcopy(PLAIN), type='DistilledFCNSegmentor',
                              teachers=[str(tmp_path / 'gone.pth')])).eval()
    labels, = built.test_step(image_data((40, 56)))
    assert labels.pred_sem_seg.shape == (40, 56)
    with pytest.raises(FileNotFoundError, match='gone.pth'):
        built.init_weights()


def test_teachers_of_another_network(taught, tmp_path):
    """Their scores have another stride."""
    other = dict(PLAIN, decode_head=dict(RESNET_HEAD, in_index=(1, 2), in_channels=(32, 64),
                                         in_strides=(16, 32)))
    path = str(tmp_path / 'other.pth')
    torch.save(network(5, **other).state_dict(), path)
    model = network(0, type='DistilledFCNSegmentor', teachers=[path], teacher=other,
                    blended=0.)
    images, samples = batch(model, (64, 96))
    theirs = torch.nn.functional.interpolate(
        network(5, **other)._score(images), scale_factor=2, mode='bilinear')
    ours = (model._score(images) / 2).log_softmax(1)
    divergence = torch.nn.functional.kl_div(ours, (theirs / 2).softmax(1), reduction='sum')
    torch.testing.assert_close(model.loss(images, samples)['loss_distillation'],
                               divergence * 4 / (8 * 12))


@pytest.mark.parametrize('theirs', [
    dict(mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4], bgr_to_rgb=True),
    dict(mean=[9, 8, 7], std=[1] * 3), dict(bgr_to_rgb=True), dict(), None])
def test_teachers_see_images_as_they_were_trained(taught, tmp_path, theirs):
    """Their network alone is another than the student's if its images are."""
    path = str(tmp_path / 'other.pth')
    other = dict(PLAIN, data_preprocessor=dict(type='FCNDataPreProcessor', **(theirs or {})))
    if theirs is None:  # without one it is the student's
        other = {key: PLAIN[key] for key in ('type', 'backbone', 'decode_head')}
    teacher = network(5, **(PLAIN if theirs is None else other))
    torch.save(teacher.state_dict(), path)
    model = network(0, type='DistilledFCNSegmentor', teachers=[path], teacher=other,
                    blended=0.)
    data = image_data((64, 96))
    images, samples = batch(model, (64, 96))
    seen = teacher.data_preprocessor(data, training=True)['inputs']
    logits = [each.log_softmax(1) for each in (model._score(images) / 2,
                                               teacher._score(seen) / 2)]
    divergence = torch.nn.functional.kl_div(*logits, reduction='sum', log_target=True)
    torch.testing.assert_close(model.loss(images, samples)['loss_distillation'],
                               divergence * 4 / (8 * 12), rtol=1e-4, atol=1e-6)


def test_each_teacher_may_be_another_network(taught, tmp_path):
    """None stands for the student's own. One sees images normalised otherwise."""
    other = dict(PLAIN, data_preprocessor=dict(type='FCNDataPreProcessor', mean=[9, 8, 7],
                                               std=[1] * 3, bgr_to_rgb=True))
    teachers, paths = [network(5), network(6, **other)], []
    for teacher in teachers:
        paths.append(str(tmp_path / f'{len(paths)}.pth'))
        torch.save(teacher.state_dict(), paths[-1])
    model = network(0, type='DistilledFCNSegmentor', teachers=paths, teacher=[None, other],
                    blended=0.)
    data = image_data((64, 96))
    images, samples = batch(model, (64, 96))
    seen = teachers[1].data_preprocessor(data, training=True)['inputs']
    theirs = (teachers[0]._score(images) + teachers[1]._score(seen)) / 2
    divergence = torch.nn.functional.kl_div(
        (model._score(images) / 2).log_softmax(1), (theirs / 2).softmax(1), reduction='sum')
    torch.testing.assert_close(model.loss(images, samples)['loss_distillation'],
                               divergence * 4 / (8 * 12), rtol=1e-4, atol=1e-6)


def test_teachers_see_images_resized_and_mirrored(taught):
    """The mean over steps is that over all views, but for what does not depend on ours."""
    model = network(0, type='DistilledFCNSegmentor', teachers=taught().teachers[:1],
                    blended=0., teacher_scales=(0.5, 1, 2), teacher_flip=True)
    images, samples = batch(model, (64, 128))
    ours = (model._score(images) / 2).log_softmax(1)

    def divergence(theirs):
        theirs = (theirs / 2).log_softmax(1)
        return torch.nn.functional.kl_div(ours, theirs, log_target=True,
                                          reduction='sum').item() * 4 / (8 * 16)

    def view(scale, flip):
        size = (int(64 * scale), int(128 * scale))
        seen = torch.nn.functional.interpolate(images, size, mode='bilinear')
        scores = taught.teachers[0]._score(seen.flip(-1) if flip else seen)
        return torch.nn.functional.interpolate(
            scores.flip(-1) if flip else scores, (8, 16), mode='bilinear')

    expected = {divergence(view(scale, flip)) for scale in (0.5, 1, 2) for flip in (0, 1)}
    torch.manual_seed(0)
    found = {model.loss(images, samples)['loss_distillation'].item() for _ in range(40)}
    assert len(expected) == len(found) == 6
    assert sorted(found) == pytest.approx(sorted(expected), rel=1e-3)


def test_a_resized_image_is_one_that_the_teacher_s_strides_divide(tmp_path):
    """VGG's pooling rounds sizes down: scores of 22 cells where 23 are needed."""
    other = dict(PLAIN, backbone=dict(type='FullyConvVGG', depth=11, out_indices=(2, 3, 4)),
                 decode_head=dict(RESNET_HEAD, in_channels=(256, 512, 512),
                                  in_strides=(8, 16, 32)))
    torch.save(network(5, **other).state_dict(), tmp_path / 'vgg.pth')
    model = network(0, type='DistilledFCNSegmentor', teachers=[str(tmp_path / 'vgg.pth')],
                    teacher=other, teacher_scales=(0.7, 1.3), decode_head=dict(
                        RESNET_HEAD, in_index=(0,), in_channels=(16,), in_strides=(8,)))
    for _ in range(4):
        found = model.loss(*batch(model, (72, 104)))['loss_distillation']
        assert torch.isfinite(found)


@pytest.mark.parametrize('changes, message', [
    (dict(teachers=['a.pth', 'b.pth'], teacher=[PLAIN]), 'teacher has 1 segmentors for 2'),
    (dict(teacher_scales=()), r'teacher_scales=\(\), expected numbers above 0'),
    (dict(teacher_scales=(1, -0.5)), r'teacher_scales=\(1, -0.5\)'),
    (dict(teachers=[]), r'teachers=\[\], expected a list'),
    (dict(teachers='a.pth'), "teachers='a.pth', expected a list"),
    (dict(temperature=0.), 'temperature=0.0.*above 0'),
    (dict(label_weight=-1.), 'label_weight=-1.0'),
    (dict(blended=1.), 'blended=1.0.*below 1'),
    (dict(decode_head=dict(RESNET_HEAD, other_tasks=dict(geometric=3))), 'one task of two'),
    (dict(decode_head=dict(RESNET_HEAD, num_classes=2, out_channels=1)), 'one task of two'),
    (dict(post_processor=dict(type='CRFRNN', num_classes=4)), 'no CRF that is trained'),
    (dict(backbone=CAFFE, decode_head=dict(
        RESNET_HEAD, in_channels=(256, 512, 16), alignment='caffe')), 'cell by cell')])
def test_what_cannot_be_taught_is_refused(taught, changes, message):
    with pytest.raises(ValueError, match=message):
        taught(**changes) if 'teachers' not in changes else network(
            0, type='DistilledFCNSegmentor', **changes)


def test_teachers_of_other_classes_are_refused(taught):
    with pytest.raises(ValueError, match='4 classes, but the student 5: they must'):
        taught(decode_head=dict(RESNET_HEAD, num_classes=5), teacher=copy.deepcopy(PLAIN))


def test_a_teacher_s_file_must_fill_it_and_its_cells_be_those_of_the_student(tmp_path):
    caffe = dict(PLAIN, backbone=CAFFE, decode_head=dict(
        RESNET_HEAD, in_channels=(256, 512, 16), alignment='caffe'))
    for config, without, message in ((PLAIN, 'decode_head.score.stride8.bias', 'stride8.bias'),
                                     (caffe, None, 'cell by cell')):
        weights = MODELS.build(copy.deepcopy(config)).state_dict()
        weights.pop(without, None)
        torch.save(weights, tmp_path / 'a.pth')
        with pytest.raises((ValueError, RuntimeError), match=message):
            network(0, type='DistilledFCNSegmentor', teachers=[str(tmp_path / 'a.pth')],
                    teacher=config)


def test_without_teachers():
    student = ConfigDict(PLAIN, type='DistilledFCNSegmentor', teachers=['a.pth'], blended=0.2)
    assert without_teachers(student) == PLAIN
    assert without_teachers(PLAIN) is PLAIN


def test_a_run_is_taught_resumed_and_given_away(tmp_path):
    """Resumed it ends as unbroken; what is given away needs no teacher."""
    teacher = MODELS.build(Config.fromfile(write_config(tmp_path)).model)
    torch.save(teacher.state_dict(), tmp_path / 'teacher.pth')
    taught = write_config(tmp_path, SHAPES + (
        "model.update(type='DistilledFCNSegmentor', "
        f"teachers=[{str(tmp_path / 'teacher.pth')!r}])\n"
        "custom_hooks = [dict(type='EMAHook', ema_type='ForeachEMA')]\n"), 'taught.py')
    train(taught, tmp_path / 'whole')
    train(taught, tmp_path / 'cut', **{'train_cfg.max_iters': 2})
    train(taught, tmp_path / 'cut', resume=True)
    whole, cut = (torch.load(tmp_path / work / 'iter_4.pth', weights_only=False)
                  for work in ('whole', 'cut'))
    assert 'loss_distillation' in next((tmp_path / 'whole').glob('*/*.log')).read_text()
    for name, value in whole['state_dict'].items():
        assert torch.equal(value, cut['state_dict'][name]), name
    (tmp_path / 'teacher.pth').unlink()
    image = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)
    wanted = FCNInferencer(taught, tmp_path / 'cut/iter_4.pth', device='cpu',
                           tile=64, overlap=0)(image)
    given = publish(tmp_path / 'cut/iter_4.pth', tmp_path / 'out.safetensors', 'float32')
    model = FCNInferencer(given, device='cpu')
    assert read_checkpoint(given)['meta']['cfg'].count('FCNSegmentor') == 1
    assert 'teacher' not in read_checkpoint(given)['meta']['cfg']
    assert np.array_equal(model(image).labels, wanted.labels)
