"""Images that cannot be used, beside others that can."""
import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .errors import InputError, LeftOutError, UserError


@contextmanager
def noting(failed: list, name: str) -> Iterator[None]:
    """Appends an error to the list, unless the disk is at fault."""
    try:
        yield
    except Exception as error:
        if _is_of_the_disk(error):
            raise
        failed.append(without_traceback(error, name))


def without_traceback(error: Exception, name: str = '') -> InputError:
    """An error to be kept: its traceback would keep the image in memory, too."""
    text = ' '.join(str(error).split()) or type(error).__name__
    if not isinstance(error, (UserError, OSError)):
        text += f' ({type(error).__name__})'
    return InputError(text if name in text else f'{name}: {text}')


def _is_of_the_disk(error: Exception) -> bool:
    """Whether the next file could not be written either. What Pillow cannot encode is an
    OSError without a number."""
    return isinstance(error, OSError) and error.errno not in (
        None, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG)


def raise_left_out(errors: Sequence[Exception], total: int, done: str) -> None:
    """Raises one error for all images that had to be left out, if any.

    Args:
        errors (Sequence[Exception]): Of each of them.
        total (int): How many images there were.
        done (str): In words, what came of the others.

    Raises:
        LeftOutError: With the first three.
        InputError: The same, if there are no others.
    """
    reasons = '; '.join(map(str, errors[:3])) + ('; ...' if len(errors) > 3 else '')
    if len(errors) >= max(total, 1):
        raise InputError(f'none of {total} images could be segmented: {reasons}')
    if errors:
        raise LeftOutError(f'{len(errors)} of {total} images are left out: {reasons}. {done}')
