"""Everything of a machine taken away, from a cloud in which things hang together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Stop
from offload.domain.machines import Resource
from offload.usecases.provision.launch import Interrupted, Waiter
from offload.usecases.provision.teardown import remove


def thing(kind: str, id_: str, *ties: str) -> Resource:
    return Resource(kind, id_, "big", "us-east-1", "ana-laptop", frozenset(ties))


ALL = [
    thing("security group", "sg-1", "offload-big"),
    thing("key pair", "offload-big", "offload-big"),
    thing("volume", "vol-1", "i-1"),
    thing("instance", "i-1", "i-1", "offload-big", "sg-1"),
    thing("spot request", "sir-1", "i-1"),
    thing("network interface", "eni-1", "sg-1", "i-1"),
]
COPIED = [
    thing("security group", "sg-2", "launch-wizard-1"),
    thing("key pair", "copied", "copied"),
    thing("volume", "vol-2", "i-2"),
    thing("volume", "vol-3"),
    thing("instance", "i-2", "i-2", "copied", "sg-2"),
    thing("network interface", "eni-2", "sg-2", "i-2"),
]
"""They carry our tags, which anybody can copy, and nothing else of ours."""


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
    others: Sequence[Resource] = ()

    def resources(self, name: str | None = None) -> list[Resource]:
        assert name == "big"
        if self.silent:
            raise PlaceUnavailable("There are no AWS credentials.", hint="aws configure")
        if self.ends_at_s is not None and self.now_s >= self.ends_at_s:
            self.left = [each for each in self.left if each.id not in {"i-1", "eni-1"}]
        return list(self.left)

    def remove(self, resource: Resource) -> None:
        self.asked.append(resource.id)
        if resource.kind == self.forbidden:
            raise PlaceUnavailable("These credentials may not do that.", hint="offload doctor aws")
        if resource.id == "i-1":
            self.ends_at_s = self.now_s + self.dies_s
            return
        used = {"security group", "volume", "network interface"}
        if resource.kind in used and any(each.id == "i-1" for each in self.left):
            raise OffloadError(f"{resource.id} is in use.")
        self.left.remove(resource)

    def pause(self, seconds: float) -> None:
        self.now_s += seconds

    def go(self, *proofs: str) -> list[str]:
        """Remove what these ids show to be ours; what was told, in order."""
        told: list[str] = []
        patience = Waiter(self.stop, lambda: self.now_s, self.pause)
        me: Any = self
        ours = {*(proofs or ["offload-big"])}
        self.others = remove("big", ours, me, patience, lambda resource: told.append(resource.id))
        return told


def test_everything_goes_what_others_hang_on_first_and_each_is_told_once() -> None:
    world = World()
    told = world.go()
    assert world.left == []
    assert set(world.asked[:2]) == {"i-1", "sir-1"}
    assert sorted({*told, "eni-1"}) == sorted(each.id for each in ALL)
    assert told[-1] == "offload-big", "it shows that the rest is ours, whenever that is asked"
    assert world.asked.count("i-1") == 1, "it is on its way"
    assert world.asked.count("sg-1") > 1, "it is tried again until its machine is gone"


@pytest.mark.parametrize(
    ("proofs", "left"),
    [(["offload-big"], []), (["i-1"], ["sg-1", "offload-big"]), (["i-9"], [e.id for e in ALL])],
)
def test_what_merely_carries_a_copied_tag_stays_and_is_named(
    proofs: list[str], left: list[str]
) -> None:
    world = World(left=[*ALL, *COPIED])
    world.go(*proofs)
    assert [each.id for each in world.left] == [*left, *(each.id for each in COPIED)]
    assert world.others == world.left


def test_where_nothing_is_there_is_nothing_to_do() -> None:
    assert World(left=[]).go() == []


def test_what_does_not_go_is_told_of_with_the_reason() -> None:
    world = World(dies_s=10_000.0)
    with pytest.raises(
        OffloadError, match="Part of the machine big could not be removed"
    ) as caught:
        world.go()
    assert "is in use." in str(caught.value)
    assert caught.value.hint == "To try again: offload down big"


def test_what_is_not_permitted_is_told_of_at_once_and_the_rest_is_tried() -> None:
    world = World(forbidden="volume")
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
