"""Images of a store, read before they are asked for."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable
from offload.domain.vision import MAX_FILE_BYTES, Image
from offload.drivers.images.image_files import FileImage
from offload.drivers.objects.store import Entry, Store, is_url

_AHEAD = 32


class ReadAhead:
    """Reads images in their order, so many at a time, as long as others are worked on: a store
    answers late but many at once. Files here are read when they are asked for.
    """

    def __init__(self, store: Store, entries: Sequence[Entry], ahead: int = _AHEAD) -> None:
        self._store = store
        self._entries = {each.key: each for each in entries}
        self._coming: dict[str, Future[FileImage]] = {}
        self._waiting = iter(entries)
        self._lock = threading.Lock()
        self._ahead = ahead if is_url(store.url) else 0
        self._refused: OffloadError | None = None
        self._answered = False
        self._threads = ThreadPoolExecutor(max(1, self._ahead), "reading")

    def __enter__(self) -> Self:
        """Begin to read."""
        for _ in range(self._ahead):
            self._begin()
        return self

    def __exit__(self, *_error: object) -> None:
        """Read no more."""
        self._threads.shutdown(cancel_futures=True)

    def read(self, key: str) -> FileImage:
        """One of the images.

        Raises:
            ImageError: it is gone, huge, refused, or changed since it was listed.
            PlaceUnavailable: the store does not answer, also when asked again.
        """
        with self._lock:
            coming = self._coming.pop(key, None)
        if coming is None:
            return self._read(self._entries[key])
        try:
            return coming.result()
        finally:
            self._begin()

    def check(self) -> None:
        """Raise OffloadError where every image was refused: that says nothing of images."""
        if self._refused and not self._answered:
            raise self._refused

    def _begin(self) -> None:
        with self._lock:
            if entry := next(self._waiting, None):
                self._coming[entry.key] = self._threads.submit(self._read, entry)

    def _read(self, entry: Entry) -> FileImage:
        try:
            found = self._store.read(entry.key, MAX_FILE_BYTES)
        except (ImageError, PlaceUnavailable):
            raise
        except OffloadError as error:
            self._refused = error
            raise ImageError(f"it cannot be read: {str(error).rstrip('.')}") from error
        self._answered = True
        if found is None:
            raise ImageError("it is gone since it was listed")
        if entry.etag is not None and found.etag != entry.etag:
            raise ImageError("it has changed since it was listed")
        if not found.data:
            raise ImageError("the file is empty")
        return FileImage(Image(entry.key, found.data), None, found.etag)
