"""Rows on standard output, JSON lines for programs, a table for people; and what could leave."""

import json
import sys
from collections import Counter
from collections.abc import Sequence

from offload.domain.events import Reporter
from offload.domain.results import Row
from offload.domain.units import show_bytes
from offload.drivers.images.image_files import ImageList, printable
from offload.render import tables
from offload.render.messages import shown
from offload.render.words import count


class Sink:
    """Takes rows as they come. This one forgets them, for runs whose results are files."""

    def add(self, row: Row) -> None:
        """Take one row."""

    def close(self) -> None:
        """Every row has come."""


def sink(*, as_json: bool, to_folder: bool) -> Sink:
    """Where rows go: JSON lines if asked for, nowhere if a folder has them, else a table."""
    if as_json:
        return JsonLines()
    return Sink() if to_folder else DetectionTable()


class JsonLines(Sink):
    """A JSON object a line, each written at once."""

    def __init__(self) -> None:
        encoding = getattr(sys.stdout, "encoding", None) or ""
        self._ascii = encoding.lower() not in {"utf-8", "utf8"}

    def add(self, row: Row) -> None:
        """Write the row."""
        tables.write(json.dumps(row.to_json(), ensure_ascii=self._ascii) + "\n")


class DetectionTable(Sink):
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
        wide, *widths = (max(len(line[column]) for line in lines) for column in range(3))
        tables.write(
            "".join(
                f"{path:<{wide}}  {size:>{widths[0]}}  {infer:>{widths[1]}}  {found}\n"
                for path, size, infer, found in lines
            )
        )


def _found(row: Row) -> str:
    """`2 person 0.91, 1 dog 0.55`: how many of each, and the best score."""
    if row.error is not None:
        return shown(f"FAILED: {row.error}")
    counts = Counter(d.label for d in row.detections)
    best = {d.label: d.score for d in reversed(row.detections)}
    return shown(", ".join(f"{n} {label} {best[label]:.2f}" for label, n in counts.items())) or "-"


def leaving(
    found: ImageList, paths: Sequence[str], total_bytes: int, reporter: Reporter, *, as_json: bool
) -> None:
    """What could leave this machine: paths on standard output; how many of all, as a note."""
    if as_json:
        tables.write("".join(json.dumps({"path": printable(path)}) + "\n" for path in paths))
    else:
        tables.print_lines(map(printable, paths))
    reporter.note(
        f"{count(len(paths), 'image')} ({show_bytes(total_bytes)}) could leave this machine, "
        f"{len(found.paths) - len(paths)} would not; nothing was sent"
    )
