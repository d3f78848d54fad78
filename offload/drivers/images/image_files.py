"""The images of a job: finding them, reading them."""

import codecs
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
from offload.domain.results import Row
from offload.domain.vision import Image
from offload.drivers.images import formats
from offload.drivers.images.walk import Walk, matches, omission, os_reason

_UTF16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE

MAX_FILE_BYTES = 512 * 2**20
"""No picture within the pixel limit comes near this; larger files are refused unread."""

_KINDS = {"d": "a folder", "p": "a named pipe", "s": "a socket", "c": "a device", "b": "a device"}
"""By the letters of `stat.filemode`."""


@dataclass(frozen=True, slots=True)
class ImageList:
    """The images of a job: paths relative to `root`, what could not even be listed, and how many
    other files the folders have, by suffix; documents are not counted. `held` are those of the
    paths that are no files but bytes in memory.
    """

    root: str
    paths: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    held: Mapping[str, bytes] = field(default_factory=dict)

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
        return read(self.root, path)

    def size_bytes(self, path: str) -> int:
        """What one of them weighs; 0 where reading it will say what is wrong."""
        if (data := self.held.get(path)) is not None:
            return len(data)
        return size_bytes(self.root, path)


@dataclass(frozen=True, slots=True)
class FileImage:
    """An image, with what tells later whether its file, or its object in a store, changed."""

    image: Image
    mtime_ns: int | None
    etag: str | None = None


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
) -> ImageList:
    """Every image that `sources` name, each once, folders sorted by name.

    A source is an image file, a folder, a glob pattern, a `.txt` file with a path a line, or `-`
    for such a list on standard input (NUL-separated lists work too); or an image in memory, which
    has its path already. Paths are relative to the folder when one folder is the only source, else
    to the current directory, or, when some lie outside it, to their common folder. `skip` is a
    folder left out of every listing, `command` the one that hints are to name.

    Raises:
        UsageError: a source does not exist or names nothing, or two images have one path.
    """
    out_of_bounds = os.path.realpath(skip) if skip else None
    problems: list[tuple[str, str]] = []
    left_out: Counter[str] = Counter()
    found: list[str | Image] = []
    for source in sources:
        if isinstance(source, Image):
            found.append(source)
        else:
            walk = Walk(recursive, out_of_bounds, problems, left_out)
            found += map(os.path.abspath, _expand(source, walk, command))
    if not found and not problems:
        raise UsageError(
            "The list is empty.",
            hint=f"Give one path per line: find photos -name '*.jpg' | offload {command} -",
        )
    named = [source for source in sources if isinstance(source, str)]
    if len(named) == 1 and os.path.isdir(named[0]):
        root = os.path.abspath(named[0])
    else:
        files = [path for path in found if isinstance(path, str)]
        root = _root(files + [os.path.abspath(path) for path, _ in problems])
    relative: dict[str, bytes | None] = {}
    for each in found:
        path, data = (
            (each.path, each.data) if isinstance(each, Image) else (_identity(each, root), None)
        )
        if path in relative and (data, relative[path]) != (None, None):
            raise UsageError(f"Two images are called {path!r}.")
        relative[path] = data
    unlisted = [(_identity(path, root), why) for path, why in problems]
    held = {path: data for path, data in relative.items() if data is not None}
    return ImageList(root, list(relative), unlisted, left_out, held)


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


def described(row: Row, data: bytes) -> Row:
    """The row of an image with what there is to say of its file."""
    note = "the file is truncated" if formats.breaks_off(data) else row.note
    return replace(row, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), note=note)


def printable(path: str) -> str:
    """`path` as text any stream and JSON reader takes: bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _expand(source: str, walk: Walk, command: str) -> Iterable[str]:
    if source == "-":
        return _listed(sys.stdin.buffer.read())
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
                    return _listed(file.read())
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


def _listed(text: bytes) -> list[str]:
    """The paths of a list, as they are on disk: lines, or records if there is a NUL."""
    if text.startswith(_UTF16):
        text = text.decode("utf-16", "replace").encode()
    text = text.removeprefix(codecs.BOM_UTF8)
    separator = b"\0" if b"\0" in text else b"\n"
    lines = (line.rstrip(b"\r") if separator == b"\n" else line for line in text.split(separator))
    return [os.fsdecode(line) for line in lines if line.strip()]


def _root(places: list[str]) -> str:
    here = os.getcwd()
    folders = {os.path.dirname(place) for place in places}
    if all(folder == here or folder.startswith(here.rstrip("/") + os.sep) for folder in folders):
        return here
    return os.path.commonpath(folders)


def _identity(path: str, root: str) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")
