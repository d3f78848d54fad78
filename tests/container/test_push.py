"""An image of containers pushed to a real registry by a real engine."""

from collections.abc import Iterator
from typing import Any

import pytest

from offload.domain.errors import OffloadError
from offload.drivers.docker.engine import Engine
from tests.testbed.registry import Registry, Relay, small_image

pytestmark = pytest.mark.xdist_group("containers")

IMAGE = "offload-tests:push"
SIZE_BYTES = 4_000_000


@pytest.fixture
def image(docker_engine: Any) -> Iterator[str]:
    """One that no registry has; its id."""
    small_image(docker_engine, IMAGE, SIZE_BYTES)
    yield docker_engine.images.get(IMAGE).id
    docker_engine.images.remove(IMAGE)


def pushed(
    at: str, login: tuple[str, str], timeout_s: int = 60, on_bytes: Any = None
) -> list[tuple[int, int | None]]:
    """Push the image; what was told of it."""
    told: list[tuple[int, int | None]] = []
    with Engine.connected(timeout_s) as engine:
        engine.push(IMAGE, f"{at}/photos", "1", login, on_bytes or (lambda *n: told.append(n)))
    return told


def test_layers_go_once_with_progress_and_what_is_pulled_is_the_same_image(
    image: str, shelf: Registry, docker_engine: Any
) -> None:
    first = pushed(shelf.address, shelf.login)
    assert first[-1] == (SIZE_BYTES, SIZE_BYTES)
    assert [done for done, _ in first] == sorted(done for done, _ in first)
    assert pushed(shelf.address, shelf.login) == []
    user, password = shelf.login
    docker_engine.images.remove(IMAGE)  # its only name: pushing left none
    assert not docker_engine.images.list(filters={"reference": f"{shelf.address}/photos"})
    there = docker_engine.images.pull(
        f"{shelf.address}/photos", "1", auth_config={"username": user, "password": password}
    )
    assert there.id == image
    there.tag(IMAGE)
    docker_engine.images.remove(f"{shelf.address}/photos:1")


def test_a_login_that_is_wrong_is_one_sentence_and_a_command(image: str, shelf: Registry) -> None:
    with pytest.raises(OffloadError) as raised:
        pushed(shelf.address, ("AWS", "wrong"))
    assert str(raised.value) == (
        "The registry does not take the container image: unauthorized: authentication required."
    )
    assert raised.value.hint == "To go on: the same command"
    assert pushed(shelf.address, shelf.login)


def test_a_registry_that_falls_silent_is_one_sentence_and_the_same_again_goes_on(
    image: str, shelf: Registry
) -> None:
    relay = Relay(shelf.address, SIZE_BYTES // 2)
    with pytest.raises(OffloadError, match=r"image: it has said nothing for 5 s\.$") as raised:
        pushed(relay.address, shelf.login, timeout_s=5)
    assert raised.value.hint == "To go on: the same command"
    relay.close()
    assert pushed(shelf.address, shelf.login)[-1] == (SIZE_BYTES, SIZE_BYTES)


@pytest.mark.soak  # the engine tries for 50 s
def test_a_registry_that_goes_away_in_the_middle_is_one_sentence(
    image: str, shelf: Registry
) -> None:
    with pytest.raises(OffloadError, match="connection refused") as raised:
        pushed(shelf.address, shelf.login, on_bytes=lambda *_n: shelf.process.kill())
    assert raised.value.hint == "To go on: the same command"
