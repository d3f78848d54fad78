"""A place for objects: a bucket's prefix, a container, a folder, a web server.

A store is named by a URL: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`,
`http(s)://host/path`, or the path of a folder. Keys are relative to it and separated by `/`.
Endpoints, regions and credentials are what the ecosystem's variables say.
"""

import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from offload.domain.errors import ImageError
from offload.drivers.objects import odd_keys
from offload.drivers.objects.access import SCHEMES, connected, parts
from offload.drivers.objects.refusals import code_of, explained

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PAGE = 1000
_TRIES = 5
"""Of a page of a listing whose answer breaks off, which obstore does not ask for again."""
_PAUSE_S = 0.2


class Entry(NamedTuple):
    """An object as it is listed; `etag` changes when it does."""

    key: str
    size_bytes: int
    etag: str | None


class Object(NamedTuple):
    """What an object held when it was read."""

    data: bytes
    etag: str | None


def is_url(text: str) -> bool:
    """Whether it names something in a store, and no path of this machine."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


def opened(url: str) -> "Store":
    """The store at a URL or the path of a folder; nothing is asked of it yet.

    Raises:
        UsageError: the URL cannot be meant.
        OffloadError: there are no credentials.
    """
    from obstore.store import LocalStore

    if is_url(url):
        return Store(url, connected(url))
    return Store(url, LocalStore(os.path.abspath(url), mkdir=True))


class Store:
    """The objects at `url`. Every method may raise OffloadError: it is refused or gone, or
    PlaceUnavailable where nothing answers, after some tries.
    """

    def __init__(self, url: str, store: "ObjectStore") -> None:
        self.url = url.rstrip("/")
        self._store = store

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[Entry]:
        """Those whose keys lie in the folder `prefix`, as they come: a page at a time, in the order
        of the store. In most, that is the order of the keys' bytes, and `after` skips those up to
        that key.
        """
        import obstore

        tries = 0
        while True:
            try:
                for page in self._store.list(prefix or None, offset=after, chunk_size=_PAGE):
                    for each in page:
                        yield Entry(each["path"], each["size"], each["e_tag"])
                        after = each["path"]
                    tries = 0
                return
            except (obstore.exceptions.BaseError, OSError) as error:
                if _is_odd(error) and parts(self.url)[0] == "s3":
                    after = yield from self._odd(prefix, after)
                    if after is None:
                        return
                    continue
                tries += 1
                if not _breaks_off(error) or tries == _TRIES:
                    raise explained(error, self.url, prefix) from error
                time.sleep(_PAUSE_S * tries)

    def _odd(self, prefix: str, after: str | None) -> Generator[Entry, None, str | None]:
        """A page that has keys which obstore cannot list, and those after it until one ends with a
        key from which it can; that key, or None where all were listed.
        """
        for page, is_last in odd_keys.pages(self.url, prefix, after):
            for key, size_bytes, etag in page:
                yield Entry(key, size_bytes, etag)
            if is_last:
                return None
            if not odd_keys.is_odd(page[-1][0]):
                return page[-1][0]
        return None

    def read(self, key: str, most_bytes: int | None = None) -> Object | None:
        """One; None if there is none.

        Raises:
            ImageError: it is larger than `most_bytes`, or no folder could hold its key.
        """
        if odd_keys.is_odd(key):
            raise ImageError("its key is no usable file name")
        with self._explained(key):
            try:
                found = self._store.get(key)
            except FileNotFoundError as error:
                if code_of(error) in {"", "NoSuchKey", "BlobNotFound"}:
                    return None
                raise
            if most_bytes is not None and found.meta["size"] > most_bytes:
                raise ImageError(f"{found.meta['size']} bytes is more than is read of a file")
            return Object(found.bytes().to_bytes(), found.meta["e_tag"])

    def get(self, key: str, most_bytes: int) -> bytes | None:
        """The bytes of one; None if there is none.

        Raises:
            ImageError: it is larger than `most_bytes`.
        """
        found = self.read(key, most_bytes)
        return None if found is None else found.data

    def has(self, key: str) -> bool:
        """Whether there is one."""
        with self._explained(key):
            try:
                self._store.head(key)
            except FileNotFoundError:
                return False
            return True

    def put(self, key: str, data: bytes) -> None:
        """Write one, whether or not there is one."""
        with self._explained(key):
            self._store.put(key, data)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write one unless there is one; whether it was written."""
        from obstore.exceptions import AlreadyExistsError

        with self._explained(key):
            try:
                self._store.put(key, data, mode="create")
            except AlreadyExistsError:
                return False
            return True

    def delete(self, key: str) -> None:
        """Remove one; all the better if it is gone already."""
        with self._explained(key):
            try:
                self._store.delete(key)
            except FileNotFoundError:
                return

    @contextmanager
    def writer(self, key: str) -> Iterator[IO[bytes]]:
        """A file that becomes the object when the context ends without an error: larger than
        memory, if need be.
        """
        import obstore

        with self._explained(key), obstore.open_writer(self._store, key) as file:
            yield cast("IO[bytes]", file)

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        import obstore

        try:
            yield
        except (obstore.exceptions.BaseError, OSError) as error:
            raise explained(error, self.url, key) from error


def _is_odd(error: Exception) -> bool:
    """Whether a listing ended at a key that obstore cannot list."""
    text = str(error)
    return "invalid path" in text or "Invalid list response" in text or "list response:" in text


def _breaks_off(error: Exception) -> bool:
    """Whether the body of an answer did not come whole."""
    return "HTTP error" in str(error)
