"""Progress on standard error, where a person is watching."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from offload.domain.events import Built, Downloaded, Event, Listener, PhaseBegan, Sent
from offload.domain.units import show_s, show_usd
from offload.render.phases import phase
from offload.render.words import percent

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, ProgressColumn, TextColumn

    from offload.domain.results import Row
    from offload.usecases.split.forecast import View
    from offload.usecases.split.monitor import SplitMonitor
    from offload.usecases.split.work_queue import WorkerStatus

E = TypeVar("E", bound=Event)

_OF_LATE = 32
"""Rows of a place that tell its bottleneck."""
_PER_S = 4


def is_watched(quiet: bool) -> bool:
    """Whether progress is to be shown: standard error is a terminal and it was not forbidden."""
    return not quiet and sys.stderr.isatty()


def description() -> "TextColumn":
    """A column of what a task is about."""
    from rich.progress import TextColumn

    return TextColumn("{task.description}", markup=False)


def bar(*columns: "ProgressColumn", auto_refresh: bool = True) -> "Progress":
    """Bars on standard error that vanish at their end. Standard output goes through them only if it
    is a terminal, too: results that go to a file must not be shown.
    """
    from rich.console import Console
    from rich.progress import Progress

    return Progress(
        *columns, console=Console(stderr=True), transient=True, auto_refresh=auto_refresh,
        redirect_stdout=sys.stdout.isatty(),
    )  # fmt: skip


@contextmanager
def counted(
    total: int | Callable[[], int | None],
    quiet: bool,
    describe: Callable[[float | None], str],
    *,
    done: int = 0,
    eta: bool = False,
    auto_refresh: bool = True,
) -> Iterator[Callable[[object], None]]:
    """A bar of so many things, described by their number a second; call what is given with each.
    How many may be known later only.
    """
    if not is_watched(quiet):
        yield lambda _thing: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    columns: list[ProgressColumn] = [BarColumn(), MofNCompleteColumn(), description()]
    if eta:
        columns.append(TimeRemainingColumn())
    shown = bar(*columns, auto_refresh=auto_refresh)

    def many() -> int | None:
        return total if isinstance(total, int) else total()

    def advance(_thing: object) -> None:
        said = describe(shown.tasks[0].speed)
        shown.update(task, advance=1, total=many(), description=said, refresh=not auto_refresh)

    with shown:
        task = shown.add_task(describe(None), total=many(), completed=done)
        yield advance


def images(
    total: int | Callable[[], int | None], quiet: bool
) -> AbstractContextManager[Callable[["Row"], None]]:
    """A bar with throughput, and ETA once the total is known; call what is given with every row."""
    return counted(total, quiet, lambda speed: f"{speed:.1f} images/s" if speed else "", eta=True)


@contextmanager
def places(total: int, monitor: "SplitMonitor", quiet: bool) -> Iterator[Callable[["Row"], None]]:
    """A line for each place and one for the whole; call what is given with every row."""
    if not is_watched(quiet):
        yield lambda _row: None
        return
    from rich.console import Console
    from rich.live import Live

    status = SplitProgress(total)
    with Live(
        get_renderable=lambda: _lines(status.cells(monitor.view())), console=Console(stderr=True),
        refresh_per_second=_PER_S, transient=True, redirect_stdout=sys.stdout.isatty(),
    ):  # fmt: skip
        yield status.add


class SplitProgress:
    """What is shown of `total` images at their places, from rows and from how things stand."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._of_late: dict[str, deque[Mapping[str, float]]] = {}

    def add(self, row: "Row") -> None:
        """One row more."""
        self._done += 1
        if row.error is None:
            self._of_late.setdefault(row.where, deque(maxlen=_OF_LATE)).append(_stages(row))

    def bottleneck(self, place: str) -> str:
        """Where most of an image's way is spent there, `uplink 57 %`; empty before any came."""
        rows = list(self._of_late.get(place, ()))
        spent_s = {stage: sum(row[stage] for row in rows) for stage in (rows[0] if rows else ())}
        whole_s = sum(spent_s.values())
        if not whole_s:
            return ""
        stage = max(spent_s, key=lambda name: spent_s[name])
        return f"{stage} {percent(spent_s[stage] / whole_s)}"

    def cells(self, view: "View") -> tuple[Sequence[Sequence[str]], str]:
        """A line of cells for each place, and the line for the whole."""
        places = [self._place(place, view) for place in view.places]
        parts = [f"{self._done}/{self._total} images"]
        if view.ahead is not None:
            parts.append(f"ETA {_whole_s(view.ahead.seconds)}")
        if (deadline_s := view.limits.deadline_s) is not None:
            left_s = deadline_s - view.spent_s
            when = f"is in {_whole_s(left_s)}" if left_s >= 0 else f"was {_whole_s(-left_s)} ago"
            parts.append(f"the deadline {when}")
        return places, ", ".join(parts)

    def _place(self, place: "WorkerStatus", view: "View") -> Sequence[str]:
        rate = "" if place.images_per_s is None else f"{place.images_per_s:.1f} images/s"
        usd = view.usd.get(place.name)
        return (
            place.name,
            f"{place.done} done",
            f"{place.in_progress} in progress",
            rate if place.is_open else "gets no more",
            self.bottleneck(place.name),
            "" if usd is None else show_usd(usd),
        )


