"""A folder of results that is readable at any moment and is its own resume log."""

import csv
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import NamedTuple, TextIO

from offload.domain import results
from offload.domain.errors import ImageError, OffloadError, UsageError
from offload.domain.results import SCHEMA, Json, Row
from offload.drivers.folders import files

FORMATS = {
    "jsonl": "detections.jsonl",
    "coco": "coco.json",
    "csv": "detections.csv",
    "json": "detections.json",
}
"""What `--format` takes -> the file it makes. The first is always written: it is the log."""

ANNOTATED = "annotated"
_RUN = "run.json"

_Rows = Callable[[], Iterator[Row]]
"""Gives all rows in their order, as often as it is called."""


class _Entry(NamedTuple):
    offset: int
    bytes: int | None
    mtime_ns: int | None
    sha256: str | None
    failed: bool


class ResultsDir:
    """The open folder. `append` writes each row to the log at once, in one piece. What cannot be
    written raises OffloadError: the disk is full, or gone.

    `also_sent` are images that runs before this one sent though their answer came from here.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.also_sent: list[str] = list(_run(folder).get("also_sent", ()))
        self._log = os.path.join(folder, FORMATS["jsonl"])
        self._open()

    def holds(self, root: str, path: str) -> bool:
        """Whether the image below `root` was detected already and has not changed since.

        As in rsync's quick check, same size and modification time mean unchanged; another time
        with the same size is settled by the SHA-256.
        """
        entry = self._index.get(path)
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

    def append(self, row: Row) -> None:
        """Add a row; a later row of the same path replaces the earlier."""
        document = row.to_json()
        line = _line(document)
        with files.writing("results", self.folder):
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, "No space left on device")
        self._index[row.path] = _entry(self._end, document)
        self._end += len(line)
        self._lines += 1

    def counts(self) -> Json:
        """How many images the folder has rows of, and how many of those failed."""
        failed = sum(entry.failed for entry in self._index.values())
        return {"images": len(self._index), "failed": failed}

    def annotate(self, path: str, picture: bytes) -> None:
        """Write the annotated picture of the image at `path`, in a mirror of its tree.

        Raises:
            ImageError: its path becomes too long there.
        """
        with files.writing("results", self.folder):
            try:
                files.atomic_write_bytes(os.path.join(self.folder, ANNOTATED, path), picture)
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:
                    raise ImageError("its name is too long for the results folder") from error
                raise

    def write_run(self, document: Json) -> None:
        """Write `run.json`."""
        with files.writing("results", self.folder):
            files.write_json(os.path.join(self.folder, _RUN), {"schema": SCHEMA} | document)

    def export(self, formats: Sequence[str], labels: Mapping[int, str], run: Json) -> None:
        """Write the asked documents, and those that are there, anew from the log, by path."""
        with files.writing("results", self.folder):
            if self._lines > len(self._index):
                self._compact()
            for name, write in _WRITERS.items():
                path = os.path.join(self.folder, FORMATS[name])
                if name in formats or os.path.exists(path):
                    with files.atomic_write(path) as file:
                        write(file, self._rows, labels, run)

    def close(self) -> None:
        """Close the log."""
        self._file.close()

    def _rows(self, order: Sequence[str] | None = None) -> Iterator[Row]:
        """The last row of each path, sorted by path unless another order is given."""
        with open(self._log, "rb") as log:
            for path in order or sorted(self._index):
                log.seek(self._index[path].offset)
                yield Row.from_json(json.loads(log.readline()))

    def _compact(self) -> None:
        order = sorted(self._index, key=lambda path: self._index[path].offset)
        self._file.close()
        with files.atomic_write(self._log) as file:
            file.writelines(_line(row.to_json()).decode() for row in self._rows(order))
        self._open()

    def _open(self) -> None:
        self._index, self._end, self._lines = _read_log(self._log)
        self._file = open(self._log, "ab", buffering=0)  # noqa: SIM115 - closed by `close`
        self._file.truncate(self._end)  # a kill can leave half a line


@contextmanager
def opened(folder: str, settings: Json, *, overwrite: bool) -> Iterator[ResultsDir]:
    """The results folder for a run with `settings`, continued, or begun anew if `overwrite`.

    Raises:
        UsageError: it holds results of other settings, or cannot be written.
        OffloadError: another run is writing to it.
    """
    with ExitStack() as stack:
        with files.writing("results", folder, UsageError):
            stack.enter_context(files.folder_locked(folder, "run"))
            _prepare(folder, settings, overwrite)
            found = stack.enter_context(closing(ResultsDir(folder)))
        yield found


def _prepare(folder: str, settings: Json, overwrite: bool) -> None:
    log = os.path.join(folder, FORMATS["jsonl"])
    if overwrite:
        for name in (*FORMATS.values(), _RUN):
            with suppress(FileNotFoundError):
                os.remove(os.path.join(folder, name))
        shutil.rmtree(os.path.join(folder, ANNOTATED), ignore_errors=True)
    if not os.path.exists(log) or not os.path.getsize(log):
        return  # `run.json` is written before the first row
    hint = "To replace them, add --overwrite to the command; to keep them, choose another --out."
    before = None
    with suppress(OSError):
        before = _run(folder).get("settings")
    if before is None:
        raise UsageError(f"{folder} holds detections but no readable {_RUN}.", hint=hint)
    changed = sorted(key for key in settings if before.get(key) != settings[key])
    if changed:
        differences = "; ".join(f"{k}: {before.get(k)} then, {settings[k]} now" for k in changed)
        raise UsageError(f"{folder} holds results of another run ({differences}).", hint=hint)


def _run(folder: str) -> Json:
    """The document of the run before; empty if there is none, or it is damaged."""
    path = os.path.join(folder, _RUN)
    with suppress(FileNotFoundError, ValueError), open(path, encoding="utf-8") as file:
        document = json.load(file)
        return document if isinstance(document, dict) else {}
    return {}


def _line(row: Json) -> bytes:
    return (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def _entry(offset: int, row: Json) -> _Entry:
    return _Entry(offset, row["bytes"], row["mtime_ns"], row["sha256"], row["error"] is not None)


def _read_log(log: str) -> tuple[dict[str, _Entry], int, int]:
    """Where each path's last row is, the length of the whole lines in bytes, their number."""
    index: dict[str, _Entry] = {}
    offset = lines = 0
    with suppress(FileNotFoundError), open(log, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            try:
                row = json.loads(line)
                index[row["path"]] = _entry(offset, row)
            except (ValueError, KeyError, TypeError) as error:
                raise OffloadError(
                    f"Line {lines + 1} of {log} is not ours.",
                    hint="To begin anew, add --overwrite to the command.",
                ) from error
            offset += len(line)
            lines += 1
    return index, offset, lines


def _write_coco(file: TextIO, rows: _Rows, labels: Mapping[int, str], run: Json) -> None:
    """The images that were detected, numbered from 1."""
    seen: set[tuple[int, str]] = set()

    def detected() -> Iterator[tuple[int, Row]]:
        return enumerate((row for row in rows() if row.error is None), 1)

    def annotations() -> Iterator[Json]:
        next_id = 1
        for number, row in detected():
            seen.update((d.class_id, d.label) for d in row.detections)
            yield from results.coco_annotations(row, number, next_id)
            next_id += len(row.detections)

    images = (results.coco_image(row, number) for number, row in detected())
    categories = results.coco_categories(labels, seen)
    _write_lists(
        file, {"info": run}, images=images, annotations=annotations(), categories=categories
    )


def _write_csv(file: TextIO, rows: _Rows, _labels: Mapping[int, str], _run: Json) -> None:
    writer = csv.DictWriter(file, results.CSV_COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    for row in rows():
        writer.writerows(results.csv_lines(row))


def _write_json(file: TextIO, rows: _Rows, _labels: Mapping[int, str], run: Json) -> None:
    _write_lists(file, {"schema": SCHEMA, "run": run}, images=(row.to_json() for row in rows()))


def _write_lists(file: TextIO, head: Json, **lists: Iterable[Json]) -> None:
    """A JSON document of `head` and of `lists` that need not fit in memory."""
    file.write(json.dumps(head, ensure_ascii=False).removesuffix("}"))
    for name, items in lists.items():
        file.write(f',\n"{name}": [')
        glue = "\n"
        for item in items:
            file.write(glue + json.dumps(item, ensure_ascii=False))
            glue = ",\n"
        file.write("\n]")
    file.write("}\n")


_WRITERS = {"coco": _write_coco, "csv": _write_csv, "json": _write_json}
