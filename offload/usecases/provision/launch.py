"""A machine brought to where it lets us in, from wherever it is now."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Stop
from offload.domain.machines import Machine, Offer, Resource, Spec
from offload.domain.measurements import StartPhase
from offload.domain.places import StartState
from offload.domain.timing import Clock
from offload.drivers.aws.calls import NoCapacity, NotKnownYet, SpentToken
from offload.drivers.aws.ec2 import Cloud
from offload.providers.config import Phases
from offload.providers.ec2.registry import MachineState

T = TypeVar("T")

_LAUNCH_S, _HEARD_S, _POLL_S = 300.0, 20.0, 0.5
_KNOWN_S, _ADDRESS_S = 60.0, 30.0
"""How long AWS may take to know everywhere what was just made, and to give an address."""
_LIVING = {"pending", "running", "stopping", "stopped"}


class Interrupted(OffloadError):
    """Somebody asked to stop."""

    exit_code = 130


class TimedOut(PlaceUnavailable):
    """What was waited for takes too long."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """How waiting is done: until `stop`, on which clock, with what pauses."""

    stop: Stop
    clock: Clock = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def until(self, found: Callable[[], T | None], within_s: float, late: str) -> T:
        """What `found` gives once it gives something.

        Raises:
            Interrupted: somebody asked to stop.
            TimedOut: it takes longer than `within_s`; `late` says what.
        """
        give_up_s = self.clock() + within_s
        while (result := found()) is None:
            self.check()
            if self.clock() > give_up_s:
                raise TimedOut(late)
            self.pause(_POLL_S)
        return result

    def check(self) -> None:
        """Raise Interrupted if somebody asked to stop."""
        if self.stop:
            raise Interrupted("Interrupted.")


@dataclass(frozen=True, slots=True)
class MachineLaunch:
    """Brings a machine up: each step looks at what there is, and does what is missing."""

    cloud: Cloud
    local: MachineState
    patience: Waiter
    phases: Phases

    def up(self, offer: Offer) -> tuple[Machine, StartState]:
        """The machine, running with an address, and what it was brought up from.

        Raises:
            OffloadError: the cloud refuses, or the name is somebody else's machine.
        """
        name = offer.spec.name
        machine = _living(self.cloud.machines(name)) or self._heard_of(name)
        came_from = StartState.COLD
        if machine is None:
            came_from = StartState.ABSENT
            with self.phases.of(StartPhase.API):
                machine = self._launched(offer)
        else:
            check(machine, offer.spec, self.local, self.cloud)
            self.local.seen(machine)
            self.cloud.open_to(offer.vpc, name, offer.spec.allow_cidrs)
            if machine.state in {"stopping", "stopped"}:
                came_from = StartState.STOPPED
                with self.phases.of(StartPhase.START):
                    self._switched_on(machine)
        self.patience.check()
        if machine.state == "running" and machine.address and came_from is StartState.COLD:
            return machine, came_from
        with self.phases.of(StartPhase.PENDING):
            return self._running(machine, is_new=came_from is StartState.ABSENT), came_from

    def _heard_of(self, name: str) -> Machine | None:
        """One that was made just now, as soon as the cloud knows of it; None if it has ended."""
        made = self.local.just_made()
        if made is None:
            return None

        def known() -> list[Machine] | None:
            return [m for m in self.cloud.machines(name, gone=True) if m.id == made] or None

        with suppress(TimedOut):
            return _living(self.patience.until(known, _HEARD_S, name))
        return None

    def _launched(self, offer: Offer) -> Machine:
        name = offer.spec.name
        key = self.cloud.key_of(name)
        if key is not None and not self.local.is_ours(key):
            raise _not_ours(name)
        self.local.keep(self.local.record)  # before anything of it is created
        if self.local.record.id is not None:
            self.local.reset()
        tags = offer.spec.tags
        if key is None:
            self.cloud.add_key(name, self.local.public_key(), tags)
        group = self.cloud.open_to(offer.vpc, name, offer.spec.allow_cidrs, tags)
        try:
            machine = self._launch(offer, group)
        except SpentToken:  # a request of before, which had come to an end or asked for another
            self.local.reset()
            machine = self._launch(offer, group)
        self.local.seen(machine)
        return machine

    def _launch(self, offer: Offer, group: str) -> Machine:
        local = self.local

        def launched() -> Machine | None:
            told = (local.user_data(), local.client_token(), local.expires_at())
            with suppress(NotKnownYet):
                return self.cloud.launch(offer, group, *told)
            return None

        late = f"AWS does not know the key and the group of the machine {offer.spec.name} yet."
        return self.patience.until(launched, _KNOWN_S, late)

    def _switched_on(self, machine: Machine) -> None:
        late = f"The machine {machine.name} does not stop, so it cannot be started."
        self.patience.until(lambda: self._now(machine).state == "stopped" or None, _LAUNCH_S, late)
        try:
            self.cloud.start(machine.id)
        except NoCapacity as error:  # its disk binds it to its zone
            raise PlaceUnavailable(
                str(error),
                hint=f"For one elsewhere: offload down {machine.name}, then offload provision ec2 "
                f"--name {machine.name}; or the same command later",
            ) from error

    def _running(self, machine: Machine, *, is_new: bool) -> Machine:
        bare_s = None  # since when it runs without an address

        def running() -> Machine | None:
            nonlocal bare_s
            now = self._now(machine)
            if now.state != "running" or now.address:
                return now if now.state == "running" else None
            bare_s = self.patience.clock() if bare_s is None else bare_s
            if self.patience.clock() - bare_s > _ADDRESS_S:
                raise self._unaddressed(now, is_new=is_new)
            return None

        late = f"The machine {machine.name} ({machine.id}) does not start."
        there = self.patience.until(running, _LAUNCH_S, late)
        self.local.seen(there)
        return there

    def _unaddressed(self, machine: Machine, *, is_new: bool) -> PlaceUnavailable:
        """That nobody will ever reach a machine, which ends here if it was made just now."""
        ends = ""
        if is_new:
            self.cloud.remove(Resource("instance", machine.id, machine.name, machine.region))
            ends = ", and was ended"
        return PlaceUnavailable(
            f"The machine {machine.name} ({machine.id}) got no public address{ends}: its subnet "
            "gives none.",
            hint="For a subnet with an internet gateway: --subnet SUBNET",
        )

    def _now(self, machine: Machine) -> Machine:
        """How it is; as it was, where the cloud does not know of it yet."""
        found = [m for m in self.cloud.machines(machine.name, gone=True) if m.id == machine.id]
        if found and found[0].state not in _LIVING:
            why = found[0].why_ended or ""
            kind = NoCapacity if "InsufficientInstanceCapacity" in why else PlaceUnavailable
            raise kind(
                f"The machine {machine.name} ({machine.id}) ended while starting"
                f"{f': {why}' if why else ''}".rstrip(".")
                + ".",
                hint="To try again: the same command; for another type: --instance-type",
            )
        return found[0] if found else machine


def _living(machines: Sequence[Machine]) -> Machine | None:
    return next((machine for machine in machines if machine.state in _LIVING), None)


def check(machine: Machine, spec: Spec, local: MachineState, cloud: Cloud) -> None:
    """See that a machine that is there is the one asked for, and that its key is here; else raise
    OffloadError.
    """
    if not local.is_ours(cloud.key_of(machine.name)):
        raise _not_ours(machine.name)
    if machine.instance_type != spec.instance_type:
        raise OffloadError(
            f"The machine {machine.name} is a {machine.instance_type}, not a {spec.instance_type}.",
            hint=f"For another beside it: --name NAME; to remove it: offload down {machine.name}",
        )


def _not_ours(name: str) -> OffloadError:
    return OffloadError(
        f"The key of the machine {name} is not on this computer.",
        hint=f"For one of your own: --name NAME; to remove that one: offload down {name}",
    )
