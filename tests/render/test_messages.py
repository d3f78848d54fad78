import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from offload.domain.events import Reporter, Warned
from offload.domain.results import Row
from offload.drivers.images.image_files import ImageList
from offload.render import detections, tables
from offload.render.messages import Messages

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
