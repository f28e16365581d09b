"""The errors that users cause and can mend.

Each is a built-in error as well, so that ``except ValueError`` catches it. The command-line
tools print them as one line (:func:`fcn_plugin.utils.cli.run`); of any other error they say
where it happened.
"""
from collections.abc import Sequence


class UserError(Exception):
    """What was given cannot be used.

    The message names the thing, its value, what was expected and the way out.
    """


class InputError(UserError, ValueError):
    """A file, a config or an argument cannot be used."""


class LeftOutError(InputError):
    """Some of many inputs could not be used; what there is of the others is done."""


class DownloadError(InputError):
    """A file cannot be downloaded: ``address``, and ``reason`` in a few words."""

    def __init__(self, address: str, reason: object) -> None:
        super().__init__(f"'{address}' cannot be downloaded: {reason}. Download it by other "
                         'means, and give its path')
        self.address, self.reason = address, reason


class InputTypeError(UserError, TypeError):
    """A setting is of another type than expected."""


class MissingPackageError(UserError, ImportError):
    """A package that is asked for is not installed; the message says how to install it."""


class NotFiniteError(UserError, FloatingPointError):
    """Training has reached numbers that are not finite."""


class FailedRunError(UserError, RuntimeError):
    """A run that others build on has failed, or has not been done yet."""


def first_of(texts: Sequence[str], most: int) -> list[str]:
    """The first few of many, and '...' behind them."""
    return [*texts[:most], *['...'] * (len(texts) > most)]


def some(lines: list[str], what: str, most: int = 5) -> list[str]:
    """The first few of many, and how many there are; none of none."""
    more = [f'... and {len(lines) - most} more'] if len(lines) > most else []
    return [f'{len(lines)} {what}: ' + '; '.join(lines[:most] + more)] if lines else []
