"""Progress on standard error, where a person is watching."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from offload.domain.events import Downloaded, Event, Listener, PhaseBegan, Sent
from offload.render.messages import phase

if TYPE_CHECKING:
    from rich.progress import Progress

    from offload.domain.results import Row


@contextmanager
def images(total: int, quiet: bool) -> Iterator[Callable[["Row"], None]]:
    """A bar with images/s and the time left; call what is given with every row."""
    if not _is_shown(quiet):
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
def transfer(kind: type[Downloaded | Sent], quiet: bool) -> Iterator[Listener]:
    """A bar that appears when bytes are moved; hand what is given to a Reporter."""
    with ExitStack() as stack:
        started: list[Progress] = []

        def hear(event: Event) -> None:
            if not isinstance(event, kind):
                return
            if not started:
                from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

                columns = BarColumn(), DownloadColumn(), TransferSpeedColumn()
                started.append(stack.enter_context(_progress(*columns)))
                started[0].add_task("")
            bar = started[0]
            bar.update(bar.task_ids[0], completed=event.done_bytes, total=event.total_bytes)
            if event.done_bytes == event.total_bytes:
                started.clear()
                stack.close()

        yield hear if _is_shown(quiet) else _ignored


@contextmanager
def phases(quiet: bool) -> Iterator[Listener]:
    """A line that appears with the first phase; hand what is given to a Reporter."""
    with ExitStack() as stack:
        started: list[Progress] = []

        def hear(event: Event) -> None:
            if not isinstance(event, PhaseBegan):
                return
            if not started:
                from rich.progress import SpinnerColumn, TextColumn

                columns = SpinnerColumn(), TextColumn("{task.description}", markup=False)
                started.append(stack.enter_context(_progress(*columns)))
                started[0].add_task("")
            started[0].update(started[0].task_ids[0], description=phase(event))

        yield hear if _is_shown(quiet) else _ignored


def _is_shown(quiet: bool) -> bool:
    return not quiet and sys.stderr.isatty()


def _ignored(event: Event) -> None:
    del event


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
