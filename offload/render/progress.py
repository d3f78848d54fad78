"""Progress on standard error, where a person is watching."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    shown = bar(BarColumn(), MofNCompleteColumn(), rate, TextColumn("ETA"), TimeRemainingColumn())

    def advance(_row: "Row") -> None:
        speed = shown.tasks[0].speed
        shown.update(task, advance=1, rate=f"{speed:.1f} images/s" if speed else "")

    with shown:
        task = shown.add_task("", total=total, rate="")
        yield advance


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


@contextmanager
def download(quiet: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A bar that appears when bytes come; call what is given with the bytes so far and in all."""
    with _on_demand(_download_bar) as (start, stop):

        def on_bytes(have_bytes: int, total_bytes: int | None) -> None:
            shown = start()
            shown.update(shown.task_ids[0], completed=have_bytes, total=total_bytes)
            if have_bytes == total_bytes:
                stop()

        yield on_bytes if is_watched(quiet) else lambda _have, _total: None


def _download_bar() -> "Progress":
    from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

    return bar(BarColumn(), DownloadColumn(), TransferSpeedColumn())


@contextmanager
def steps(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line that appears with the first step; call what is given with each."""
    with _on_demand(_steps_bar) as (start, _):

        def on_step(step: str) -> None:
            shown = start()
            shown.update(shown.task_ids[0], description=step)

        yield on_step if is_watched(quiet) else lambda _step: None


def _steps_bar() -> "Progress":
    from rich.progress import SpinnerColumn

    return bar(SpinnerColumn(), description())
