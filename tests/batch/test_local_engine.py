"""Processes of this machine as an engine."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from offload.domain.events import Stop
from offload.drivers import settings
from offload.engines import make
from offload.engines.ports import EngineConfig, Job, Outcome
from tests.batch import works
from tests.conftest import PROJECT

_LONG_S = 60.0


def outcomes(job: Job, shards: int, workers: int = 2) -> dict[int, Outcome]:
    """What became of so many shards."""
    engine = make("local", EngineConfig(settings.load({}), workers=workers))
    with engine.open() as session:
        assert session.workers == workers
        found = list(session.run(job, iter(works.shards(shards)), Stop()))
    assert len(found) == len({each.shard for each in found})
    return {each.shard: each for each in found}


def until(condition: Callable[[], object]) -> None:
    """Wait for it."""
    end_s = time.monotonic() + _LONG_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_every_shard_is_done_once_and_no_process_is_left(tmp_path: Path) -> None:
    found = outcomes(works.job(works.done, tmp_path), 9)
    assert sorted(found) == list(range(9))
    assert len(list(tmp_path.iterdir())) == 9
    assert not any(is_alive(int(each.host)) for each in found.values())
    assert str(os.getpid()) not in {each.host for each in found.values()}


def test_a_shard_whose_process_died_is_done_by_another(tmp_path: Path) -> None:
    found = outcomes(works.job(works.deadly_once, tmp_path), 4)
    assert sorted(found) == [0, 1, 2, 3]
    assert not any(each.error for each in found.values())


def test_a_shard_that_ends_three_processes_is_given_up_and_the_rest_is_done(tmp_path: Path) -> None:
    found = outcomes(works.job(works.deadly, tmp_path), 5)
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert found[1].error == "its process was ended by SIGKILL, 3 times"
    assert len(list(tmp_path.glob("00001.*"))) == 3
    assert [each.shard for each in found.values() if each.error] == [1]


def test_a_bug_in_the_work_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="00000"):
        outcomes(works.job(works.broken, tmp_path), 1)


def test_once_asked_to_stop_what_is_in_progress_is_finished(tmp_path: Path) -> None:
    stop, engine = Stop(), make("local", EngineConfig(settings.load({}), workers=1))
    with engine.open() as session:
        run = session.run(works.job(works.done, tmp_path), iter(works.shards(5)), stop)
        first = next(run)
        stop.ask()  # the next shard was handed out only when this one was asked for
        rest = list(run)
    assert first.shard == 0
    assert len(rest) <= 1


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from tests.batch import works\n"
        "from tests.batch.test_local_engine import outcomes\n"
        f"outcomes(works.job(works.waiting, Path({str(tmp_path)!r})), 2)"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, env=os.environ | {"PYTHONPATH": str(PROJECT)}
    )
    begun = [tmp_path / "begun.0", tmp_path / "begun.1"]
    until(lambda: all(each.exists() and each.read_text() for each in begun))
    pids = [int(each.read_text()) for each in begun]
    driver.kill()
    driver.wait()
    until(lambda: not any(map(is_alive, pids)))
