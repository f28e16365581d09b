"""What other data take over from a config, and what they do not."""
import pytest
from mmengine.config import Config

from fcn_plugin.utils.errors import InputError
from fcn_plugin.utils.inherited import inheritable, without_weights


def test_what_a_config_gives_to_its_own_classes_is_taken_back():
    def taken_back(**head):
        return without_weights(Config(dict(model=dict(decode_head=head))))

    plain = dict(type='CrossEntropyLoss', class_weight=None)
    weighed = dict(type='CrossEntropyLoss', class_weight=[1., 2])
    assert taken_back(loss_decode=weighed, weights_taken_back=0.5) == dict(
        loss_decode=dict(class_weight=None), weights_taken_back=0)
    assert taken_back(loss_decode=plain) == taken_back() == taken_back(loss_decode=[]) == {}


def test_a_config_that_goes_on_from_its_own_classes_is_not_inherited(tmp_path):
    file = tmp_path / 'net.py'
    file.write_text('load_from = None\n')
    assert inheritable(file) == file
    file = tmp_path / 'further.py'
    file.write_text("load_from = 'net.pth'\n")
    with pytest.raises(InputError, match=r"--base further: .*\(load_from='net.pth'\).*_base_"):
        inheritable(file)
