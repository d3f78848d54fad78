"""The images of a job: finding them, reading them."""

import glob
import hashlib
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from offload.domain.errors import ImageError, UsageError
from offload.domain.results import Row, printable
from offload.domain.vision import MAX_FILE_BYTES, Image
from offload.drivers.images import formats, naming
from offload.drivers.images.stored import Listing, Reader, Stored, is_prefix
from offload.drivers.images.walk import Walk, matches, omission, os_reason
from offload.drivers.objects.store import is_url

_KINDS = {"d": "a folder", "p": "a named pipe", "s": "a socket", "c": "a device", "b": "a device"}
"""By the letters of `stat.filemode`."""


@dataclass(frozen=True, slots=True)
class ImageList:
    """The images of a job: paths relative to `root`, what could not even be listed, and how many
    other files the folders have, by suffix; documents are not counted. `held` are those of the
    paths that are no files but bytes in memory, `stored` those in stores or at web servers.
    """

    root: str
    paths: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    held: Mapping[str, bytes] = field(default_factory=dict)
    stored: Mapping[str, Stored] = field(default_factory=dict)
    reader: Reader = field(default_factory=Reader)

    @property
    def omission(self) -> str:
        """What is said of the other files; empty if there are none."""
        return omission(self.left_out)

    def read(self, path: str) -> "FileImage":
        """One of the images.

        Raises:
            ImageError: its file cannot be read.
        """
        if (data := self.held.get(path)) is not None:
            return FileImage(Image(path, data), None)
        if (stored := self.stored.get(path)) is not None:
            return fetched(self.reader, path, stored)
        return read(self.root, path)

    def size_bytes(self, path: str) -> int:
        """What one of them weighs; 0 if it is not known, or reading it will say what is wrong."""
        if (data := self.held.get(path)) is not None:
            return len(data)
        if (stored := self.stored.get(path)) is not None:
            return stored.size_bytes or 0
        return size_bytes(self.root, path)

    def located(self, path: str) -> str:
        """The file of one of them, or its URL."""
        stored = self.stored.get(path)
        return stored.url if stored else os.path.join(self.root, path)


@dataclass(frozen=True, slots=True)
class FileImage:
    """An image, with what tells later whether its file, or its object in a store, changed."""

    image: Image
    mtime_ns: int | None
    etag: str | None = None
    note: str | None = None


def size_bytes(root: str, path: str) -> int:
    """What the file of `path` below `root` weighs; 0 where reading it will say what is wrong."""
    with suppress(OSError, ValueError):
        return os.path.getsize(os.path.join(root, path))
    return 0


def find(
    sources: Sequence[str | Image],
    *,
    recursive: bool = False,
    skip: str | None = None,
    command: str = "detect",
    most: int | None = None,
) -> ImageList:
    """Every image that `sources` name, each once, folders sorted by name.

    A source is an image file, a folder, a glob pattern, a `.txt` file with a path a line, or `-`
    for such a list on standard input (NUL-separated lists work too); a prefix of a store or the URL
    of one image or list; or an image in memory, which has its path already. Paths are relative to
    the folder or prefix when one is the only source, else to the current directory, or, when some
    lie outside it, to their common folder. `skip` is a folder left out of every listing, `command`
    the one that hints are to name; of a prefix, the first `most` images are listed.

    Raises:
        UsageError: a source does not exist or names nothing, or two images have one path.
    """
    out_of_bounds = os.path.realpath(skip) if skip and not is_url(skip) else None
    problems: list[tuple[str, str]] = []
    left_out: Counter[str] = Counter()
    found: list[str | Image | Stored] = []
    reader = Reader()
    for source in sources:
        if isinstance(source, Image):
            found.append(source)
        elif is_url(source):
            found += naming.at(source, reader, skip, left_out, most)
        else:
            walk = Walk(recursive, out_of_bounds, problems, left_out)
            found += map(naming.anywhere, _expand(source, walk, command))
    if not found and not problems:
        raise UsageError(
            "The list is empty.",
            hint=f"Give one path per line: find photos -name '*.jpg' | offload {command} -",
        )
    root = naming.root_of(sources, found, problems)
    relative: dict[str, str | Image | Stored] = {}
    for each in found:
        path = each.path if isinstance(each, Image) else naming.identity(each, root)
        if path in relative and (each != relative[path] or isinstance(each, Image)):
            raise UsageError(f"Two images are called {path!r}.")
        relative[path] = each
    unlisted = [(naming.identity(path, root), why) for path, why in problems]
    held = {path: each.data for path, each in relative.items() if isinstance(each, Image)}
    stored = {path: each for path, each in relative.items() if isinstance(each, Stored)}
    return ImageList(root, list(relative), unlisted, left_out, held, stored, reader)


def listing(sources: Sequence[str | Image], skip: str | None = None) -> Listing | None:
    """The images of a store as they are listed, if that is all that the sources name."""
    if len(sources) == 1 and isinstance(sources[0], str) and is_prefix(sources[0]):
        return Listing(sources[0], skip)
    return None


def read(root: str, path: str) -> FileImage:
    """The bytes of the image at `path` below `root`.

    Raises:
        ImageError: it is no regular file, empty, huge, unreadable or gone.
    """
    location = os.path.join(root, path)
    try:
        status = os.stat(location)
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.filemode(status.st_mode)[0], "special")
            raise ImageError(f"not a file but {kind}")
        if status.st_size > MAX_FILE_BYTES:
            raise ImageError(f"{status.st_size} bytes is too large for a picture")
        with open(location, "rb", buffering=0) as file:
            data = file.readall()
    except (OSError, ValueError) as error:
        raise ImageError(os_reason(error)) from error
    return FileImage(Image(path, data), status.st_mtime_ns)


def fetched(reader: Reader, path: str, stored: Stored) -> FileImage:
    """The image at `path` of a store.

    Raises:
        ImageError: it is gone, huge, or does not come.
    """
    data, etag = reader.read(stored, MAX_FILE_BYTES)
    changed = stored.etag is not None and etag != stored.etag
    note = "the object changed after it was listed" if changed else None
    return FileImage(Image(path, data), None, etag, note)


def described(row: Row, data: bytes) -> Row:
    """The row of an image with what there is to say of its file."""
    note = "the file is truncated" if formats.breaks_off(data) else row.note
    return replace(row, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), note=note)


def _expand(source: str, walk: Walk, command: str) -> Iterable[str]:
    if source == "-":
        return naming.listed(sys.stdin.buffer.read())
    if os.path.isdir(source):
        found = list(walk.images(source))
        if not found and not walk.problems:
            deeper = f"To include subfolders: offload {command} -r {source}"
            others = f"; {omission(walk.left_out)}" if walk.left_out else ""
            raise UsageError(
                f"No images in {source}{others}.", hint="" if walk.recursive else deeper
            )
        return found
    if os.path.lexists(source):
        if source.lower().endswith(".txt"):
            try:
                with open(source, "rb") as file:
                    return naming.listed(file.read())
            except OSError as error:
                raise UsageError(f"Cannot read the list {source}: {os_reason(error)}.") from error
        return [source]
    if glob.has_magic(source):
        if named := sorted(matches(source)):
            return [path for path in named if not os.path.isdir(path)]
        raise UsageError(f"Nothing matches {source}.")
    raise UsageError(
        f"{printable(source)!r} does not exist.",
        hint="To get example pictures: offload examples pictures",
    )
