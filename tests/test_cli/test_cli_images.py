"""Several images, folders and globs in one call of predict and show."""
import pytest

from fcn_plugin.images.reading import list_images
from fcn_plugin.inference.predict import show
from fcn_plugin.inference.predict_files import predict_to_files


def test_several_are_listed_in_their_order_and_each_once(photos):
    both = list_images(photos)
    assert list_images([photos / 'b.png', str(photos)]) == [photos / 'b.png',
                                                            photos / 'A.JPG']
    assert list_images([photos]) == both and len(both) == 2
    with pytest.raises(FileNotFoundError, match='none.png'):
        list_images([photos, 'none.png'])


def test_several_are_predicted_and_shown(trained, photos, tmp_path, capsys):
    given = [photos / 'b.png', photos / 'A.JPG', photos]
    written = predict_to_files(given, trained / 'best.pth', out_dir=tmp_path / 'out',
                               device='cpu')
    assert {path.name.split('_')[0] for path in written} == {'b', 'A'}
    show(trained / 'best.pth', given, out_dir=tmp_path / 'shown', device='cpu')
    assert f"2 of 2 images of '{given[0]}' '{given[1]}' '{photos}'" in capsys.readouterr().out
