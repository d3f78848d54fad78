"""The images of a job that are still to be done, as they are found."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from offload.domain.errors import UsageError
from offload.drivers.images import image_files
from offload.drivers.images.image_files import FileImage, ImageList
from offload.drivers.images.stored import Listing, Reader, Stored
from offload.usecases.detect.ahead import Item, ReadAhead
from offload.usecases.detect.results import Results

_FEWEST = 1000
"""Images that a share of failures is taken of at least, while nobody knows how many there are."""


class Todo:
    """The images of `found` that `results` do not hold. `total` is how many are to be done, those
    that could not be listed included, or None until a listing has ended; `kept` how many are done.

    Raises:
        UsageError: a listing has no image.
    """

    def __init__(self, found: ImageList | Listing, results: Results | None) -> None:
        self.found, self._results = found, results
        self.total: int | None = None
        self.kept = self._so_far = 0
        self._reader = found.reader if isinstance(found, ImageList) else Reader()
        self.left = ImageList(found.root) if isinstance(found, Listing) else self._left(found)
        items = self._listed(found) if isinstance(found, Listing) else self._stored()
        self._ahead = ReadAhead(items, self._reader)

    @property
    def paths(self) -> Iterable[str]:
        """Those that are to be done, once."""
        files = (path for path in self.left.paths if path not in self.left.stored)
        return chain(files, self._ahead.paths)

    @property
    def has_stored(self) -> bool:
        """Whether there are images in stores or at web servers among them."""
        return isinstance(self.found, Listing) or bool(self.found.stored)

    @property
    def least(self) -> int:
        """How many images there are to be done, or what is taken for that until it is known."""
        return max(self._so_far, _FEWEST) if self.total is None else self.total

    def read(self, path: str) -> FileImage:
        """One of the images; one that was read ahead for the first time.

        Raises:
            ImageError: it cannot be read.
        """
        if (file := self._ahead.read(path)) is not None:
            return file
        if isinstance(self.found, Listing):
            return image_files.fetched(self._reader, path, Stored(f"{self.found.root}/{path}"))
        return self.left.read(path)

    def close(self) -> None:
        """Read no more."""
        self._ahead.close()

    def _left(self, found: ImageList) -> ImageList:
        left = [path for path in found.paths if not self._holds(path, found)]
        self.kept = len(found.paths) - len(left)
        self.total = len(left) + len(found.problems)
        return replace(found, paths=left)

    def _holds(self, path: str, found: ImageList) -> bool:
        if self._results is None or path in found.held:
            return False
        if (stored := found.stored.get(path)) is not None:
            return self._results.index.holds_object(path, stored.size_bytes, stored.etag)
        return self._results.index.holds(found.root, path)

    def _stored(self) -> Iterator[Item]:
        return (
            (path, self.left.stored[path]) for path in self.left.paths if path in self.left.stored
        )

    def _listed(self, found: Listing) -> Iterator[Item]:
        """What a listing has, from the first on that is to be done."""
        items = self._new(found)
        first = next(items, None)
        if first is None:
            if not found.listed:
                others = f"; {found.omission}" if found.omission else ""
                raise UsageError(f"No images in {found.root}{others}.")
            return items
        return chain([first], items)

    def _new(self, found: Listing) -> Generator[Item]:
        for path, stored in found:
            results = self._results
            if results and results.index.holds_object(path, *stored[1:]):
                self.kept += 1
            else:
                self._so_far += 1
                yield path, stored
        self.total = self._so_far
