"""A rented machine brought up and made to serve."""

import datetime
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, replace

from offload.domain import machines
from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.events import PhaseBegan
from offload.domain.machines import SERVER_PORT, SERVER_URL, Resource
from offload.domain.measurements import Condition, StartPhase
from offload.domain.places import REMOTE, StartState
from offload.drivers.docker.container_spec import last_words
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineRecord
from offload.drivers.host import machine as this_machine
from offload.drivers.host import network
from offload.drivers.http.web import Unreachable
from offload.drivers.images import image_files
from offload.drivers.ssh.errors import HostKeyChanged, SshUnreachable
from offload.drivers.ssh.login import Shell
from offload.drivers.ssh.tunnel import Tunnel
from offload.providers.ec2.machine_state import MachineState, expires_at
from offload.service import wire
from offload.service.client.greeting import Address, ask, expect
from offload.usecases.context import Context
from offload.usecases.provision import shipping
from offload.usecases.provision.deploy import Deployment, ImageOrigin
from offload.usecases.provision.launch import MachineLaunch, Phases, TimedOut, Waiter
from offload.usecases.provision.plans import Provisioned, ProvisionPlan
from offload.usecases.provision.record import brought_up

_OPTIONS = ("--max-bytes", str(image_files.MAX_FILE_BYTES))
_TRY_S, _LET_IN_S, _LIVE_S, _READY_S = 5.0, 300.0, 120.0, 300.0


def carry_out(
    plan: ProvisionPlan,
    context: Context,
    begins: Callable[[StartPhase], None] = lambda _phase: None,
) -> Provisioned:
    """The machine, serving. What is there already stays; the same plan goes on after any failure.
    `begins` is called before each phase, and may prevent it.

    Raises:
        Interrupted: somebody asked to stop.
        OffloadError: it cannot be done.
    """
    try:
        return _carried_out(plan, context, begins)
    except SshUnreachable as error:
        raise PlaceUnavailable(
            f"The machine {plan.record.spec.name} has stopped answering: {error}",
            hint="To go on: the same command",
        ) from error


def _carried_out(
    plan: ProvisionPlan, context: Context, begins: Callable[[StartPhase], None]
) -> Provisioned:
    def phase_begins(phase: StartPhase) -> None:
        begins(phase)
        reporter.emit(PhaseBegan(phase))

    configured, reporter = context.settings, context.reporter
    folder = machine_files.folder(configured.machines_path, plan.record.spec.name)
    patience = Waiter(time.monotonic, time.sleep, context.stop)
    phases = Phases(time.monotonic, phase_begins)
    if folder.is_locked:
        reporter.warn(f"Another offload is at work on {folder.name}; waiting for it.")
    with folder.locked(patience.check), ExitStack() as stack:
        began_s = time.monotonic()  # whatever was waited for before
        local = MachineState(folder, _with_latest(plan.record, folder.record()))
        machine, came_from = MachineLaunch(plan.cloud, local, patience, phases).up(plan.offer)
        with phases.of(StartPhase.BOOT):
            shell = stack.enter_context(closing(_let_in(local, patience)))
        steps = Deployment(shell, patience, phases, reporter)
        steps = _secured(steps, local, stack)
        info, image, is_started = _serving(steps, local, plan, configured.models_path)
        if is_started:
            phases.taken_s[StartPhase.LOAD] = info.startup["load_s"]
            phases.taken_s[StartPhase.WARM_UP] = info.startup["warm_up_s"]
        elif came_from is StartState.COLD:
            came_from = StartState.WARM
        local.keep(replace(local.record, ready=True))
        booted = datetime.datetime.fromisoformat(machine.launched_at)
        ends = expires_at(local.record.spec, booted)
        if machine.expires_at != ends:  # the first attempt may be long ago
            plan.cloud.retag(machine.id, {machines.EXPIRES: ends})
    took_s = time.monotonic() - began_s
    measurement = brought_up(
        _condition(info, local.record), came_from, phases.taken_s, {"image": image}, context,
        took_s=took_s,
    )  # fmt: skip
    return Provisioned(machine, local.record, came_from, phases.taken_s, image, info, measurement)


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


