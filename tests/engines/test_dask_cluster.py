"""A Dask cluster of three computers, which fail while a batch is under way."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.batch.folders import document, filled, paths
from tests.batch.test_local_engine import until
from tests.conftest import PROJECT
from tests.engines.reads import Reads, reads
from tests.testbed import nodes
from tests.testbed.nodes import Node

pytestmark = [pytest.mark.xdist_group("dask")]

_IMAGES, _SHARD, _KILLS = 240, 8, 5
_HERE = {
    "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1",
    # One shard may be at the victim each time.
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "10",
}  # fmt: skip


@dataclass
class Dask:
    """The cluster: its first computer has the scheduler and is where commands are given."""

    head: Node
    workers: list[Node]
    logs: Path

    @property
    def address(self) -> str:
        """Where its scheduler listens."""
        return f"tcp://{self.head.address}:8786"

    def work_at(self, node: Node) -> None:
        """Have a computer do shards."""
        command = [sys.executable, "-m", "dask", "worker", self.address, "--nthreads", "1"]
        command += ["--no-nanny", "--no-dashboard", "--local-directory", str(self.logs / node.name)]
        node.start(command, self.logs / f"{node.name}.log", _HERE)

    def batch(self, images: Path, out: Path) -> "subprocess.Popen[str]":
        """The command, given at the head."""
        words = ["batch", images, "--out", out, "--model", "builtin", "--engine", "dask", "--yes"]
        words += ["--address", self.address, "--shard-images", str(_SHARD)]
        return subprocess.Popen(
            self.head.inside(sys.executable, "-m", "offload", *map(str, words)),
            env=os.environ | _HERE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    if why := nodes.why_not():
        pytest.skip(f"no computers in namespaces: {why}")
    pytest.importorskip("distributed")
    logs = tmp_path_factory.mktemp("dask")
    with nodes.nodes(["head", "one", "two", "three"]) as (head, *workers):
        cluster = Dask(head, workers, logs)
        command = [sys.executable, "-m", "dask", "scheduler", "--host", head.address]
        head.start([*command, "--no-dashboard", "--no-show"], logs / "head.log", _HERE)
        for each in workers:
            cluster.work_at(each)
        until(lambda: all(_registered(logs / f"{each.name}.log") for each in workers))
        yield cluster


def _registered(log: Path) -> bool:
    return log.exists() and "Registered to" in log.read_text()


def there(out: Path) -> int:
    """How many shards have rows."""
    return len(list((out / "rows").glob("*.zst")))


def whole(out: Path, images: Path) -> None:
    """Every image has one row, and the index says so."""
    assert paths(out) == {path.name: 1 for path in images.iterdir()}
    index = document(out, "index.json")
    assert (index["complete"], index["images"], index["failed"]) == (True, _IMAGES, 0)


def redone(seen: Reads) -> int:
    """How many shards were begun again: whoever begins one reads what it lists."""
    counts = seen.counts()
    assert len(counts) == _IMAGES / _SHARD
    return sum(counts.values()) - len(counts)


def test_computers_that_fail_at_random_lose_no_row_and_a_shard_each_at_most(
    dask: Dask, tmp_path: Path
) -> None:
    images, out, chance = filled(tmp_path / "photos", _IMAGES), tmp_path / "rows", random.Random(1)
    with reads(out / "manifest") as seen:
        process, kills = dask.batch(images, out), 0
        while process.poll() is None and kills < _KILLS:
            before = there(out)
            until(lambda: process.poll() is not None or there(out) > before)  # noqa: B023
            time.sleep(chance.uniform(0, 0.3))
            node = chance.choice(dask.workers)
            node.kill()
            dask.work_at(node)
            kills += 1
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        whole(out, images)
        assert kills
        assert redone(seen) <= kills


def test_a_driver_that_is_killed_goes_on_with_the_same_command(dask: Dask, tmp_path: Path) -> None:
    images, out = filled(tmp_path / "photos", _IMAGES), tmp_path / "rows"
    with reads(out / "manifest") as seen:
        process = dask.batch(images, out)
        until(lambda: process.poll() is not None or there(out) >= 3)
        process.kill()
        process.communicate()
        kept = there(out)
        process = dask.batch(images, out)
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        whole(out, images)
        assert kept
        assert redone(seen) <= len(dask.workers)
