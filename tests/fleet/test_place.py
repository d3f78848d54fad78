"""`--where fleet` against moto's queues and bucket, with workers that are real processes."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import offload as library
from offload.detectors import source
from offload.domain import typed
from offload.domain.errors import PlaceUnavailable
from offload.domain.machines import FleetInfo
from offload.domain.results import Row
from offload.drivers.aws.fleet.group import AutoScalingGroup
from offload.drivers.aws.fleet.objects import S3Store, store_of, write_info
from offload.drivers.aws.fleet.parts import called
from offload.drivers.aws.fleet.queues import SqsQueue, SqsQueues
from offload.service.queued.message import VERSION, Result, Task
from offload.version import __version__
from tests.becoming import Begun, spawner
from tests.conftest import Offload
from tests.contexts import context
from tests.fleet.obliging import found
from tests.functions.aws import REGION, Account, account

PATIENCE_S = 120.0
AT: dict[str, Any] = {"where": "fleet", "model": "builtin"}
TYPED = ("--where", "fleet", "-m", "builtin", "--yes")


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as one:
        yield one


class Fleet:
    """A fleet whose machines are processes here, as its bucket says; its group is moto's, whose
    machines do nothing.
    """

    def __init__(self, aws: Account, image: str) -> None:
        self.aws = aws
        self.queues = SqsQueues(aws.client("sqs"))
        self.tasks, self.dead = (self.queues.made(name, {}) for name in ("tasks", "dead"))
        self.store: S3Store = store_of(aws.client, "offload", REGION)
        aws.client("s3").create_bucket(Bucket=self.store.bucket)
        model = source.chosen("builtin", context().hub, None)
        self.info = FleetInfo(
            "offload", REGION, __version__, model.identity, model.labels, model.min_score,
            ("c7i.large",), 2, 0.0893, False, 4, self.store.bucket, self.tasks.url, self.dead.url,
        )  # fmt: skip
        write_info(self.store, self.info)
        scaling = aws.client("autoscaling")
        scaling.create_launch_configuration(
            LaunchConfigurationName="machine", ImageId=image, InstanceType="t3.micro"
        )
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=called("offload"), LaunchConfigurationName="machine", MinSize=0,
            MaxSize=4, DesiredCapacity=0, AvailabilityZones=[f"{REGION}a"],
        )  # fmt: skip
        self.group = AutoScalingGroup(aws.client, called("offload"))

    @property
    def answer_queues(self) -> list[str]:
        """Those that clients made."""
        found = self.aws.client("sqs").list_queues(QueueNamePrefix=f"{called('offload')}-answers-")
        urls: list[str] = found.get("QueueUrls", [])
        return urls

    def down(self) -> None:
        """Nothing of it is left."""
        scaling = self.aws.client("autoscaling")
        scaling.delete_auto_scaling_group(AutoScalingGroupName=called("offload"), ForceDelete=True)
        scaling.delete_launch_configuration(LaunchConfigurationName="machine")
        for url in [self.tasks.url, self.dead.url, *self.answer_queues]:
            self.queues.remove(SqsQueue(self.aws.client("sqs"), url))
        for key in self.store.keys(""):
            self.store.delete(key)
        self.aws.client("s3").delete_bucket(Bucket=self.store.bucket)


@pytest.fixture(scope="module")
def image(aws: Account) -> str:
    """What machines are made of; to look for it takes a second."""
    found = aws.client("ec2").describe_images(Owners=["amazon"])
    return str(found["Images"][0]["ImageId"])


@pytest.fixture
def fleet(aws: Account, image: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    one = Fleet(aws, image)
    yield one
    one.down()


@pytest.fixture
def worker(fleet: Fleet) -> Iterator[Callable[[], Begun]]:
    """Starts workers, which end with the test."""
    begun: list[Begun] = []

    def start() -> Begun:
        urls = ["--queue", fleet.tasks.url, "--dead", fleet.dead.url]
        out = ["--out", f"s3://{fleet.store.bucket}/rows"]
        begun.append(spawner().begin(["work", *urls, *out, "-m", "builtin", "--workers", "1"]))
        return begun[-1]

    yield start
    for each in begun:
        each.kill()
        each.communicate()


def until(true: Callable[[], object]) -> None:
    """Wait for it."""
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.1)


def test_two_jobs_at_once_get_the_boxes_of_this_process_and_only_rows_are_left(
    fleet: Fleet, worker: Callable[[], Begun], examples: Path
) -> None:
    worker()
    worker()

    def detected(score: float) -> dict[str, Row]:
        rows = library.detect(str(examples), min_score=score, **AT)
        return {row.path: row for row in rows}

    with ThreadPoolExecutor(2) as jobs:
        some, there = jobs.map(detected, [0.6, 0.25])
    assert sum(len(row.detections) for row in some.values()) < sum(
        len(row.detections) for row in there.values()
    )
    ours = {row.path: row for row in library.detect(str(examples), min_score=0.25, model="builtin")}
    assert {path: row.detections for path, row in there.items()} == {
        path: row.detections for path, row in ours.items()
    }
    assert {row.where for row in there.values()} == {"fleet"}
    spent = [row.durations for row in there.values() if not row.error]
    assert all(each.upload_s > 0 and each.queue_s > 0 and each.infer_s > 0 for each in spent)
    assert fleet.group.size().desired == 1, "a few images are worth one machine"
    assert not list(fleet.store.keys("in/"))
    assert len([key for key in fleet.store.keys("rows/") if key.endswith(".json")]) == 2 * len(ours)
    assert not fleet.answer_queues


def test_a_client_that_is_killed_goes_on_with_what_is_left(
    fleet: Fleet, worker: Callable[[], Begun], examples: Path, offload: Offload, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["detect", str(examples), *TYPED, "--out", str(out), "--concurrency", "2"]
    client = spawner().begin(words)
    for _ in range(3):
        [message] = fleet.tasks.receive(1, 20)
        task = typed.parse(Task, message.body.encode())
        row = replace(found(task), model_sha256=fleet.info.model.sha256)
        answer = Result(VERSION, task.row_key, row.to_dict())
        fleet.queues(task.reply_to).send(typed.encoded(answer).decode())
        fleet.tasks.delete(message)
    until(lambda: (out / "detections.jsonl").exists() and len(lines(out)) == 3)
    client.kill()
    client.communicate()
    assert len(fleet.answer_queues) == 1
    worker()
    done = offload(*words)
    assert done.returncode == 0, done.stderr
    paths = [json.loads(line)["path"] for line in lines(out)]
    assert sorted(paths) == sorted(set(os.listdir(examples)) - {"expected.json"})


def test_a_client_that_is_interrupted_leaves_no_queue_and_no_image(
    fleet: Fleet, examples: Path
) -> None:
    client = spawner().begin(["detect", str(examples), *TYPED])
    until(lambda: fleet.tasks.backlog().visible == 12)
    for _ in range(2):
        client.send_signal(signal.SIGINT)
        time.sleep(0.5)
    assert client.wait(PATIENCE_S) == 130
    client.communicate()
    assert not fleet.answer_queues
    assert not list(fleet.store.keys("in/"))


def lines(out: Path) -> list[str]:
    """What is in a results folder."""
    return (out / "detections.jsonl").read_text().splitlines()


def test_a_fleet_that_is_not_there_is_one_sentence(
    aws: Account, home: Path, monkeypatch: pytest.MonkeyPatch, examples: Path
) -> None:
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PlaceUnavailable) as caught:
        library.detect(str(examples), **AT)
    assert str(caught.value).count(". ") <= 1
    assert "offload provision fleet" in "\n".join([str(caught.value), caught.value.hint])


def test_a_fleet_of_another_version_model_or_without_its_queue_is_one_sentence(
    fleet: Fleet, examples: Path
) -> None:
    def said(**more: Any) -> str:
        with pytest.raises(PlaceUnavailable) as caught:
            list(library.detect(str(examples), **AT | more))
        assert "offload provision fleet" in caught.value.hint
        return str(caught.value)

    write_info(fleet.store, replace(fleet.info, version="0.0.1"))
    assert said().startswith("The fleet offload runs offload 0.0.1, this is offload ")
    write_info(fleet.store, fleet.info)
    assert said(model="efficientdet-lite0").startswith("The fleet offload serves builtin")
    fleet.queues.remove(fleet.tasks)
    assert said() == "There is no queue tasks."
    assert not fleet.answer_queues


def test_a_bucket_that_goes_in_the_middle_is_one_sentence_and_no_queue_is_left(
    fleet: Fleet, examples: Path
) -> None:
    client = spawner().begin(["detect", str(examples), *TYPED, "--concurrency", "2"])
    until(lambda: fleet.tasks.backlog().visible == 2)
    s3, bucket = fleet.aws.client("s3"), fleet.store.bucket
    for key in fleet.store.keys(""):
        fleet.store.delete(key)
    s3.delete_bucket(Bucket=bucket)
    for message in fleet.tasks.receive(2, 20):
        task = typed.parse(Task, message.body.encode())
        answer = Result(VERSION, task.row_key)  # its row is in the bucket
        fleet.queues(task.reply_to).send(typed.encoded(answer).decode())
    _, said = client.communicate()
    s3.create_bucket(Bucket=bucket)
    assert client.returncode == 4, said
    assert "error: There is no fleet offload in us-east-1." in said
    assert not fleet.answer_queues


def test_what_gets_no_answer_is_done_here_if_that_is_asked_for(
    fleet: Fleet, examples: Path, tmp_path: Path
) -> None:
    fleet.queues.remove(fleet.tasks)
    rows = list(library.detect(str(examples), fallback="local", **AT))
    assert {row.where for row in rows if not row.error} == {"local"}


def test_a_split_uses_the_fleet_beside_this_process(
    fleet: Fleet, worker: Callable[[], Begun], examples: Path, offload: Offload
) -> None:
    worker()
    words = ("--where", "split", "--with", "fleet", "--workers", "1", "-m", "builtin", "--yes")
    done = offload("detect", examples, *words, "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["where"] for row in rows} <= {"local", "fleet"}
    assert not [row for row in rows if row["error"]]


def test_runs_at_a_fleet_are_samples_and_advice_speaks_of_it_at_work_and_at_rest(
    fleet: Fleet, worker: Callable[[], Begun], examples: Path, offload: Offload
) -> None:
    worker()
    first = offload("detect", examples, *TYPED, "--deadline", "10m", "--max-cost", "1", "-v")
    assert first.returncode == 0, first.stderr
    assert "The fleet offload gets 1 machine: about " in first.stderr
    assert "deadline of 10 min kept" in first.stderr
    second = offload("detect", examples, *TYPED, "-v")
    assert "predicted" in second.stderr.splitlines()[-1]
    asked = offload("advise", "-n", 200, "-m", "builtin", "--json")
    options = json.loads(asked.stdout)["options"]
    rows = {o["state"]: o for o in options if o["place"] == "fleet"}
    assert rows["warm"]["usd"] < rows["cold"]["usd"]
    [outcome] = json.loads(offload("accuracy", "--json").stdout)["runs"]
    assert outcome["place"].startswith("fleet")
    assert outcome["actual_usd"] > 0
    profiled = offload("profile", examples, *TYPED, "--budget", "1s")
    assert profiled.stdout.partition(": ")[2].startswith("builtin at fleet on c7i.large")
    kept = offload("detect", examples, *TYPED, "--keep-local", "red*")
    assert "1 of 12 images must stay here, but --where fleet sends all" in kept.stderr
    refused = offload("detect", examples, *TYPED[:-1])
    assert refused.stderr.splitlines()[0] == "error: Using fleet may cost money and needs --yes."
