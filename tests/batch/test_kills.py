"""Batches whose processes are killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.batch.folders import document, filled, paths
from tests.batch.test_local_engine import until
from tests.conftest import PROJECT

_IMAGES = 240


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """As many pictures as take some seconds."""
    return filled(tmp_path / "photos", _IMAGES)


def begun(images: Path, out: Path, shard_images: int = 8) -> "subprocess.Popen[str]":
    """The command in a process."""
    command = ["batch", images, "--out", out, "--model", "builtin", "--workers", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", "offload", *map(str, command), "--shard-images", str(shard_images)],
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> str:
    """What it said, once it ended well."""
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def workers(of: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The processes that it has shards done by."""
    found = []
    for each in children(of):
        try:
            if "spawn_main" in " ".join(each.cmdline()):
                found.append(each)
        except psutil.Error:
            continue
    return found


def children(of: "subprocess.Popen[str]") -> list[psutil.Process]:
    """All processes that it started."""
    try:
        found: list[psutil.Process] = psutil.Process(of.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def rows_there(out: Path) -> int:
    """How many shards have rows, or seem to."""
    return sum(1 for _ in _files(out))


def _files(out: Path) -> Iterator[Path]:
    return (out / "rows").glob("*") if (out / "rows").exists() else iter(())


def whole(out: Path, images: Path) -> None:
    """Every image has one row, and the index says so."""
    assert paths(out) == {path.name: 1 for path in images.iterdir()}
    index = document(out, "index.json")
    assert (index["complete"], index["images"], index["failed"]) == (True, _IMAGES, 0)


def test_children_killed_at_random_lose_no_row(images: Path, tmp_path: Path) -> None:
    out, chance = tmp_path / "rows", random.Random(1)
    process = begun(images, out)
    kills = 0
    while process.poll() is None and kills < 5:
        there = rows_there(out)
        until(lambda: process.poll() is not None or rows_there(out) > there)  # noqa: B023
        time.sleep(chance.uniform(0, 0.3))
        if alive := workers(process):
            chance.choice(alive).kill()
            kills += 1
    process.communicate(timeout=300)
    if process.returncode:  # by chance one shard was hit three times
        assert process.returncode == 1
        ended(begun(images, out))
    assert kills
    whole(out, images)


def test_a_driver_killed_at_random_leaves_nothing_half(images: Path, tmp_path: Path) -> None:
    out, chance = tmp_path / "rows", random.Random(2)
    for _ in range(3):
        before = rows_there(out)
        process = begun(images, out)
        until(lambda: process.poll() is not None or rows_there(out) > before)  # noqa: B023
        time.sleep(chance.uniform(0, 0.3))
        left = children(process)
        process.kill()
        process.communicate()
        until(lambda: not any(each.is_running() and each.status() != "zombie" for each in left))  # noqa: B023
    ended(begun(images, out))
    whole(out, images)


def test_an_interrupted_batch_finishes_what_it_has_and_goes_on(
    images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows"
    process = begun(images, out)
    until(lambda: rows_there(out))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "To go on: the same command again" in said
    assert not (out / "index.json").exists()
    ended(begun(images, out))
    whole(out, images)


def test_two_commands_on_one_output_make_one_batch(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows"
    both = begun(images, out), begun(images, out)
    for process in both:
        ended(process)
    whole(out, images)


@pytest.mark.soak
def test_twenty_thousand_images_in_two_hundred_shards(tmp_path: Path) -> None:
    images, out, chance = filled(tmp_path / "photos", 20_000), tmp_path / "rows", random.Random(3)
    kills = 0
    process = begun(images, out, shard_images=100)
    while process.poll() is None:
        there = rows_there(out)
        until(lambda: process.poll() is not None or rows_there(out) >= there + 25)  # noqa: B023
        victims = workers(process)
        if kills == 3:
            process.kill()
            process.communicate()
            process = begun(images, out, shard_images=100)
        elif victims:
            chance.choice(victims).kill()
        kills += 1
    assert process.returncode == 0
    assert paths(out) == {path.name: 1 for path in images.iterdir()}
    assert document(out, "index.json")["shards"] == 200
