"""Images in object stores and at web servers: how they are named, listed and read."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from offload.domain.errors import ImageError, OffloadError
from offload.drivers.http.files import WebFiles
from offload.drivers.http.web import Unreachable, without_secrets
from offload.drivers.images.walk import is_picture, omission, suffix_left_out
from offload.drivers.objects.access import parts
from offload.drivers.objects.odd_keys import is_odd
from offload.drivers.objects.store import Store, is_url, opened

_WEB = {"http", "https"}


class Stored(NamedTuple):
    """An image that is no file here: where it is, and what its listing says of it, if it was
    listed.
    """

    url: str
    size_bytes: int | None = None
    etag: str | None = None


def is_prefix(source: str) -> bool:
    """Whether a URL names all images of a store whose keys begin so, not one image or a list."""
    if not is_url(source) or parts(source)[0] in _WEB:
        return False
    return source.endswith("/") or (not is_picture(source) and not source.lower().endswith(".txt"))


def plain(url: str) -> str:
    """A URL without what is not to be shown or kept: of a web server, user and query."""
    return without_secrets(url) if parts(url)[0] in _WEB else url


@dataclass(slots=True)
class Listing:
    """The images below a prefix of a store, as they come: `root` is its URL, paths are keys below
    it. What is below the prefix `skip` is left out. `listed` counts; once the listing has ended it
    `is_whole`.
    """

    root: str
    skip: str | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    listed: int = 0
    is_whole: bool = False

    def __post_init__(self) -> None:
        self.root = self.root.rstrip("/")

    def __iter__(self) -> Iterator[tuple[str, Stored]]:
        skip = f"{self.skip.rstrip('/')}/".removeprefix(f"{self.root}/") if self.skip else None
        for key, size_bytes, etag in opened(self.root).list():
            if skip and key.startswith(skip):
                continue
            if is_picture(key):
                self.listed += 1
                yield key, Stored(f"{self.root}/{key}", size_bytes, etag)
            elif size_bytes:
                self.left_out.update(suffix_left_out(key))
        self.is_whole = True

    @property
    def omission(self) -> str:
        """What is said of other objects; empty if there are none."""
        return omission(self.left_out)


class Reader:
    """Reads what is at URLs, from any number of threads."""

    def __init__(self) -> None:
        self._stores: dict[str, Store] = {}
        self._web = WebFiles()
        self._lock = threading.Lock()

    def read(self, stored: Stored, most_bytes: int) -> tuple[bytes, str | None]:
        """The bytes, and the ETag of what was read.

        Raises:
            ImageError: it is gone, huge, or does not come.
        """
        scheme, bucket, key = parts(stored.url)
        if is_odd(key.split("?", 1)[0] if scheme in _WEB else key):
            raise ImageError("its key is no usable file name")
        try:
            if scheme in _WEB:
                return self._web.get(stored.url, most_bytes)
            found = self._store(f"{scheme}://{bucket}").read(key, most_bytes)
        except ImageError:
            raise
        except OffloadError as error:
            raise ImageError(f"it cannot be read: {str(error).rstrip('.')}") from error
        if found is None:
            listed = " since it was listed" if stored.etag else ""
            raise ImageError(f"there is no such object{' any more' if listed else ''}{listed}")
        return found

    def text(self, url: str, most_bytes: int) -> bytes:
        """The bytes of a list at a URL.

        Raises:
            OffloadError: it cannot be read.
        """
        try:
            return self.read(Stored(url), most_bytes)[0]
        except (ImageError, Unreachable) as error:
            raise OffloadError(
                f"The list {without_secrets(url)} cannot be read: {error}."
            ) from error

    def _store(self, url: str) -> Store:
        with self._lock:
            if url not in self._stores:
                self._stores[url] = opened(url)
            return self._stores[url]
