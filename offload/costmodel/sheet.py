"""CSV as people keep it by hand: columns in any order, blank lines, units in headings."""

import csv
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from offload.domain.errors import UsageError

T = TypeVar("T")

_NOTHING = {"", "-", "\N{EN DASH}", "\N{EM DASH}", "n/a", "na", "nan", "none", "null"}


@dataclass(frozen=True, slots=True)
class Columns:
    """The headings that mean something, whatever their case and spaces.

    Of `measured` ones, the unit in a heading's parentheses is that of cells which name none.
    """

    names: Sequence[str]
    needed: Collection[str]
    measured: Collection[str]

    @property
    def hint(self) -> str:
        """What a table looks like."""
        return f"The columns are: {', '.join(self.names)}."


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
            raise UsageError(
                f"{self._name(column)} is empty.", hint="Fill it in, or take the line out."
            )
        return value

    def _name(self, column: str) -> str:
        return f"Line {self.number}, column '{column}',"


def lines(text: str, columns: Columns) -> Iterator[SheetRow]:
    """The lines under the headings, of text separated by commas, semicolons or tabs.

    Between semicolons a comma may be the decimal point.

    Raises:
        UsageError: it is no CSV, a needed column is missing, or a line is longer than the headings.
    """
    text = text.removeprefix("\ufeff")
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    rows = _rows(text, delimiter)
    number, headings = next(rows, (1, []))
    names, units = _headings(number, headings, columns)
    for number, cells in rows:
        if any(cells[len(names) :]):
            raise UsageError(
                f"Line {number} has {len(cells)} cells under {len(names)} headings.",
                hint=f"Put a cell that holds {delimiter!r} in quotes.",
            )
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
        raise UsageError(f"Line {reader.line_num} is no CSV: {error}.") from error


def _headings(
    number: int, cells: Sequence[str], columns: Columns
) -> tuple[list[str], dict[str, str]]:
    known = {name.casefold(): name for name in columns.names}
    names, units = [], {}
    for cell in cells:
        bare, _, unit = cell.partition("(")
        names.append(known.get(" ".join(bare.split()).casefold(), cell))
        if names[-1] in columns.measured:
            units[names[-1]] = unit.rstrip(") ")
    for name in columns.names:
        if name in columns.needed and name not in names:
            raise UsageError(f"Line {number} has no column '{name}'.", hint=columns.hint)
        if names.count(name) > 1:
            raise UsageError(f"Line {number} has column '{name}' twice.", hint=columns.hint)
    return names, units
