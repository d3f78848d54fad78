"""Children of array jobs as containers of our image, at moto's AWS; without an engine, skipped."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tests.aws_batch.bench import Bench
from tests.aws_batch.test_command import WORDS, pictures
from tests.conftest import Offload
from tests.engine import FLEETS, have_image
from tests.testbed.jobs import Jobs

pytestmark = pytest.mark.xdist_group("containers")
__all__ = ["pictures"]


@dataclass
class Container:
    """A child of a job."""

    container: Any
    lines: Sequence[str] = ()

    def poll(self) -> int | None:
        """How it ended, if it has."""
        self.container.reload()
        state = self.container.attrs["State"]
        return int(state["ExitCode"]) if state["Status"] == "exited" else None

    def kill(self) -> None:
        """End it at once."""
        from docker.errors import APIError

        with suppress(APIError):  # it has ended
            self.container.kill()

    def said(self) -> Sequence[str]:
        """Its lines; afterwards it is gone."""
        lines: list[str] = self.container.logs().decode(errors="replace").splitlines()
        self.container.remove(force=True)
        return lines


def as_container(engine: Any, settings: Mapping[str, str]) -> Any:
    """How a container's command is started in an account with these variables."""

    def launch(image: str, command: Sequence[str], variables: Mapping[str, str]) -> Container:
        environment = {**settings, **variables}
        started = engine.containers.run(
            image, list(command), environment=environment, detach=True, network_mode="host"
        )
        return Container(started)

    return launch


@pytest.fixture
def containers(bench: Bench, docker_engine: Any) -> Iterator[Jobs]:
    """Jobs that run our own image."""
    have_image(FLEETS)
    with Jobs(as_container(docker_engine, bench.account.settings)).mended() as one:
        yield one


def test_containers_of_our_image_do_the_shards_and_one_that_loses_its_machine_comes_again(
    bench: Bench, containers: Jobs, pictures: int, offload: Offload
) -> None:
    containers.lost = {1}
    words = [FLEETS.name if word == "ours:1" else word for word in WORDS]
    done = offload(*words, "--yes", "--json")
    assert done.returncode == 3, done.stderr
    index = json.loads(done.stdout)
    assert (index["images"], index["failed"], index["complete"]) == (pictures, 1, True)
    assert containers.attempts.count(1) == 2
