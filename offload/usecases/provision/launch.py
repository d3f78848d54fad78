"""A machine brought to where it lets us in, from wherever it is now."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import Stop
from offload.domain.machines import Machine, Offer, Spec
from offload.domain.measurements import StartPhase
from offload.domain.places import StartState
from offload.domain.timing import Clock
from offload.drivers.aws.ec2 import Cloud
from offload.providers import Phases
from offload.providers.ec2.registry import MachineState

T = TypeVar("T")

_LAUNCH_S, _HEARD_S, _POLL_S = 300.0, 20.0, 0.5
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
            return self._running(machine), came_from

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
        if key is None:
            self.cloud.add_key(name, self.local.public_key())
        self.cloud.open_to(offer.vpc, name, offer.spec.allow_cidrs)
        machine = self._launch(offer)
        if machine.state not in _LIVING:  # the answer to a request that was made before
            self.local.reset()
            machine = self._launch(offer)
        self.local.seen(machine)
        return machine

    def _launch(self, offer: Offer) -> Machine:
        local = self.local
        return self.cloud.launch(offer, local.user_data(), local.client_token(), local.expires_at())

    def _switched_on(self, machine: Machine) -> None:
        late = f"The machine {machine.name} does not stop, and cannot be started before."
        self.patience.until(lambda: self._now(machine).state == "stopped" or None, _LAUNCH_S, late)
        self.cloud.start(machine.id)

    def _running(self, machine: Machine) -> Machine:
        def running() -> Machine | None:
            now = self._now(machine)
            return now if now.state == "running" and now.address else None

        late = f"The machine {machine.name} ({machine.id}) does not come up."
        there = self.patience.until(running, _LAUNCH_S, late)
        self.local.seen(there)
        return there

    def _now(self, machine: Machine) -> Machine:
        """How it is; as it was, where the cloud does not know of it yet."""
        found = [m for m in self.cloud.machines(machine.name, gone=True) if m.id == machine.id]
        if found and found[0].state not in _LIVING:
            raise PlaceUnavailable(
                f"The machine {machine.name} ({machine.id}) has ended while it came up.",
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
        f"There is a machine {name} whose key is not on this computer.",
        hint=f"For one of your own: --name NAME; to remove that one: offload down {name}",
    )