def _serving(
    steps: Deployment, local: MachineState, plan: ProvisionPlan, cache: str
) -> tuple[wire.Info, ImageOrigin, bool]:
    """With image, model and container there: what the server says of itself, how the machine came
    by the image, and whether the container had to be started.
    """

    def follow(line: str) -> None:
        steps.patience.check()
        steps.reporter.step(line)

    image = shipping.image(plan.model, plan.can_send, follow)
    origin = steps.image(image, shipping.way(plan.record.image_way))
    cargo = shipping.cargo(plan.model, plan.record, cache)
    is_started = steps.container(image, cargo, local.token, _OPTIONS)
    info = _greeted(local, steps)
    expect(info, plan.model, f"The machine {local.folder.name}")
    return info, origin, is_started


def _condition(info: wire.Info, record: MachineRecord) -> Condition:
    """What runs at this machine will be pooled by."""
    return Condition(
        model=info.identity,
        place=REMOTE,
        client=asdict(this_machine.describe()),
        host=dict(info.machine),
        slots=info.workers,
        url=record.label,
        network=network.fingerprint(),
    )


def _with_latest(record: MachineRecord, now: MachineRecord | None) -> MachineRecord:
    """Of two processes at once, the second finds what the first did."""
    if now is None:
        return record
    return replace(
        record,
        attempt=now.attempt,
        asked_at=now.asked_at,
        id=now.id,
        address=now.address,
        ready=now.ready,
    )


def _let_in(local: MachineState, patience: Waiter) -> Shell:
    """A connection, as soon as the machine lets us in.

    Raises:
        PlaceUnavailable: it does not, and what was the last it did.
    """
    young, last = local.host_key_pending, ""

    def let_in() -> Shell | None:
        nonlocal last
        try:
            return local.connect(_TRY_S)
        except SshUnreachable as error:
            last = str(error)
            return None
        except HostKeyChanged:
            if young:  # it has not been told its key yet; nothing was said to it
                return None
            raise

    name = local.folder.name
    try:
        return patience.until(let_in, _LET_IN_S, f"The machine {name} does not let us in over SSH.")
    except TimedOut as error:
        seen = ", ".join(local.record.spec.allow_cidrs)
        raise PlaceUnavailable(
            f"{error} {last} It lets in {seen}.".replace("  ", " "),
            hint=f"If SSH leaves here by another address: offload allow {name} --allow-cidr CIDR",
        ) from error


def _greeted(local: MachineState, steps: Deployment) -> wire.Info:
    """What the server says of itself, once its model is warm.

    Raises:
        PlaceUnavailable: it does not come up; with its own last words.
    """
    tunnel = Tunnel(local.connect, SERVER_PORT, lambda: None)
    address = Address(SERVER_URL, local.token, timeout_s=_READY_S, dial=tunnel.dial)
    with closing(tunnel), closing(address.connect(time.perf_counter, 1)) as server:

        def lives() -> bool | None:
            try:
                return bool(server.request("GET", wire.LIVE))
            except Unreachable:
                return None

        try:
            with steps.phases.of(StartPhase.CONTAINER):
                steps.patience.until(lives, _LIVE_S, "The server on the machine does not answer.")
            return ask(server, address)
        except PlaceUnavailable as error:
            why = f"{error} {last_words(steps.logs(20))}".strip()
            raise PlaceUnavailable(why, hint=error.hint) from error


def left(plan: ProvisionPlan) -> list[Resource] | None:
    """What there is of a machine; None where the cloud does not answer."""
    try:
        return plan.cloud.resources(plan.record.spec.name)
    except OffloadError:
        return None
