"""A function of our real image: AWS' runtime client in containers, as Lambda runs them."""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import offload
from offload.detectors import source
from offload.drivers import settings
from offload.drivers.aws.functions import ENTRY
from offload.drivers.docker.engine import Engine
from offload.usecases.provision.functions import image_of
from tests.contexts import context
from tests.functions.aws import NAME, Account, account
from tests.functions.containers import LABEL, as_container

pytestmark = pytest.mark.xdist_group("containers")

AT: dict[str, Any] = {"where": "lambda", "model": "builtin"}
MOST_INIT_S = 2.5
"""At the 95th percentile, where memory gives a whole core."""


@pytest.fixture(scope="module")
def aws(docker_engine: Any) -> Iterator[Account]:
    """An account with a function that `offload provision lambda` brought up."""
    made = context(settings.load({"OFFLOAD_MODEL": "builtin"}))
    image = image_of(source.chosen("builtin", made.hub, None))
    with Engine.connected() as engine:
        if not image.is_current(engine):
            image.build(engine, lambda _line: None)
    with account(4, as_container(docker_engine)) as one:
        one.function(NAME, ImageConfig=ENTRY)
        yield one
    for container in docker_engine.containers.list(all=True, filters={"label": LABEL}):
        container.remove(force=True)


@pytest.fixture
def here(aws: Account, home: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The same, asked by this process."""
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    return aws


def test_the_real_image_gives_the_same_boxes_and_starts_in_time(
    here: Account, examples: Path
) -> None:
    there = {row.path: row for row in offload.detect(str(examples), concurrency=2, **AT)}
    ours = {row.path: row for row in offload.detect(str(examples), model="builtin")}
    assert {path: row.error for path, row in there.items()} == dict.fromkeys(ours)
    assert {path: row.detections for path, row in there.items()} == {
        path: row.detections for path, row in ours.items()
    }


def test_a_damaged_picture_does_not_end_an_environment(
    here: Account, examples: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(next(examples.glob("*.jpg")).read_bytes()[:3000])
    (tmp_path / "b.jpg").write_bytes(next(examples.glob("*.jpg")).read_bytes())
    found = {r.path: r for r in offload.detect(str(tmp_path), concurrency=1, **AT)}
    assert found["a.jpg"].error
    assert found["b.jpg"].error is None


def test_an_environment_of_one_core_comes_up_in_time(here: Account) -> None:
    client, starts_s = here.client("lambda"), []
    for _ in range(5):
        here.service.rest()
        answer = client.invoke(FunctionName=NAME, Payload=b"{}")
        starts_s.append(json.loads(answer["Payload"].read())["init_s"])
    assert statistics.median(starts_s) < MOST_INIT_S
