"""A study's folder, which is its own resume log: what has its line in `runs.csv` is done."""

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple, TypeVar

from offload.domain.errors import UsageError
from offload.domain.results import SCHEMA, Json
from offload.domain.studies import CellRun, lane
from offload.domain.study_tables import HINT, PER_IMAGE, RUNS, Line, image_lines, run_line, shown
from offload.domain.timing import with_new_names
from offload.domain.typed import loads
from offload.drivers.folders import files

T = TypeVar("T")

_STUDY, _ENVIRONMENT = "study.json", "environment.json"
_RUNS, _IMAGES = "runs.csv", "per_image.csv"
_PICTURE = "photo.jpg"
_WORK = ".work"
_MOST_BYTES = 2**24
_ANOTHER = "To keep it, choose another --out; to continue it, repeat its command."


class StudyFiles(NamedTuple):
    """The lines of both tables, each by the names of its columns, both documents, and a photo."""

    runs: list[dict[str, str]]
    images: list[dict[str, str]]
    design: Json
    environment: Json
    picture: bytes


def read(folder: str) -> StudyFiles:
    """What is there; of all but the runs, what is missing is empty.

    Raises:
        UsageError: it is no study, or a file of it is damaged.
    """
    if not os.path.isfile(os.path.join(folder, _RUNS)):
        raise UsageError(f"There is no study in {folder!r}.", hint=HINT)
    return StudyFiles(
        runs=_part(folder, _RUNS, _table),
        images=_part(folder, _IMAGES, _table),
        design=_part(folder, _STUDY, _document),
        environment=_part(folder, _ENVIRONMENT, _document),
        picture=_picture(folder),
    )


def _picture(folder: str) -> bytes:
    with suppress(OSError), open(os.path.join(folder, _PICTURE), "rb") as file:
        return file.read(_MOST_BYTES)
    return b""


def _part(folder: str, name: str, parsed: Callable[[str], T]) -> T:
    """What is in the text of a file; it is empty where there is none."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8-sig", newline="") as file:
            return parsed(file.read())
    except FileNotFoundError:
        return parsed("")
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        why = "cannot be read: it is not text"
    except (ValueError, csv.Error) as error:
        why = f"is damaged: {error}"
    raise UsageError(f"The file {name} of this study {why}.", hint=HINT)


def _table(text: str) -> list[dict[str, str]]:
    # A kill can leave half a line, which the experiment's next start repairs.
    whole = text[: text.rfind("\n") + 1].splitlines(keepends=True)
    rows = [row for row in csv.DictReader(whole) if None not in row.values()]
    return list(map(with_new_names, rows))


def _runs(text: str) -> tuple[list[dict[str, str]], list[tuple[str, int, float]]]:
    """The lines, and of those without an error the lane, number of images and seconds."""
    lines = _table(text)
    return lines, [
        (lane(line["place"], line), int(line["images"]), float(line["makespan_s"]))
        for line in lines
        if not line["error"]
    ]


def _document(text: str) -> Json:
    found = loads(text or "{}")
    if not isinstance(found, dict):
        raise ValueError("it holds something else")
    return found


class StudyDir:
    """The open folder. `environment` is what was written down of what the study runs on, `done` are
    the numbers of the cells that have a line without an error, `makespans` the lane, number of
    images and seconds of each. Those that failed are to be done again, and keep their line until
    they are. What cannot be written raises OffloadError: the disk is full, or gone.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.environment = _part(folder, _ENVIRONMENT, _document)
        runs, self.makespans = _part(folder, _RUNS, _runs)
        self.done = {line["cell"] for line in runs if not line["error"]}
        self._failed = {line["cell"] for line in runs if line["error"]}

    def append(self, run: CellRun) -> None:
        """Add a run: its images first, then the line that makes it count."""
        cell = run.cell.number
        with files.writing("the study", self._folder):
            _append(self._path(_IMAGES), _csv(PER_IMAGE, image_lines(run)))
            if cell in self._failed:
                runs = _part(self._folder, _RUNS, _table)
                others = [line for line in runs if line["cell"] != cell]
                _rewrite(self._path(_RUNS), RUNS, [*others, run_line(run)])
            else:
                _append(self._path(_RUNS), _csv(RUNS, [run_line(run)]))
        (self._failed if run.error else self.done).add(cell)

    @property
    def has_picture(self) -> bool:
        """Whether the annotated photo is there."""
        return os.path.exists(self._path(_PICTURE))

    def write_picture(self, data: bytes) -> None:
        """Keep an annotated photo."""
        with files.writing("the study", self._folder):
            files.atomic_write_bytes(self._path(_PICTURE), data)

    def write_environment(self, document: Json) -> None:
        """Write it down."""
        with files.writing("the study", self._folder):
            files.write_json(self._path(_ENVIRONMENT), document)

    @contextmanager
    def work(self) -> Iterator[str]:
        """A folder for what is of no use later; a killed process leaves it to the next one."""
        folder = self._path(_WORK)
        shutil.rmtree(folder, ignore_errors=True)
        with files.writing("the study", self._folder):
            os.makedirs(folder, exist_ok=True)  # what a killed one started may still write there
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)


