"""A rented machine brought up and made to serve."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import PhaseBegan
from offload.domain.machines import EXPIRES, SERVER_PORT, SERVER_URL, Kind, Machine, Resource
from offload.domain.measurements import Condition, Measurement, Start, StartPhase
from offload.domain.places import REMOTE, StartState
from offload.domain.vision import MAX_FILE_BYTES
from offload.drivers.aws.calls import NoCapacity
from offload.drivers.docker.container_spec import last_words
from offload.drivers.docker.own_image import OwnImage
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineRecord
from offload.drivers.host import machine as this_machine
from offload.drivers.http.web import Unreachable
from offload.drivers.ssh.login import HostKeyChanged, LoginRefused, SshUnreachable
from offload.drivers.ssh.tunnel import Tunnel
from offload.providers.config import Phases, served_files
from offload.providers.ec2.registry import MachineState
from offload.service import wire
from offload.service.client.greeting import Address, ask, expect
from offload.usecases.context import Context
from offload.usecases.detect.record import kept_in_store
from offload.usecases.provision.deploy import Deployment, key_of, log_command
from offload.usecases.provision.launch import MachineLaunch, TimedOut, Waiter
from offload.usecases.provision.planning import ProvisionPlan

if TYPE_CHECKING:
    from offload.drivers.ssh.connection import Shell

_OPTIONS = ("--access-log", "--max-bytes", str(MAX_FILE_BYTES))
_OF_THE_MACHINE = ("attempt", "asked_at", "id", "address", "ready")
"""Parts of a record that are not asked for, but came of it."""

_STEPS = {
    StartPhase.API: 1, StartPhase.START: 1, StartPhase.PENDING: 2, StartPhase.BOOT: 3,
    StartPhase.ENGINE: 4, StartPhase.IMAGE: 5, StartPhase.BUILD: 6, StartPhase.CONTAINER: 7,
}  # fmt: skip
"""A phase of a bring-up -> which step of all it is."""
_TRY_S, _LET_IN_S, _LIVE_S, _READY_S = 5.0, 300.0, 120.0, 300.0
_PENALTY_S = 1.5
"""How much longer to wait after a refusal: OpenSSH 9.8 shuts out who knocks in vain too often."""


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A machine that serves, what it was brought up from, the seconds of each phase, what was done
    about its image, what its server says of itself, and what was added to the history.
    """

    machine: Machine
    record: MachineRecord
    came_from: StartState
    phases: Mapping[str, float]
    image: str
    info: wire.Info
    measurement: Measurement | None


def carry_out(
    plan: ProvisionPlan,
    context: Context,
    begins: Callable[[StartPhase], None] = lambda _phase: None,
) -> Provisioned:
    """The machine, serving. What is there already stays; the same plan goes on after any failure.
    `begins` is called before each phase, and may prevent it. Where AWS has no such machine free, it
    is the plan behind it. OffloadError is raised where it cannot be done, Interrupted where
    somebody asked to stop.
    """
    try:
        return _carried_out(plan, context, begins)
    except NoCapacity as error:
        if plan.otherwise is None:
            raise
        spec = plan.otherwise.record.spec
        where = f" in {spec.zone}" if spec.zone else ""
        context.reporter.warn(f"{error} Trying a {spec.instance_type}{where}.")
        return carry_out(plan.otherwise, context, begins)
    except SshUnreachable as error:
        raise PlaceUnavailable(
            f"The machine {plan.record.spec.name} has stopped answering: {error}",
            hint="To continue: the same command",
        ) from error


def _carried_out(
    plan: ProvisionPlan, context: Context, begins: Callable[[StartPhase], None]
) -> Provisioned:
    def phase_begins(phase: StartPhase) -> None:
        begins(phase)
        reporter.emit(step_of(phase, phases.taken_s))

    configured, reporter = context.settings, context.reporter
    folder = machine_files.folder(configured.machines_path, plan.record.spec.name)
    patience, phases = Waiter(context.stop), Phases(time.monotonic, phase_begins)
    if folder.is_locked:
        reporter.warn(f"Another offload command is using {folder.name}; waiting for it.")
    with folder.locked(patience.check), ExitStack() as stack:
        began_s = time.monotonic()  # whatever was waited for before
        now = folder.record() or plan.record  # of two processes the second finds what the first did
        there = {name: getattr(now, name) for name in _OF_THE_MACHINE}
        local = MachineState(folder, replace(plan.record, **there))
        machine, came_from = MachineLaunch(plan.cloud, local, patience, phases).up(plan.offer)
        with phases.of(StartPhase.BOOT):
            shell = stack.enter_context(closing(_let_in(local, patience)))
        steps = _secured(Deployment(shell, patience, phases, reporter), local, stack)
        image = OwnImage(plan.model.identity.runtime)
        origin = steps.image(image, local.record.image_way, plan.offer.arch, plan.engine_arch)
        asked = (plan.record.model, plan.record.labels)
        files = served_files(plan.model, *asked, configured.models_path)
        key = key_of(plan.model, files)
        is_started = steps.container(image, files, key, local.token, _OPTIONS)
        info = _greeted(local, steps)
        expect(info, plan.model, f"The machine {folder.name}")
        if is_started:
            phases.of_server(info.startup)
        elif came_from is StartState.COLD:
            came_from = StartState.WARM
        local.keep(replace(local.record, ready=True))
        ends = local.expires_at(machine.launched_at)
        if machine.expires_at != ends:  # the first attempt may be long ago
            plan.cloud.retag(machine.id, {EXPIRES: ends})
    took_s, under = (
        time.monotonic() - began_s,
        condition(info, REMOTE, local.record.kind.label, machine=local.record.kind),
    )
    measurement = brought_up(under, came_from, phases.taken_s, origin, took_s, context)
    return Provisioned(machine, local.record, came_from, phases.taken_s, origin, info, measurement)


