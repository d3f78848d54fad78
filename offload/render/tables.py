"""Tables of facts, or the same as JSON."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from offload.domain.results import SCHEMA

if TYPE_CHECKING:
    from rich.console import Console


def models(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """The named models."""
    if as_json:
        return write_json({"models": list(rows)})
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("name", "runtime", "accuracy", "licence", "size", "here"):
        table.add_column(column, justify="right" if column == "size" else "left", no_wrap=True)
    for row in rows:
        size = "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f} MB"
        here = "yes" if row["cached"] else ""
        table.add_row(row["name"], row["runtime"], row["accuracy"], row["licence"], size, here)
    return print_table(table)


def facts(document: Mapping[str, Any], *, as_json: bool) -> None:
    """Names and values, one a line."""
    if as_json:
        return write_json(document)
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in document.items():
        table.add_row(name.replace("_", " "), Text(_text(value)))
    return print_table(table)


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_text(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def write_json(document: Mapping[str, Any]) -> None:
    """A document on standard output, with its schema version."""
    sys.stdout.write(json.dumps({"schema": SCHEMA, **document}, indent=1, allow_nan=False) + "\n")


def print_table(table: object) -> None:
    """A table on standard output."""
    # Piped, rich would cut lines at 80 columns.
    _console(None if sys.stdout.isatty() else 200).print(table)


def print_lines(lines: Iterable[str]) -> None:
    """Lines on standard output; those too long for a terminal go on below, words kept whole."""
    from rich.text import Text

    console = _console(None)
    for line in lines:
        console.print(Text(line), soft_wrap=not sys.stdout.isatty())


def _console(width: int | None) -> "Console":
    from rich.console import Console

    return Console(width=width)
