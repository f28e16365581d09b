"""Predictions as regions of labelling tools: written, and read by the same reader."""
import json
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tiny_runs import run_tool, succeed

from fcn_plugin.annotations import label_studio
from fcn_plugin.annotations.drawing import draw
from fcn_plugin.annotations.files import read_json, read_xml
from fcn_plugin.annotations.formats import WRITTEN, read_file
from fcn_plugin.annotations.regions import Annotated, Region, joined
from fcn_plugin.inference.inferencer import FCNInferencer
from fcn_plugin.inference.outlines import proposed
from fcn_plugin.inference.predict_files import predict_to_files
from fcn_plugin.inference.proposals import write_proposals


@pytest.fixture
def scenes(tmp_path):
    """Pictures of large patches, two of one name in two folders, one turned by EXIF."""
    folder = tmp_path / 'scenes'
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, size, more in (('b.png', (96, 128), {}), ('a/Größe 道.jpg', (64, 128), dict(
            exif=exif)), ('a/b.png', (128, 64), {})):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(len(name))
        patches = rng.integers(0, 256, (size[0] // 16, size[1] // 16, 3), np.uint8)
        pixels = np.kron(patches, np.ones((16, 16, 1), np.uint8))
        Image.fromarray(pixels).save(file, **more)
    return folder


def read_again(format, folder):
    """By the image's name: what our reader finds in what was written."""
    files = [path for path in folder.rglob('*') if path.is_file()]
    if format == 'labelstudio':
        exports = [label_studio.read(read_json(folder / 'tasks.json'),
                                     folder / 'tasks.json', proposals=True)]
    else:
        exports = [found[1] for found in map(read_file, files) if found]
    images = {}
    for one in (image for export in exports for image in export.images):
        assert one.fault is None
        name = one.name.replace('images/', '').rpartition('scenes/')[2]
        images[name.rpartition('.')[0] if '.' in name else name] = one
    return images


@pytest.mark.parametrize('format', WRITTEN)
def test_nothing_is_written_beside_the_folder(trained, scenes, tmp_path, monkeypatch, format):
    """Images by paths that go up and down again."""
    monkeypatch.chdir(scenes / 'a')
    before = set(tmp_path.rglob('*'))
    written = predict_to_files(['../b.png', 'b.png', '../a/Größe 道.jpg'],
                               trained / 'best.pth', out_dir='../../out', format=format,
                               device='cpu')
    out = tmp_path / 'out'
    assert {path for path in set(tmp_path.rglob('*')) - before if path.is_file()} == {
        path.resolve() for path in written}
    assert all(path.resolve().is_relative_to(out) for path in written)


@pytest.mark.parametrize('format', WRITTEN)
def test_what_is_written_reads_as_predicted(trained, scenes, tmp_path, format):
    files = [scenes / 'b.png', scenes / 'a/Größe 道.jpg', scenes / 'a/b.png']
    out = tmp_path / 'out' / 'scenes'
    written = predict_to_files(files, trained / 'best.pth', out_dir=out, format=format,
                               device='cpu')
    assert sorted(written) == sorted(path for path in out.rglob('*') if path.is_file())
    infer = FCNInferencer(weights=trained / 'best.pth', device='cpu')
    images = read_again(format, out)
    where = {str(file.relative_to(scenes).with_suffix('')): file for file in files}
    if format == 'labelme':  # names its image as seen from its own file
        images = {str(one.source.relative_to(out).with_suffix('')): one
                  for one in images.values()}
        for one in images.values():
            name = json.loads(one.source.read_text(encoding='utf-8'))['imagePath']
            assert (one.source.parent / name).resolve() in [f.resolve() for f in files]
            assert not Path(name).is_absolute()  # both may be moved together
    elif format == 'yolo':
        images = {name.split('out/')[-1].removeprefix('scenes/'): one
                  for name, one in images.items()}
    assert set(images) == set(where)
    values = {name: i for i, name in enumerate(infer.class_names, 1)}
    for name, file in where.items():
        result, one = infer(file, scores=True), images[name]
        if one.size is not None:
            assert one.size == result.labels.shape
        drawn, _ = draw(one, result.labels.shape, values)
        wanted = np.where(result.labels == 0, 0, result.labels + 1)
        assert len(np.unique(wanted)) > 2
        assert (drawn == wanted).mean() >= 0.99


@pytest.mark.parametrize('format', WRITTEN)
def test_points_are_written_to_a_hundredth_of_a_pixel(tmp_path, format):
    """Also in shares of the sides of an image of 24 megapixels."""
    size = 4000, 6000
    ring = np.random.default_rng(0).uniform(9, 3990, (9, 2))
    hole = ring[:3] + 0.126
    image = Annotated('x.png', size, (Region('a', (ring, ), (hole, ), score=0.5), ),
                      tmp_path / 'x.png')
    WRITTEN[format].write([image], tmp_path, ['a'])
    one, = read_again(format, tmp_path).values()
    found = one.regions[0].outlines[0] * (size[::-1] if one.shares else 1)
    assert found == pytest.approx(joined(image.regions[0]), abs=0.0101)


@pytest.mark.parametrize('format', WRITTEN)
def test_scores_stand_where_a_format_has_a_place_for_them(trained, scenes, tmp_path, format):
    predict_to_files(scenes / 'b.png', trained / 'best.pth', out_dir=tmp_path / 'out',
                     format=format, device='cpu')
    folder = tmp_path / 'out'
    if format == 'yolo':
        lines = (folder / 'labels/b.txt').read_text().splitlines()
        assert all(len(line.split()) % 2 for line in lines)  # nothing but points
        names = yaml.safe_load((folder / 'data.yaml').read_text())['names']
        assert names[0] == 'bar' and len(names) == 8
        return
    found = {
        'coco': lambda: [a['score'] for a in read_json(folder / 'annotations.json')[
            'annotations']],
        'labelme': lambda: [s['score'] for s in read_json(folder / 'b.json')['shapes']],
        'labelstudio': lambda: [r['score'] for r in read_json(folder / 'tasks.json')[0][
            'predictions'][0]['result']],
        'cvat': lambda: [float(p.get('score')) for p in read_xml(
            folder / 'annotations.xml').iter('polygon')]}[format]()
    assert found and all(1 / 9 <= score <= 1 for score in found)


def test_without_a_background_each_class_is_proposed(trained, scenes, tmp_path):
    content = torch.load(trained / 'best.pth', weights_only=True)
    names = content['meta']['dataset_meta']['classes']
    content['meta']['dataset_meta']['classes'] = ('nothing', *names[1:])
    torch.save(content, tmp_path / 'best.pth')
    predict_to_files(scenes / 'b.png', tmp_path / 'best.pth', out_dir=tmp_path / 'out',
                     format='yolo', device='cpu')
    found = yaml.safe_load((tmp_path / 'out/data.yaml').read_text())['names']
    assert [found[i] for i in range(9)] == ['nothing', *names[1:]]


def test_label_studio_serves_the_images_below_its_root(trained, scenes, tmp_path):
    """No storage may be the document root itself: that is the folder above."""
    odd = (scenes / 'a/Größe 道.jpg').rename(scenes / 'a/Größe 50%20 #道.jpg')
    files = [scenes / 'b.png', odd]
    predict_to_files(files, trained / 'best.pth', out_dir=tmp_path / 'out',
                     format='labelstudio', device='cpu')
    tasks = read_json(tmp_path / 'out/tasks.json')
    for task in tasks:
        whole, = task['predictions']
        assert whole['score'] == pytest.approx(
            np.mean([each['score'] for each in whole['result']]), abs=1e-3)
    addresses = [task['data']['image'] for task in tasks]
    assert [scenes.parent / unquote(address.partition('?d=')[2])
            for address in addresses] == files


def test_coco_s_own_library_opens_it(trained, scenes, tmp_path):
    coco = pytest.importorskip('pycocotools.coco')
    predict_to_files(scenes / 'b.png', trained / 'best.pth', out_dir=tmp_path, format='coco',
                     device='cpu', tolerance=0)
    opened = coco.COCO(tmp_path / 'annotations.json')
    labels = FCNInferencer(weights=trained / 'best.pth', device='cpu')(scenes / 'b.png').labels
    names = {each['id']: each['name'] for each in opened.dataset['categories']}
    classes = FCNInferencer(weights=trained / 'best.pth', device='cpu').class_names
    drawn = np.zeros(labels.shape, int)
    for each in opened.loadAnns(opened.getAnnIds(imgIds=[1])):
        mask = opened.annToMask(each) > 0
        rows, columns = mask.nonzero()
        left, top, width, height = each['bbox']
        assert (left, top, left + width, top + height) == (
            columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert mask.sum() == each['area']
        drawn[mask] = classes.index(names[each['category_id']])
    assert (drawn == labels).mean() > 0.97  # it rounds corners to a fifth of a pixel


def test_areas_and_boxes_of_coco_are_those_of_the_pixels(tmp_path):
    """Outlines run inside of their outermost pixels: half a pixel wide around a line."""
    labels = np.zeros((30, 40), np.uint8)
    labels[2, 3] = labels[5, 4:14] = labels[8:20, 1:9] = labels[0:30, 39] = 1
    labels[11:15, 3:6] = 0
    image = proposed(Annotated('x.png', labels.shape, (), Path('x.png')), labels, 'ab', 0)
    WRITTEN['coco'].write([image], tmp_path, ['b'])
    found = read_json(tmp_path / 'annotations.json')['annotations']
    assert sorted((each['area'], *each['bbox']) for each in found) == [
        (1, 3, 2, 1, 1), (10, 4, 5, 10, 1), (30, 39, 0, 1, 30), (84, 1, 8, 8, 12)]


def test_small_regions_and_rough_outlines_on_request(trained, scenes, tmp_path):
    def regions(name, **more):
        predict_to_files(scenes / 'b.png', trained / 'best.pth', out_dir=tmp_path / name,
                         format='coco', device='cpu', **more)
        return read_json(tmp_path / name / 'annotations.json')['annotations']

    def corners(found):
        return sum(len(each['segmentation'][0]) for each in found)
    all_of_them = regions('all', tolerance=0)
    large = regions('large', tolerance=0, min_area=40)
    assert 0 < len(large) < len(all_of_them) and min(each['area'] for each in large) >= 40
    assert corners(regions('rough', tolerance=4)) < corners(all_of_them) / 2


def test_ultralytics_looks_for_the_images_beside_data_yaml(tmp_path):
    """Where there is a path, it is as seen from where the tool is started."""
    WRITTEN['yolo'].write([], tmp_path, ['a', 'b'])
    assert yaml.safe_load((tmp_path / 'data.yaml').read_text()) == dict(
        train='images', val='images', names={0: 'a', 1: 'b'})


@pytest.mark.parametrize('tiles', [dict(tile=320), dict(
    cfg_options={'model.test_cfg.mode': 'tile', 'model.test_cfg.tile': 320})], ids=str)
def test_labels_without_scores_have_regions_without(trained, scenes, tmp_path, tiles):
    predict_to_files(scenes / 'b.png', trained / 'best.pth', out_dir=tmp_path / 'out',
                     format='labelme', device='cpu', **tiles)
    shapes = read_json(tmp_path / 'out/b.json')['shapes']
    assert shapes and not any('score' in shape for shape in shapes)


def test_proposals_are_no_labels(trained, scenes, tmp_path):
    """Label Studio keeps both in one file: what nobody has corrected is not trained on."""
    predict_to_files(scenes / 'b.png', trained / 'best.pth', out_dir=tmp_path,
                     format='labelstudio', device='cpu')
    (_, export) = read_file(tmp_path / 'tasks.json')
    assert [one.labelled for one in export.images] == [False]
    assert '<Label value="bar"/>' in (tmp_path / 'label_config.xml').read_text()


@pytest.mark.parametrize('arguments, words', [
    ('--format coco --tolerance -1', '--tolerance must be 0 pixels or more, but is -1'),
    ('--format coco --tolerance nan', '--tolerance must be'),
    ('--format coco --min-area -2', '--min-area must be'),
    ('--min-area 5', 'give --format'), ('--format cvat --heatmap bar', 'leave --heatmap'),
    ('--format voc', "invalid choice: 'voc'")])
def test_wrong_arguments(trained, scenes, tmp_path, arguments, words):
    done = run_tool('predict.py', '--img-path', scenes, '--weight-path', trained / 'best.pth',
                    '--out-dir', tmp_path / 'out', *arguments.split())
    assert done.code == 2 and words in done.err and not (tmp_path / 'out').exists()


def test_nothing_is_overwritten_and_no_image_is_lost(trained, scenes, tmp_path):
    call = ['predict.py', '--weight-path', trained / 'best.pth', '--img-path', scenes,
            '--out-dir', tmp_path / 'out', '--format', 'labelme', '--device', 'cpu']
    (scenes / 'c.png').write_text('no image')
    done = run_tool(*call)
    assert done.code == 1 and '1 of 2 images are left out' in done.err
    assert (tmp_path / 'out/b.json').exists()
    (scenes / 'c.png').unlink()
    done = run_tool(*call)
    assert done.code == 2 and 'b.json' in done.err and '--overwrite' in done.err
    succeed(*call, '--overwrite')
    Image.open(scenes / 'b.png').save(scenes / 'b.jpg')
    done = run_tool(*call, '--overwrite')
    assert done.code == 2 and 'differ in their suffix alone' in done.err


@pytest.mark.filterwarnings('error')
def test_an_image_of_one_class_has_one_region():
    scores = np.full((2, 3, 4), 0.25, np.float32)
    found = proposed(Annotated('a.png', (3, 4), (), Path('a.png')),
                     np.ones((3, 4), np.uint8), ('road', 'sky'), scores=scores)
    region, = found.regions
    assert (region.name, region.score) == ('sky', 0.25)


def test_where_no_image_can_be_read_nothing_is_written(tmp_path):
    seen = []

    def stream(images, *given, failed):
        seen.append(given)
        failed += [ValueError(f'{path} is none') for path in images]
        return iter(())

    infer = SimpleNamespace(stream=stream, gives_scores=True, class_names=('a', 'b'),
                            background=0)
    with pytest.raises(ValueError, match='none of 2 images .*a.png.*b.png'):
        write_proposals(infer, [tmp_path / 'a.png', tmp_path / 'b.png'], tmp_path / 'out',
                        'coco', batch_size=3)
    assert seen == [(3, True)] and not any(tmp_path.iterdir())
