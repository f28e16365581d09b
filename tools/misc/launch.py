"""torchrun whose failures end in one line: ``tools/misc/launch.py [OPTIONS] TOOL ...``.

Takes torchrun's arguments. ``dist_train.sh`` and ``dist_test.sh`` start it. It imports
nothing of the package, as it only waits beside the processes that do.
"""
import re
import signal
import socket
import sys

from torch.distributed import DistError
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main, parse_args


def ended(failures: dict) -> tuple[str, bool]:
    """Which process of this machine went first, and how.

    Args:
        failures (dict): torch's ``ProcessFailure`` by rank.

    Returns:
        tuple[str, bool]: That, and whether it was killed.
    """
    # torch dates them when it looks, all alike. One that was killed makes the others fail,
    # and those it stops itself end by SIGTERM.
    rank, failure = min(failures.items(), key=lambda item: (
        item[1].exitcode == -signal.SIGTERM, item[1].exitcode > 0, item[1].timestamp))
    code = failure.exitcode
    if code < 0:
        how = f'was killed by {signal.Signals(-code).name}'
        if -code == signal.SIGKILL:
            how += ' (by hand, or by the system for want of memory)'
    else:
        how = f'ended with exit code {code}; it says above why'
    return f'rank {rank} on {socket.gethostname()} (pid {failure.pid}) {how}', code < 0


def fail(message: str, code: int = 2) -> None:
    print(f'error: {message}', file=sys.stderr)
    sys.exit(code)


if __name__ == '__main__':
    if '--debug' in sys.argv:
        main()
        sys.exit()
    options = parse_args(sys.argv[1:])
    for name, value in (('NPROC', options.nproc_per_node), ('NNODES', options.nnodes)):
        if re.fullmatch('-?[0-9]+', value) and int(value) < 1:
            fail(f'{name}={value}, expected a whole number of at least 1')
    if options.rdzv_backend == 'static' and not options.standalone and (
            options.nnodes.isdigit()
            and not 0 <= options.node_rank < int(options.nnodes)):
        fail(f'NODE_RANK={options.node_rank} of NNODES={options.nnodes} machines, expected 0 '
             f'to {int(options.nnodes) - 1}: torchrun would wait for ever')
    if options.max_restarts and options.rdzv_backend == 'static' and (
            not options.standalone):
        # It keeps the store of the first start, with the addresses of dead processes.
        fail('--max-restarts: with the rendezvous of --master_addr torchrun waits for ever '
             'at a restart; add --standalone on one machine, and on several '
             '--rdzv-backend=c10d --rdzv-endpoint=ADDRESS:PORT')
    try:
        main()
    except ChildFailedError as error:
        text, killed = ended(error.failures)
        # None with -m MODULE
        tool = next((arg for arg in sys.argv[1:] if arg.endswith('.py')), '')
        text += '. All processes of this machine have ended'
        if killed and tool.endswith('train.py'):
            text += '; go on from the last checkpoint by the same command with --resume'
        fail(text)
    except (SignalException, KeyboardInterrupt) as error:
        number = getattr(error, 'sigval', signal.SIGINT)
        fail(f'stopped by {signal.Signals(number).name}', 128 + number)
    except (DistError, OSError, ValueError) as error:
        text = ' '.join(str(error).split())
        if 'EADDRINUSE' in text:
            text += '; another run has this port: PORT=29501, say, takes another'
        fail(text)
