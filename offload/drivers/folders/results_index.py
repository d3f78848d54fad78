"""What the rows so far say, wherever they are: what is done, and with what settings."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from offload.domain import typed
from offload.domain.errors import UsageError
from offload.domain.results import Json, Row, printable
from offload.drivers.folders import files

RUN = "run.json"
"""What the last run says of itself."""


class Entry(NamedTuple):
    """A path's last row: where it is, and what it says of the image."""

    at: int
    bytes: int | None
    mtime_ns: int | None
    etag: str | None
    sha256: str | None
    failed: bool


class Index(dict[str, Entry]):
    """The last row of each path."""

    def add(self, at: int, row: Row) -> None:
        """A row that replaces the earlier of its path; `at` is an offset, or a number."""
        failed = row.error is not None
        self[row.path] = Entry(at, row.bytes, row.mtime_ns, row.etag, row.sha256, failed)

    def holds(self, root: str, path: str) -> bool:
        """Whether the image below `root` was detected already and has not changed since.

        As in rsync's quick check, same size and modification time mean unchanged; another time
        with the same size is settled by the SHA-256.
        """
        entry = self.get(printable(path))
        if entry is None or entry.failed:
            return False
        location = os.path.join(root, path)
        try:
            status = os.stat(location)
            if status.st_size != entry.bytes:
                return False
            return status.st_mtime_ns == entry.mtime_ns or files.sha256_of(location) == entry.sha256
        except OSError:
            return False

    def holds_object(self, path: str, size_bytes: int | None, etag: str | None) -> bool:
        """Whether the image at `path` of a store was detected already, and has that size and ETag
        still, as far as they are known.
        """
        entry = self.get(printable(path))
        if entry is None or entry.failed:
            return False
        return size_bytes in {None, entry.bytes} and etag in {None, entry.etag}

    def counts(self) -> Json:
        """How many images there are rows of, and how many of those failed."""
        return {"images": len(self), "failed": sum(entry.failed for entry in self.values())}


@dataclass(frozen=True, slots=True)
class Before:
    """What a run needs to know of the one before. `also_sent` are images that runs before this one
    sent though their answer came from here.
    """

    settings: Json | None = None
    also_sent: list[str] = field(default_factory=list)


def before(run: bytes) -> Before:
    """What `run.json` says; nothing if it is damaged."""
    with suppress(ValueError):
        return typed.parse(Before, run)
    return Before()


def refuse_another(
    where: str, then: Mapping[str, object] | None, settings: Mapping[str, object]
) -> None:
    """See that the rows at `where` were made with these settings.

    Raises:
        UsageError: they were not, or nobody knows.
    """
    hint = "To replace them, add --overwrite to the command; to keep them, choose another --out."
    if then is None:
        raise UsageError(f"{where} holds detections but no readable {RUN}.", hint=hint)
    changed = sorted(key for key in settings if then.get(key) != settings[key])
    if changed:
        differences = "; ".join(f"{k}: {then.get(k)} then, {settings[k]} now" for k in changed)
        raise UsageError(f"{where} holds results of another run ({differences}).", hint=hint)
