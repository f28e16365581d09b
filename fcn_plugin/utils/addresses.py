"""Files at an address: fetched once, and told apart from others of their name."""
import hashlib
import http.client
import re
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from .errors import DownloadError

#: How the addresses of files begin.
WEB = ('http://', 'https://')
# torch's mark: a part of the SHA-256 of what is in the file.
_MARKED = re.compile(r'-[0-9a-f]{8,}\.\w+')
_TIME_LIMIT = 60  # seconds


def fetched(address: str) -> Path:
    """Downloads a file into torch's cache, or finds it there.

    torch and mmengine take whatever lies in the cache under the last part of the address:
    ``best.pth`` of one run for that of another. Here only names with torch's mark are taken
    so; others lie in a folder of their address and of what the server says of the file, so
    that the server is asked each time.

    Args:
        address (str): http or https. ``TORCH_HOME`` in the environment names the cache.

    Raises:
        ValueError: If it cannot be downloaded.
    """
    import torch  # takes longer than to run an exported file, which needs none
    name = Path(urlsplit(address).path).name.lstrip('.') or 'file'
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    try:
        if not _MARKED.search(name):
            with urllib.request.urlopen(address, timeout=_TIME_LIMIT) as reply:
                said = [reply.headers[key] for key in ('ETag', 'Last-Modified',
                                                       'Content-Length')]
            folder /= hashlib.sha256(repr((address, said)).encode()).hexdigest()[:16]
        if not (folder / name).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(address, str(folder / name),
                                           progress=sys.stderr.isatty())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DownloadError(address, getattr(error, 'reason', error)) from None
    return folder / name
