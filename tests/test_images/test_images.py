"""Images and videos in every form that people have them in."""
import contextlib
import io
import re

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from fcn_plugin.images.exif import orientation_of, pages_of
from fcn_plugin.images.inputs import ImageInput, open_inputs
from fcn_plugin.images.reading import list_images, read_image, to_rgb
from fcn_plugin.images.video import VideoInput, VideoOutput


@pytest.fixture
def clip(tmp_path):
    """Seven frames of rising grey, 31x20, as Motion JPEG."""
    output = VideoOutput(tmp_path / 'clip.avi', 12.5)
    for i in range(7):
        output.write(np.full((20, 31, 3), 30 * i, np.uint8))
    output.close()
    return tmp_path / 'clip.avi'


# --- images ------------------------------------------------------------------------


def test_list_images(photos, monkeypatch):
    (photos / '._b.png').write_bytes(b'what macOS keeps beside b.png')
    assert [p.name for p in list_images(photos)] == ['A.JPG', 'b.png']
    assert [p.name for p in list_images(photos / '*.png')] == ['b.png']
    assert [p.name for p in list_images(photos / '*')] == ['A.JPG', 'b.png']
    assert list_images(photos / 'notes.txt') == [photos / 'notes.txt']
    (photos / 'c[1].png').write_bytes(b'')
    assert list_images(photos / 'c[1].png') == [photos / 'c[1].png']
    monkeypatch.setenv('HOME', str(photos))
    monkeypatch.setenv('USERPROFILE', str(photos))
    assert list_images('~/b.png') == [photos / 'b.png']
    # each once, in the order of the sequence
    assert [p.name for p in list_images([photos / 'b.png', photos, photos / 'c*'])] == [
        'b.png', 'A.JPG', 'c[1].png']
    (photos / 'd/e').mkdir(parents=True)
    (photos / 'd/e/f.png').write_bytes(b'')
    assert [p.name for p in list_images(photos / '**/*.png')] == [
        'b.png', 'c[1].png', 'f.png']


def test_images_in_the_folders_of_a_folder_are_told(tmp_path):
    (tmp_path / 'b').mkdir()
    (tmp_path / 'a').mkdir()
    for name in ('b/3.png', 'a/1.jpg', 'a/2.png', 'a/notes.txt'):
        (tmp_path / name).touch()
    with pytest.raises(FileNotFoundError, match='no image in the folder') as told:
        list_images(tmp_path)
    folder, pattern = re.search("such as '(.+)', or '(.+)' for all", str(told.value)).groups()
    assert folder == str(tmp_path / 'a')  # 'images' comes before 'masks'
    assert [path.name for path in list_images(pattern)] == ['1.jpg', '2.png', '3.png']


def test_pages_behind_the_first_are_told(tmp_path, recwarn):
    pages = [Image.new('RGB', (8, 6), (9 * i, 0, 0)) for i in range(3)]
    pages[0].save(tmp_path / 'a.tif', save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / 'b.tif', save_all=True, append_images=[pages[1].resize((4, 3))])
    for name, told in (('b.tif', 0), ('a.tif', 1)):
        (_, image), = ImageInput(tmp_path / name)
        assert not image.any() and image.shape == (6, 8, 3) and len(recwarn) == told
    assert 'a.tif has 3 pages, of which the first is read' in str(recwarn[0].message)


@pytest.mark.parametrize('kind, pages', [(0, 2), (2, 2), (1, 1), (4, 1), (5, 1)])
def test_smaller_copies_and_transparency_are_no_pages(tmp_path, kind, pages):
    tifffile = pytest.importorskip('tifffile')
    with tifffile.TiffWriter(tmp_path / 'a.tif') as file:
        for _ in range(2):
            file.write(np.zeros((6, 8), np.uint8), photometric='minisblack', subfiletype=2)
    with tifffile.TiffFile(tmp_path / 'a.tif', mode='r+b') as file:
        file.pages[1].tags['NewSubfileType'].overwrite(kind)
    with Image.open(tmp_path / 'a.tif') as image:
        assert pages_of(image) == pages and image.tell() == 0


