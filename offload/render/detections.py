"""Rows on standard output, JSON lines for programs, a table for people; and what could leave."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from offload.domain.events import Reporter
from offload.domain.results import Row
from offload.domain.units import show_bytes
from offload.drivers.images.image_files import ImageList, printable
from offload.render import tables
from offload.render.messages import shown
from offload.render.words import count

Cells = tuple[str, str, str, str]


@contextmanager
def sink(*, as_json: bool, to_folder: bool) -> Iterator[Callable[[Row], None]]:
    """Where rows go: each at once as a JSON line if asked for, nowhere if a folder has them, else
    into a table by path once all are there. Call what is given with every row.
    """
    if as_json:
        encoding = getattr(sys.stdout, "encoding", None) or ""
        is_utf8 = encoding.lower() in {"utf-8", "utf8"}

        def add(row: Row) -> None:
            line = json.dumps(row.to_dict(), ensure_ascii=not is_utf8)
            if not line.isprintable():  # a terminal would obey
                line = json.dumps(row.to_dict())
            tables.write(f"{line}\n")

        yield add
    elif to_folder:
        yield lambda _row: None
    else:
        found: list[Cells] = []
        yield lambda row: found.append(_cells(row))
        # Plain columns: they need no terminal, and ten thousand lines take no time.
        lines = [("image", "pixels", "infer ms", "objects"), *sorted(found)]
        wide, *widths = (max(len(line[column]) for line in lines) for column in range(3))
        tables.write(
            "".join(
                f"{path:<{wide}}  {size:>{widths[0]}}  {infer:>{widths[1]}}  {objects}\n"
                for path, size, infer, objects in lines
            )
        )


def _cells(row: Row) -> Cells:
    size = f"{row.width}x{row.height}" if row.width else ""
    infer = "" if row.error else f"{row.durations.infer_s * 1000:.1f}"
    return shown(row.path), size, infer, _found(row)


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
    if found.omission:
        reporter.note(found.omission)
    reporter.note(
        f"{count(len(paths), 'image')} ({show_bytes(total_bytes)}) could leave this machine, "
        f"{len(found.paths) - len(paths)} would not; nothing was sent"
    )
