"""Tables of runs that people took by hand.

A table is CSV with these columns among any others: `Date`, `Total Images`, `Payload Size` (of all
images of the run together), `Transfer Speed`, `Total Execution time on server (s)`,
`Avg Inference Time (s)` and `Location`.

`Location` is where the detector ran: `AWS` or a URL is remote; `local`, `localhost`, `127.0.0.1`
and URLs of these are this machine; `container` is a container on it. A remote run took its transfer
(payload over speed) and then the execution on the server; any other took the execution alone. In a
study's `runs.csv`, whose lines have a `cell`, the column `place` decides, a line with an `error` is
no run, and of each place only runs count for which the same was set: as little as for any other
there, and of several such ways the quickest.

Columns come in any order, their headings in any case; a unit in a heading's parentheses is that of
cells which name none. Blank lines mean nothing.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from offload.domain.errors import UsageError
from offload.domain.measurements import Total
from offload.domain.places import is_name
from offload.domain.studies import LEVELS
from offload.domain.units import duration_s, rate_bytes_per_s, size_bytes

_DATE, _IMAGES, _LOCATION = "Date", "Total Images", "Location"
_PAYLOAD, _SPEED = "Payload Size", "Transfer Speed"
_EXECUTION, _INFERENCE = "Total Execution time on server", "Avg Inference Time"
_CELL, _PLACE, _ERROR = "cell", "place", "error"
_NAMES = (_DATE, _IMAGES, _PAYLOAD, _SPEED, _EXECUTION, _INFERENCE, _LOCATION)
_NEEDED = (_IMAGES, _EXECUTION, _LOCATION)
_MEASURED = (_PAYLOAD, _SPEED, _EXECUTION, _INFERENCE)
_HINT = f"The columns are: {', '.join(_NAMES)}."
_NOTHING = {"", "-", "\N{EN DASH}", "\N{EM DASH}", "n/a", "na", "nan", "none", "null"}
_ON_THIS_MACHINE, _AWAY = ("local", "container"), "remote"
"""What such tables call places."""
_HERE = {_ON_THIS_MACHINE[0], "localhost", "127.0.0.1", "::1"}

Settings = tuple[str, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TableRun:
    """One line of a table: a job at a place. `taken_at` is the date as it was typed."""

    taken_at: str
    place: str
    url: str | None
    job: Total


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One line's number, its cells by column, and the units that cells without one are in."""

    number: int
    cells: Mapping[str, str]
    units: Mapping[str, str]

    def value(self, column: str, parse: Callable[..., T]) -> T | None:
        """What `parse(text, option=...)` makes of a cell; None of one that says nothing.

        Raises:
            UsageError: of `parse`, which is told line and column.
        """
        text = self.cells.get(column, "")
        if text.casefold() in _NOTHING:
            return None
        unit = self.units.get(column, "") if text[-1].isdecimal() else ""
        return parse(text + unit, option=self._name(column))

    def needed(self, column: str, parse: Callable[..., T]) -> T:
        """The same of a cell that has to say something.

        Raises:
            UsageError: it does not, or not what `parse` takes.
        """
        value = self.value(column, parse)
        if value is None:
            hint = "Fill it in, or take the line out."
            raise UsageError(f"{self._name(column)} is empty.", hint=hint)
        return value

    def told(self, column: str) -> str:
        """What a study's line says; nothing in other people's tables."""
        return self.cells.get(column, "") if self.cells.get(_CELL) else ""

    def _name(self, column: str) -> str:
        return f"Line {self.number}, column '{column}',"


def read(text: str) -> list[TableRun]:
    """The runs of a table, in its order.

    Remote runs must say their payload and speed; the speed of local ones is not looked at.

    Raises:
        UsageError: naming the first line and column that cannot be meant; or there is no run.
    """
    lines = [line for line in _lines(text) if not line.told(_ERROR)]
    if not lines:
        raise UsageError("The table has no runs.", hint=_HINT)
    return _set_alike([(tuple(map(line.told, LEVELS)), _run(line)) for line in lines])