@pytest.mark.parametrize('kind', ['png', 'tif'])
def test_what_8_bits_leave_of_12_in_16_is_told(tmp_path, recwarn, kind):
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    for name, pixels in (('colours', np.dstack([values] * 3)), ('grey', values),
                         ('small', values // 16), ('whole', values * 16)):
        cv2.imwrite(str(tmp_path / f'{name}.{kind}'), pixels)
    Image.new('RGB', (8, 8)).save(tmp_path / f'black.{kind}')
    for name in ('colours', 'grey', 'small', 'whole', 'black'):
        list(ImageInput(tmp_path / f'{name}.{kind}'))
    said = [str(one.message) for one in recwarn if 'nearly black as 8' in str(one.message)]
    assert len(said) == 3 and all(name in ' '.join(said) for name in (
        'colours', 'grey', 'small'))


def test_a_network_is_no_image(tmp_path):
    (tmp_path / 'best.pth').touch()
    with pytest.raises(ValueError, match='best.pth. is a network .* by --checkpoint'):
        list_images([tmp_path / 'best.pth', 'a.jpg'])


def test_what_was_predicted_is_no_image(photos):
    """Beside its image; alone, or called by its own name, it is one."""
    there = list_images(photos)
    for name in ('A_labels.png', 'A_overlay.jpg', 'A_heatmap_a-cat.png', 'b_png_labels.png',
                 'b_png_overlay.png'):
        Image.new('RGB', (8, 8)).save(photos / name)
    assert list_images(photos) == list_images(photos / '*') == there
    assert list_images(photos / '*.png') == [photos / 'b.png']
    assert list_images(photos / 'A_labels.png') == [photos / 'A_labels.png']
    assert list_images(photos / '*_labels.png') == [
        photos / f'{name}_labels.png' for name in ('A', 'b_png')]
    for name in ('a.avi', 'a_overlay.avi', 'A_labels_depth.png', 'x_overlay.png',
                 'x_labels.png'):  # of a video, of a further task, of another folder's image
        (photos / name).touch()
    assert list_images(photos, videos=True) == sorted([*there, photos / 'a.avi'])
    for name in ('c_overlay.jpg', 'd_labels.png', 'd.png'):
        Image.new('RGB', (8, 8)).save(photos / name)
    assert list_images(photos) == sorted([
        *there, photos / 'c_overlay.jpg', photos / 'd_labels.png', photos / 'd.png'])


@pytest.mark.parametrize('found, orientation', [(0, 1), (1, 1), (2, 2), (8, 8), (9, 1)])
def test_orientations_that_are_none_turn_nothing(found, orientation):
    picture = Image.new('L', (3, 2))
    picture.getexif()[0x0112] = found
    assert orientation_of(picture) == orientation


def test_read_image_modes(tmp_path):
    grey = np.random.randint(0, 256, (9, 7), dtype=np.uint8)
    grey[0, 0] = 255  # so that those of real numbers reach 1
    colour = np.random.randint(0, 256, (9, 7, 4), dtype=np.uint8)

    def reread(picture, name='a.png', **kwargs):
        picture.save(tmp_path / name, **kwargs)
        image = read_image(tmp_path / name)
        assert image.dtype == np.uint8 and image.shape[2] == 3
        return image

    for pixels in (grey, grey.astype(np.uint16) * 256, grey.astype(np.uint16) * 257):
        assert (reread(Image.fromarray(pixels)) == grey[..., None]).all()
    assert not reread(Image.fromarray(grey.astype(np.uint16))).any()  # as mmcv reads it
    assert (reread(Image.fromarray(grey.astype(np.float32) / 255), 'a.tif')
            == grey[..., None]).all()
    no_number = np.where(grey == 255, np.nan, grey / 256).astype(np.float32)
    assert (reread(Image.fromarray(no_number), 'c.tif')[grey == 255] == 0).all()
    assert (reread(Image.fromarray(grey.astype(np.int32)), 'b.tif')
            == grey[..., None]).all()
    beyond = np.array([[-5, 0, 90, 300]])  # is cut off
    assert reread(Image.fromarray(beyond.astype(np.float32)), 'd.tif')[0, :, 0].tolist() == [
        0, 0, 90, 255]
    assert reread(Image.fromarray(beyond.astype(np.int32) * 256), 'd.tif')[
        0, :, 0].tolist() == [0, 0, 90, 255]
    assert (reread(Image.fromarray(colour)) == colour[..., :3]).all()
    assert (reread(Image.fromarray(grey > 99)) == 255 * (grey > 99)[..., None]).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    turned = reread(Image.fromarray(colour[..., :3]), exif=exif)
    assert (turned == np.rot90(colour[..., :3], -1)).all()


@pytest.mark.parametrize('content', [b'', b'nonsense', 'cut'])
def test_unreadable(photos, content):
    if content == 'cut':
        content = (photos / 'b.png').read_bytes()[:2000]
    (photos / 'c.png').write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read the image '.*c.png': \w+"):
        read_image(photos / 'c.png')


@pytest.mark.parametrize('content, said', [
    (b'', r'the file is empty \(0 bytes\)'),
    (b'<html>', 'it is no picture of a kind that is read: save it as JPEG'),
    (b'II*\0\x08\0\0\0\0\0', 'a TIFF of such channels is not read as colours: save three'),
])
def test_what_is_no_picture_says_the_way_out(tmp_path, content, said):
    (tmp_path / 'c.tif').write_bytes(content)
    with pytest.raises(ValueError, match=rf"cannot read the image '.*c\.tif': {said}"):
        read_image(tmp_path / 'c.tif')


def test_to_rgb(photos):
    colour = read_image(photos / 'b.png')
    file = photos / 'b.png'
    for same in (file, str(file), file.read_bytes(), Image.open(file), colour,
                 np.dstack([colour, colour[..., :1]]),
                 Image.open(file).convert('RGBA')):
        assert (to_rgb(same) == colour).all()
    assert (to_rgb(colour[..., 0]) == colour[..., :1]).all()


@pytest.mark.parametrize('source, error, words', [
    (np.zeros((4, 5, 3)), ValueError, r'\(4, 5, 3\) of float64'),
    (np.zeros((2, 4, 5, 3), np.uint8), ValueError, 'several images as a list'),
    (np.zeros((0, 5, 3), np.uint8), ValueError, r'\(0, 5, 3\)'),
    (np.zeros((3, 40, 50), np.uint8), ValueError, r'\(H, W, 3\).*\(3, 40, 50\)'),
    (b'nonsense', ValueError, 'in 8 bytes: it is no picture of a kind'),
    (7, TypeError, 'not as int'),
    (torch.zeros(3, 4, 5), TypeError, 'not as Tensor'),
    ([], ValueError, 'the list of images is empty'),
    ([None], TypeError, 'not as NoneType'),
    ('none.mp4', FileNotFoundError, 'none.mp4'),
])
def test_what_is_no_image(source, error, words):
    with pytest.raises(error, match=words):
        for item in open_inputs(source)[0]:
            list(item)


def test_open_inputs(photos, clip):
    def names(inputs):
        return [getattr(item.path, 'name', None) for item in open_inputs(inputs)[0]]

    image = np.zeros((4, 5, 3), np.uint8)
    assert names(photos / 'b.png') == ['b.png'] and open_inputs(photos / 'b.png')[1]
    assert open_inputs(image)[1] and not open_inputs([image])[1]
    assert not open_inputs(clip)[1] and not open_inputs(photos)[1]
    assert names([photos, image, clip]) == ['A.JPG', 'b.png', None, 'clip.avi']
    (photos / 'A.JPG').rename(clip.with_name('alone.jpg'))
    assert names(photos) == ['b.png'] and not open_inputs(photos)[1]  # a list, of one
    clip.with_name('alone.jpg').rename(photos / 'A.JPG')
    clip.rename(photos / 'clip.avi')
    assert names(photos) == ['A.JPG', 'b.png', 'clip.avi']
    assert names(image for _ in range(2)) == [None, None]


@pytest.mark.parametrize('suffix', ['.avi', '.mp4', '.mkv', '.mov', '.m4v', '.webm'])
def test_video_there_and_back(tmp_path, suffix):
    """Also of odd height, and of a size that no codec keeps."""
    path = tmp_path / f'out{suffix}'
    output = VideoOutput(path, 12.5)
    for i in range(7):
        output.write(np.full((35, 52, 3), (30 * i, 200, 10), np.uint8))
    output.close()
    video = VideoInput(path)
    assert video.fps == 12.5 and video.count == 7
    frames = list(video)
    assert [index for index, _ in frames] == list(range(7))
    for index, frame in frames:
        assert frame.shape == (36, 52, 3) == (*video.size, 3)
        assert np.abs(frame.mean((0, 1)) - (30 * index, 200, 10)).max() < 12  # RGB
        assert np.abs(frame[-1] - frame[-2].astype(int)).max() < 12  # the row added


def test_frames_of_which_no_header_tells_the_number(tmp_path):
    """OpenCV says -2e14 of JPEGs one after the other: other videos' frames would be fewer."""
    picture = io.BytesIO()
    Image.new('RGB', (16, 16)).save(picture, 'JPEG')
    (tmp_path / 'a.avi').write_bytes(3 * picture.getvalue())
    video = VideoInput(tmp_path / 'a.avi')
    assert video.count is None and len(list(video)) == 3


def test_a_picture_of_another_size_is_brought_to_that_of_the_first(tmp_path):
    output = VideoOutput(tmp_path / 'out.avi', 10)
    for i, size in enumerate([(32, 64), (80, 20)]):
        output.write(np.full((*size, 3), 90 * i + 50, np.uint8))
    output.close()
    first, second = (frame for _, frame in VideoInput(tmp_path / 'out.avi'))
    assert first.shape == second.shape == (32, 64, 3)
    assert abs(first.mean() - 50) < 5 and abs(second.mean() - 140) < 5


def test_videos_that_cannot_be(tmp_path, clip):
    (tmp_path / 'empty.mp4').write_bytes(b'')
    with pytest.raises(ValueError, match="cannot read the video '.*empty.mp4'"):
        open_inputs(tmp_path / 'empty.mp4')
    with pytest.raises(ValueError, match="not as '.gif'"):
        VideoOutput(tmp_path / 'a.gif', 25)
    with pytest.raises(ValueError, match='cannot write.*none/a.mp4'), contextlib.closing(
            VideoOutput(tmp_path / 'none/a.mp4', 25)) as output:
        output.write(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(OSError, match='not whole'), contextlib.closing(
            VideoOutput(tmp_path / 'cut.mp4', 25)) as output:
        output.write(np.zeros((4, 4, 3), np.uint8))
        (tmp_path / 'cut.mp4').unlink()


def test_image_input_is_read_late(tmp_path):
    item = ImageInput(tmp_path / 'later.png')
    Image.new('RGB', (3, 2), (1, 2, 3)).save(tmp_path / 'later.png')
    (frame, image), = item
    assert frame is None and image.shape == (2, 3, 3)
    five = np.zeros((2, 3, 5), np.uint16)
    for item in (ImageInput(five, channels=5), ImageInput(five).of(5)):
        (_, image), = item
        assert image.shape == (2, 3, 5) and image.dtype == np.uint16
