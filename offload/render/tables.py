"""Tables of facts, or the same as JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from offload.domain.results import SCHEMA


def models(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """The named models."""
    if as_json:
        return _json({"models": list(rows)})
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("name", "runtime", "accuracy", "licence", "size", "here"):
        table.add_column(column, justify="right" if column == "size" else "left", no_wrap=True)
    for row in rows:
        size = "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f} MB"
        here = "yes" if row["cached"] else ""
        table.add_row(row["name"], row["runtime"], row["accuracy"], row["licence"], size, here)
    return _print(table)


def facts(document: Mapping[str, Any], *, as_json: bool) -> None:
    """Names and values, one a line."""
    if as_json:
        return _json(document)
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in document.items():
        table.add_row(name.replace("_", " "), Text(_text(value)))
    return _print(table)


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_text(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _json(document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps({"schema": SCHEMA, **document}, indent=1) + "\n")


def _print(table: object) -> None:
    from rich.console import Console

    # Piped, rich would cut lines at 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
