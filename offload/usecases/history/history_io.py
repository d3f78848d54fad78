"""The history as people handle it: looked up, written out, added to."""

import datetime
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from offload.costmodel import runs_table
from offload.costmodel.runs_table import TableRun
from offload.costmodel.statistics import LineFit, line_through
from offload.domain import profiles
from offload.domain.errors import UsageError
from offload.domain.measurements import Condition, Measurement
from offload.domain.ports import ModelIdentity
from offload.drivers.folders import files
from offload.drivers.folders.files import why
from offload.drivers.host import machine
from offload.drivers.store.store import Store
from offload.places import known
from offload.usecases.history import query

_ALL = -1
_TO_LIST = "To list them: offload profile list"


Added = tuple[Sequence[tuple[int, Measurement]], int, Sequence[tuple[str, LineFit]]]
"""What an import added: measurements with their new numbers, how many outcomes, and for a table of
jobs the line through those of each place.
"""


def measurement(store: Store, number: int) -> Measurement:
    """The one with that number.

    Raises:
        UsageError: there is none.
    """
    found = store.get(number)
    if found is None:
        raise UsageError(f"There is no measurement {number}.", hint=_TO_LIST)
    return found


def forget(store: Store, numbers: Sequence[int]) -> int:
    """Drop measurements, all of them if none is named, with all outcomes; how many there were.

    Raises:
        UsageError: there is none of those numbers.
    """
    if not numbers:
        return store.forget_all()
    dropped = store.forget(numbers)
    if not dropped:
        raise UsageError(f"There is no measurement {numbers[0]}.", hint=_TO_LIST)
    return dropped


def export(store: Store, file: str) -> None:
    """Everything in the history as one JSON document, on standard output if `file` is `-`.

    Raises:
        UsageError: it cannot be written.
    """
    measurements = [each for _, each in store.measurements(limit=_ALL)]
    document = profiles.document(measurements, store.outcomes(_ALL))
    text = json.dumps(document, allow_nan=False) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        with files.atomic_write(file) as stream:
            stream.write(text)
    except OSError as error:
        raise UsageError(f"Cannot write {file}: {error.strerror or error}.") from error


def import_file(store: Store, file: str, model: str) -> Added:
    """Add the measurements and outcomes of an exported document, or the jobs of a CSV table, which
    ran `model`.

    Raises:
        UsageError: the file cannot be read, or is neither.
    """
    if not file.lower().endswith(".csv"):
        measurements, outcomes = query.read(file)
        for outcome in outcomes:
            store.note(outcome)
        return [(store.add(each), each) for each in measurements], len(outcomes), []
    groups: dict[tuple[str, str | None], list[TableRun]] = {}
    for run in runs_table.read(_text(file)):
        groups.setdefault((run.place, run.url), []).append(run)
    fits = [
        (query.shown(url) if url else place, line_through([run.job for run in runs]))
        for (place, url), runs in groups.items()
    ]
    added = [_measurement(runs, model) for runs in groups.values()]
    return [(store.add(each), each) for each in added], 0, fits


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The table {file} cannot be read: {why(error)}.",
            hint="To see what it must have: offload profile import --help",
        ) from error


def _measurement(runs: Sequence[TableRun], model: str) -> Measurement:
    """The jobs of one place as one occasion."""
    first, here = runs[0], machine.describe()
    there = {"name": urlsplit(first.url or "").hostname or first.place}
    condition = Condition(
        model=ModelIdentity(model, "unknown", ""),
        place=first.place,
        client=here,
        host=there if known()[first.place].leaves_machine else here,
        slots=1,
        url=query.shown(first.url) if first.url else None,
    )
    return Measurement(
        taken_at=max(_utc(run.taken_at) for run in runs),
        source="import",
        condition=condition,
        in_flight=1,
        totals=tuple(run.job for run in runs),
        facts={"dates": [run.taken_at for run in runs]},
    )


def _utc(date: str) -> str:
    """The beginning of that day, or the moment of the import where only its author can read it."""
    now = datetime.datetime.now(datetime.UTC)
    with suppress(ValueError, OverflowError):
        taken = datetime.datetime.fromisoformat(date)
        now = taken.replace(tzinfo=taken.tzinfo or datetime.UTC).astimezone(datetime.UTC)
    return now.isoformat(timespec="seconds")
