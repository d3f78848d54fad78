import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from offload.domain.events import Answered, Reporter, Warned
from offload.domain.ports import ModelIdentity
from offload.domain.results import Row
from offload.drivers.images.image_files import ImageList
from offload.render import access, detections, tables
from offload.render.messages import Messages, summary_lines
from offload.service import wire
from offload.usecases.detect.run import DetectRun
from offload.usecases.serve import Serving
from offload.usecases.split.forecast import Limits, View
from offload.usecases.split.work_queue import WorkerStatus
from tests.fakes import FakeSession

HERE = WorkerStatus("local", 70, 0, 5.0, 0.4, is_open=True, is_known=True, is_here=True)
THERE = WorkerStatus("remote", 130, 0, 10.0, 0.6, is_open=True, is_known=True)
VIEW = View(
    now_s=30.0,
    spent_s=25.0,
    left=0,
    free=0,
    places=(HERE, THERE),
    usd={},
    ahead=None,
    limits=Limits(),
)
ROW = Row("a.jpg", "fake", "0" * 64, "remote", sent_bytes=2_000_000)
RUN = DetectRun(
    FakeSession(), "split", 1, 0, 1.0, iter([ROW]), iter([0.0, 24.0, 24.0, 24.0]).__next__
)
assert [*RUN] == [ROW]
SUMMARY = RUN.summary()


def of_split(view: View, duplicate_uploads: int = 0) -> Sequence[str]:
    """The lines that a run at one place has not."""
    plain = summary_lines(SUMMARY, None)
    return [
        line
        for line in summary_lines(SUMMARY, None, None, view, duplicate_uploads)
        if line not in plain
    ]


