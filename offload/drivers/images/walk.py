"""Image files in folders and by patterns: which count, and what else there is."""

import errno
import glob
import os
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from offload.drivers.folders.gallery import ANNOTATED, THUMBNAILS
from offload.drivers.images import formats

_KINDS_SHOWN = 4
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

_RESULTS = {"run.json", "detections.jsonl"}
"""What a results folder holds; pictures beside them are no photos."""

_REASONS = {
    errno.ENOENT: "no such file, or a broken link",
    errno.ELOOP: "a link to itself",
    errno.EACCES: "no permission to read it",
}


@dataclass(slots=True)
class Walk:
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
            self.problems.append((folder, os_reason(error)))
            return
        ours = {entry.name for entry in entries} >= _RESULTS
        for entry in entries:
            if _NO_PICTURES.fullmatch(entry.name):
                continue
            if _is_folder(entry):
                if self.recursive and not (ours and entry.name in {ANNOTATED, THUMBNAILS}):
                    yield from self._folder(entry)
            elif entry.name.lower().endswith(SUFFIXES):
                yield entry.path
            elif not ours and not entry.name.startswith("."):
                self.left_out.update(suffix_left_out(entry.name))

    def _folder(self, entry: os.DirEntry[str]) -> Iterator[str]:
        if self.skip and os.path.realpath(entry.path) == self.skip:
            return
        if entry.is_symlink():
            self._links.append(entry.path)
        else:
            yield from self._below(entry.path)


def is_picture(key: str) -> bool:
    """Whether an object of that key counts as an image."""
    named_so = key.lower().endswith(SUFFIXES)
    return named_so and not any(map(_NO_PICTURES.fullmatch, key.split("/")))


def suffix_left_out(name: str) -> set[str]:
    """The suffix under which a file that is no image is counted, if it is."""
    return {os.path.splitext(name)[1].lower()} - _DOCUMENTS


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a link that leads to itself: reading it says so
        return entry.is_dir()
    return False


def matches(pattern: str) -> Iterable[str]:
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


def omission(left_out: Counter[str]) -> str:
    """What is said of other files, counted by suffix; empty if there are none."""
    if not left_out:
        return ""
    kinds = [f"{n} {suffix or 'without suffix'}" for suffix, n in left_out.most_common()]
    kinds[_KINDS_SHOWN:] = ["…"] * (len(kinds) > _KINDS_SHOWN)
    files = "1 other file" if left_out.total() == 1 else f"{left_out.total()} other files"
    needs = f"; {formats.NEEDS_HEIF}" if left_out.keys() & set(_HEIF) else ""
    return f"{files} left out ({', '.join(kinds)}){needs}"


def os_reason(error: OSError | ValueError) -> str:
    """Why a file cannot be read, in words."""
    if isinstance(error, ValueError):
        return f"not a usable file name: {error}"
    return _REASONS.get(error.errno or 0, error.strerror or str(error))
