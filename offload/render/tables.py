"""Tables of facts, or the same as JSON."""

import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

from offload.domain.errors import OffloadError, UsageError
from offload.domain.results import SCHEMA
from offload.drivers.folders.files import atomic_write_bytes
from offload.render.messages import shown


def models(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """The named models."""
    if as_json:
        return write_json({"models": list(rows)})
    cells = [
        (
            row["name"], row["runtime"], row["accuracy"], row["licence"],
            "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f} MB",
            "yes" if row["cached"] else "",
        )
        for row in rows
    ]  # fmt: skip
    columns = ("name", "runtime", "accuracy", "licence", "size", "here")
    return print_table(columns, cells, right={"size"})


def facts(document: Mapping[str, Any], *, as_json: bool) -> None:
    """Names and values, one a line."""
    if as_json:
        return write_json(document)
    rows = [(name.replace("_", " "), _text(value)) for name, value in document.items()]
    return print_table(("", "value"), rows, folded={"value"}, header=False)


def settings(document: Mapping[str, Any], *, as_json: bool) -> None:
    """Settings with their values and origins, one a line, and the files that may set them."""
    if as_json:
        return write_json(document)
    rows = [
        (name, _text(each["value"]) if each["value"] is not None else "", shown(each["from"]))
        for name, each in document.items()
        if name != "files"
    ]
    print_table(("setting", "value", "from"), rows, folded={"value", "from"})
    return print_lines(["", f"Files: {', '.join(document['files'])}"])


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return (
            "\n".join(f"{shown(str(key))}: {_text(inner)}" for key, inner in value.items())
            or "none"
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else shown(str(value))


def write_json(document: Mapping[str, Any]) -> None:
    """A document on standard output, with its schema version."""
    write(json.dumps({"schema": SCHEMA, **document}, indent=1, allow_nan=False) + "\n")


def write(text: str) -> None:
    """Write to standard output, at once.

    Raises:
        OffloadError: it is full. A reader that has gone is left to the command line.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OffloadError(f"Cannot write to standard output: {error.strerror}.") from error


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    folded: Collection[str] = (),
    styles: Iterable[str] = repeat(""),
    header: bool = True,
) -> None:
    """A table on standard output: the columns `right` ranged right, those `folded` broken into
    lines where a terminal is too narrow, each row in its style. Control characters are escaped.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=header)
    for column in columns:
        table.add_column(
            column, justify="right" if column in right else "left", no_wrap=column not in folded,
            overflow="fold" if column in folded else "ellipsis",
        )  # fmt: skip
    for row, style in zip(rows, styles, strict=False):
        lines = ("\n".join(map(shown, cell.split("\n"))) for cell in row)
        table.add_row(*map(Text, lines), style=style)
    # Piped, rich would cut lines at 80 columns.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def print_lines(lines: Iterable[str]) -> None:
    """Lines on standard output, control characters escaped; those too long for a terminal go on
    below, words kept whole. Commands, which are indented, stay one line to whoever copies them.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for line in lines:
        is_command = line.startswith("  ")
        console.print(Text(shown(line)), soft_wrap=is_command or not sys.stdout.isatty())


def write_file(what: str, path: str, content: bytes) -> None:
    """Write a file whole or not at all; `what` is what an error calls it.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        atomic_write_bytes(os.path.abspath(path), content)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"The {what} {path!r} cannot be written: {reason}.") from error
