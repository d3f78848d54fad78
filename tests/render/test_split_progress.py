import io
import sys
import threading
from dataclasses import dataclass, field, replace

import pytest

from offload.domain.events import Built
from offload.domain.results import Row
from offload.domain.timing import Durations
from offload.render import progress
from offload.render.progress import SplitProgress
from offload.usecases.split.forecast import Forecast, Limits, View
from offload.usecases.split.work_queue import WorkerStatus

HERE = WorkerStatus("local", 20, 2, 5.04, 0.4, is_open=True, is_known=True, is_here=True)
THERE = WorkerStatus("remote", 40, 6, 10.0, 0.6, is_open=True, is_known=True)
VIEW = View(
    now_s=112.0,
    spent_s=12.0,
    left=100,
    free=100,
    places=(HERE, THERE),
    usd={"remote": 0.0123},
    ahead=Forecast(7.2, {"local": 36.0, "remote": 72.0}),
    limits=Limits(deadline_s=30.0),
)


class Terminal(io.StringIO):
    """Somebody watches."""

    def isatty(self) -> bool:
        """So they say."""
        return True


@dataclass
class Monitored:
    """What stands as it stood; `often` is set once it was looked at for the fourth time."""

    looks: int = 0
    often: threading.Event = field(default_factory=threading.Event)

    def view(self) -> View:
        """The same each time."""
        self.looks += 1
        if self.looks > 3:
            self.often.set()
        return VIEW


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error with somebody before it."""
    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return seen


def row(where: str = "remote", /, **spent_s: float) -> Row:
    return Row("a.jpg", "m", "0" * 64, where, durations=Durations(**spent_s))


def test_each_place_has_a_line_and_the_whole_has_one() -> None:
    shown = SplitProgress(200)
    shown.add(row("local", infer_s=0.4))
    shown.add(row("remote", upload_wait_s=0.2, upload_s=0.3, infer_s=0.1))
    places, whole = shown.cells(VIEW)
    assert places == [
        ("local", "20 done", "2 in progress", "5.0 images/s", "inference 100 %", ""),
        ("remote", "40 done", "6 in progress", "10.0 images/s", "uplink 83 %", "$0.012"),
    ]
    assert whole == "2/200 images, ETA 7 s, the deadline is in 18 s"


def test_what_is_not_known_is_not_shown() -> None:
    unknown = replace(THERE, images_per_s=None)
    view = replace(VIEW, places=[unknown], usd={}, ahead=None, limits=Limits())
    assert SplitProgress(5).cells(view) == (
        [("remote", "40 done", "6 in progress", "", "", "")],
        "0/5 images",
    )


def test_a_deadline_that_has_passed_is_shown_as_passed() -> None:
    _, whole = SplitProgress(5).cells(replace(VIEW, spent_s=42.0))
    assert whole.endswith("the deadline was 12 s ago")


def test_a_place_that_takes_no_more_says_so_instead_of_a_rate() -> None:
    places, _ = SplitProgress(5).cells(replace(VIEW, places=[replace(THERE, is_open=False)]))
    assert places[0][3] == "gets no more"


@pytest.mark.parametrize(
    ("spent_s", "bottleneck"),
    [
        ({"upload_wait_s": 1.0, "upload_s": 1.0, "queue_s": 1.5}, "uplink 57 %"),
        ({"download_s": 2.0, "upload_s": 1.0, "queue_s": 1.0}, "uplink 75 %"),
        ({"upload_s": 0.5, "queue_s": 1.5}, "server 75 %"),
        ({"upload_s": 0.5, "decode_s": 0.5, "infer_s": 1.0}, "inference 75 %"),
        ({"upload_s": 0.5, "read_s": 0.5, "prepare_s": 1.0}, "client 75 %"),
        ({"read_s": 0.2, "queue_s": 0.5, "infer_s": 0.3}, "inference 80 %"),
    ],
)
def test_the_bottleneck_is_where_images_spend_most_of_their_way(
    spent_s: dict[str, float], bottleneck: str
) -> None:
    shown = SplitProgress(5)
    assert shown.bottleneck("remote") == ""
    shown.add(row(**spent_s))
    assert shown.bottleneck("remote") == bottleneck


def test_the_bottleneck_is_that_of_the_last_rows_and_failed_ones_say_nothing() -> None:
    shown = SplitProgress(5)
    for _ in range(40):
        shown.add(row(upload_s=1.0))
    for _ in range(32):
        shown.add(row(infer_s=0.1, upload_s=0.01))
    shown.add(replace(row(read_s=100.0), error="damaged"))
    assert shown.bottleneck("remote") == "inference 91 %"


def test_a_person_who_watches_sees_the_steps_of_a_build_and_nobody_else_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = watched(monkeypatch)
    for quiet, said in ((True, ""), (False, "Building the container image, once: step 3 of 27")):
        with progress.building(quiet) as hear:
            hear(Built(2, 27))
            hear(Built(1, 1))
        assert said in terminal.getvalue()
        assert bool(terminal.getvalue()) == bool(said)


def test_a_person_who_watches_sees_the_places_also_while_no_row_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal, monitored = watched(monkeypatch), Monitored()
    with progress.places(200, monitored, quiet=False) as add:  # type: ignore[arg-type]
        add(row(upload_s=1.0))
        assert monitored.often.wait(10)
    seen = terminal.getvalue()
    assert "local " in seen
    assert "uplink 100 %" in seen
    assert "1/200 images, ETA 7 s, the deadline is in 18 s" in seen


@pytest.mark.parametrize("quiet", [True, False], ids=["quiet", "no terminal"])
def test_where_nobody_watches_nothing_is_shown(
    quiet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Terminal() if quiet else io.StringIO()
    monkeypatch.setattr(sys, "stderr", seen)
    monitored = Monitored()
    with progress.places(200, monitored, quiet=quiet) as add:  # type: ignore[arg-type]
        add(row())
    assert (seen.getvalue(), monitored.looks) == ("", 0)


def test_rows_that_go_to_a_file_get_there_while_the_places_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal, file = watched(monkeypatch), io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    with progress.places(200, Monitored(), quiet=False):  # type: ignore[arg-type]
        sys.stdout.write('{"path": "a.jpg"}\n')
    assert file.getvalue() == '{"path": "a.jpg"}\n'
    assert "0/200 images" in terminal.getvalue()
    assert "a.jpg" not in terminal.getvalue()


def test_before_any_place_is_there_the_whole_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)

    class Empty(Monitored):
        def view(self) -> View:
            return replace(VIEW, places=(), ahead=None, limits=Limits())

    with progress.places(200, Empty(), quiet=False):  # type: ignore[arg-type]
        pass
    assert "0/200 images" in terminal.getvalue()
