"""Images that are left out, and what stops all others too."""
import errno
import os

import pytest

from fcn_plugin.utils.errors import InputError, LeftOutError
from fcn_plugin.utils.left_out import noting, raise_left_out, without_traceback


@pytest.mark.parametrize('number', [
    None, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG])
def test_what_is_wrong_with_one_image_is_noted(number):
    failed = []
    with noting(failed, 'a.png'):
        raise OSError('cannot write mode F') if number is None else OSError(
            number, os.strerror(number), 'a.png')
    assert len(failed) == 1 and 'a.png' in str(failed[0])


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_what_would_be_wrong_with_the_next_one_too_is_raised(number):
    failed = []
    with pytest.raises(OSError), noting(failed, 'a.png'):
        raise OSError(number, os.strerror(number), 'a.png')
    assert not failed


@pytest.mark.parametrize('error, said', [
    (ValueError('bad\n  size'), 'a.png: bad size (ValueError)'),
    (InputError('bad size'), 'a.png: bad size'), (InputError('a.png is bad'), 'a.png is bad'),
    (KeyError(), 'a.png: KeyError (KeyError)')])
def test_an_error_names_its_image_and_its_kind_once(error, said):
    assert str(without_traceback(error, 'a.png')) == said


def test_some_are_left_out_or_none_is_done():
    errors = [InputError(f'{i}.png is bad') for i in range(4)]
    raise_left_out([], 4, 'The others are there')
    with pytest.raises(LeftOutError) as caught:
        raise_left_out(errors, 5, 'The others are there')
    assert str(caught.value) == ('4 of 5 images are left out: 0.png is bad; 1.png is bad; '
                                 '2.png is bad; .... The others are there')
    for total in (4, 0):
        with pytest.raises(InputError, match=f'^none of {total} images') as caught:
            raise_left_out(errors, total, 'The others are there')
        assert not isinstance(caught.value, LeftOutError)
