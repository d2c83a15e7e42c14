"""Archives of data sets: zip files that are found on this machine, or downloaded, and read."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar
from warnings import warn
from zipfile import ZipFile

from fastfm_ext.datasets.download import Digest, download_url, download_with_pip, problem_with

T = TypeVar("T")


class Archive(NamedTuple, Generic[T]):
    """A zip file that holds a data set: from its site, or, with a `requirement`, from a wheel that pip can get."""

    file_name: str
    digest: Digest | None
    read: Callable[[ZipFile], T]
    requirement: str | None = None
    # Where the site keeps it, if not under `file_name`.
    place: str | None = None

    def origin(self, base_url: str) -> str:
        """Say where the archive comes from: a URL, or the command that gets it."""
        return f"pip download {self.requirement}" if self.requirement else base_url + (self.place or self.file_name)


class Fetching(NamedTuple):
    """How a data set is fetched, as the parameters of the public functions say."""

    download_if_missing: bool
    n_retries: int
    delay: float


def fetched(
    name: str, archives: Sequence[Archive[T]], folder: Path, base_url: str, fetching: Fetching
) -> tuple[T, str]:
    """Read a data set from the first of its archives that is in the folder or can be had, the official one first.

    Returns
    -------
    tuple
        What the archive's reader returns, and where the archive came from.

    Raises
    ------
    OSError
        If no archive is on this machine and none can be downloaded, or it is damaged.
    """
    archive = _archive_on_disk(archives, folder)
    if archive is None:
        by_hand = f"get {archives[0].origin(base_url)} by other means and save it as {folder / archives[0].file_name}"
        if not fetching.download_if_missing:
            raise OSError(
                f"{name} is not on this machine ({folder / archives[0].file_name}) and download_if_missing is False. "
                f"Set it to True, or {by_hand}"
            )
        archive = _downloaded(name, archives, folder, base_url, fetching, by_hand)
    path = folder / archive.file_name
    try:
        with ZipFile(path) as opened:
            return archive.read(opened), archive.origin(base_url)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise OSError(f"{path} is damaged, or not {archive.file_name}: {error}. Delete it and try again") from error


def _archive_on_disk(archives: Sequence[Archive[T]], folder: Path) -> Archive[T] | None:
    """Find an archive that an earlier call, or the user by hand, has put into the folder."""
    for archive in archives:
        path = folder / archive.file_name
        if path.exists():
            with path.open("rb") as file:
                problem = problem_with(file, archive.digest)
            if problem is None:
                return archive
            warn(f"{path} is not used: {problem}", stacklevel=4)
    return None


def _downloaded(
    name: str, archives: Sequence[Archive[T]], folder: Path, base_url: str, fetching: Fetching, by_hand: str
) -> Archive[T]:
    """Try the archives in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    for archive in archives:
        target, origin = folder / archive.file_name, archive.origin(base_url)
        try:
            if archive.requirement is None:
                download_url(origin, target, digest=archive.digest, n_retries=fetching.n_retries, delay=fetching.delay)
            else:
                assert archive.digest is not None
                download_with_pip(archive.requirement, target, digest=archive.digest)
        except OSError as error:
            failures.append(f"{origin}: {error}")
        else:
            return archive
    raise OSError(f"{name} could not be downloaded ({'; '.join(failures)}). Check the network, or {by_hand}")
