"""A function of our real image: AWS' runtime client in containers, as Lambda runs them."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import offload
from offload.api.rows import Row
from offload.detectors import source
from offload.drivers import settings
from offload.drivers.aws.function.calling import ENTRY
from offload.drivers.docker.engine import Engine
from offload.usecases.provision.model_image import image_of
from tests import bombs
from tests.contexts import context
from tests.functions.aws import NAME, Account, account
from tests.functions.containers import as_container, resting

pytestmark = pytest.mark.xdist_group("containers")

AT: dict[str, Any] = {"where": "lambda", "model": "builtin"}
MEMORY_MB = 3538
"""Two cores' worth: what is asked for is boxes, not seconds."""


@pytest.fixture(scope="module")
def aws(docker_engine: Any) -> Iterator[Account]:
    """An account with a function of our image, most of which is that of the server's."""
    made = context(settings.load({"OFFLOAD_MODEL": "builtin"}))
    image = image_of(source.chosen("builtin", made.hub, None), "aws")
    with Engine.connected() as engine:
        if not image.is_current(engine):
            image.build(engine, lambda _line: None)
        identified = engine.image_id(image.name)
    sweep(docker_engine)
    with account(4, as_container(docker_engine, identified)) as one:
        one.function(NAME, ImageConfig=ENTRY, MemorySize=MEMORY_MB)
        yield one
    sweep(docker_engine)


def sweep(engine: Any) -> None:
    for left in resting(engine):
        left.kill()


@pytest.fixture
def here(aws: Account, home: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The same, asked by this process."""
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    return aws


def rows(folder: Path, **wishes: Any) -> dict[str, Row]:
    """What came of a folder's pictures, by name."""
    return {row.path: row for row in offload.detect(str(folder), **wishes)}


def asked(aws: Account, name: str = NAME, **call: Any) -> dict[str, Any]:
    """The function's answer, or the error in its place."""
    answer = aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(call).encode())
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    return said


def test_all_photos_get_the_boxes_that_they_get_here(here: Account, photos: Path) -> None:
    ours = rows(photos, model="builtin")
    there = rows(photos, concurrency=2, **AT)
    assert len(there) == 128
    assert {path: row.error for path, row in there.items()} == dict.fromkeys(ours)
    assert {path: row.detections for path, row in there.items()} == {
        path: row.detections for path, row in ours.items()
    }


def test_an_environment_stands_still_between_calls_and_takes_the_next_one(
    here: Account, docker_engine: Any
) -> None:
    here.service.rest()
    assert asked(here)["init_s"] > 0
    [environment] = resting(docker_engine)
    assert environment.frozen()
    assert asked(here)["init_s"] is None
    assert [each.pid for each in resting(docker_engine)] == [environment.pid]
    limits = environment.container.attrs["HostConfig"]
    assert limits["Memory"] == limits["MemorySwap"] == MEMORY_MB * 2**20
    assert limits["CpuQuota"] <= 2 * limits["CpuPeriod"]


def test_a_hostile_picture_ends_no_environment_and_nothing_of_it_is_in_the_next_answer(
    here: Account, examples: Path, tmp_path: Path, docker_engine: Any
) -> None:
    here.service.rest()
    good = next(examples.glob("*.jpg")).read_bytes()
    hostile = {
        "empty": b"", "text": b"no picture", "cut": good[:3000], "bomb": bombs.png(20_000),
        "webp": bombs.webp(16_000),
    }  # fmt: skip
    for number, data in enumerate(hostile.values()):
        (tmp_path / f"{number}-0.jpg").write_bytes(data)
        (tmp_path / f"{number}-1.jpg").write_bytes(good)
    there = rows(tmp_path, concurrency=1, **AT)
    ours = rows(tmp_path, model="builtin")
    assert {path for path, row in there.items() if row.error} == {f"{n}-0.jpg" for n in range(5)}
    assert {path: row.detections for path, row in there.items()} == {
        path: row.detections for path, row in ours.items()
    }
    assert len(resting(docker_engine)) == 1


def test_a_call_that_takes_longer_than_it_may_ends_its_environment_alone(
    here: Account, docker_engine: Any
) -> None:
    """It fetches its picture from who takes its connection, and never answers."""
    one = here.function("brief", ImageConfig=ENTRY, MemorySize=MEMORY_MB, Timeout=2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = {each.pid for each in resting(docker_engine)}
        late = asked(here, one, url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert "timed out after 2.00 seconds" in late["errorMessage"]
    assert {each.pid for each in resting(docker_engine)} == before
    assert asked(here, one)["info"]["model"]["name"] == "builtin"


def test_a_picture_that_does_not_fit_into_the_memory_is_refused_and_ends_no_environment(
    here: Account, docker_engine: Any
) -> None:
    here.service.rest()
    one = here.function("small", ImageConfig=ENTRY, MemorySize=512)
    refused = asked(here, one, picture=b64encode(bombs.png(8_900)).decode())
    assert "more than half of the memory there is" in refused["problem"]["detail"]
    assert asked(here, one)["init_s"] is None
    [environment] = resting(docker_engine)
    assert environment.container.attrs["HostConfig"]["CpuQuota"] < 6_000  # of 20,000 for a core