def step_of(phase: StartPhase, taken: Iterable[str]) -> PhaseBegan:
    """That a phase begins, with the number of its step, which never goes back: an image that had to
    be built here first is sent in the step of the building.
    """
    step = max(_STEPS[each] for each in (*map(StartPhase, taken), phase))
    return PhaseBegan(phase, step=step, steps=max(_STEPS.values()))


def _secured(steps: Deployment, local: MachineState, stack: ExitStack) -> Deployment:
    """With the engine up, a host key that nobody else has seen, and the limits set."""
    steps.engine()
    if local.host_key_pending:
        with local.another_host_key() as private:
            steps.host_key(private)
            shell = stack.enter_context(closing(_let_in(local, steps.patience)))
        steps = replace(steps, shell=shell)
    spec = local.record.spec
    steps.limits(spec.idle_s, spec.lifetime_s)
    return steps


def condition(
    info: wire.Info, place: str, label: str, servers: int = 1, machine: Kind | None = None
) -> Condition:
    """What runs at so many such servers will be pooled by; `machine` is that of rented ones."""
    return Condition(
        model=info.identity,
        place=place,
        client=this_machine.describe(),
        host=dict(info.machine),
        slots=info.workers * servers,
        url=label,
        network=this_machine.network(),
        machine=machine,
    )


def brought_up(
    under: Condition,
    came_from: StartState,
    phases: Mapping[str, float],
    image: str,
    took_s: float,
    context: Context,
) -> Measurement | None:
    """Add a bring-up to the history, unless the settings say not to; what was added, for the run
    that it was made for. None for a machine that was warm: nothing was brought up.

    `under` has the machine's label for its `url`. `image` says how that got there. `took_s` is what
    all phases took together, and between them.
    """
    if came_from is StartState.WARM:
        return None
    measurement = Measurement(
        taken_at=this_machine.now(),
        source="provision",
        condition=under,
        in_flight=1,
        starts=(Start(0, took_s, 0.0, phases=dict(phases)),),
        facts={"from": came_from, "image": image},
    )
    if context.settings.history:
        kept_in_store([measurement], lambda _store: None, context, what="start of a machine")
    return measurement


def _let_in(local: MachineState, patience: Waiter) -> "Shell":
    """A connection, as soon as the machine lets us in."""
    young, last = local.host_key_pending, ""

    def let_in() -> "Shell | None":
        nonlocal last
        try:
            return local.connect(_TRY_S)
        except LoginRefused as error:
            last = str(error)
        except SshUnreachable as error:
            last = str(error)
            return None
        except HostKeyChanged:
            if not young:  # else it has not been told its key yet; nothing was said to it
                raise
        patience.pause(_PENALTY_S)
        return None

    name = local.folder.name
    try:
        return patience.until(let_in, _LET_IN_S, f"The machine {name} refuses SSH.")
    except TimedOut as error:
        seen = ", ".join(local.record.spec.allow_cidrs)
        raise PlaceUnavailable(
            f"{error} {last} It lets in {seen}.".replace("  ", " "),
            hint=f"If SSH uses another address: offload allow {name} --allow-cidr CIDR",
        ) from error


def _greeted(local: MachineState, steps: Deployment) -> wire.Info:
    """What the server says of itself, once its model is warm; its last words if it never is."""
    tunnel = Tunnel(local.connect, SERVER_PORT, lambda: None)
    address = Address(SERVER_URL, local.token, timeout_s=_READY_S, dial=tunnel.dial)
    with closing(tunnel), closing(address.connect(time.perf_counter, 1)) as server:

        def lives() -> bool | None:
            with suppress(Unreachable):
                return bool(server.request("GET", wire.LIVE))
            return None

        try:
            with steps.phases.of(StartPhase.CONTAINER):
                steps.patience.until(lives, _LIVE_S, "The server on the machine does not answer.")
            return ask(server, address)
        except PlaceUnavailable as error:
            why = f"{error} {last_words(steps.says(log_command(20)) or '')}".strip()
            raise PlaceUnavailable(why, hint=error.hint) from error


def left(plan: ProvisionPlan) -> list[Resource] | None:
    """What there is of a machine; None where the cloud does not answer."""
    with suppress(OffloadError):
        return plan.cloud.resources(plan.record.spec.name)
    return None
