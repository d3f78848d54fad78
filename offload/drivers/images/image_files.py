"""Image files on disk: finding them, reading them."""

import codecs
import errno
import glob
import os
import re
import stat
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from offload.domain.errors import ImageError, UsageError
from offload.domain.vision import Image
from offload.drivers.images import formats

_HEIF = (".heic", ".heif", ".hif")
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff",
    ".avif", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm",
    *(_HEIF if formats.READS_HEIF else ()),
)  # fmt: skip
"""Which files of a folder count as images. A file named outright is always tried."""

_NO_PICTURES = re.compile(r"\._.*|\.thumbnails|\.Trash.*|@eaDir|__MACOSX|#recycle|\$RECYCLE\.BIN")
"""Files and folders of systems, which hold copies and waste under the names of pictures."""

_DOCUMENTS = {
    ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".xml", ".xmp", ".yaml", ".yml", ".toml",
    ".md", ".html", ".log",
}  # fmt: skip
"""Labels, lists and notes lie beside pictures everywhere: nobody misses them."""

_UTF16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
_KINDS_SHOWN = 4

_RESULTS = {"run.json", "detections.jsonl"}
"""What a results folder holds; annotated pictures beside them are no photos."""

MAX_FILE_BYTES = 512 * 2**20
"""No picture within the pixel limit comes near this; larger files are refused unread."""

_KINDS = {"d": "a folder", "p": "a named pipe", "s": "a socket", "c": "a device", "b": "a device"}
"""By the letters of `stat.filemode`."""

_REASONS = {
    errno.ENOENT: "no such file: vanished, or a link to nothing",
    errno.ELOOP: "a link that leads back to itself",
    errno.EACCES: "no permission to read it",
}


@dataclass(frozen=True, slots=True)
class ImageList:
    """The images of a job: paths relative to `root`, what could not even be listed, and how many
    other files the folders have, by suffix; documents are not counted.
    """

    root: str
    paths: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def omission(self) -> str:
        """What is said of the other files; empty if there are none."""
        return _omission(self.left_out)

    def located(self) -> list[str]:
        """The images' absolute paths."""
        return [os.path.join(self.root, path) for path in self.paths]


@dataclass(frozen=True, slots=True)
class FileImage:
    """An image read from disk, with what tells later whether the file changed."""

    image: Image
    mtime_ns: int


def size_bytes(root: str, path: str) -> int:
    """What the file of `path` below `root` weighs; 0 where reading it will say what is wrong."""
    with suppress(OSError, ValueError):
        return os.path.getsize(os.path.join(root, path))
    return 0


def find(
    sources: Sequence[str],
    *,
    recursive: bool = False,
    skip: str | None = None,
    command: str = "detect",
) -> ImageList:
    """Every image that `sources` name, each once, folders sorted by name.

    A source is an image file, a folder, a glob pattern, a `.txt` file with a path a line, or `-`
    for such a list on standard input (NUL-separated lists work too). Paths are relative to the
    folder when one folder is the only source, else to the current directory, or, when some lie
    outside it, to their common folder. `skip` is a folder left out of every listing, `command` the
    one that hints are to name.

    Raises:
        UsageError: a source does not exist or names nothing.
    """
    out_of_bounds = os.path.realpath(skip) if skip else None
    problems: list[tuple[str, str]] = []
    left_out: Counter[str] = Counter()
    files: list[str] = []
    for source in sources:
        files += _expand(source, _Walk(recursive, out_of_bounds, problems, left_out), command)
    if not files and not problems:
        raise UsageError(
            "The list names no image.",
            hint=f"It has a path a line: find photos -name '*.jpg' | offload {command} -",
        )
    absolute = [os.path.abspath(f) for f in files]
    if len(sources) == 1 and os.path.isdir(sources[0]):
        root = os.path.abspath(sources[0])
    else:
        root = _root(absolute + [os.path.abspath(path) for path, _ in problems])
    relative = dict.fromkeys(_identity(path, root) for path in absolute)
    unlisted = [(_identity(path, root), why) for path, why in problems]
    return ImageList(root, list(relative), unlisted, left_out)


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
        raise ImageError(_os_reason(error)) from error
    return FileImage(Image(path, data), status.st_mtime_ns)


