"""Rows on standard output, JSON lines for programs, a table for people; what a run came to; and
what could leave.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from offload.domain.events import Reporter
from offload.domain.results import Row, printable
from offload.domain.units import show_bytes, show_s, show_usd
from offload.drivers.images.image_files import ImageList
from offload.render import tables
from offload.render.messages import show_ms, shown
from offload.render.words import count

if TYPE_CHECKING:
    from offload.domain.measurements import Outcome
    from offload.usecases.detect.request import Request
    from offload.usecases.detect.run import DetectRun
    from offload.usecases.split.forecast import View

Cells = tuple[str, str, str, str]

_MOST_ROWS = 20
_WIDTH = 79


@contextmanager
def sink(
    *, as_json: bool, to_folder: bool, all_rows: bool = False, least_score: float = 0.0
) -> Iterator[Callable[[Row], None]]:
    """Where rows go: each at once as a JSON line if asked for, nowhere if a folder has them, else
    into a table by path once all are there. A terminal gets the first of them, unless it is to have
    `all_rows`, and of objects those that score `least_score` or more. Call what is given with every
    row.
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
        is_terminal, found = sys.stdout.isatty(), list[Cells]()
        least_score = least_score if is_terminal else 0.0
        yield lambda row: found.append(_cells(row, least_score))
        _table(sorted(found), len(found) if all_rows or not is_terminal else _MOST_ROWS)


def _table(rows: Sequence[Cells], most: int) -> None:
    # Plain columns: they need no terminal, and ten thousand lines take no time.
    lines = [("image", "pixels", "infer ms", "objects"), *rows[:most]]
    wide, *widths = (max(len(line[column]) for line in lines) for column in range(3))
    text = "".join(
        f"{path:<{wide}}  {size:>{widths[0]}}  {infer:>{widths[1]}}  {objects}\n"
        for path, size, infer, objects in lines
    )
    more = len(rows) - most
    tables.write(text + (f"… and {count(more, 'more image')} (-v shows all)\n" if more > 0 else ""))


def _cells(row: Row, least_score: float) -> Cells:
    size = f"{row.width}x{row.height}" if row.width else ""
    infer = "" if row.error else f"{row.durations.infer_s * 1000:.1f}"
    return shown(row.path), size, infer, _found(row, least_score)


def _found(row: Row, least_score: float) -> str:
    """`2 person 0.91, 1 dog 0.55`: how many of each, and the best score."""
    if row.error is not None:
        return shown(f"FAILED: {row.error}")
    found = [d for d in row.detections if d.score >= least_score]
    counts = Counter(d.label for d in found)
    best = {d.label: d.score for d in reversed(found)}
    return shown(", ".join(f"{n} {label} {best[label]:.2f}" for label, n in counts.items())) or "-"


def summary(run: "DetectRun", split: "View | None" = None) -> list[str]:
    """What a run came to, in two lines; and what one over places spent, and whether in time."""
    tally, came = run.tally, run.summary()
    before, places = tally.images - run.images, came.images_by_place
    kept = f" ({before:,} done before)" if run.images else ", all done before"
    rate = "" if came.images_per_s is None else f"{came.images_per_s:.1f} images/s "
    each = [f"{name} ({n:,})" for name, n in places.items()] if len(places) > 1 else [*places]
    at = f"at {' and '.join(each)} " if each else ""
    done = f"{count(tally.images, 'image')}{kept if before else ''}, {tally.failed:,} failed"
    lines = [f"{done}, {rate}{at}with {came.model.name}", _objects(run)]
    return lines + (list(_limits(split)) if split is not None else [])


def _objects(run: "DetectRun") -> str:
    """Which objects were found, in one line of 80 columns."""
    tally, number = run.tally, run.tally.shown.total()
    said = count(tally.objects, "object")
    if number != tally.objects:
        said = f"{number:,} of {tally.objects:,} objects score {tally.least_score:g} or more"
    classes = [f"{n:,} {label}" for label, n in tally.shown.most_common()]
    for most in range(len(classes), 0, -1):
        more = [f"… and {len(classes) - most:,} more"] if most < len(classes) else []
        line = f"{said}: {', '.join([*classes[:most], *more])}"
        if len(line) <= _WIDTH:
            return line
    return said


def _limits(split: "View") -> Iterator[str]:
    limits, spent_usd = split.limits, sum(split.usd.values())
    if split.usd:
        each = ", ".join(f"{name} {show_usd(usd)}" for name, usd in split.usd.items())
        parts = f" ({each})" if len(split.usd) > 1 else ""
        within = "" if limits.max_usd is None else f" of the {show_usd(limits.max_usd)} allowed"
        if limits.max_usd is not None and spent_usd > limits.max_usd:
            more = show_usd(spent_usd - limits.max_usd)
            within = f", {more} more than the {show_usd(limits.max_usd)} allowed"
        yield f"{show_usd(spent_usd)} spent{parts}{within}"
    if limits.deadline_s is not None and not split.undone:
        late_s = split.spent_s - limits.deadline_s
        by = show_s(abs(late_s))
        kept = f"missed by {by}" if late_s > 0 else f"kept, {by} to spare"
        yield f"deadline of {show_s(limits.deadline_s)} {kept}"


def left_off(run: "DetectRun", request: "Request") -> str:
    """How far an interrupted run came, and how it goes on."""
    done = run.kept + run.images
    all_of_them = "" if run.total is None else f" of {run.kept + run.total:,}"
    if request.out is None:
        then = "to be able to continue, use --out DIR"
    else:
        without = " without --overwrite" if request.overwrite else ""
        then = f"the same command{without} continues"
    return f"{done:,}{all_of_them} done; {then}."


def details(run: "DetectRun", out: str | None, outcome: "Outcome | None") -> Iterator[str]:
    """The rest of what there is to say of a run, and what was predicted of it."""
    came, model = run.summary(), run.session.model
    yield f"{model.name} ({model.runtime}, SHA-256 {model.sha256[:12]}…)"
    if came.infer is not None:
        phases = [f"{name} {seconds:.2f}" for name, seconds in came.phases.items()]
        parts = f" ({', '.join(phases)})" if len(phases) > 1 else ""
        first = f"first inference {show_ms(came.first_infer_s or 0.0)}"
        yield f"start-up {came.startup_s:.2f} s{parts}, {first}"
        spread = asdict(came.infer).items()
        infer = ", ".join(f"{name} {show_ms(seconds)}" for name, seconds in spread)
        yield f"inference {infer}, {came.concurrency} at a time"
        yield f"detection took {came.detect_s:.2f} s"
    if came.sent_bytes:
        yield f"{came.sent_bytes / 1e6:.1f} MB sent"
    if discarded := len(run.duplicate_uploads):
        yield f"{count(discarded, 'duplicate')} discarded: sent, but answered here first"
    if came.fallen_back:
        yield f"{count(came.fallen_back, 'image')} detected here as no answer came"
    if out is not None:
        yield f"results in {out}"
    if outcome is not None:
        usd = f"; {show_usd(outcome.actual_usd)}, predicted {show_usd(outcome.predicted_usd)}"
        yield (
            f"total time {outcome.actual_s:.2f} s, predicted {outcome.predicted_s:.2f} s "
            f"({outcome.low_s:.2f} to {outcome.high_s:.2f}){usd if outcome.actual_usd else ''}"
        )


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
    away = "be sent on from this machine" if found.stored else "leave this machine"
    reporter.note(
        f"{count(len(paths), 'image')} ({show_bytes(total_bytes)}) could {away}, "
        f"{len(found.paths) - len(paths)} would stay; nothing was sent"
    )
