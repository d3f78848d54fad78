"""A folder of results that is readable at any moment and is its own resume log."""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field

from offload.domain import typed
from offload.domain.errors import ImageError, UsageError
from offload.domain.results import SCHEMA, Json, Row
from offload.drivers.folders import files, gallery
from offload.drivers.folders.gallery import ANNOTATED, THUMBNAILS
from offload.drivers.folders.results_formats import FORMATS, WRITERS
from offload.drivers.folders.results_index import RUN, Before, Index, before, refuse_another

UNREADABLE = "unreadable.jsonl"
"""Lines of the log that were no rows."""


@dataclass(slots=True)
class _Log:
    """Where each path's last row is, the length of the whole lines in bytes, their number, those
    that are no rows, and the settings that the first row was made with.
    """

    index: Index = field(default_factory=Index)
    end: int = 0
    lines: int = 0
    unreadable: list[bytes] = field(default_factory=list)
    settings: Json | None = None


class ResultsDir:
    """The open folder. `append` writes each row to the log at once, in one piece. What cannot be
    written raises OffloadError: the disk is full, or gone.

    `also_sent` are images that runs before this one sent though their answer came from here;
    `set_aside` is how many lines of the log were no rows, which another file has now.
    """

    def __init__(self, folder: str, settings: Json) -> None:
        self.folder = folder
        self._settings = settings
        self._path = os.path.join(folder, FORMATS["jsonl"])
        then, log = _run(folder), _read_log(self._path)
        if log.lines:
            refuse_another(folder, log.settings or then.settings, settings)
        self.also_sent = then.also_sent
        self.set_aside = len(log.unreadable)
        if log.unreadable:
            with open(os.path.join(folder, UNREADABLE), "ab", opener=files.plain) as file:
                file.writelines(log.unreadable)
        self._open(log)
        if log.unreadable:
            self._compact()

    @property
    def index(self) -> Index:
        """What is done."""
        return self._log.index

    def append(self, row: Row) -> None:
        """Add a row; a later row of the same path replaces the earlier."""
        line = _line(row, None if self._log.end else self._settings)
        with files.writing("results", self.folder):
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, "No space left on device")
        self.index.add(self._log.end, row)
        self._log.end += len(line)
        self._log.lines += 1

    def annotate(self, path: str, picture: bytes, thumbnail: bytes) -> None:
        """Write the annotated picture of the image at `path`, and a small one, in mirrors of its
        tree.

        Raises:
            ImageError: its path becomes too long there.
        """
        with files.writing("results", self.folder):
            try:
                for tree, data in ((ANNOTATED, picture), (THUMBNAILS, thumbnail)):
                    place = os.path.join(os.path.realpath(self.folder), tree, path)
                    if os.path.realpath(parent := os.path.dirname(place)) != parent:
                        raise OSError(
                            errno.ELOOP, f"there is a link in {parent}, which is not followed"
                        )
                    files.atomic_write_bytes(place, data)
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:
                    raise ImageError("its name is too long for the results folder") from error
                raise

    def write_run(self, document: Json) -> None:
        """Write `run.json`."""
        with files.writing("results", self.folder):
            files.write_json(os.path.join(self.folder, RUN), {"schema": SCHEMA} | document)

    def export(
        self,
        formats: Sequence[str],
        labels: Mapping[int, str],
        run: Json,
        pictures_show: float | None = None,
    ) -> None:
        """Write the asked documents, and those that are there, anew from the log, by path; the
        gallery too, where there are annotated pictures, which show what has that score.
        """
        with files.writing("results", self.folder):
            if self._log.lines > len(self._log.index):
                self._compact()
            for name in [name for name in FORMATS if name != "jsonl"]:
                path = os.path.join(self.folder, FORMATS[name])
                if name in formats or os.path.exists(path):
                    with files.atomic_write(path) as file:
                        WRITERS[name](file.buffer, self.rows, labels, run)
            if pictures_show is not None:
                with files.atomic_write(os.path.join(self.folder, gallery.NAME)) as file:
                    gallery.write(file, self.rows(), run["model"]["name"], pictures_show)

    def close(self) -> None:
        """Close the log."""
        self._file.close()

    def rows(self, order: Sequence[str] | None = None) -> Iterator[Row]:
        """The last row of each path, sorted by path unless another order is given."""
        index = self._log.index
        with open(self._path, "rb", opener=files.plain) as log:
            for path in order or sorted(index):
                log.seek(index[path].at)
                yield Row.from_dict(json.loads(log.readline()))

    def _compact(self) -> None:
        index = self._log.index
        rows = self.rows(sorted(index, key=lambda path: index[path].at))
        self._file.close()
        with files.atomic_write(self._path) as file:
            for number, row in enumerate(rows):
                file.buffer.write(_line(row, None if number else self._settings))
        self._open(_read_log(self._path))

    def _open(self, log: _Log) -> None:
        self._log = log
        self._file = open(  # noqa: SIM115 - closed by `close`
            self._path, "ab", buffering=0, opener=files.plain
        )
        self._file.truncate(log.end)  # a kill can leave half a line


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
            _prepare(folder, overwrite=overwrite)
            found = stack.enter_context(closing(ResultsDir(folder, settings)))
        yield found


def _prepare(folder: str, *, overwrite: bool) -> None:
    if overwrite:
        for name in (*FORMATS.values(), UNREADABLE, RUN, gallery.NAME):
            with suppress(FileNotFoundError):
                os.remove(os.path.join(folder, name))
    for tree in (os.path.join(folder, name) for name in (ANNOTATED, THUMBNAILS)):
        if overwrite and os.path.islink(tree):
            os.remove(tree)
        if overwrite:
            shutil.rmtree(tree, ignore_errors=True)
        for parent, *_ in os.walk(tree):
            files.sweep(parent)


def _run(folder: str) -> Before:
    """What is known of the run before: nothing if there is none."""
    path = os.path.join(folder, RUN)
    with suppress(FileNotFoundError), open(path, "rb", opener=files.plain) as file:
        return before(file.read())
    return Before()


def _line(row: Row, settings: Json | None) -> bytes:
    document = row.to_dict() | ({"settings": settings} if settings is not None else {})
    line = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
    return line.encode("utf-8", "backslashreplace")


def _read_log(path: str) -> _Log:
    log = _Log()
    with suppress(FileNotFoundError), open(path, "rb", opener=files.plain) as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            try:
                document = typed.loads(line)
                row = Row.from_dict(document)
            except (ValueError, KeyError, TypeError):
                log.unreadable.append(line)
            else:
                log.index.add(log.end, row)
                if log.settings is None and isinstance(document.get("settings"), dict):
                    log.settings = document["settings"]
            log.end += len(line)
            log.lines += 1
    return log