def printable(path: str) -> str:
    """`path` as text any stream and JSON reader takes: bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _omission(left_out: Counter[str]) -> str:
    if not left_out:
        return ""
    kinds = [f"{n} {suffix or 'without suffix'}" for suffix, n in left_out.most_common()]
    kinds[_KINDS_SHOWN:] = ["…"] * (len(kinds) > _KINDS_SHOWN)
    files = "1 other file" if left_out.total() == 1 else f"{left_out.total()} other files"
    needs = f"; {formats.NEEDS_HEIF}" if left_out.keys() & set(_HEIF) else ""
    return f"{files} left out ({', '.join(kinds)}){needs}"


def _expand(source: str, walk: "_Walk", command: str) -> Iterable[str]:
    if source == "-":
        return _listed(sys.stdin.buffer.read())
    if os.path.isdir(source):
        found = list(walk.images(source))
        if not found and not walk.problems:
            deeper = f"To look into its folders too: offload {command} -r {source}"
            others = f"; {_omission(walk.left_out)}" if walk.left_out else ""
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
                raise UsageError(f"Cannot read the list {source}: {_os_reason(error)}.") from error
        return [source]
    if glob.has_magic(source):
        matches = sorted(_matches(source))
        if matches:
            return [m for m in matches if not os.path.isdir(m)]
        raise UsageError(f"Nothing matches {source}.")
    raise UsageError(
        f"{printable(source)!r} does not exist.",
        hint="To try the tool on pictures of its own: offload examples pictures",
    )


def _matches(pattern: str) -> Iterable[str]:
    """What a pattern names. `**` leads through folders, but not through links to some: they may
    lead in circles.
    """
    place = Path(pattern)
    if "**" not in place.parts:
        return glob.glob(pattern)
    if place.name == "**":
        place /= "*"
    found = Path(place.anchor).glob(str(place.relative_to(place.anchor)))
    return [str(path) for path in found if not any(map(_NO_PICTURES.fullmatch, path.parts))]


def _listed(text: bytes) -> list[str]:
    """The paths of a list, as they are on disk: lines, or records if there is a NUL."""
    if text.startswith(_UTF16):
        text = text.decode("utf-16", "replace").encode()
    text = text.removeprefix(codecs.BOM_UTF8)
    separator = b"\0" if b"\0" in text else b"\n"
    lines = (line.rstrip(b"\r") if separator == b"\n" else line for line in text.split(separator))
    return [os.fsdecode(line) for line in lines if line.strip()]


@dataclass(slots=True)
class _Walk:
    """Through a folder and, if `recursive`, those in it, links to some too, but once through each:
    by its own path rather than a link's. `skip` is left out; `left_out` counts by suffix.
    """

    recursive: bool
    skip: str | None
    problems: list[tuple[str, str]]
    left_out: Counter[str]
    _seen: set[tuple[int, int]] = field(default_factory=set)
    _links: deque[str] = field(default_factory=deque)

    def images(self, folder: str) -> Iterator[str]:
        """The paths of its images, those of each folder sorted."""
        self._links.append(folder)
        while self._links:
            yield from self._below(self._links.popleft())

    def _below(self, folder: str) -> Iterator[str]:
        try:
            status = os.stat(folder)
            if (real := (status.st_dev, status.st_ino)) in self._seen:
                return
            self._seen.add(real)
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.problems.append((folder, _os_reason(error)))
            return
        ours = {entry.name for entry in entries} >= _RESULTS
        for entry in entries:
            if _NO_PICTURES.fullmatch(entry.name):
                continue
            if _is_folder(entry):
                if self.recursive and not (ours and entry.name == "annotated"):
                    yield from self._folder(entry)
            elif entry.name.lower().endswith(SUFFIXES):
                yield entry.path
            elif not ours and not entry.name.startswith("."):
                suffix = os.path.splitext(entry.name)[1].lower()
                self.left_out.update({suffix} - _DOCUMENTS)

    def _folder(self, entry: os.DirEntry[str]) -> Iterator[str]:
        if self.skip and os.path.realpath(entry.path) == self.skip:
            return
        if entry.is_symlink():
            self._links.append(entry.path)
        else:
            yield from self._below(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a link that leads to itself: reading it says so
        return entry.is_dir()
    return False


def _root(places: list[str]) -> str:
    here = os.getcwd()
    folders = {os.path.dirname(place) for place in places}
    if all(folder == here or folder.startswith(here.rstrip("/") + os.sep) for folder in folders):
        return here
    return os.path.commonpath(folders)


def _identity(path: str, root: str) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def _os_reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return f"not a usable file name: {error}"
    return _REASONS.get(error.errno or 0, error.strerror or str(error))
