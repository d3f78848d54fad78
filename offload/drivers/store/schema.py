"""The tables of the history, and how measurements are spread over them and gathered again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from offload.domain.measurements import Measurement, Outcome
from offload.drivers.store.database import Connection
from offload.drivers.store.tables import RowTable, several

VERSION = 2
"""Grows with any change of a column."""

Cells = Sequence[Any]
"""A row: its id, and what comes after it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A measurement behind what people look it up by."""

    place: str
    model: str
    model_sha256: str
    condition_key: str
    measurement: Measurement


MEASUREMENT = RowTable("measurement", Entry)
OUTCOME = RowTable("outcome", Outcome)
SAMPLES: Mapping[str, RowTable[Any]] = {
    field: RowTable(
        field.removesuffix("s"),
        kind,
        keys=(
            "measurement_id INTEGER NOT NULL REFERENCES measurement (id) ON DELETE CASCADE",
            "ordinal INTEGER NOT NULL",
        ),
        rules=("PRIMARY KEY (measurement_id, ordinal)",),
        options=" WITHOUT ROWID",
    )
    for field, kind in several(Measurement).items()
}
"""Field of a measurement -> the table of what it holds several of; they are numbered from 1."""

SCHEMA = (
    *(table.create for table in (MEASUREMENT, *SAMPLES.values(), OUTCOME)),
    "CREATE INDEX measurement_taken_at ON measurement (taken_at)",
)
"""The statements that make all tables."""

NEWEST_FIRST = "ORDER BY taken_at DESC, id DESC"
_RANKED = (
    "SELECT id, row_number() OVER "  # noqa: S608
    "(PARTITION BY condition_key, source, folder_images < 10, "
    "CASE WHEN json_valid(facts) THEN json_extract(facts, '$.from') END "
    f"{NEWEST_FIRST}) AS age FROM measurement"
)
"""How many of its kind are no older: runs say nothing of a link that was probed once, a few images
nothing of many, and a machine that was started nothing of a new one.
"""


def insert(db: Connection, measurement: Measurement) -> int:
    """Add a measurement with its samples; its id."""
    condition, model = measurement.condition, measurement.condition.model
    entry = Entry(condition.place, model.name, model.sha256, condition.key, measurement)
    number = db.execute(MEASUREMENT.insert, MEASUREMENT.row(entry, None)).lastrowid
    assert number is not None
    for field, table in SAMPLES.items():
        samples = enumerate(getattr(measurement, field), 1)
        db.executemany(table.insert, (table.row(each, number, i) for i, each in samples))
    return number


def select(db: Connection, which: str, parameters: Mapping[str, Any]) -> list[Cells]:
    """The newest measurements that `which` is true of, `:limit` of each kind: their rows, each with
    those of its samples by field at its end.
    """
    # A query for each table, not for each measurement.
    chosen = f"SELECT id FROM ({_RANKED} WHERE {which}) WHERE :limit < 0 OR age <= :limit"  # noqa: S608
    of_chosen = f"WHERE measurement_id IN ({chosen}) ORDER BY measurement_id, ordinal"
    samples = {
        field: _by_measurement(db.execute(table.select(of_chosen), parameters))
        for field, table in SAMPLES.items()
    }
    query = MEASUREMENT.select(f"WHERE id IN ({chosen}) {NEWEST_FIRST}")
    return [
        (*row, {field: known.get(row[0], ()) for field, known in samples.items()})
        for row in db.execute(query, parameters)
    ]


def entry(row: Cells) -> Measurement:
    """The measurement of a row, without its samples.

    Raises:
        One of `tables.UNREADABLE`: the row is damaged.
    """
    [found] = MEASUREMENT.items([row])
    return found.measurement


def measurement(row: Cells) -> tuple[int, Measurement]:
    """The id and the measurement of a row that `select` gave.

    Raises:
        One of `tables.UNREADABLE`: a row is damaged.
    """
    samples: Any = {field: tuple(SAMPLES[field].items(rows)) for field, rows in row[-1].items()}
    return row[0], replace(entry(row), **samples)


def _by_measurement(rows: Iterable[Cells]) -> dict[int, list[Cells]]:
    return {number: list(those) for number, those in groupby(rows, itemgetter(0))}