def _stages(row: "Row") -> Mapping[str, float]:
    """Seconds of an image at each possible bottleneck, or waiting for it."""
    d = row.durations
    is_here = not d.upload_s
    return {
        "uplink": d.upload_wait_s + d.upload_s + d.download_s,
        "server": 0.0 if is_here else d.queue_s,
        "inference": d.decode_s + d.infer_s + (d.queue_s if is_here else 0.0),
        "client": d.read_s + d.prepare_s,
    }


def _lines(lines: tuple[Sequence[Sequence[str]], str]) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    places, whole = lines
    grid = Table.grid(padding=(0, 2, 0, 0))
    for number in range(len(places[0]) if places else 0):
        grid.add_column(justify="right" if number in {1, 2, 3} else "left", no_wrap=True)
    for cells in places:
        grid.add_row(*map(Text, cells))
    return Group(grid, Text(whole))


def _whole_s(seconds: float) -> str:
    """Without fractions, which would only flicker."""
    return show_s(round(seconds))


def transfer(kind: type[Downloaded | Sent], quiet: bool) -> AbstractContextManager[Listener]:
    """A bar that appears when bytes are moved; hand what is given to a Reporter."""
    return _on_demand(kind, lambda e: {"completed": e.done_bytes, "total": e.total_bytes}, quiet)


def building(quiet: bool) -> AbstractContextManager[Listener]:
    """A line that appears while our container image is built; hand what is given to a Reporter."""

    def values(built: Built) -> Mapping[str, Any]:
        step = min(built.done + 1, built.total)
        said = f"Building the container image, once: step {step} of {built.total}"
        return {"completed": built.done, "total": built.total, "description": said}

    return _on_demand(Built, values, quiet)


def phases(quiet: bool) -> AbstractContextManager[Listener]:
    """A line for the phase that has begun; hand what is given to a Reporter."""
    return _on_demand(PhaseBegan, lambda e: {"description": phase(e)}, quiet)


def _columns(kind: type[Event]) -> "Sequence[ProgressColumn]":
    from rich import progress

    if kind in {Downloaded, Sent}:
        return progress.BarColumn(), progress.DownloadColumn(), progress.TransferSpeedColumn()
    return progress.SpinnerColumn(), description(), progress.TimeElapsedColumn()


@contextmanager
def _on_demand(
    kind: type[E], values: Callable[[E], Mapping[str, Any]], quiet: bool
) -> Iterator[Listener]:
    """A bar that appears with an event of a kind, rich not before it, and goes once it is done."""
    shown: list[Progress] = []
    watched = is_watched(quiet)

    def hear(event: Event) -> None:
        if not (watched and isinstance(event, kind)):
            return
        if not shown:
            shown.append(bar(*_columns(kind)))
            shown[0].add_task("")
        task = shown[0].task_ids[0]
        if isinstance(event, PhaseBegan):
            shown[0].reset(task)  # each takes its own time
        shown[0].update(task, **values(event))
        shown[0].start()
        if shown[0].finished:
            shown.pop().stop()

    try:
        yield hear
    finally:
        for each in shown:
            each.stop()
