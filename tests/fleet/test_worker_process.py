"""`offload work` in processes: they take from moto's queues and write into its bucket."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import offload as library
from offload.domain import typed
from offload.drivers.aws.fleet.objects import S3Store
from offload.drivers.aws.fleet.queues import SqsQueue, SqsQueues
from offload.service.queued.message import VERSION, Task
from tests.becoming import Begun, spawner
from tests.functions.aws import Account, account

BUCKET = "photos"
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as one:
        one.client("s3").create_bucket(Bucket=BUCKET)
        yield one


@dataclass
class Fleet:
    """A fleet without machines: its queues, its bucket, and whoever asks it."""

    queues: SqsQueues
    store: S3Store
    tasks: SqsQueue
    dead: SqsQueue
    answers: SqsQueue

    @property
    def words(self) -> list[str]:
        """What has a worker work for it."""
        out = f"s3://{BUCKET}/rows"
        urls = ["--queue", self.tasks.url, "--dead", self.dead.url, "--out", out]
        return ["work", *urls, "--model", "builtin", "--workers", "1"]

    def ask(self, path: str, data: bytes | None) -> None:
        """Have it detect in an image, which is there unless it is None."""
        task = Task(VERSION, path, f"in/job/{path}", f"rows/job/{path}.json", self.answers.url)
        if data is not None:
            self.store.put(task.image_key, data)
        self.tasks.send(typed.encoded(task).decode())

    def rows(self) -> dict[str, Any]:
        """What has become a row, by its key."""
        keys = [key for key in self.store.keys("rows/job/") if key.endswith(".json")]
        return {key: json.loads(self.store.get(key, 2**20) or b"") for key in keys}

    def told(self) -> list[Any]:
        """The answers that have come, in any order."""
        return [json.loads(body) for body, _ in self.answers.kept()]


@pytest.fixture
def fleet(
    aws: Account, home: Path, monkeypatch: pytest.MonkeyPatch, examples: Path
) -> Iterator[Fleet]:
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    queues = SqsQueues(aws.client("sqs"))
    made = [queues.made(name, {}) for name in ("tasks", "dead", "answers")]
    one = Fleet(queues, S3Store(aws.client("s3"), BUCKET), *made)
    yield one
    for queue in made:
        queues.remove(queue)
    for key in one.store.keys(""):
        one.store.delete(key)


@pytest.fixture
def worker(fleet: Fleet) -> Iterator[Callable[..., Begun]]:
    """Starts workers, which end with the test."""
    begun: list[Begun] = []

    def start(*words: str) -> Begun:
        begun.append(spawner().begin([*fleet.words, *words]))
        return begun[-1]

    yield start
    for each in begun:
        each.kill()
        each.communicate()


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.1)


def ended(worker: Begun) -> tuple[int, str]:
    """The exit code of a worker that is told to end, and what it said."""
    worker.send_signal(signal.SIGTERM)
    return worker.wait(PATIENCE_S), worker.stderr.read()


def test_each_image_is_the_row_that_detect_makes_and_an_answer(
    fleet: Fleet, worker: Callable[..., Begun], examples: Path
) -> None:
    for photo in sorted(examples.glob("*.jpg")):
        fleet.ask(photo.name, photo.read_bytes())
    fleet.ask("bad.jpg", b"no picture")
    fleet.ask("gone.jpg", None)
    fleet.tasks.send("not a task")
    one = worker()
    found = library.detect(f"{examples}/*.jpg", model="builtin")
    ours = {os.path.basename(row.path): row for row in found}
    until(lambda: len(fleet.rows()) == len(ours) + 2 and not any(vars_of(fleet.tasks)))
    code, said = ended(one)
    assert code == 0
    rows = {row["path"]: row for row in fleet.rows().values()}
    for path, row in ours.items():
        assert rows[path]["detections"] == row.to_dict()["detections"]
        assert rows[path]["sha256"] == row.sha256
        assert rows[path]["where"] == "fleet"
    assert "not an image" in rows["bad.jpg"]["error"]
    assert "removed before" in rows["gone.jpg"]["error"]
    answers = fleet.told()
    assert sorted(answer["row"]["path"] for answer in answers) == sorted(rows)
    assert {answer["worker"] for answer in answers} == {os.uname().nodename}
    [(body, notes)] = fleet.dead.kept()
    assert body == "not a task"
    assert notes["reason"].startswith("it is no task")
    assert said.splitlines()[0].startswith(f"{os.uname().nodename} works for tasks with builtin")
    assert "failed: gone.jpg: it was removed before a worker came to it" in said


def vars_of(queue: SqsQueue) -> tuple[int, int]:
    """How many messages wait, and are in flight."""
    backlog = queue.backlog()
    return backlog.visible, backlog.in_flight
