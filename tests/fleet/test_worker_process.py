"""`offload work` in processes: they take from moto's queues and write into its bucket."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import offload as library
from offload.domain import typed
from offload.domain.machines import Backlog
from offload.drivers.aws.fleet.objects import S3Store
from offload.drivers.aws.fleet.queues import SqsQueue, SqsQueues
from offload.service.queued.message import VERSION, Task
from tests.becoming import Begun, spawner
from tests.conftest import Offload
from tests.fleet.deadly import POISON
from tests.functions.aws import Account, account

BUCKET = "worked-on"
PATIENCE_S = 120.0
DONE = Backlog(0, 0)


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as one:
        one.client("s3").create_bucket(Bucket=BUCKET)
        yield one


@dataclass
class Fleet:
    """A fleet without machines: its queues, its bucket, and whoever asks it."""

    aws: Account
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

    def hide_for(self, seconds: int) -> None:
        """How long a message is hidden while nobody says that it is at work on it."""
        wanted = {"VisibilityTimeout": str(seconds)}
        sqs = self.aws.client("sqs")
        sqs.set_queue_attributes(QueueUrl=self.tasks.url, Attributes=wanted)

    def rows(self) -> dict[str, Any]:
        """What has become a row, by its key."""
        keys = [key for key in self.store.keys("rows/job/") if key.endswith(".json")]
        return {key: json.loads(self.store.get(key, 2**20) or b"") for key in keys}

    def has(self, rows: int) -> bool:
        """Whether there are so many rows."""
        return len(self.rows()) >= rows

    def told(self) -> list[Any]:
        """The answers that have come, in any order."""
        return [json.loads(body) for body, _ in self.answers.kept()]


@pytest.fixture
def fleet(aws: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    queues = SqsQueues(aws.client("sqs"))
    made = [queues.made(name, {}) for name in ("tasks", "dead", "answers")]
    one = Fleet(aws, S3Store(aws.client("s3"), BUCKET), *made)
    yield one
    for queue in made:
        queues.remove(queue)
    for key in one.store.keys(""):
        one.store.delete(key)


@pytest.fixture
def worker(fleet: Fleet) -> Iterator[Callable[..., Begun]]:
    """Starts workers, which end with the test."""
    begun: list[Begun] = []

    def start(module: str = "offload", *words: str) -> Begun:
        begun.append(spawner().begin([*fleet.words, *words], module=module))
        return begun[-1]

    yield start
    for each in begun:
        each.kill()
        each.stdout.close()
        each.stderr.close()


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
    fleet.ask("large.jpg", bytes(300_000_000))
    newer = {"version": VERSION + 1, "path": "newer.jpg", "row_key": "rows/job/newer.jpg.json"}
    fleet.tasks.send(json.dumps({**newer, "reply_to": fleet.answers.url}))
    fleet.tasks.send("not a task")
    one = worker()
    found = library.detect(f"{examples}/*.jpg", model="builtin")
    ours = {os.path.basename(row.path): row for row in found}
    until(lambda: len(fleet.rows()) == len(ours) + 4 and fleet.tasks.backlog() == DONE)
    code, said = ended(one)
    assert code == 0
    rows = {row["path"]: row for row in fleet.rows().values()}
    for path, row in ours.items():
        assert rows[path]["detections"] == row.to_dict()["detections"]
        assert rows[path]["sha256"] == row.sha256
        assert rows[path]["where"] == "fleet"
    for path in ("bad.jpg", "large.jpg"):
        assert "not an image" in rows[path]["error"]
    answers = fleet.told()
    assert sorted(answer["row"]["path"] for answer in answers) == sorted(rows)
    assert {answer["worker"] for answer in answers} == {os.uname().nodename}
    reasons = {body: notes["reason"] for body, notes in fleet.dead.kept()}
    assert reasons.pop("not a task").startswith("it is no task")
    assert [*reasons.values()] == [rows["newer.jpg"]["error"]]
    assert "of version 2" in rows["newer.jpg"]["error"]
    lines = said.splitlines()
    assert lines[0].startswith(f"{os.uname().nodename} works for tasks with builtin (SHA-256 ")
    assert "failed: gone.jpg: it was removed before a worker came to it" in lines
    assert lines[-1].endswith("Finishing what is in progress; Ctrl-C again stops now.")


def test_workers_that_are_killed_lose_and_double_nothing(
    fleet: Fleet, worker: Callable[..., Begun], examples: Path
) -> None:
    fleet.hide_for(2)
    photo = next(examples.glob("*.jpg")).read_bytes()
    for number in range(40):
        fleet.ask(f"{number}.jpg", photo)
    for number in (5, 15):
        one = worker()
        until(partial(fleet.has, number))
        one.kill()
        assert one.wait(PATIENCE_S) == -signal.SIGKILL
    worker()
    worker()
    until(lambda: fleet.tasks.backlog() == DONE)
    rows = fleet.rows()
    assert len(rows) == 40
    assert {row["error"] for row in rows.values()} == {None}
    answered = {answer["row_key"]: answer["row"] for answer in fleet.told()}
    assert answered == rows
    assert not [*fleet.dead.kept()]


def test_an_image_that_kills_every_worker_is_given_up_and_no_other(
    fleet: Fleet, worker: Callable[..., Begun], examples: Path
) -> None:
    fleet.hide_for(2)
    photo = next(examples.glob("*.jpg")).read_bytes()
    for name in (POISON, "a.jpg", "b.jpg", "c.jpg"):
        fleet.ask(name, photo)
    lives = []
    while len(fleet.rows()) < 4:
        lives.append(worker("tests.fleet.deadly", "--workers", "2"))
        until(lambda: lives[-1].poll() is not None or len(fleet.rows()) == 4)
    assert len(lives) == 4
    errors = {row["path"]: row["error"] for row in fleet.rows().values()}
    assert errors.pop(POISON) == "three workers ended on it"
    assert {*errors.values()} == {None}
    until(lambda: fleet.tasks.backlog() == DONE)
    [(_, notes)] = fleet.dead.kept()
    assert notes["reason"] == "three workers ended on it"
    [given_up] = [answer for answer in fleet.told() if answer["dead_letter"]]
    assert given_up["row"]["path"] == POISON


@pytest.mark.parametrize(
    ("option", "value", "code", "said"),
    [
        ("--queue", "{}-gone", 4, "error: There is no queue tasks-gone."),
        ("--out", "s3://nobodys-bucket/rows", 4, "error: There is no bucket nobodys-bucket."),
        ("--out", "s3://photos", 2, "error: --out takes a fleet's bucket, not 's3://photos'."),
    ],
)
def test_what_is_not_there_is_a_sentence_and_the_message_stays(
    fleet: Fleet, offload: Offload, option: str, value: str, code: int, said: str
) -> None:
    fleet.ask("a.jpg", b"")
    done = offload(*fleet.words, option, value.format(fleet.tasks.url))
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    [message] = fleet.tasks.receive(1, 0)
    assert message.receives == 1
