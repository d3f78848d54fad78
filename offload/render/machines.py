"""Rented machines: what one would cost, what came up, which there are, what is left."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from offload.domain.events import Event, Listener, PhaseBegan
from offload.domain.machines import Resource
from offload.domain.places import StartState
from offload.domain.timing import Clock
from offload.domain.units import show_s
from offload.render import progress, tables
from offload.render.fleets import provisioning as of_fleets
from offload.render.messages import say_lines
from offload.render.phases import phase
from offload.render.words import moment

if TYPE_CHECKING:
    from offload.costmodel.dollars import Billing
    from offload.drivers.aws.function.calling import FunctionConfig
    from offload.usecases.provision.fleets import ListedFleet
    from offload.usecases.provision.machines import ListedMachine
    from offload.usecases.provision.planning import ProvisionPlan
    from offload.usecases.provision.provisioning import Provisioned

_CREATED = "a key pair, a security group, an instance with an encrypted disk"
_CALLS = (
    "ImportKeyPair, CreateSecurityGroup, AuthorizeSecurityGroupIngress, RunInstances, CreateTags"
)


def plan(plan: "ProvisionPlan", *, as_json: bool) -> None:
    """What would be created, on standard output."""
    if not as_json:
        return tables.print_lines(plan_lines(plan))
    billing = plan.billing
    return tables.write_json({
        "kind": "plan",
        "offer": asdict(plan.offer),
        "cost": {
            "usd_per_h": billing.all_usd_per_h, "parts_usd_per_h": billing.parts_usd_per_h(),
            "stopped_usd_per_month": billing.stopped_usd_per_month, "most_usd": _most(plan),
        },
        "there": asdict(plan.before) if plan.before else None,
        "serves": plan.model.identity.name, "otherwise": [
            {
                "instance_type": each.offer.spec.instance_type, "zone": each.offer.spec.zone,
                "usd_per_h": each.billing.all_usd_per_h,
            }
            for each in _otherwise(plan)
        ],
    })  # fmt: skip


def plan_lines(plan: "ProvisionPlan") -> Iterator[str]:
    """What would be made, a sentence a line."""
    offer, spec, serves = plan.offer, plan.offer.spec, plan.model.identity.name
    kind = "spot instance" if spec.spot else "instance"
    engine = "with Docker" if offer.has_engine else "Docker is installed at its first boot"
    yield (
        f"{spec.name}: a {spec.instance_type} {kind} in {spec.zone or spec.region}, "
        f"{offer.vcpus} vCPUs, {offer.memory_gib:g} GiB, {offer.arch}, {offer.disk_gb} GB of disk; "
        f"AMI {offer.ami} ({engine})"
    )
    yield _price(plan)
    others = [
        f"a {each.instance_type} in {each.zone or each.region}, ${then.billing.all_usd_per_h:.4f}"
        for then in _otherwise(plan)
        for each in [then.offer.spec]
    ]
    if others:
        yield f"Where AWS has none free: {', '.join(others)}."
    yield _end(plan)
    if offer.burstable:
        yield (
            f"A {spec.instance_type} is burstable: below full speed once its CPU credits are used "
            "up. It gets standard credits, which cost nothing extra. For steady speed: a c or m "
            "type."
        )
    yield f"SSH is let in from {', '.join(spec.allow_cidrs)}; nothing else is open."
    if there := plan.before:
        yield f"{there.id} exists ({there.state}); it will serve {serves}."
    else:
        yield f"Will create {_CREATED}; it will serve {serves}. Calls: {_CALLS}."


def _otherwise(plan: "ProvisionPlan") -> Iterator["ProvisionPlan"]:
    """What is tried after it."""
    while plan.otherwise is not None:
        plan = plan.otherwise
        yield plan


def _price(plan: "ProvisionPlan") -> str:
    billing, most = plan.billing, " at most" if plan.offer.spec.spot else ""
    parts = " + ".join(f"${usd:.4f} {name}" for name, usd in billing.parts_usd_per_h().items())
    how = f"{billing.how}, {billing.as_of}" if billing.as_of else billing.how
    stopped = f"${billing.stopped_usd_per_month:.2f} a month while it is stopped"
    return f"${billing.all_usd_per_h:.4f} an hour{most} ({parts}; {how}), {stopped}"


def _end(plan: "ProvisionPlan") -> str:
    idle_s, lifetime_s, most_usd = plan.offer.spec.idle_s, plan.offer.spec.lifetime_s, _most(plan)
    ends = [f"{show_s(idle_s)} after the last connection"] if idle_s else []
    if lifetime_s and most_usd is not None:
        ends.append(f"{show_s(lifetime_s)} after its boot, ${most_usd:.2f} later at most")
    if not ends:
        return "It never ends by itself: it costs money until offload down."
    tail = (
        f"; that idle tail costs ${plan.billing.all_usd_per_h * idle_s / 3600:.3f}"
        if idle_s
        else ""
    )
    return f"It ends by itself {', at the latest '.join(ends)}{tail}."


def _most(plan: "ProvisionPlan") -> float | None:
    lifetime_s = plan.offer.spec.lifetime_s
    return None if lifetime_s is None else plan.billing.all_usd_per_h * lifetime_s / 3600


@contextmanager
def steps(quiet: bool, clock: Clock = time.monotonic) -> Iterator[Listener]:
    """Each step of a bring-up and the time it takes: meanwhile, where a person watches, and when it
    is over. Hand what is given to a Reporter.
    """
    now: tuple[PhaseBegan, float] | None = None

    def over() -> None:
        if now is not None and not quiet:
            say_lines(f"{phase(now[0])}, {show_s(round(clock() - now[1]))}")

    def hear(event: Event) -> None:
        nonlocal now
        if isinstance(event, PhaseBegan) and (now is None or event.phase != now[0].phase):
            over()
            now = event, clock()
            shown(event)

    with progress.phases(quiet) as shown:
        try:
            yield hear
        finally:
            over()


def provisioned(up: "Provisioned", billing: "Billing", *, as_json: bool, quiet: bool) -> None:
    """A machine that serves."""
    if as_json:
        return tables.write_json({
            "kind": "machine", "machine": asdict(up.machine), "from": up.came_from,
            "phases": up.phases, "total_s": sum(up.phases.values()), "image": up.image,
            "usd_per_h": billing.all_usd_per_h, "model": asdict(up.info.identity),
        })  # fmt: skip
    if quiet:
        return None
    phases = ", ".join(f"{name} {show_s(seconds)}" for name, seconds in up.phases.items())
    spec = up.record.spec
    lines = [came_up(up), f"{phases}; container image {up.image}"]
    if spec.idle_s is None and spec.lifetime_s is None:
        lines.append(
            f"It costs ${billing.all_usd_per_h:.4f} an hour until: offload down {spec.name}"
        )
    lines.append("To use it:    offload detect photos/ --where remote")
    return tables.print_lines([*lines, f"To remove it: offload down {spec.name}"])


def came_up(up: "Provisioned") -> str:
    """That a machine serves, in a line."""
    machine, total_s = up.machine, sum(up.phases.values())
    return (
        f"{machine.name} ({machine.id}, {machine.instance_type}) at {machine.address} serves "
        f"{up.info.identity.name}, {show_s(total_s)} after it was {_FROM[up.came_from]}"
    )


_FROM = {
    StartState.ABSENT: "asked for",
    StartState.STOPPED: "started",
    StartState.COLD: "found running",
    StartState.WARM: "found ready",
}


def left(name: str, resources: Sequence[Resource] | None) -> None:
    """What there is of a machine that was not brought up to the end, on standard error."""
    if resources is None:
        say_lines(f"What exists of {name} could not be listed. To see: offload machines")
    elif resources:
        things = ", ".join(f"{each.kind} {each.id}" for each in resources)
        remove = f"offload down {name} --region {resources[0].region}"
        hint = f"  To continue: the same command; to remove all of it: {remove}"
        say_lines(f"What exists of {name}: {things}.", hint)
    else:
        say_lines(f"Nothing of {name} exists.")


def left_running(name: str) -> None:
    """That a machine which was stopped may not be any more, on standard error."""
    say_lines(f"The machine {name} was started for this run.", f"  To stop it: offload stop {name}")


def listed(
    rows: "Sequence[ListedMachine]",
    functions: "Sequence[FunctionConfig]",
    fleets: "Sequence[ListedFleet]",
    *,
    as_json: bool,
) -> None:
    """The machines that there are, the functions and the fleets."""
    if as_json:
        return tables.write_json({
            "kind": "machines", "machines": [_row(row) for row in rows],
            "functions": [asdict(each) for each in functions],
            "fleets": [
                {**asdict(each.info), "machines": [_row(row) for row in each.machines]}
                for each in fleets
            ],
        })  # fmt: skip
    columns = ("name", "state", "type", "region", "address", "age", "cost", "ends")
    if rows:
        tables.print_table(columns, map(_cells, rows))
    else:
        tables.print_lines(["There is no machine. To create one: offload provision ec2"])
    if functions:
        tables.print_lines([""])
        cells = [
            (each.name, each.region, f"{each.memory_mb} MB", each.arch, "yes" if each.table else "")
            for each in functions
        ]
        tables.print_table(("function", "region", "memory", "processor", "drop box"), cells)
    if fleets:
        tables.print_lines([""])
        of_fleets.listed(fleets)
    return None


def _cells(row: "ListedMachine") -> Sequence[str]:
    machine = row.machine
    if machine is None:
        state = "gone" if row.record and row.record.id else "not created"
        return (row.name, state, "", row.region, "", "", "", "")
    age = "" if row.age_s is None else show_s(row.age_s)
    cost = "" if row.usd is None else f"${row.usd:.3f}"
    if machine.state == "stopped" and row.usd_per_month is not None:
        cost = f"${row.usd_per_month:.2f} a month"
    state = machine.state if row.record else f"{machine.state}, from elsewhere"
    expires_at = None if machine.state == "stopped" else machine.expires_at
    ends = f"by {moment(expires_at)} UTC" if expires_at else ""
    return (
        row.name, state, machine.instance_type, machine.region, machine.address or "", age, cost,
        "never by itself" if expires_at == "never" else ends,
    )  # fmt: skip


def _row(row: "ListedMachine") -> dict[str, Any]:
    return {
        "name": row.name, "region": row.region,
        "machine": asdict(row.machine) if row.machine else None,
        "known_here": row.record is not None, "ready": bool(row.record and row.record.ready),
        "age_s": row.age_s, "usd": row.usd, "stopped_usd_per_month": row.usd_per_month,
    }  # fmt: skip
