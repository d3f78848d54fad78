"""Progress on standard error, where a person is watching."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from offload.domain.results import Row


@contextmanager
def images(total: int, quiet: bool) -> Iterator[Callable[["Row"], None]]:
    """A bar with images/s and the time left; call what is given with every row."""
    if quiet or not sys.stderr.isatty():
        yield lambda _row: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    bar = _progress(BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())

    def advance(_row: "Row") -> None:
        speed = bar.tasks[0].speed
        bar.update(task, advance=1, rate=f"{speed:.1f} images/s" if speed else "")

    with bar:
        task = bar.add_task("", total=total, rate="")
        yield advance


@contextmanager
def download(quiet: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A bar that appears when bytes come; call what is given with the bytes so far and in all."""
    if quiet or not sys.stderr.isatty():
        yield lambda _have, _total: None
        return
    started: list[Progress] = []

    def on_bytes(have_bytes: int, total_bytes: int | None) -> None:
        if not started:
            from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

            bar = _progress(BarColumn(), DownloadColumn(), TransferSpeedColumn())
            bar.add_task("")
            bar.start()
            started.append(bar)
        bar = started[0]
        bar.update(bar.task_ids[0], completed=have_bytes, total=total_bytes)
        if have_bytes == total_bytes:
            started.clear()
            bar.stop()

    try:
        yield on_bytes
    finally:
        for bar in started:
            bar.stop()


@contextmanager
def steps(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line that appears with the first step; call what is given with each."""
    if quiet or not sys.stderr.isatty():
        yield lambda _step: None
        return
    started: list[Progress] = []

    def on_step(step: str) -> None:
        if not started:
            from rich.progress import SpinnerColumn, TextColumn

            bar = _progress(SpinnerColumn(), TextColumn("{task.description}", markup=False))
            bar.add_task("")
            bar.start()
            started.append(bar)
        bar = started[0]
        bar.update(bar.task_ids[0], description=step)

    try:
        yield on_step
    finally:
        for bar in started:
            bar.stop()


def _progress(*columns: object) -> "Progress":
    from rich.console import Console
    from rich.progress import Progress

    return Progress(
        *columns,  # type: ignore[arg-type] # all of them are columns
        console=Console(stderr=True),
        transient=True,
        # Else results that go to a file would be shown instead.
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )
