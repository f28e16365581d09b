"""NYUDv2: an archive of its layout, converted, loaded and stacked."""
import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image
from scipy.io import savemat

from fcn_plugin.modalities.hha import NYU_CAMERA, depth_to_hha
from fcn_plugin.modalities.nyud_archive import nyud_to_folders
from fcn_plugin.runtimes.torch_backend import build_pipeline

h5py = pytest.importorskip('h5py')
COUNT, HEIGHT, WIDTH = 3, 24, 32


@pytest.fixture
def archive(tmp_path):
    """The three files, arrays as MATLAB 7.3 stores them: reversed."""
    random = np.random.RandomState(0)
    arrays = dict(
        images=random.randint(0, 256, (COUNT, 3, WIDTH, HEIGHT)).astype(np.uint8),
        depths=(1 + random.rand(COUNT, WIDTH, HEIGHT)).astype(np.float32),
        labels=random.randint(0, 895, (COUNT, WIDTH, HEIGHT)).astype(np.uint16))
    arrays['labels'][:, 0] = 0
    arrays['depths'][:, :2, 0] = 0.0001, 70  # less than 16 bits of millimetres hold, and more
    arrays['rawDepths'] = arrays['depths'] * (random.rand(COUNT, WIDTH, HEIGHT) > 0.1)
    with h5py.File(tmp_path / 'labeled.mat', 'w') as file:
        file.update(arrays)
    classes = random.randint(1, 41, (1, 894))
    savemat(tmp_path / 'mapping.mat', dict(mapClass=classes))
    savemat(tmp_path / 'splits.mat', dict(trainNdxs=[[1], [3]], testNdxs=[[2]]))
    return arrays, classes[0], [tmp_path / f'{name}.mat'
                                for name in ('labeled', 'mapping', 'splits')]


def build(root, inputs, split='train'):
    return DATASETS.build(dict(
        type='NYUDv2Dataset', data_root=str(root), ann_file=f'{split}.txt', pipeline=[
            dict(type='LoadRGBD', inputs=inputs),
            dict(type='LoadAnnotations', reduce_zero_label=True)]))


# --- what is refused ---------------------------------------------------------


