import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from offload.domain.events import Answered, MachinesAtWork, MachinesWanted, Reporter, Warned
from offload.domain.ports import ModelIdentity
from offload.domain.results import Row
from offload.drivers.images.image_files import ImageList
from offload.render import access, detections, tables
from offload.render.messages import Messages
from offload.service import wire
from offload.usecases.serve import Serving

ROW = Row("a.jpg", "fake", "0" * 64, "remote", sent_bytes=2_000_000)


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
        (
            True,
            None,
            False,
            f"{READY}Only this computer can connect. To let others connect: open\n",
        ),
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


def test_a_fleet_says_what_it_gets_what_that_comes_to_and_who_is_at_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for say in (Messages(), Messages(quiet=True)):
        say.hear(MachinesWanted("photos", 4, 200.4, 0.0213))
        say.hear(MachinesAtWork("photos", 1, 4))
    assert capsys.readouterr().err.splitlines() == [
        "The fleet photos gets 4 machines: about 3 min 20 s and $0.021 for this job",
        "1 of 4 machines of the fleet photos at work",
    ]


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
