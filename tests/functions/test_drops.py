"""A drop box: what is put into the bucket becomes one row each, however often S3 tells of it."""

import json
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import offload
from offload import bootstrap
from offload.drivers import settings
from offload.usecases import drops
from offload.usecases.context import Context
from offload.usecases.detect.request import Request
from offload.usecases.provision.functions import FunctionOptions
from tests.conftest import Offload
from tests.functions.bench import NAME, Bench
from tests.testbed.runtime import Killed

pytestmark = pytest.mark.xdist_group("functions")

WISH = FunctionOptions(NAME, drop_box=True)


@pytest.fixture
def box(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A function with a drop box, which the settings mean."""
    monkeypatch.setenv("OFFLOAD_FUNCTION", NAME)
    bench.up(WISH)
    delivery = bench.account.delivery
    before = delivery.times, delivery.killed
    yield bench
    assert delivery.settled(60)
    delivery.times, delivery.killed = before
    bench.down()


@pytest.fixture
def context() -> Context:
    """As a command has it."""
    return bootstrap.context(configured=settings.load(os.environ))


def many(examples: Path, folder: Path, number: int) -> Path:
    """So many pictures, some of them in a folder of the folder."""
    (folder / "more").mkdir(parents=True)
    found = sorted(examples.glob("*.jpg"))[:3]
    for each in range(number):
        shutil.copy(found[each % 3], folder / ("more" if each % 2 else "") / f"{each}.jpg")
    return folder


@pytest.fixture
def photos(examples: Path, tmp_path: Path) -> Path:
    """Some pictures."""
    return many(examples, tmp_path / "photos", 12)


def fate(seed: int) -> Callable[[bytes], Killed]:
    """One function in ten is killed, before it did its work, amid it or after."""
    lucky, lock = random.Random(seed), threading.Lock()
    spared: Killed = ""
    ways: list[Killed] = [*[spared] * 27, "before", "during", "after"]

    def killed(_payload: bytes) -> Killed:
        with lock:
            return lucky.choice(ways)

    return killed


def test_each_drop_is_one_row_though_told_of_twice_and_functions_are_killed(
    box: Bench, context: Context, photos: Path
) -> None:
    check(box, context, photos, 12)


@pytest.mark.soak
def test_200_drops_are_200_rows_though_told_of_twice_and_functions_are_killed(
    box: Bench, context: Context, examples: Path, tmp_path: Path
) -> None:
    box.account.service.most, before = 10, box.account.service.most
    check(box, context, many(examples, tmp_path / "many", 200), 200)
    box.account.service.most = before


def check(box: Bench, context: Context, photos: Path, number: int) -> None:
    """Drop them all: what has been found of each is there once."""
    box.account.delivery.times = 2
    box.account.delivery.killed = fate(3)
    request = Request((str(photos),), recursive=True, where="lambda")
    total, rows = drops.drop(request, context, drops.opened(context))
    found = list(rows)
    ours = {r.path: r for r in offload.detect(str(photos), recursive=True, model="builtin")}
    assert total == len(found) == len(ours) == number
    assert {row.path: row.detections for row in found} == {
        path: row.detections for path, row in ours.items()
    }
    assert {row.sha256 for row in found} == {row.sha256 for row in ours.values()}
    assert box.account.delivery.settled(600)
    documents = list(drops.opened(context).rows())
    assert len({each["path"] for each in documents}) == len(documents) == number
    assert all(each["began_at"] <= each["ended_at"] for each in documents)
    assert all(each["dropped_at"] for each in documents)


def test_what_others_drop_is_shown_and_a_damaged_picture_is_a_row_with_its_reason(
    box: Bench, examples: Path, offload: Offload
) -> None:
    client, bucket = box.account.client("s3"), box.up(WISH).bucket
    good = next(examples.glob("*.jpg")).read_bytes()
    client.put_object(Bucket=bucket, Key="in/good é.jpg", Body=good)
    client.put_object(Bucket=bucket, Key="in/bad.jpg", Body=b"no picture")
    client.put_object(Bucket=bucket, Key="elsewhere.jpg", Body=good)
    assert box.account.delivery.settled(60)
    done = offload("results", "lambda", "--json")
    rows = {row["path"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows.keys() == {"good é.jpg", "bad.jpg"}
    assert rows["good é.jpg"]["detections"]
    assert rows["good é.jpg"]["where"] == "lambda"
    assert "not an image" in rows["bad.jpg"]["error"]
    assert "Nothing failed." in offload("results", "lambda", "--failed").stdout


def test_what_fails_however_often_it_is_tried_is_in_the_queue(
    box: Bench, examples: Path, offload: Offload
) -> None:
    box.account.delivery.killed = lambda told: "before" if b"lost" in told else ""
    client, bucket = box.account.client("s3"), box.up(WISH).bucket
    for name in ("lost.jpg", "kept.jpg"):
        body = next(examples.glob("*.jpg")).read_bytes()
        client.put_object(Bucket=bucket, Key=f"in/{name}", Body=body)
    assert box.account.delivery.settled(60)
    [failure] = json.loads(offload("results", "lambda", "--failed", "--json").stdout)["failures"]
    assert failure["path"] == "lost.jpg"
    assert failure["why"].endswith("Error: Runtime exited without providing a reason")
    assert failure["request"]


def test_the_function_may_read_write_and_report_and_nothing_else(box: Bench) -> None:
    iam = box.account.client("iam")
    policy = iam.get_role_policy(RoleName=f"{NAME}-us-east-1", PolicyName="own")["PolicyDocument"]
    may = [each["Action"] for each in policy["Statement"]]
    assert may == [
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        "s3:GetObject", "dynamodb:PutItem", "sqs:SendMessage",
    ]  # fmt: skip
    assert all(NAME in each["Resource"] for each in policy["Statement"])


def test_a_drop_box_stays_when_it_is_not_asked_for_again_and_goes_with_the_function(
    bench: Bench,
) -> None:
    bench.up(WISH)
    assert bench.up(FunctionOptions(NAME, memory_mb=2000)).table == NAME
    assert {"table", "queue"} <= {*bench.down()}


def test_without_a_drop_box_it_is_one_sentence_and_a_command(
    bench: Bench, photos: Path, offload: Offload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLOAD_FUNCTION", NAME)
    bench.up()
    refused = offload("drop", photos, "--yes")
    assert refused.returncode == 2
    assert "has no drop box" in refused.stderr
    assert refused.stderr.splitlines()[-1].endswith("--drop-box")
