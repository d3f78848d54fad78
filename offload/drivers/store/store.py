"""The history: what was measured, what was predicted, and how that went."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from offload.domain.measurements import Measurement, Outcome, Source
from offload.domain.typed import fits
from offload.drivers.store import schema
from offload.drivers.store.database import Connection, Database
from offload.drivers.store.schema import MEASUREMENT, NEWEST_FIRST, OUTCOME, SAMPLES, Cells
from offload.drivers.store.tables import UNREADABLE, text

T = TypeVar("T")

_PATIENCE_S = 5.0
_COUNTED = ("starts", "images", "probes")
_OF_MODEL = "(:model IS NULL OR model = :model OR model_sha256 LIKE :digits)"


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

    Every method raises OffloadError where the file cannot be read or written, and UsageError where
    a newer offload made it. Rows that cannot be read are left out, and a damaged file is set aside;
    `warn` is told of either.
    """

    def __init__(self, database: Database, warn: Callable[[str], None]) -> None:
        self._database = database
        self._warn = warn
        self._left_out: set[tuple[str, int]] = set()

    @classmethod
    @contextmanager
    def opened(
        cls, path: str, warn: Callable[[str], None], *, patience_s: float = _PATIENCE_S
    ) -> Iterator["Store"]:
        """The history in the file `path`, which other processes may hold for up to `patience_s`."""
        database = Database(path, schema.SCHEMA, schema.VERSION, warn, patience_s)
        with closing(database):
            yield cls(database, warn)

    def add(self, measurement: Measurement) -> int:
        """Keep a measurement; its id."""
        return self._database.write(lambda db: schema.insert(db, measurement))

    def measurements(
        self, *, model: str | None = None, limit: int = 5
    ) -> list[tuple[int, Measurement]]:
        """The newest measurements with their ids, newest first: of each condition, source
        and size, below ten images or not, and of bring-ups each start state, `limit` at most, all
        if it is -1.

        `model` is a name, or at least 8 digits that a SHA-256 begins with.
        """
        return self._measurements(
            _OF_MODEL,
            model=None if model is None else text(model),
            digits=f"{model}%" if re.fullmatch("[0-9A-Fa-f]{8,64}", model or "") else None,
            limit=min(limit, sys.maxsize),
        )

    def get(self, number: int) -> Measurement | None:
        """The measurement of that id, if there is one."""
        found = self._measurements("id = :id", id=number, limit=1) if fits(number, int) else []
        return found[0][1] if found else None

    def listing(self) -> list[ListedMeasurement]:
        """All measurements without their samples, newest first."""
        # The number of the last is found without counting.
        last = "(SELECT coalesce(max(ordinal), 0) FROM {} WHERE measurement_id = id)"
        counts = [last.format(SAMPLES[field].name) for field in _COUNTED]
        rows = self._rows(MEASUREMENT.select(NEWEST_FIRST, counts))
        return self._readable("measurement", rows, _listed)

    def forget(self, numbers: Iterable[int]) -> int:
        """Drop the measurements of these ids; how many there were."""
        known = [(number,) for number in numbers if fits(number, int)]
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
        self._database.write(lambda db: db.execute(OUTCOME.insert, OUTCOME.row(outcome, None)))

    def outcomes(self, limit: int = 200) -> list[Outcome]:
        """The newest outcomes, newest first: `limit` at most, all if it is -1."""
        query = OUTCOME.select(f"{NEWEST_FIRST} LIMIT :limit")
        rows = self._rows(query, limit=min(limit, sys.maxsize))
        return self._readable("outcome", rows, lambda row: OUTCOME.items([row])[0])

    def _rows(self, query: str, **parameters: Any) -> list[Cells]:
        return self._database.read(lambda db: db.execute(query, parameters).fetchall(), [])

    def _measurements(self, which: str, **parameters: Any) -> list[tuple[int, Measurement]]:
        nothing: list[Cells] = []
        rows = self._database.read(lambda db: schema.select(db, which, parameters), nothing)
        return self._readable("measurement", rows, schema.measurement)

    def _dropped(self, work: Callable[[Connection], int]) -> int:
        return self._database.write(work) if self._database.exists else 0

    def _readable(self, table: str, rows: Iterable[Cells], made: Callable[[Cells], T]) -> list[T]:
        """What is made of rows; without those that are damaged."""
        found, damaged = [], []
        for row in rows:
            try:
                found.append(made(row))
            except UNREADABLE:
                damaged.append((table, row[0]))
        if not self._left_out.issuperset(damaged):
            self._left_out.update(damaged)
            ids = ", ".join(str(number) for _, number in damaged)
            self._warn(f"What cannot be read of the history is left out: {table} {ids}.")
        return found


def _listed(row: Cells) -> ListedMeasurement:
    measurement = schema.entry(row)
    condition = measurement.condition
    starts, images, probes = row[-len(_COUNTED) :]
    return ListedMeasurement(
        row[0],
        measurement.taken_at,
        measurement.source,
        condition.place,
        condition.model.name,
        condition.url,
        condition.upload_max_side_px,
        starts,
        images,
        probes,
        condition.beside,
    )