@contextmanager
def opened(folder: str, fixed: Json, about: Json) -> Iterator[StudyDir]:
    """The folder of a study, begun or continued: what is `fixed` must be as it was; what else there
    is to know `about` it is written down when it is begun.

    Raises:
        UsageError: it holds another study or something else, or cannot be written.
        OffloadError: another experiment is writing to it.
    """
    with ExitStack() as stack:
        with files.writing("the study", folder, UsageError):
            stack.enter_context(files.folder_locked(folder, "experiment"))
            _prepare(folder, fixed, about)
            found = StudyDir(folder)
        yield found


def _prepare(folder: str, fixed: Json, about: Json) -> None:
    study = os.path.join(folder, _STUDY)
    if os.path.exists(study):
        _refuse_another(study, fixed)
    elif any(os.path.exists(os.path.join(folder, name)) for name in (_RUNS, _IMAGES, _ENVIRONMENT)):
        raise UsageError(f"{folder} holds runs of an unknown study.", hint=_ANOTHER)
    else:
        files.write_json(study, {"schema": SCHEMA, "kind": "study"} | about | {"fixed": fixed})
    for name, columns in ((_RUNS, RUNS), (_IMAGES, PER_IMAGE)):
        _repair(os.path.join(folder, name), columns)
    _drop_halves(folder)


def _refuse_another(path: str, fixed: Json) -> None:
    try:
        with open(path, "rb") as file:
            before = _parts(loads(file.read())["fixed"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is not a study's that offload can read.", hint=_ANOTHER
        ) from error
    now = _parts(json.loads(json.dumps(fixed)))
    changed = [name for name, value in before.items() if now.get(name) != value]
    if changed:
        names = ", ".join(name.replace("_", " ") for name in changed)
        folder = os.path.dirname(path)
        raise UsageError(f"{folder} holds another study: {names} differ.", hint=_ANOTHER)


def _parts(fixed: Json) -> Json:
    """What is fixed, one level down: `design repeats`."""
    return {
        f"{name} {part}": value for name, parts in fixed.items() for part, value in parts.items()
    }


def _repair(path: str, columns: Sequence[str]) -> None:
    """Cut off the half line that a kill can leave, and begin the table where there is none."""
    headings = f"{','.join(columns)}\n".encode()
    with open(path, "a+b", opener=files.plain) as file:
        file.seek(0)
        data = file.read()
        if not (data.startswith(headings) or headings.startswith(data)):
            raise UsageError(f"{path} has the columns of another version.", hint=_ANOTHER)
        whole = data[: data.rfind(b"\n") + 1]
        file.truncate(len(whole))
    if not whole:
        _append(path, headings)


def _drop_halves(folder: str) -> None:
    """Drop the images of runs that did not come to their own line."""
    done = {line["cell"] for line in _part(folder, _RUNS, _table) if not line["error"]}
    images = _part(folder, _IMAGES, _table)
    kept = [line for line in images if line["cell"] in done]
    if len(kept) < len(images):
        _rewrite(os.path.join(folder, _IMAGES), PER_IMAGE, kept)


def _rewrite(path: str, columns: Sequence[str], lines: Iterable[Line]) -> None:
    with files.atomic_write(path) as file:
        file.write(f"{','.join(columns)}\n{_csv(columns, lines).decode()}")


def _csv(columns: Sequence[str], lines: Iterable[Line]) -> bytes:
    text = io.StringIO()
    cells = ([shown(line.get(name)) for name in columns] for line in lines)
    csv.writer(text, lineterminator="\n").writerows(cells)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _append(path: str, data: bytes) -> None:
    with open(path, "ab", opener=files.plain) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
