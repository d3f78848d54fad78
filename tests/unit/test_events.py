"""Events as one process tells them and another hears them, and as people read them."""

from pathlib import Path

import pytest

from offload.domain import events
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.events import (
    Built,
    Event,
    Failed,
    ImageFailed,
    Noted,
    PhaseBegan,
    Reporter,
    Warned,
)
from offload.render import messages
from offload.render.messages import EventLines, Messages
from offload.render.split_messages import worded
from offload.usecases.detect import subprocess_run
from offload.usecases.detect.request import Request
from offload.usecases.split.events import NothingLeaves


@pytest.mark.parametrize(
    "event",
    [
        Warned("a\nb\x1b[2J"),
        ImageFailed("\udcff.jpg", "empty file"),
        Failed("No.", "Try.", 4),
        Built(2, 27),
    ],
)
def test_what_crosses_comes_out_as_it_went_in(
    event: Event, capsys: pytest.CaptureFixture[str]
) -> None:
    EventLines().hear(event)
    (line,) = capsys.readouterr().err.splitlines()
    assert events.from_line(line) == event


@pytest.mark.parametrize("line", ["", "Traceback", "[]", "{}", '{"event": "Warned"}', '"Warned"'])
def test_what_is_no_event_is_none(line: str) -> None:
    assert events.from_line(line) is None


def test_a_note_is_nothing_to_another_process(capsys: pytest.CaptureFixture[str]) -> None:
    EventLines().hear(Noted("The end is near."))
    assert capsys.readouterr().err == ""


def test_sentences_are_for_people_unless_a_process_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(messages.chosen()) is Messages
    monkeypatch.setenv(events.VARIABLE, events.AS_LINES)
    assert type(messages.chosen()) is EventLines


@pytest.mark.parametrize(
    ("quiet", "verbose", "said"),
    [
        (False, False, "warning: Careful.\nerror: No.\n  Try.\n"),
        (False, True, "warning: Careful.\n  local: start 1 …\nerror: No.\n  Try.\n"),
        (True, False, "error: No.\n  Try.\n"),
    ],
)
def test_failures_are_always_said(
    capsys: pytest.CaptureFixture[str], *, quiet: bool, verbose: bool, said: str
) -> None:
    reporter = Reporter(Messages(quiet=quiet, verbose=verbose).hear)
    reporter.warn("Careful.")
    reporter.emit(PhaseBegan("start 1", "local"))
    reporter.emit(events.failed(PlaceUnavailable("No.", hint="Try.")))
    assert capsys.readouterr().err == said


def test_a_process_of_its_own_explains_its_end(home: Path) -> None:
    request = Request((), where="local", model="builtin")
    with (
        pytest.raises(UsageError, match="No images in") as ended,
        subprocess_run.detect([str(home)], request, Reporter()),
    ):
        raise AssertionError("there are none")
    assert ended.value.hint


def test_a_process_of_its_own_imports_nothing_from_the_folder_it_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "offload").mkdir()
    (tmp_path / "offload" / "__main__.py").write_text("open('ran', 'w')\n")
    monkeypatch.chdir(tmp_path)
    request = Request((), where="local", model="builtin")
    with (
        pytest.raises(UsageError, match="No images in"),
        subprocess_run.detect([str(tmp_path)], request, Reporter()),
    ):
        raise AssertionError("there are none")
    assert not (tmp_path / "ran").exists()


def test_a_process_of_its_own_says_what_failed(home: Path) -> None:
    (home / "a.jpg").write_bytes(b"")
    request = Request((), where="local", model="builtin", max_failures="10")
    with subprocess_run.detect([str(home)], request, Reporter()) as done:
        assert done.totals["failed"] == 1
    assert done.reason.startswith("a.jpg: ")


def test_what_a_split_warns_of_in_a_process_of_its_own_is_heard_here(examples: Path) -> None:
    heard: list[Event] = []
    request = Request((), where="split", model="builtin")
    with subprocess_run.detect([str(examples)], request, Reporter(heard.append)) as done:
        assert done.totals["failed"] == 0
    assert heard == [worded(NothingLeaves(is_asked=False))]
    assert isinstance(heard[0], Warned)


def test_a_warning_is_told_once_and_all_else_each_time() -> None:
    heard: list[Event] = []
    reporter = Reporter(heard.append)
    for _ in range(2):
        reporter.warn("slow")
        reporter.note("now")
    assert heard == [Warned("slow"), Noted("now"), Noted("now")]