@pytest.mark.parametrize('key', ['images', 'depths', 'rawDepths', 'labels'])
def test_a_key_that_is_missing_is_named(archive, tmp_path, key):
    with h5py.File(archive[2][0], 'a') as file:
        del file[key]
    with pytest.raises(ValueError, match=f"has no '{key}', expected images, depths"):
        nyud_to_folders(*archive[2], tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_files_that_are_others(archive, tmp_path):
    labeled, mapping, splits = archive[2]
    with pytest.raises(ValueError, match="splits.mat has no 'mapClass'"):
        nyud_to_folders(labeled, splits, splits, tmp_path / 'out')
    with pytest.raises(ValueError, match="mapping.mat has no 'trainNdxs'"):
        nyud_to_folders(labeled, mapping, mapping, tmp_path / 'out')
    with pytest.raises(ValueError, match='mapping.mat is no MATLAB file of version 7.3'):
        nyud_to_folders(mapping, mapping, splits, tmp_path / 'out')
    with pytest.raises(FileNotFoundError, match='gone.mat: there is no such file'):
        nyud_to_folders(tmp_path / 'gone.mat', mapping, splits, tmp_path / 'out')
    savemat(mapping, dict(mapClass=np.array([['wall']], object)))
    with pytest.raises(ValueError, match="has no 'mapClass', expected numbers under it"):
        nyud_to_folders(labeled, mapping, splits, tmp_path / 'out')
    for wrong in (0, 41):
        savemat(mapping, dict(mapClass=[[wrong]]))
        with pytest.raises(ValueError, match=f'values from {wrong} to {wrong}, expected 1 to'):
            nyud_to_folders(labeled, mapping, splits, tmp_path / 'out')
    savemat(mapping, dict(mapClass=[[4]]))
    with pytest.raises(ValueError, match='in image 0001.png, but mapClass has 1 classes'):
        nyud_to_folders(labeled, mapping, splits, tmp_path / 'out')
    with h5py.File(labeled, 'a') as file:
        file['labels'][:] = 2
    with pytest.raises(ValueError, match='labels has 2 in image 0001.png, but mapClass has 1'):
        nyud_to_folders(labeled, mapping, splits, tmp_path / 'out')
    for wrong in ([[4]], [[0]], []):
        savemat(splits, dict(trainNdxs=wrong, testNdxs=[[1]]))
        with pytest.raises(ValueError, match='trainNdxs is not a list of numbers from 1 to 3'):
            nyud_to_folders(labeled, mapping, splits, tmp_path / 'out')


@pytest.mark.parametrize('count, channels, height, size, said', [
    (1, 4, 24, (32, 24), r'images and maps differ: images \(1, 4, 32, 24\)'),
    (1, 3, 25, (32, 24), r'images and maps differ: .*, labels \(1, 32, 25\)'),
    (1, 3, 4096, (4096, 4096), '1 images of 4096x4096 are not what NYUDv2 has'),
    (10_001, 3, 24, (32, 24), '10001 images of 32x24 are not what NYUDv2 has')])
def test_arrays_that_are_others(archive, tmp_path, count, channels, height, size, said):
    labeled, *others = archive[2]
    with h5py.File(labeled, 'w') as file:  # of which nothing is written
        file.create_dataset('labels', (count, size[0], height), np.uint8)
        for name in ('images', 'depths', 'rawDepths'):
            shape = count, *[channels] * (name == 'images'), *size
            file.create_dataset(name, shape, np.uint8)
    with pytest.raises(ValueError, match=said):
        nyud_to_folders(labeled, *others, tmp_path / 'out')


@pytest.mark.parametrize('key, dtype, value, said', [
    ('images', np.float32, 0.5, "'images' are float32, expected uint8"),
    ('labels', np.float32, 1.5, "'labels' are float32, expected integer"),
    ('labels', np.int16, -1, 'labels has -1 in image 0002.png, but mapClass has 894'),
    ('depths', np.float32, np.nan, 'a depth of image 0002.png is no number'),
    ('rawDepths', np.float64, np.inf, 'a depth of image 0002.png is no number')])
def test_numbers_that_are_others(archive, tmp_path, key, dtype, value, said):
    arrays, _, files = archive
    wrong = arrays[key].astype(dtype)
    wrong[1, ..., 3, 4] = value
    with h5py.File(files[0], 'a') as file:
        del file[key]
        file[key] = wrong
    with pytest.raises(ValueError, match=said):
        nyud_to_folders(*files, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_inputs_that_are_none(tmp_path):
    for inputs in (('color', ), ()):
        with pytest.raises(ValueError, match=r"inputs is \(.*\), expected .* colour"):
            TRANSFORMS.build(dict(type='LoadRGBD', inputs=inputs))
    Image.new('RGB', (5, 4)).save(tmp_path / 'a.png')
    with pytest.raises(ValueError, match='a.png: 3 channels, expected 1 of depth'):
        TRANSFORMS.build(dict(type='LoadRGBD', inputs=('depth', )))(
            dict(img_path='b.png', depth_path=str(tmp_path / 'a.png')))


def test_depth_that_is_not_there_is_as_near_as_can_be(tmp_path):
    """It is 0 in files of others, which has no logarithm."""
    Image.fromarray(np.array([[0, 1, 1000]], np.uint16)).save(tmp_path / 'a.png')
    load = TRANSFORMS.build(dict(type='LoadRGBD', inputs=('depth', )))
    found = load(dict(depth_path=str(tmp_path / 'a.png')))['img']
    np.testing.assert_allclose(found[0, :, 0], [0, 0, np.log(1000)], rtol=1e-6)


def test_colour_and_depth_of_other_sizes_are_named(tmp_path):
    paths = dict(img_path=str(tmp_path / 'a.png'), depth_path=str(tmp_path / 'b.png'))
    Image.new('RGB', (5, 4)).save(paths['img_path'])
    Image.new('I;16', (4, 5)).save(paths['depth_path'])
    with pytest.raises(ValueError, match=r'a.png: colour, depth are of the sizes \[\(4, 5\)'):
        TRANSFORMS.build(dict(type='LoadRGBD'))(paths)


def test_depth_lies_in_folders_as_its_image(tmp_path):
    (tmp_path / 'train.txt').write_text('kitchen/0001\nattic/0001\n')
    dataset = build(tmp_path, ('colour', ))
    assert [dataset.get_data_info(i)['depth_path'] for i in range(2)] == [
        f'{tmp_path}/depth/{room}/0001.png' for room in ('kitchen', 'attic')]


# --- what is made ------------------------------------------------------------


def test_every_pixel_arrives(archive, tmp_path):
    arrays, classes, files = archive
    out = tmp_path / 'out'
    assert nyud_to_folders(*files, out) == dict(train=2, test=1)
    dataset = build(out, ('colour', 'depth', 'hha'))
    assert len(dataset) == 2 and len(dataset.metainfo['classes']) == 40
    for item, number in zip(dataset, (0, 2)):
        image = item['img']
        assert image.shape == (HEIGHT, WIDTH, 7) and image.dtype == np.float32
        np.testing.assert_array_equal(image[..., 2::-1], arrays['images'][number].T)
        metres = arrays['depths'][number].T.clip(0.001, 65.535)
        np.testing.assert_allclose(np.exp(image[..., 3]), 1000 * metres, rtol=1e-6, atol=0.51)
        disparity = 31000 / np.maximum(100, 100 * metres)
        np.testing.assert_allclose(image[..., 4], np.minimum(disparity, 255), atol=0.7)
        depth = np.rint(1000 * metres).astype(np.uint16) / 1000
        missing = arrays['rawDepths'][number].T == 0  # filled in, and no part of normals
        hha = depth_to_hha(depth, NYU_CAMERA, missing)
        assert (hha != depth_to_hha(depth, NYU_CAMERA)).any()
        np.testing.assert_array_equal(image[..., 4:], hha)
        labels = arrays['labels'][number].T.astype(int)
        expected = np.where(labels > 0, classes[labels - 1] - 1, 255)
        np.testing.assert_array_equal(item['gt_seg_map'], expected)
        np.testing.assert_array_equal(Image.open(item['seg_map_path']),
                                      np.where(labels > 0, classes[labels - 1], 0))
    with pytest.raises(FileExistsError, match='name another folder'):
        nyud_to_folders(*files, out)


def test_one_input_alone(archive, tmp_path):
    nyud_to_folders(*archive[2], tmp_path / 'out')
    for inputs, channels in ((('depth', ), 1), (('hha', ), 3), (('colour', 'hha'), 6)):
        assert build(tmp_path / 'out', inputs, 'test')[0]['img'].shape[2] == channels


def test_channels_are_in_the_order_of_the_inputs(archive, tmp_path):
    nyud_to_folders(*archive[2], tmp_path / 'out')
    one, other = (build(tmp_path / 'out', inputs, 'test')[0]['img']
                  for inputs in (('colour', 'depth'), ('depth', 'colour')))
    np.testing.assert_array_equal(one[..., [3, 0, 1, 2]], other)


def test_a_single_image_is_not_enough():
    """Depth and HHA lie in files of their own, which a path to an image does not name."""
    def pipeline(*inputs):
        return build_pipeline(Config(dict(test_pipeline=[
            dict(type='LoadRGBD', inputs=inputs), dict(type='PackSegInputs')])))

    assert len(pipeline('colour').transforms) == 2
    for inputs in (('hha', ), ('colour', 'depth')):
        with pytest.raises(ValueError, match=f'sees {" and ".join(inputs)}, files that only'):
            pipeline(*inputs)
