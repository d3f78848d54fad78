"""Several containers that share the images, on a real engine."""

import csv
import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.becoming import Begun, spawner
from tests.conftest import Offload
from tests.container.test_container_place import ours, sweep
from tests.remote.rows import in_folder

pytestmark = pytest.mark.xdist_group("containers")

BUILTIN = ("-m", "builtin")
HALF = 500_000_000
"""Half a core, in Docker's unit."""


@pytest.fixture(autouse=True)
def clean(docker_engine: Any) -> Iterator[None]:
    """No container of ours before or after."""
    sweep(docker_engine)
    yield
    sweep(docker_engine)


def test_replicas_share_the_images_and_answer_as_one(
    offload: Offload, examples: Path, docker_engine: Any, tmp_path: Path
) -> None:
    arguments = ("--where", "container", "--replicas", 2, "--cpus", 0.5, "--keep", *BUILTIN)
    done = offload("detect", examples, "-o", tmp_path / "two", *arguments, timeout=600)
    assert done.returncode == 0, done.stderr
    containers = ours(docker_engine)
    assert [each.attrs["HostConfig"]["NanoCpus"] for each in containers] == [HALF, HALF]
    here = offload("detect", examples, "-o", tmp_path / "here", *BUILTIN)
    assert here.returncode == 0, here.stderr
    two, one = in_folder(tmp_path / "two"), in_folder(tmp_path / "here")
    assert {path: row["detections"] for path, row in two.items()} == {
        path: row["detections"] for path, row in one.items()
    }
    totals = json.loads((tmp_path / "two" / "run.json").read_text())["totals"]
    assert {"create", "start", "load", "warm-up"} <= totals["phases"].keys()

    three = list(arguments)
    three[three.index(2)] = 3
    again = offload("detect", examples, "-o", tmp_path / "three", *three, timeout=600)
    assert again.returncode == 0, again.stderr
    assert {each.id for each in containers} < {each.id for each in ours(docker_engine)}
    assert len(ours(docker_engine)) == 3


def test_a_sweep_of_replicas_leaves_no_container_behind(
    offload: Offload, examples: Path, docker_engine: Any, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    done = offload(
        "experiment", examples, "--images", 4, "--where", "container", "--replicas", "1,2",
        "--cpus", 0.5, "--concurrency", 4, "--repeats", 1, "-o", study, *BUILTIN, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    runs = lines(study)
    assert sorted((line["replicas"], line["concurrency"]) for line in runs) == [
        ("1", "4"), ("2", "4"),
    ]  # fmt: skip
    assert {(line["cpus"], line["error"], line["failed"]) for line in runs} == {("0.5", "", "0")}
    assert all(float(line["response_p95_s"]) >= float(line["response_p50_s"]) for line in runs)
    places = json.loads((study / "environment.json").read_text())["places"]
    assert places["container"]["cold_start_s"] > 0
    assert ours(docker_engine) == []


def test_killed_or_interrupted_the_same_command_goes_on_and_leaves_no_container(
    examples: Path, offload: Offload, docker_engine: Any, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    grid = (
        "experiment", examples, "--images", 3, "--where", "container", "--replicas", 2,
        "--repeats", 3, "-o", study, *BUILTIN,
    )  # fmt: skip
    for signals, left in (((signal.SIGKILL,), 2), ((signal.SIGINT, signal.SIGINT), 0)):
        before = len(lines(study))
        with started(*grid) as process:
            for _ in range(6000):
                if len(lines(study)) > before:
                    break
                time.sleep(0.01)
            children = psutil.Process(process.pid).children(recursive=True)
            for number in signals:
                process.send_signal(number)
                time.sleep(0.2)
            process.communicate(timeout=300)
        psutil.wait_procs(children, timeout=300)  # killed, it leaves its cell to itself
        assert process.returncode == (-signal.SIGKILL if left else 130)
        assert len(ours(docker_engine)) == left
        assert len(lines(study)) < 3
    done = offload(*grid, timeout=600)
    assert done.returncode == 0, done.stderr
    assert sorted(line["cell"] for line in lines(study)) == ["0000", "0001", "0002"]
    assert ours(docker_engine) == []


def test_what_a_study_left_up_goes_with_the_next_start_even_if_every_cell_is_done(
    examples: Path, offload: Offload, docker_engine: Any, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    grid = (
        "experiment", examples, "--images", 1, "--where", "container", "--repeats", 1, "-o", study,
        *BUILTIN,
    )  # fmt: skip
    assert offload(*grid, timeout=600).returncode == 0
    name = hashlib.sha256(os.fsencode(study.resolve())).hexdigest()[:16]
    left = ("detect", examples, "--where", "container", "--keep-as", name, *BUILTIN)
    assert offload(*left, timeout=600).returncode == 0
    assert len(ours(docker_engine)) == 1
    done = offload(*grid)
    assert "All cells are done" in done.stderr
    assert ours(docker_engine) == []


def lines(study: Path) -> list[dict[str, str]]:
    if not (study / "runs.csv").exists():
        return []
    with (study / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def started(*arguments: object) -> Begun:
    return spawner().begin(arguments)


def test_a_cold_study_counts_the_start_of_its_container(
    offload: Offload, examples: Path, docker_engine: Any, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    done = offload(
        "experiment", examples, "--images", 1, "--where", "container", "--cold", "--repeats", 1,
        "-o", study, *BUILTIN, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = lines(study)
    assert line["error"] == ""
    parts_s = float(line["startup_s"]) + float(line["detect_s"])
    assert float(line["makespan_s"]) == pytest.approx(parts_s)
    assert line["cold"] == "true"
    assert ours(docker_engine) == []