def test_lines_that_several_threads_say_at_once_stay_whole() -> None:
    code = """
import sys, threading
from offload.domain.events import Stepped
from offload.render.messages import Messages
sys.setswitchinterval(1e-6)
say = Messages(verbose=True)
def talk(word):
    for _ in range(500):
        say.hear(Stepped(word))
threads = [threading.Thread(target=talk, args=[word * 20]) for word in "abcd"]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    talk = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = talk.stderr.splitlines()
    assert len(lines) == 2000
    assert set(lines) == {"  " + word * 20 for word in "abcd"}


FOUND = ImageList("/", ["a"])
NAME = "a\x1b[2J\x9b2J\u202egpj"
"""A name that clears a terminal in either of two ways, and then reads as another one."""


@pytest.mark.parametrize(
    "show",
    [
        lambda: tables.print_table(["name"], [[NAME]]),
        lambda: tables.print_lines([NAME]),
        lambda: tables.facts({"sources": [NAME], "models": {NAME: NAME}}, as_json=False),
        lambda: detections.leaving(FOUND, [NAME], 1, Reporter(Messages().hear), as_json=False),
        lambda: shown_row(as_json=True),
        lambda: shown_row(as_json=False),
        lambda: Messages(verbose=True).hear(Warned(NAME)),
    ],
)
def test_a_terminal_obeys_no_name(
    show: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    show()
    said = "".join(capsys.readouterr())
    assert "2J" in said
    assert not {*said} & {"\x1b", "\x9b", "\u202e"}


def shown_row(*, as_json: bool) -> None:
    with detections.sink(as_json=as_json, to_folder=False) as add:
        add(replace(ROW, path=NAME, where="local"))


def test_a_split_says_where_its_images_were_done() -> None:
    assert of_split(VIEW) == ["images: 70 at local, 130 at remote"]
    assert of_split(replace(VIEW, places=[HERE])) == ["images: 70 at local"]


def test_what_was_sent_stands_in_either_summary() -> None:
    assert "2.0 MB sent" in summary_lines(SUMMARY, None)
    assert "2.0 MB sent" in summary_lines(SUMMARY, None, None, VIEW)


def test_images_that_left_for_nothing_are_counted() -> None:
    assert "3 more images were sent, and no answer from there was used" in of_split(VIEW, 3)
    assert "1 more image was sent, and no answer from there was used" in of_split(VIEW, 1)


@pytest.mark.parametrize(
    ("usd", "most_usd", "said"),
    [
        ({"remote": 0.0123}, None, "$0.012 spent"),
        ({"remote": 0.0123}, 0.05, "$0.012 spent of the $0.05 allowed"),
        ({"remote": 0.06}, 0.05, "$0.06 spent, $0.01 more than the $0.05 allowed"),
        ({"remote": 0.01, "other": 0.02}, None, "$0.03 spent (remote $0.01, other $0.02)"),
        ({"remote": 0.0}, None, "$0 spent"),
    ],
)
def test_what_was_spent_is_said_with_what_was_allowed(
    usd: dict[str, float], most_usd: float | None, said: str
) -> None:
    assert said in of_split(replace(VIEW, usd=usd, limits=Limits(max_usd=most_usd)))


@pytest.mark.parametrize(
    ("spent_s", "said"),
    [
        (25.0, "deadline of 30 s kept, 5 s to spare"),
        (30.0, "deadline of 30 s kept, 0 s to spare"),
        (51.2, "deadline of 30 s missed by 21.2 s"),
    ],
)
def test_the_deadline_has_its_verdict(spent_s: float, said: str) -> None:
    assert said in of_split(replace(VIEW, spent_s=spent_s, limits=Limits(deadline_s=30.0)))


def test_a_run_that_was_stopped_kept_no_deadline_and_missed_none() -> None:
    stopped = replace(VIEW, left=10, limits=Limits(deadline_s=30.0))
    assert not [line for line in of_split(stopped) if "deadline" in line]


def test_the_summary_of_a_split_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = summary_lines(SUMMARY, None, None, VIEW, 2)
    Messages().summary(told)
    said = capsys.readouterr().err
    assert "images: 70 at local, 130 at remote\n2 more images were sent, and" in said
    Messages(quiet=True).summary(told)
    assert capsys.readouterr().err == ""


INFO = wire.Info(
    service="offload", version="1", model=ModelIdentity("builtin", "tflite", "0" * 64), labels={},
    min_score=0.5, workers=2, threads=1, queue=1, max_bytes=1, max_pixels=1, machine={},
    startup=wire.Startup(0, 0, 0),
)  # fmt: skip
READY = (
    "Serving builtin (tflite, SHA-256 000000000000…) at http://h:1, 2 detectors; Ctrl-C ends it\n"
)
LINE = "offload detect ./photos --where remote --url http://h:1\n"


@pytest.mark.parametrize(
    ("private", "made", "quiet", "said"),
    [
        (True, None, False, f"{READY}Only this computer can connect. To let others in: open\n"),
        (True, None, True, ""),
        (False, None, False, f"{READY}On the other computer:\n  OFFLOAD_TOKEN=… {LINE}"),
        (False, "t0", False, f"{READY}On the other computer:\n  OFFLOAD_TOKEN=t0 {LINE}"),
        (False, "t0", True, f"On the other computer:\n  OFFLOAD_TOKEN=t0 {LINE}"),
        (False, None, True, ""),
    ],
)
def test_a_server_says_who_can_connect_and_what_they_type(
    capsys: pytest.CaptureFixture[str], *, private: bool, made: str | None, quiet: bool, said: str
) -> None:
    Messages(quiet=quiet).serving("open", Serving(INFO, "http://h:1", private, made))
    assert capsys.readouterr().err == said


def test_an_answer_is_a_line_of_text_or_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    event = Answered("1.2.3.4", "POST", "/v1/\x1b[2J", 200, 0.1234567, 5, 7)
    for form in ("text", "json"):
        access.log(form)(event)
    text, line = capsys.readouterr().err.splitlines()
    assert text.partition(" ")[2] == ("1.2.3.4 POST /v1/\\x1b[2J 200 0.123 s, 5 bytes in, 7 out")
    document = json.loads(line)
    assert document.pop("at").endswith("+00:00")
    assert document == {
        "client": "1.2.3.4", "method": "POST", "path": "/v1/\x1b[2J", "status": 200,
        "duration_s": 0.123457, "received_bytes": 5, "sent_bytes": 7,
    }  # fmt: skip
