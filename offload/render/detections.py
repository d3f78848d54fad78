"""Rows on standard output: JSON lines for programs, a table for people."""

import json
import sys
from collections import Counter
from typing import Protocol

from offload.domain.errors import OffloadError
from offload.domain.results import Row
from offload.render.messages import shown


class Sink(Protocol):
    """Takes rows as they come."""

    def add(self, row: Row) -> None:
        """Take one row."""

    def close(self) -> None:
        """Every row has come."""


def sink(*, as_json: bool, to_folder: bool) -> Sink:
    """Where rows go: JSON lines if asked for, nowhere if a folder has them, else a table."""
    if as_json:
        return JsonLines()
    return Nowhere() if to_folder else DetectionTable()


class JsonLines:
    """A JSON object a line, each written at once."""

    def __init__(self) -> None:
        encoding = getattr(sys.stdout, "encoding", None) or ""
        self._ascii = encoding.lower() not in {"utf-8", "utf8"}

    def add(self, row: Row) -> None:
        """Write the row."""
        write(json.dumps(row.to_json(), ensure_ascii=self._ascii) + "\n")

    def close(self) -> None:
        """Nothing is left to do."""


class Nowhere:
    """For runs whose results are files."""

    def add(self, row: Row) -> None:
        """Forget the row."""

    def close(self) -> None:
        """Nothing is left to do."""


class DetectionTable:
    """A line for each image, by path, once all are there.

    Plain columns: they need no terminal, and ten thousand lines take no time.
    """

    def __init__(self) -> None:
        self._lines: list[tuple[str, str, str, str]] = []

    def add(self, row: Row) -> None:
        """Keep what the row's line will say."""
        size = f"{row.width}x{row.height}" if row.width else ""
        infer = "" if row.error else f"{row.durations.infer_s * 1000:.1f}"
        self._lines.append((shown(row.path), size, infer, _found(row)))

    def close(self) -> None:
        """Write the table."""
        lines = [("image", "pixels", "infer ms", "objects"), *sorted(self._lines)]
        widths = [max(len(line[column]) for line in lines) for column in range(3)]
        write(
            "".join(
                f"{path:<{widths[0]}}  {size:>{widths[1]}}  {infer:>{widths[2]}}  {found}\n"
                for path, size, infer, found in lines
            )
        )


def write(text: str) -> None:
    """Write to standard output, at once.

    Raises:
        OffloadError: it is closed or full. A reader that has gone is left to the command line.
    """
    if sys.stdout is None:
        raise OffloadError("Standard output is closed.", hint="For results in files: --out DIR")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OffloadError(f"Cannot write to standard output: {error.strerror}.") from error


def _found(row: Row) -> str:
    """`2 person 0.91, 1 dog 0.55`: how many of each, and the best score."""
    if row.error is not None:
        return shown(f"FAILED: {row.error}")
    counts = Counter(d.label for d in row.detections)
    best: dict[str, float] = {}
    for d in row.detections:
        best.setdefault(d.label, d.score)
    found = ", ".join(f"{n} {label} {best[label]:.2f}" for label, n in counts.items())
    return shown(found) or "-"
