"""A place for objects: a bucket's prefix, a container, a folder, a web server.

A store is named by a URL: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`,
`http(s)://host/path`, or the path of a folder. Keys are relative to it and separated by `/`.
Endpoints, regions and credentials are what the ecosystem's variables say.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, UsageError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_SCHEMES = ("s3", "gs", "az", "http", "https")
_PAGE = 1000


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
    return bool(separator) and scheme.lower() in _SCHEMES


def opened(url: str) -> "Store":
    """The store at a URL or the path of a folder; nothing is asked of it yet.

    Raises:
        UsageError: the URL cannot be meant.
    """
    import obstore
    from obstore.store import LocalStore, from_url

    if not is_url(url):
        return Store(url, LocalStore(os.path.abspath(url), mkdir=True))
    try:
        plain = {"allow_http": True}
        return Store(url, from_url(url, client_options=plain))  # type: ignore[call-overload]
    except (obstore.exceptions.BaseError, ValueError) as error:
        raise UsageError(f"{url!r} is not the URL of a store: {_sentence(error)}.") from error


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
        with self._explained(prefix):
            for page in self._store.list(prefix or None, offset=after, chunk_size=_PAGE):
                for each in page:
                    yield Entry(each["path"], each["size"], each["e_tag"])

    def read(self, key: str, most_bytes: int | None = None) -> Object | None:
        """One; None if there is none.

        Raises:
            ImageError: it is larger than `most_bytes`.
        """
        with self._explained(key):
            try:
                found = self._store.get(key)
            except FileNotFoundError:
                return None
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
        except (obstore.exceptions.BaseError, PermissionError) as error:
            name = f"{self.url}/{key}".rstrip("/")
            kind = OffloadError if isinstance(error, PermissionError) else PlaceUnavailable
            raise kind(f"{name} cannot be used: {_sentence(error)}.") from error


def _sentence(error: Any) -> str:
    """The first line of obstore's words; the rest is for its developers."""
    return str(error).strip().split("\n", 1)[0].rstrip(".")
