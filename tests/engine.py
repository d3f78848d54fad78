"""The Docker engine that tests of images and containers need."""

import fcntl
import gc
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from offload.detectors.catalogue import BUILTIN, NAMED
from offload.drivers.docker.own_image import ModelImage, OwnImage
from tests.testbed import lab

START = "sudo tests/testbed/up"


class FleetImage(ModelImage):
    """That of a fleet's machines, under a name that no test gives to anything else."""

    name = "offload:fleets"


FLEETS = FleetImage("tflite", BUILTIN, NAMED[BUILTIN].sha256, None, "aws")


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Any]:
    """A client of the running engine, which has our image; where none runs, the test is skipped."""
    client = _client()
    if client is None:
        pytest.skip(f"no Docker engine answers; to start one: {START}")
    have_image()
    yield client
    client.close()


@pytest.fixture(scope="session")
def bed() -> None:
    """Our images are on the disk that the test bed's instances start with; without a bed, skip."""
    if not lab.is_up():
        pytest.skip(f"the test bed is not up; to start it: {START}")
    have_image()
    lab.make_disk(f"offload {FLEETS.name}", have_image(FLEETS))


def have_image(image: OwnImage | None = None) -> str:
    """See to it that the engine has the image of this source, whose digest this is. Of several
    processes one builds it.
    """
    image = image or OwnImage("tflite")
    with Path(tempfile.gettempdir(), "offload-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.is_marked():
            image.make(lambda _line: None)
    return image.digest


def _client() -> Any:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=600)
        client.ping()
        return client
    except DockerException:
        pass
    with warnings.catch_warnings():
        # docker leaves the socket open that nobody answered. It goes here, where nobody is told.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return None