def _set_alike(runs: Sequence[tuple[Settings, TableRun]]) -> list[TableRun]:
    """Of each place the runs for which the same was set, as one line goes through all of them."""

    def merit(way: tuple[str, Settings]) -> tuple[int, float]:
        same = [run for settings, run in runs if (run.place, settings) == way]
        per_image_s = sum(run.job.total_s for run in same) / sum(run.job.images for run in same)
        return -sum(map(bool, way[1])), -per_image_s

    ways = sorted({(run.place, settings) for settings, run in runs})
    best = dict(sorted(ways, key=merit))  # of each place the last counts
    return [run for settings, run in runs if settings == best[run.place]]


def _run(line: SheetRow) -> TableRun:
    place, url = _place(line)
    value = line.needed if place == _AWAY else line.value
    images, payload_bytes = line.needed(_IMAGES, _count), value(_PAYLOAD, size_bytes)
    speed = None if place in _ON_THIS_MACHINE else value(_SPEED, _speed)
    transfer_s = payload_bytes / speed if payload_bytes and speed else 0.0
    job = Total(images, payload_bytes, transfer_s, line.needed(_EXECUTION, duration_s))
    line.value(_INFERENCE, partial(duration_s, zero_ok=True))  # part of the execution
    return TableRun(line.cells.get(_DATE, ""), place, url, job)


def _place(line: SheetRow) -> tuple[str, str | None]:
    """Where a run was, and its address: of a study's as it says, as a tunnel's end is here."""
    told, location = line.told(_PLACE), line.cells.get(_LOCATION, "")
    if not is_name(told):
        return line.needed(_LOCATION, _location)
    return told, location if "://" in location else None


def _count(text: str, *, option: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}(\.0)?", text) or not float(text):
        raise UsageError(f"{option} takes a number of images, not {text!r}.")
    return int(float(text))


def _speed(text: str, *, option: str) -> float:
    if text[-1].isdecimal():
        said = f"{option} has no unit: {text!r} may be bits or bytes."
        raise UsageError(said, hint="For instance: 1.2MB/s")
    return rate_bytes_per_s(text, option=option)


def _location(text: str, *, option: str) -> tuple[str, str | None]:
    here, container = _ON_THIS_MACHINE
    if text == container:
        return container, None
    try:
        address = urlsplit(text if "://" in text else f"//{text}")
        host = address.hostname
    except ValueError:
        address, host = urlsplit(""), None
    if host in _HERE or text in _HERE:
        return here, None
    if host and address.scheme in {"http", "https"}:
        return _AWAY, text
    if text.casefold().split()[0] == "aws":
        return _AWAY, None
    hint = "Use AWS, a server's URL, container, or local."
    raise UsageError(f"{option} takes a place, not {text!r}.", hint=hint)


def _lines(text: str) -> Iterator[SheetRow]:
    """The lines under the headings, of text separated by commas, semicolons or tabs. Between
    semicolons a comma may be the decimal point.
    """
    text = text.removeprefix("\ufeff")
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    rows = _rows(text, delimiter)
    number, headings = next(rows, (1, []))
    names, units = _headings(number, headings)
    for number, cells in rows:
        if any(cells[len(names) :]):
            said = f"Line {number} has {len(cells)} cells under {len(names)} headings."
            raise UsageError(said, hint=f"Quote cells that contain {delimiter!r}.")
        points = [cell.replace(",", ".") for cell in cells] if delimiter == ";" else cells
        yield SheetRow(number, dict(zip(names, points, strict=False)), units)


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    # Universal newlines, or a table saved on an old Mac would be one line.
    stream = io.StringIO(text, newline=None)
    reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise UsageError(f"Line {reader.line_num} is not valid CSV: {error}.") from error


def _headings(number: int, cells: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    known = {name.casefold(): name for name in _NAMES}
    names, units = [], {}
    for cell in cells:
        bare, _, unit = cell.partition("(")
        names.append(known.get(" ".join(bare.split()).casefold(), cell))
        if names[-1] in _MEASURED:
            units[names[-1]] = unit.rstrip(") ")
    for name in _NAMES:
        if name in _NEEDED and name not in names:
            raise UsageError(f"Line {number} has no column '{name}'.", hint=_HINT)
        if names.count(name) > 1:
            raise UsageError(f"Line {number} has column '{name}' twice.", hint=_HINT)
    return names, units
