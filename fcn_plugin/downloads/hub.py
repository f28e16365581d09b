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
        raise InputError(f"'{address}' gives no {FILE}: {_explained(error)}") from error
    commit = file.parent.name
    try:
        # of the commit that gave the file, whatever has been pushed since
        hub.hf_hub_download(name, CARD, revision=commit)
    except Exception as error:
        # Without a card nothing can be compared: that there is none must be known, not taken
        # from a hub that does not answer.
        known = isinstance(error, hub.errors.EntryNotFoundError) and (
            not isinstance(error, hub.errors.LocalEntryNotFoundError)
            or hub.try_to_load_from_cache(name, CARD, revision=commit) is hub._CACHED_NO_EXIST)
        if not known:
            raise InputError(f"'{address}' gives no {CARD}, which says what the file must be: "
                             f'{_explained(error)}') from error
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
        raise InputError(f"the hub does not take '{name}': {_explained(error)}. '{file}' is "
                         'written') from error
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


def _explained(error: BaseException) -> str:
    """What an error of huggingface_hub comes from, and the way out."""
    from huggingface_hub import errors as kinds

    if isinstance(error, kinds.LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__  # it says that the cache does not have it, this says why
    for kind, words in (
            (kinds.OfflineModeIsEnabled,
             'HF_HUB_OFFLINE is set, and the cache does not have it: fetch it once with a '
             'connection'),
            (kinds.GatedRepoError,
             'its owner decides who may have it: ask for it on its page, and log in '
             '(hf auth login)'),
            (kinds.RepositoryNotFoundError,
             'the hub shows you no such repository: look at the name, and where it is private '
             'log in as someone who may see it (hf auth login)'),
            (kinds.RevisionNotFoundError,
             'it has no such branch, tag or commit: look at the revision'),
            (kinds.EntryNotFoundError,
             'there is no such file in it, and no other is taken; fcn publish --push puts one '
             'there')):
        if isinstance(error, kind):
            return words
    # The first line may be a heading, such as "Invalid metadata in README.md."
    said = ' '.join(str(error).split()).rstrip('.') or type(error).__name__
    status = getattr(getattr(error, 'response', None), 'status_code', None)
    if status in (401, 403):
        way = 'log in as someone who may do that (hf auth login), or set another HF_TOKEN'
    elif status == 429:
        way = 'wait, and try again; who is logged in may ask more often'
    elif status is not None and status >= 500:
        way = 'the hub has a fault, try again later'
    elif isinstance(error, ValueError):
        way = 'mend what it names, and try again'
    else:
        way = 'look at the connection, and try again'
    return f'{said}: {way}'
