"""Progress of a split on standard error, where a person is watching: its places side by side."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from offload.domain.units import show_s, show_usd
from offload.render.progress import is_watched, keeps_stdout
from offload.render.words import percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from offload.domain.results import Row
    from offload.usecases.split.forecast import View
    from offload.usecases.split.monitor import SplitMonitor
    from offload.usecases.split.work_queue import WorkerStatus

_OF_LATE = 32
"""Rows of a place that tell its bottleneck."""
_PER_S = 4


@contextmanager
def images(total: int, monitor: "SplitMonitor", quiet: bool) -> Iterator[Callable[["Row"], None]]:
    """A line for each place and one for the whole; call what is given with every row."""
    if not is_watched(quiet):
        yield lambda _row: None
        return
    from rich.console import Console
    from rich.live import Live

    status = SplitProgress(total)
    with Live(
        get_renderable=lambda: _lines(status.cells(monitor.view())),
        console=Console(stderr=True),
        refresh_per_second=_PER_S,
        transient=True,
        redirect_stdout=keeps_stdout(),
    ):
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
            f"{place.in_hand} in progress",
            rate if place.is_open else "takes no more",
            self.bottleneck(place.name),
            "" if usd is None else show_usd(usd),
        )


def _stages(row: "Row") -> Mapping[str, float]:
    """Seconds of an image at each possible bottleneck, or waiting for it; in this process it is a
    detector that is waited for.
    """
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
