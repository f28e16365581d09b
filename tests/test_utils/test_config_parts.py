"""What is read out of a config."""
import pytest
from mmengine.config import Config

from fcn_plugin.utils.config import inner_dataset


@pytest.mark.parametrize('loaders, found', [
    (('val_dataloader', 'test_dataloader'), 'test_dataloader'),
    (('test_dataloader', 'val_dataloader'), 'test_dataloader'),
    (('val_dataloader', ), 'val_dataloader')])
def test_predictions_are_made_as_those_that_are_tested(loaders, found):
    def loader(name):
        data = dict(type='ListDataset', pipeline=[dict(type=name)])
        return dict(dataset=dict(type='RepeatDataset', dataset=data))

    config = Config({name: loader(name) for name in loaders} | dict(train_dataloader=None))
    assert inner_dataset(config)['pipeline'] == [dict(type=found)]
    assert inner_dataset(Config(dict(test_dataloader=None))) == {}
