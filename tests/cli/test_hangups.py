"""A terminal that is closed while `offload` runs in it."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.becoming import PATIENCE_S, spawner
from tests.drawing import saved

BUILTIN = ("--model", "builtin")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    picture = saved(tmp_path / "many" / "0.jpg")
    for number in range(1, 3000):
        (tmp_path / "many" / f"{number}.jpg").hardlink_to(picture)
    return tmp_path / "many"


def shell(before: str, *arguments: object) -> list[str]:
    command = [sys.executable, "-m", "offload", *map(str, arguments)]
    return ["sh", "-c", f"{before}; exec {shlex.join(command)}"]


def until(is_true: Callable[[], object]) -> None:
    for _ in range(12_000):
        if is_true():
            return
        time.sleep(0.005)
    raise AssertionError("not in a minute")


def test_closing_the_terminal_ends_the_run_in_it_with_its_account_written(
    many: Path, tmp_path: Path
) -> None:
    reader, terminal = pty.openpty()
    own = f"exec <>{os.ttyname(terminal)} >&0 2>&0"  # which makes it the one that hangs up
    log = tmp_path / "out" / "detections.jsonl"
    words = ("detect", many, "-o", log.parent, *BUILTIN)
    with subprocess.Popen(shell(own, *words), start_new_session=True) as process:
        os.close(terminal)
        until(lambda: process.poll() is not None or (log.exists() and log.stat().st_size))
        os.close(reader)
        assert process.wait(PATIENCE_S) == 130
    run = json.loads(log.with_name("run.json").read_text())
    assert run["finished_at"]
    assert not run["complete"]


def test_what_nohup_started_goes_on(examples: Path, tmp_path: Path) -> None:
    words = ("detect", examples, "-o", tmp_path, *BUILTIN)
    with subprocess.Popen(shell("trap '' HUP", *words), stderr=subprocess.DEVNULL) as process:
        until((tmp_path / "run.json").exists)
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE_S) == 0
    assert json.loads((tmp_path / "run.json").read_text())["complete"]


def test_a_study_leaves_no_process_behind(many: Path, tmp_path: Path) -> None:
    grid = ("--images", "200", "--where", "local", "--repeats", "1", "-o", tmp_path / "study")
    with spawner().begin(("experiment", many, *grid, *BUILTIN)) as process:
        until(children := psutil.Process(process.pid).children)
        cells = children()
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE_S) == 130
    assert not any(cell.is_running() for cell in cells)
