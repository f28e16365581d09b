"""Models on the Hugging Face hub: ``hf://user/name`` is fetched, and pushed to."""
import re
from pathlib import Path
from typing import Any

from ..utils.errors import InputError, MissingPackageError
from ..utils.paths import HUB

#: What a repository of a model holds. Other files, which might run code, are not fetched.
FILE, CARD = 'model.safetensors', 'README.md'


def fetch(address: str) -> Path:
    """Downloads a model and its card, or finds them in the hub's cache.

    Args:
        address (str): ``hf://user/name``, or ``hf://user/name@revision`` with a branch, a tag
            or a commit; a commit is always the same file. ``HF_ENDPOINT`` in the environment
            names another hub, ``HF_HOME`` the cache.

    Returns:
        Path: The file of weights; the card, where there is one, lies beside it.

    Raises:
        ValueError: If the address is none, or the hub does not give the file.
        ImportError: If huggingface_hub is not installed.
    """
    hub = _package(address)
    name, at, revision = address.removeprefix(HUB).partition('@')
    _check_name(address, name)
    # the cache makes a file of that name
    if at and ('..' in revision or not re.fullmatch(r'\w[\w./-]*', revision, re.ASCII)):
        raise InputError(f"'{address}' names no revision '{revision}': expected a branch, a "
                         'tag or a commit')
    try:
        file = Path(hub.hf_hub_download(name, FILE, revision=revision or None))
    except Exception as error:  # its own kinds, and those of the library below it
        raise InputError(f"'{address}' gives no {FILE} ({_first_line(error)}): look at name "
                         'and revision, at the connection and, where it is not public, at '
                         'the login (hf auth login)') from error
    try:
        # of the commit that gave the file, whatever has been pushed since
        hub.hf_hub_download(name, CARD, revision=file.parent.name)
    except hub.errors.EntryNotFoundError:
        pass
    except Exception as error:
        raise InputError(f"'{address}' gives no {CARD}, which says what the file must be "
                         f'({_first_line(error)}): try again') from error
    return file


def check_push(name: str) -> None:
    """Raises ValueError or ImportError where :func:`push` could not begin."""
    _package(name)
    _check_name(name, name)


def push(file: Path, card: str, name: str) -> str:
    """Puts a file and its card into a repository, which is made where there is none.

    Args:
        file (Path): Of safetensors.
        card (str): Markdown; it must name the file :data:`FILE`.
        name (str): 'user/name'.

    Returns:
        str: The address of the commit.

    Raises:
        ValueError: If the hub does not take it.
    """
    hub = _package(name)
    try:
        hub.create_repo(name, exist_ok=True)
        done = hub.create_commit(name, [
            hub.CommitOperationAdd(FILE, file),
            hub.CommitOperationAdd(CARD, card.encode())], commit_message='Publish the model')
    except Exception as error:  # its own kinds, and those of the library below it
        raise InputError(f"the hub does not take '{name}' ({_first_line(error)}): log in as "
                         'someone who may write there (hf auth login), and look at the '
                         f"connection. '{file}' is written") from error
    return str(done.commit_url)


def _package(what: str) -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"'{what}' needs huggingface_hub, which is not installed: "
            "pip install 'mmseg-fcn-plugin[hub]'") from error
    return huggingface_hub


def _check_name(given: str, name: str) -> None:
    if not re.fullmatch(r'[\w.-]+/[\w.-]+', name, re.ASCII):
        raise InputError(f"'{given}' names no model of the hub: expected user/name, in an "
                         f'address {HUB}user/name or {HUB}user/name@revision')


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
