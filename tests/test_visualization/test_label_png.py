import numpy as np
import pytest
from PIL import Image

from fcn_plugin.visualization import default_palette, save_label_png


def test_bad_arguments(tmp_path):
    for labels in (np.zeros((4, 4)), np.zeros((4, 4, 3), int), np.full((2, 2), -1),
                   np.full((2, 2), 65536)):
        with pytest.raises(ValueError, match='labels'):
            save_label_png(tmp_path / 'a.png', labels, default_palette(3))


@pytest.mark.parametrize('kind', [np.uint8, np.int64])
def test_read_back_in_colour(tmp_path, kind):
    labels = np.random.randint(0, 21, (30, 40)).astype(kind)
    labels[0] = 255
    palette = default_palette(21)[::-1]
    save_label_png(tmp_path / 'a.png', labels, palette)
    picture = Image.open(tmp_path / 'a.png')
    assert picture.mode == 'P'
    assert (np.asarray(picture) == labels).all()
    colours = np.asarray(picture.convert('RGB'))
    assert (colours[1:] == palette[labels[1:]]).all()
    assert (colours[0] == (224, 224, 192)).all()  # VOC's


@pytest.mark.parametrize('classes', [256, 300])
def test_many_classes(tmp_path, classes):
    labels = np.arange(classes).reshape(-1, 4)
    save_label_png(tmp_path / 'a.png', labels, default_palette(classes))
    read = np.asarray(Image.open(tmp_path / 'a.png'))
    assert read.dtype == np.uint16 and (read == labels).all()
    save_label_png(tmp_path / 'b.png', labels + 1, ())
    assert (np.asarray(Image.open(tmp_path / 'b.png')) == labels + 1).all()
