"""Progress on standard error, where a person is watching."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from offload.domain.events import Downloaded, Event, Listener, PhaseBegan, Sent
from offload.render.messages import phase

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TextColumn

    from offload.domain.results import Row


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


@contextmanager
def transfer(kind: type[Downloaded | Sent], quiet: bool) -> Iterator[Listener]:
    """A bar that appears when bytes are moved; hand what is given to a Reporter."""
    with _on_demand(_transfer_bar) as (start, stop):

        def hear(event: Event) -> None:
            if isinstance(event, kind):
                shown = start()
                done_bytes, total_bytes = event.done_bytes, event.total_bytes
                shown.update(shown.task_ids[0], completed=done_bytes, total=total_bytes)
                if done_bytes == total_bytes:
                    stop()

        yield hear if is_watched(quiet) else _ignored


@contextmanager
def phases(quiet: bool) -> Iterator[Listener]:
    """A line that appears with the first phase; hand what is given to a Reporter."""
    with _on_demand(_steps_bar) as (start, _):

        def hear(event: Event) -> None:
            if isinstance(event, PhaseBegan):
                shown = start()
                shown.update(shown.task_ids[0], description=phase(event))

        yield hear if is_watched(quiet) else _ignored


@contextmanager
def _on_demand(
    make: Callable[[], "Progress"],
) -> Iterator[tuple[Callable[[], "Progress"], Callable[[], None]]]:
    """Two functions: one shows and gives a bar of one task, the other takes it away. Nothing is
    imported before it is shown.
    """
    shown: list[Progress] = []

    def start() -> "Progress":
        if not shown:
            shown.append(make())
            shown[0].add_task("")
            shown[0].start()
        return shown[0]

    def stop() -> None:
        while shown:
            shown.pop().stop()

    try:
        yield start, stop
    finally:
        stop()


def _transfer_bar() -> "Progress":
    from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

    return bar(BarColumn(), DownloadColumn(), TransferSpeedColumn())


def _steps_bar() -> "Progress":
    from rich.progress import SpinnerColumn

    return bar(SpinnerColumn(), description())


def _ignored(event: Event) -> None:
    del event
