"""Everything of a machine taken away, from a cloud in which things hang together."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Stop
from offload.domain.machines import Resource
from offload.usecases.provision.launch import Interrupted, Waiter
from offload.usecases.provision.teardown import remove_all_of


def thing(kind: str, id_: str) -> Resource:
    return Resource(kind, id_, "big", "us-east-1")


ALL = [
    thing("security group", "sg-1"), thing("key pair", "offload-big"), thing("volume", "vol-1"),
    thing("instance", "i-1"), thing("spot request", "sir-1"),
]  # fmt: skip


@dataclass
class World:
    """An instance takes `dies_s` to end; its group and its disk cannot go before."""

    left: list[Resource] = field(default_factory=lambda: list(ALL))
    dies_s: float = 3.0
    ends_at_s: float | None = None
    now_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    forbidden: str | None = None
    silent: bool = False
    stop: Stop = field(default_factory=Stop)

    def resources(self, name: str | None = None) -> list[Resource]:
        assert name == "big"
        if self.silent:
            raise PlaceUnavailable("There are no AWS credentials.", hint="aws configure")
        if self.ends_at_s is not None and self.now_s >= self.ends_at_s:
            self.left = [each for each in self.left if each.kind != "instance"]
        return list(self.left)

    def remove(self, resource: Resource) -> None:
        self.asked.append(resource.id)
        if resource.kind == self.forbidden:
            raise PlaceUnavailable("These credentials may not do that.", hint="offload doctor aws")
        if resource.kind == "instance":
            self.ends_at_s = self.now_s + self.dies_s
            return
        if resource.kind in {"security group", "volume"} and any(
            each.kind == "instance" for each in self.left
        ):
            raise OffloadError(f"{resource.id} is in use.")
        self.left.remove(resource)

    def pause(self, seconds: float) -> None:
        self.now_s += seconds

    def go(self) -> list[str]:
        """Remove all; what was told, in order."""
        told: list[str] = []
        patience = Waiter(self.stop, lambda: self.now_s, self.pause)
        me: Any = self
        remove_all_of("big", me, patience, lambda resource: told.append(resource.id))
        return told


def test_everything_goes_what_others_hang_on_first_and_each_is_told_once() -> None:
    world = World()
    told = world.go()
    assert world.left == []
    assert set(world.asked[:2]) == {"i-1", "sir-1"}
    assert sorted(told) == sorted(each.id for each in ALL)
    assert world.asked.count("i-1") == 1, "it is on its way"
    assert world.asked.count("sg-1") > 1, "it is tried again until its machine is gone"


def test_where_nothing_is_there_is_nothing_to_do() -> None:
    assert World(left=[]).go() == []


def test_what_does_not_go_is_told_of_with_the_reason() -> None:
    world = World(dies_s=10_000.0)
    with pytest.raises(OffloadError, match="Not everything of the machine big is gone") as caught:
        world.go()
    assert "is in use." in str(caught.value)
    assert caught.value.hint == "To try again: offload down big"


def test_what_is_not_permitted_is_told_of_at_once_and_the_rest_is_tried() -> None:
    world = World(forbidden="key pair")
    with pytest.raises(PlaceUnavailable, match="may not") as caught:
        world.go()
    assert caught.value.hint == "offload doctor aws"
    assert world.now_s == 0
    assert {"i-1", "sir-1"} <= set(world.asked)


def test_a_cloud_that_does_not_answer_says_so_itself() -> None:
    with pytest.raises(PlaceUnavailable, match="no AWS credentials") as caught:
        World(silent=True).go()
    assert caught.value.hint == "aws configure"


def test_who_asks_to_stop_is_heard() -> None:
    world = World()
    world.stop.ask()
    with pytest.raises(Interrupted):
        world.go()
    assert "i-1" in world.asked, "what costs money was ended first"
