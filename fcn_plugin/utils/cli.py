"""How the command-line tools fail: one line, exit code 2."""
import os
import sys
from typing import Callable

from .memory import keep_freed_memory

# What a user's input can cause. Anything else is a fault of ours and shows its
# traceback.
_USER_ERRORS = (ValueError, TypeError, KeyError, OSError, ImportError, AssertionError,
                RuntimeError, FloatingPointError)


def run(main: Callable[[], None]) -> None:
    """Calls a tool's ``main`` and turns its errors into one line.

    An error is printed to stderr as ``error: ...`` and the process ends with
    exit code 2 (130 after Ctrl-C). With ``--debug`` among the arguments the
    traceback is shown instead. Freed memory is kept for the process
    (:func:`keep_freed_memory`).

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
    except _USER_ERRORS as error:
        # str(KeyError) is the repr of its argument
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        text = ' '.join(str(message).split()) or type(error).__name__
        print(f'error: {text}', file=sys.stderr)
        sys.exit(2)
