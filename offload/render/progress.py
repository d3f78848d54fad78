"""Progress on standard error, where a person is watching."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from offload.domain.events import Downloaded, Event, Listener, PhaseBegan, Sent
from offload.render.messages import phase

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TextColumn

    from offload.domain.results import Row

E = TypeVar("E", bound=Event)


def is_watched(quiet: bool) -> bool:
    """Whether progress is to be shown: standard error is a terminal and it was not forbidden."""
    return not quiet and sys.stderr.isatty()


def keeps_stdout() -> bool:
    """Whether rich may redirect standard output; results that go to a file must not be shown."""
    return sys.stdout is not None and sys.stdout.isatty()


def description() -> "TextColumn":
    """A column of what a task is about."""
    from rich.progress import TextColumn

    return TextColumn("{task.description}", markup=False)


def bar(*columns: "ProgressColumn", auto_refresh: bool = True) -> "Progress":
    """Bars on standard error that vanish at their end."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(
        *columns, console=Console(stderr=True), transient=True, auto_refresh=auto_refresh,
        redirect_stdout=keeps_stdout(),
    )  # fmt: skip


@contextmanager
def images(total: int, quiet: bool) -> Iterator[Callable[["Row"], None]]:
    """A bar with throughput and ETA; call what is given with every row."""
    if not is_watched(quiet):
        yield lambda _row: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    shown = bar(BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())

    def advance(_row: "Row") -> None:
        speed = shown.tasks[0].speed
        shown.update(task, advance=1, rate=f"{speed:.1f} images/s" if speed else "")

    with shown:
        task = shown.add_task("", total=total, rate="")
        yield advance


def transfer(kind: type[Downloaded | Sent], quiet: bool) -> AbstractContextManager[Listener]:
    """A bar that appears when bytes are moved; hand what is given to a Reporter."""

    def columns() -> "Sequence[ProgressColumn]":
        from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

        return BarColumn(), DownloadColumn(), TransferSpeedColumn()

    return _on_demand(
        kind, columns, lambda e: {"completed": e.done_bytes, "total": e.total_bytes}, quiet
    )


def phases(quiet: bool) -> AbstractContextManager[Listener]:
    """A line that appears with the first phase; hand what is given to a Reporter."""

    def columns() -> "Sequence[ProgressColumn]":
        from rich.progress import SpinnerColumn

        return SpinnerColumn(), description()

    return _on_demand(PhaseBegan, columns, lambda e: {"description": phase(e)}, quiet)


@contextmanager
def _on_demand(
    kind: type[E],
    columns: "Callable[[], Sequence[ProgressColumn]]",
    values: Callable[[E], Mapping[str, Any]],
    quiet: bool,
) -> Iterator[Listener]:
    """A bar of one task that appears with an event of a kind and goes once it is done. Nothing is
    imported before it appears.
    """
    shown: list[Progress] = []
    watched = is_watched(quiet)

    def hear(event: Event) -> None:
        if not (watched and isinstance(event, kind)):
            return
        if not shown:
            shown.append(bar(*columns()))
            shown[0].add_task("")
            shown[0].start()
        shown[0].update(shown[0].task_ids[0], **values(event))
        if shown[0].finished:
            shown.pop().stop()

    try:
        yield hear
    finally:
        for each in shown:
            each.stop()
