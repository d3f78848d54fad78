"""The history: what was measured, what was predicted, and how that went."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from offload.domain.errors import OffloadError
from offload.domain.measurements import Measurement, Outcome, Source
from offload.domain.results import Json
from offload.domain.typed import read
from offload.drivers.store.database import Connection, Database

T = TypeVar("T")

VERSION = 2
"""Grows with any change of a table."""
SCHEMA = (
    """CREATE TABLE measurement (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  taken_at TEXT NOT NULL,
  source TEXT NOT NULL,
  place TEXT NOT NULL,
  model TEXT NOT NULL,
  model_sha256 TEXT NOT NULL,
  condition_key TEXT NOT NULL,
  folder_images INTEGER NOT NULL,
  started_from TEXT,
  starts INTEGER NOT NULL,
  images INTEGER NOT NULL,
  probes INTEGER NOT NULL,
  document TEXT NOT NULL,
  samples TEXT NOT NULL
)""",
    """CREATE TABLE outcome (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  taken_at TEXT NOT NULL,
  document TEXT NOT NULL
)""",
    "CREATE INDEX measurement_taken_at ON measurement (taken_at)",
)
"""The statements that make all tables. What a measurement holds several of is in `samples`, and
the rest of it in `document`: both are JSON.
"""

_COUNTED = ("starts", "images", "probes")
_SAMPLES = (*_COUNTED, "agreements", "totals")
_INSERT = f"INSERT INTO measurement VALUES ({', '.join('?' * 14)})"  # noqa: S608
_NEWEST_FIRST = "ORDER BY taken_at DESC, id DESC"
_PAST = "taken_at <= strftime('%Y-%m-%dT%H:%M:%S', 'now', '+1 day')"
"""Clocks differ, but a moment that is yet to come would be the newest for as long. What cannot be
read is set to one that never comes, so that it crowds out nothing.
"""
_NEVER = "never"
_RANKED = (
    "SELECT id, row_number() OVER "  # noqa: S608
    "(PARTITION BY condition_key, source, folder_images < 10, started_from "
    f"{_NEWEST_FIRST}) AS age FROM measurement"
)
"""How many of its kind are no older: runs say nothing of a link that was probed once, a few images
nothing of many, and a machine that was started nothing of a new one.
"""
_OF_MODEL = "(:model IS NULL OR model = :model OR model_sha256 LIKE :digits)"
_MOST = sys.maxsize
"""The largest number that SQLite takes."""

Cells = Sequence[Any]
"""A row: its id, and what comes after it."""


@dataclass(frozen=True, slots=True)
class ListedMeasurement:
    """A measurement without its samples, of which there are as many as `starts`, `images` and
    `probes` say; `beside` is what worked meanwhile.
    """

    id: int
    taken_at: str
    source: Source
    place: str
    model: str
    url: str | None
    upload_max_side_px: int | None
    starts: int
    images: int
    probes: int
    beside: str | None = None


class Store:
    """The open history, for one thread. Without a file it is empty; writing makes the file.

    Every method raises OffloadError where the file cannot be read or written, or what is to be kept
    cannot have been measured, and UsageError where a newer offload made the file. Rows that cannot
    be read are left out, and a damaged file is set aside; `warn` is told of either.
    """

    def __init__(self, database: Database, warn: Callable[[str], None]) -> None:
        self._database = database
        self._warn = warn
        self._left_out: set[tuple[str, int]] = set()

    @classmethod
    @contextmanager
    def opened(
        cls, path: str, warn: Callable[[str], None], *, patience_s: float = 5.0
    ) -> Iterator["Store"]:
        """The history in the file `path`, which other processes may hold for up to `patience_s`."""
        with closing(Database(path, SCHEMA, VERSION, warn, patience_s)) as database:
            yield cls(database, warn)

    def add(self, measurement: Measurement) -> int:
        """Keep a measurement; its id."""
        with _readable():
            row = _row(measurement)
            _measurement((0, *row[-2:]))
        return self._database.write(lambda db: db.execute(_INSERT, row).lastrowid or 0)

    def measurements(
        self, *, model: str | None = None, limit: int = 5
    ) -> list[tuple[int, Measurement]]:
        """The newest measurements with their ids, newest first: of each condition, source
        and size, below ten images or not, and of bring-ups each start state, `limit` at most, all
        if it is -1.

        `model` is a name, or at least 8 digits that a SHA-256 begins with.
        """
        return self._measurements(
            f"{_OF_MODEL} AND {_PAST}",
            model=None if model is None else _text(model),
            digits=f"{model}%" if re.fullmatch("[0-9A-Fa-f]{8,64}", model or "") else None,
            limit=min(limit, _MOST),
        )

    def get(self, number: int) -> Measurement | None:
        """The measurement of that id, if there is one."""
        found = self._measurements("id = :id", id=min(number, _MOST), limit=1)
        return found[0][1] if found else None

    def listing(self) -> list[ListedMeasurement]:
        """All measurements without their samples, newest first."""
        columns = f"id, document, {', '.join(_COUNTED)}"
        query = f"SELECT {columns} FROM measurement {_NEWEST_FIRST}"  # noqa: S608
        return self._found("measurement", _listed, query)

    def forget(self, numbers: Iterable[int]) -> int:
        """Drop the measurements of these ids; how many there were."""
        known = [(min(number, _MOST),) for number in numbers]
        drop = "DELETE FROM measurement WHERE id = ?"
        return self._dropped(lambda db: db.executemany(drop, known).rowcount)

    def forget_all(self) -> int:
        """Drop all measurements and outcomes; how many measurements there were."""

        def drop(db: Connection) -> int:
            db.execute("DELETE FROM outcome")
            return db.execute("DELETE FROM measurement").rowcount

        return self._dropped(drop)

    def note(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        with _readable():
            row = (outcome.taken_at, _json(asdict(outcome)))
            _outcome((0, row[1]))
        self._database.write(lambda db: db.execute("INSERT INTO outcome VALUES (NULL, ?, ?)", row))

    def outcomes(self, limit: int = 200) -> list[Outcome]:
        """The newest outcomes, newest first: `limit` at most, all if it is -1."""
        query = f"SELECT id, document FROM outcome WHERE {_PAST} {_NEWEST_FIRST} LIMIT :limit"  # noqa: S608
        return self._found("outcome", _outcome, query, limit=min(limit, _MOST))

    def _measurements(self, which: str, **parameters: Any) -> list[tuple[int, Measurement]]:
        chosen = f"SELECT id FROM ({_RANKED} WHERE {which}) WHERE :limit < 0 OR age <= :limit"  # noqa: S608
        query = "SELECT id, document, samples FROM measurement"
        query += f" WHERE id IN ({chosen}) {_NEWEST_FIRST}"
        return self._found("measurement", _measurement, query, **parameters)

    def _dropped(self, work: Callable[[Connection], int]) -> int:
        return self._database.write(work) if self._database.exists else 0

    def _found(
        self, table: str, made: Callable[[Cells], T], query: str, **parameters: Any
    ) -> list[T]:
        """What is made of the rows; without those that are damaged."""
        found, damaged = [], []
        for row in self._database.read(query, parameters):
            try:
                found.append(made(row))
            except (TypeError, ValueError, RecursionError):
                damaged.append((table, row[0]))
        if not self._left_out.issuperset(damaged):
            self._left_out.update(damaged)
            ids = ", ".join(str(number) for _, number in damaged)
            self._warn(f"Unreadable entries of the history are left out: {table} {ids}.")
            with suppress(OffloadError):
                self._pass_over(table, [number for _, number in damaged])
                return self._found(table, made, query, **parameters)
        return found

    def _pass_over(self, table: str, numbers: Sequence[int]) -> None:
        statement = f"UPDATE {table} SET taken_at = '{_NEVER}' WHERE id = ?"  # noqa: S608
        ids = [(number,) for number in numbers]
        self._database.write(lambda db: db.executemany(statement, ids))


@contextmanager
def _readable() -> Iterator[None]:
    """What is to be kept is read once, as it will be."""
    try:
        yield
    except ValueError as error:
        raise OffloadError(f"The history cannot store such numbers: {error}.") from error


def _row(measurement: Measurement) -> Cells:
    condition = measurement.condition
    document = asdict(measurement)
    samples = {name: document.pop(name) for name in _SAMPLES}
    begun = measurement.facts.get("from")
    return (
        None,
        measurement.taken_at,
        measurement.source,
        condition.place,
        _text(condition.model.name),
        condition.model.sha256,
        condition.key,
        measurement.folder_images,
        begun if isinstance(begun, str) else None,
        *(len(samples[name]) for name in _COUNTED),
        _json(document),
        _json(samples),
    )


def _measurement(row: Cells) -> tuple[int, Measurement]:
    number, document, samples = row
    return number, read(Measurement, json.loads(document) | json.loads(samples))


def _outcome(row: Cells) -> Outcome:
    return read(Outcome, json.loads(row[1]))


def _listed(row: Cells) -> ListedMeasurement:
    number, document, starts, images, probes = row
    measurement = read(Measurement, json.loads(document))
    condition = measurement.condition
    return ListedMeasurement(
        id=number,
        taken_at=measurement.taken_at,
        source=measurement.source,
        place=condition.place,
        model=condition.model.name,
        url=condition.url,
        upload_max_side_px=condition.upload_max_side_px,
        starts=starts,
        images=images,
        probes=probes,
        beside=condition.beside,
    )


def _json(document: Json) -> str:
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def _text(value: str) -> str:
    """`value` as it is stored: the name of a file may hold what is no text."""
    return value.encode("utf-8", "backslashreplace").decode()
