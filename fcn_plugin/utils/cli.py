"""How the command-line tools fail: one line, and an exit code."""
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from .errors import LeftOutError, UserError
from .memory import keep_freed_memory


def run(main: Callable[[], None]) -> None:
    """Calls a tool's ``main`` and turns its errors into one line.

    An error is printed to stderr as ``error: ...`` and the process ends with
    exit code 2 (130 after Ctrl-C; 1 where all but a few inputs are done,
    :class:`LeftOutError`). What is neither a :class:`UserError` nor an ``OSError``
    (of files, disks, connections) may be a fault of ours: the line says where it happened,
    too. With ``--debug`` among the arguments the traceback is shown instead. Freed memory is
    kept for the process (:func:`keep_freed_memory`).

    Args:
        main (Callable): Parses ``sys.argv`` and does the work.
    """
    keep_freed_memory()
    if '--debug' in sys.argv[1:]:
        main()
        return
    try:
        main()
    except KeyboardInterrupt:
        print('\ninterrupted', file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader, `head` say, has gone: nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        print(f'error: {one_line(error)}', file=sys.stderr)
        sys.exit(1 if isinstance(error, LeftOutError) else 2)


def one_line(error: Exception) -> str:
    """What is printed of an error: its message, and where it comes from if it is no
    user's."""
    # str(KeyError) is the repr of its argument
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    text = ' '.join(str(message).split())
    if isinstance(error, (UserError, OSError)) and text:
        return text
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    place = ''
    if frames:
        file = Path(frames[-1].filename)
        place = f' in {file.parent.name}/{file.name}, line {frames[-1].lineno}'
    return f'{text or kind} ({kind}{place}; --debug shows all of it)'
