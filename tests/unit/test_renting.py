"""A machine brought up, step by step, at a cloud that does as it is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Stop
from offload.domain.machines import Machine, Offer, Resource, Spec, State
from offload.domain.measurements import StartPhase
from offload.drivers.aws.calls import NoCapacity, NotKnownYet, SpentToken
from offload.providers.config import Phases
from offload.usecases.provision.launch import Interrupted, MachineLaunch, Waiter

SPEC = Spec("big", "us-east-1", "c7i.large", ("192.0.2.1/32",))
OFFER = Offer(SPEC, "ami-1", "x86_64", 2, 4.0, "/dev/xvda", 16, "ec2-user", True, "vpc-1")
KEY = "ssh-ed25519 AAAAours"


def machine(
    state: State = "running", address: str | None = "198.18.0.1", machine_id: str = "i-1"
) -> Machine:
    began = "2026-11-21T12:00:00+00:00"
    return Machine(machine_id, "big", "us-east-1", state, "c7i.large", began, address)


@dataclass
class World:
    """A clock, a cloud and a computer in one, so that all effects are in one order.

    `next` are the states that the machine goes through, one with each look.
    """

    there: list[Machine] = field(default_factory=list)
    next: list[Machine] = field(default_factory=list)
    launches: list[Machine | OffloadError] = field(
        default_factory=lambda: [machine("pending", None)]
    )
    key: str | None = None
    had: bool = False
    full: bool = False
    made: str | None = None
    done: list[str] = field(default_factory=list)
    now_s: float = 0.0
    stop: Stop = field(default_factory=Stop)

    def machines(self, name: str | None = None, *, gone: bool = False) -> list[Machine]:
        assert name == "big"
        if gone and self.next:
            self.there = [self.next.pop(0)]
        return [m for m in self.there if gone or m.state not in {"ending", "gone"}]

    def key_of(self, name: str) -> str | None:
        del name
        return self.key

    def add_key(self, name: str, public: str, tags: Mapping[str, str]) -> None:
        self.done.append(f"add key {name} {public}{''.join(tags)}")

    def open_to(
        self, vpc: str, name: str, cidrs: Sequence[str], tags: Mapping[str, str] | None = None
    ) -> str:
        self.done.append(f"open {vpc} {name} to {','.join(cidrs)}{''.join(tags or ())}")
        return "sg-1"

    def launch(
        self, offer: Offer, group: str, user_data: str, attempt: str, expires_at: str | None = None
    ) -> Machine:
        self.done.append(f"launch {offer.ami} in {group} {user_data} {attempt} {expires_at}")
        launched = self.launches.pop(0)
        if isinstance(launched, OffloadError):
            raise launched
        self.there = [launched]
        return launched

    def remove(self, resource: Resource) -> None:
        self.done.append(f"remove {resource.kind} {resource.id}")

    def start(self, machine_id: str) -> None:
        self.done.append(f"start {machine_id}")
        if self.full:
            raise NoCapacity("AWS has no such machine available there now: so.", hint="--zone")

    def is_ours(self, public_key: str | None) -> bool:
        return public_key == KEY

    @property
    def record(self) -> Any:
        return SimpleNamespace(id="i-0" if self.had else None)

    def keep(self, record: Any) -> None:
        assert record
        self.done.append("intend")

    def public_key(self) -> str:
        return KEY

    def user_data(self) -> str:
        return "script"

    def client_token(self) -> str:
        return f"token{self.done.count('reset')}"

    def expires_at(self) -> str:
        return "soon"

    def just_made(self) -> str | None:
        return self.made

    def reset(self) -> None:
        self.done.append("reset")

    def seen(self, machine: Machine) -> None:
        self.done.append(f"seen {machine.id} {machine.state}")

    def pause(self, seconds: float) -> None:
        self.now_s += seconds

    def up(self, follow: Callable[[str], None] = lambda _name: None) -> tuple[Machine, str]:
        """Bring it up."""
        patience = Waiter(self.stop, lambda: self.now_s, self.pause)
        phases = Phases(lambda: self.now_s, follow)
        me: Any = self
        return MachineLaunch(me, me, patience, phases).up(OFFER)


def test_nothing_is_created_before_it_is_remembered_and_the_machine_comes_last() -> None:
    world = World(next=[machine("pending", None), machine()])
    phases: list[str] = []
    assert world.up(phases.append) == (machine(), "new")
    assert phases == ["api", "pending"]
    assert world.done == [
        "intend",
        f"add key big {KEY}",
        "open vpc-1 big to 192.0.2.1/32",
        "launch ami-1 in sg-1 script token0 soon",
        "seen i-1 pending",
        "seen i-1 running",
    ]


def test_what_was_created_before_it_broke_off_is_not_created_again() -> None:
    world = World(key=KEY, next=[machine()])
    world.up()
    assert not [step for step in world.done if step.startswith("add key")]


def test_a_machine_that_runs_is_only_looked_at() -> None:
    world = World(there=[machine()], key=KEY)
    phases: list[str] = []
    assert world.up(phases.append) == (machine(), "cold")
    assert phases == []
    assert world.done == ["seen i-1 running", "open vpc-1 big to 192.0.2.1/32"]


@pytest.mark.parametrize("state", ["stopping", "stopped"])
def test_a_stopped_machine_is_started_once_it_is_off(state: State) -> None:
    later = machine(address="198.18.0.2")
    coming = [machine("stopped", None), machine("pending", None), later]
    world = World(there=[machine(state, None)], key=KEY, next=coming)
    phases: list[str] = []
    assert world.up(phases.append) == (later, "stopped")
    assert phases == ["start", "pending"]
    assert world.done.index("start i-1") > 0
    assert world.done[-1] == "seen i-1 running"


def test_a_stopped_machine_that_has_no_room_in_its_zone_has_to_give_way_to_another() -> None:
    world = World(there=[machine("stopped", None)], key=KEY, full=True)
    with pytest.raises(PlaceUnavailable, match="no such machine available") as caught:
        world.up()
    assert not isinstance(caught.value, NoCapacity), "another type is no help to it"
    assert "offload down big, then offload provision ec2 --name big" in caught.value.hint
    assert "--zone" not in caught.value.hint


def test_after_a_machine_that_is_gone_another_is_made_from_fresh_secrets() -> None:
    world = World(key=KEY, had=True, next=[machine()])
    world.up()
    assert world.done.index("reset") < world.done.index("launch ami-1 in sg-1 script token1 soon")


def test_a_machine_that_the_cloud_has_not_heard_of_everywhere_is_not_made_twice() -> None:
    older = machine("gone", None, machine_id="i-0")
    world = World(key=KEY, had=True, made="i-1", next=[older, machine("pending", None), machine()])
    assert world.up() == (machine(), "cold")
    assert not [step for step in world.done if step.startswith(("launch", "reset"))]


@pytest.mark.parametrize("coming", [[], [machine("gone", None)]])
def test_a_machine_that_was_made_just_now_and_is_gone_is_not_waited_for(
    coming: list[Machine],
) -> None:
    another = machine(machine_id="i-2")
    world = World(key=KEY, had=True, made="i-1", next=coming, launches=[another])
    assert world.up() == (another, "new")
    assert world.now_s < 30
    assert "reset" in world.done


def test_a_token_that_stands_for_what_was_before_is_followed_by_another() -> None:
    another = machine("pending", None, machine_id="i-2")
    world = World(launches=[SpentToken("It has ended."), another], next=[machine(machine_id="i-2")])
    found, _came_from = world.up()
    assert found.id == "i-2"
    made = [step for step in world.done if step.startswith(("launch", "reset"))]
    assert made == [
        "launch ami-1 in sg-1 script token0 soon", "reset",
        "launch ami-1 in sg-1 script token1 soon",
    ]  # fmt: skip


def test_a_key_and_a_group_that_are_not_known_everywhere_are_waited_for() -> None:
    late: list[Machine | OffloadError] = [NotKnownYet("No such group.")] * 3
    world = World(launches=[*late, machine("pending", None)], next=[machine()])
    assert world.up() == (machine(), "new")
    assert len({step for step in world.done if step.startswith("launch")}) == 1
    never = World(launches=late * 100)
    with pytest.raises(PlaceUnavailable, match="does not know the key and the group"):
        never.up()
    assert 60 < never.now_s < 70


def test_a_new_machine_that_gets_no_public_address_is_ended_and_that_is_said() -> None:
    world = World(next=[machine("pending", None), machine(address=None)])
    with pytest.raises(PlaceUnavailable, match="no public address, and was ended") as caught:
        world.up()
    assert "--subnet" in caught.value.hint
    assert world.done[-1] == "remove instance i-1"
    assert 30 < world.now_s < 40


def test_one_that_was_stopped_keeps_its_disk_though_it_gets_no_address() -> None:
    coming = [machine("stopped", None), machine(address=None)]
    world = World(there=[machine("stopped", None)], key=KEY, next=coming)
    with pytest.raises(PlaceUnavailable, match="got no public address: its subnet"):
        world.up()
    assert not [step for step in world.done if step.startswith("remove")]


@pytest.mark.parametrize(
    ("there", "key"),
    [
        ([], "ssh-ed25519 AAAAtheirs"),
        ([machine()], "ssh-ed25519 AAAAtheirs"),
        ([machine()], None),
        ([machine("stopped", None)], None),
    ],
)
def test_a_machine_whose_key_is_elsewhere_is_left_alone(
    there: list[Machine], key: str | None
) -> None:
    world = World(there=there, key=key)
    with pytest.raises(OffloadError, match=r"^The key of the machine big is not on this computer"):
        world.up()
    assert world.done == [], "and nothing of it is remembered"


def test_a_machine_of_another_kind_is_left_alone() -> None:
    world = World(there=[replace(machine(), instance_type="p5.48xlarge")], key=KEY)
    with pytest.raises(OffloadError, match=r"is a p5\.48xlarge, not a c7i.large"):
        world.up()
    assert world.done == []


def test_a_machine_that_ends_while_it_comes_up_is_told_of() -> None:
    world = World(next=[machine("pending", None), machine("ending", None)])
    with pytest.raises(PlaceUnavailable, match=r"ended while starting\.$"):
        world.up()


def test_a_machine_that_ends_at_once_is_told_of_with_the_reason() -> None:
    reason = "Client.VolumeLimitExceeded: Volume limit exceeded."
    dying = replace(machine("gone", None), why_ended=reason)
    with pytest.raises(
        PlaceUnavailable, match=r"while starting: Client\.VolumeLimit.* exceeded\.$"
    ) as no:
        World(next=[dying]).up()
    assert not isinstance(no.value, NoCapacity)
    dying = replace(dying, why_ended="Server.InsufficientInstanceCapacity: Insufficient capacity")
    with pytest.raises(NoCapacity):
        World(next=[dying]).up()


def test_a_machine_that_never_comes_up_is_not_waited_for_for_ever() -> None:
    world = World()
    with pytest.raises(PlaceUnavailable, match="does not start"):
        world.up()
    assert 200 < world.now_s < 400


def test_who_asks_to_stop_is_heard_after_the_step_in_hand() -> None:
    world = World(next=[machine()])

    def follow(phase: str) -> None:
        if phase == "api":
            world.stop.ask()

    with pytest.raises(Interrupted) as caught:
        world.up(follow)
    assert caught.value.exit_code == 130
    assert world.done[-1] == "seen i-1 pending", "what was created is remembered"


def test_a_phase_that_comes_twice_is_counted_together() -> None:
    world = World()
    phases = Phases(lambda: world.now_s, lambda _name: None)
    for seconds in (1.0, 2.0):
        with phases.of(StartPhase.CONTAINER):
            world.pause(seconds)
    assert phases.taken_s == {"container": 3.0}
