"""Images of stores, read before they are asked for: an answer takes longer than a detection."""

import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress

from offload.domain.errors import ImageError
from offload.domain.events import Stop
from offload.drivers.images import image_files
from offload.drivers.images.image_files import FileImage
from offload.drivers.images.stored import Reader, Stored
from offload.usecases.detect.rows import pull

_AT_A_TIME, _MOST_BYTES = 32, 128 * 2**20
"""Images on their way, and what they and those that wait may weigh together, if more than one."""
_UNKNOWN_BYTES = 2**20
"""What an image is taken to weigh of which nothing is known."""
_LOOK_S = 0.1

Item = tuple[str, Stored]


class ReadAhead:
    """The images of `items`, which may come from a listing that still runs."""

    def __init__(self, items: Iterable[Item], reader: Reader) -> None:
        self._reader = reader
        self._stop = Stop()
        self._room = threading.Condition()
        self._bytes = 0
        self._ready: dict[str, tuple[FileImage | ImageError, int]] = {}
        self.paths = self._paths(items)

    def read(self, path: str) -> FileImage | None:
        """The image at one of `paths`, once; None if it was not read ahead.

        Raises:
            ImageError: it cannot be read.
        """
        file, weight = self._ready.pop(path, (None, 0))
        with self._room:
            self._bytes -= weight
            self._room.notify_all()
        if isinstance(file, ImageError):
            raise file
        return file

    def close(self) -> None:
        """Read no more."""
        self._stop.ask()
        with suppress(ValueError):  # a thread is in it, which ends with the process
            self.paths.close()

    def _paths(self, items: Iterable[Item]) -> Generator[str]:
        files = pull(self._paced(items), self._fetch, lambda: _AT_A_TIME, self._stop)
        with closing(files):
            for path, file, weight in files:
                self._ready[path] = file, weight
                yield path

    def _paced(self, items: Iterable[Item]) -> Iterator[tuple[str, Stored, int]]:
        for path, stored in items:
            weight = _UNKNOWN_BYTES if stored.size_bytes is None else stored.size_bytes
            with self._room:
                while self._bytes and self._bytes + weight > _MOST_BYTES and not self._stop:
                    self._room.wait(_LOOK_S)
                self._bytes += weight
            yield path, stored, weight

    def _fetch(self, item: tuple[str, Stored, int]) -> tuple[str, FileImage | ImageError, int]:
        path, stored, weight = item
        try:
            return path, image_files.fetched(self._reader, path, stored), weight
        except ImageError as error:
            return path, error, weight
