"""Tiles that a config is switched to."""
import pytest
from mmengine.config import Config

from fcn_plugin.models.segmentors.tiles import use_tiles


def switched(*args, **test_cfg):
    config = Config(dict(model=dict(type='FCNSegmentor', test_cfg=test_cfg)))
    use_tiles(config, *args)
    return config.model.test_cfg


@pytest.mark.parametrize('overlap, expected', [(None, 128), (0, 0), (32, 32)])
def test_the_overlap_is_128_pixels_unless_it_is_given(overlap, expected):
    assert switched(512, overlap) == dict(mode='tile', tile=512, overlap=expected)


def test_the_other_settings_stay():
    assert switched(512, rescale=False)['rescale'] is False


def test_no_tile_changes_nothing():
    config = Config(dict(model=dict(type='FCNSegmentor')))
    use_tiles(config, None)
    assert 'test_cfg' not in config.model


def test_an_overlap_of_no_tiles_and_other_segmentors_are_refused():
    with pytest.raises(ValueError, match='an overlap of 32 pixels, but of no tiles'):
        switched(None, 32)
    with pytest.raises(ValueError, match='the model is a EncoderDecoder'):
        use_tiles(Config(dict(model=dict(type='EncoderDecoder'))), 512)
