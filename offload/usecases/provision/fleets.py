"""A fleet brought up and taken down: what there is stays, what lacks is made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from offload.domain.events import PhaseBegan
from offload.domain.machines import FleetInfo, Machine
from offload.domain.measurements import StartPhase
from offload.domain.results import Json
from offload.drivers.aws.fleet.parts import FleetParts, FleetSpec
from offload.drivers.docker.engine import Engine
from offload.usecases.context import Context
from offload.usecases.provision.fleet_planning import FLEETS, Connect, FleetPlan, several
from offload.usecases.provision.machines import ListedMachine, running_s
from offload.usecases.provision.model_image import Engines, pushed_for
from offload.version import __version__


def carry_out(plan: FleetPlan, context: Context, engines: Engines = Engine.connected) -> FleetInfo:
    """The fleet, once it takes images. The same plan goes on after any failure.

    Raises:
        OffloadError: it cannot be done.
    """
    options, parts, reporter = plan.options, plan.parts, context.reporter
    name, tags = options.name, parts.marks(options.name)
    FLEETS.remember(name, parts, options.profile, context)
    image = options.container_image or _pushed(plan, tags, context, engines)
    reporter.emit(PhaseBegan(StartPhase.CREATE))
    subnets = several(options.subnet)
    spec = FleetSpec(
        name, image, plan.offers, plan.most, options.spot, options.instance_profile, subnets,
        options.on_demand,
    )  # fmt: skip
    bucket, queue_url, dead_url = parts.bring_up(spec, tags)
    model, first = plan.model, plan.offers[0]
    info = FleetInfo(
        name=name,
        region=parts.region,
        version=__version__,
        model=model.identity,
        labels=model.labels,
        min_score=model.min_score,
        instance_types=tuple(each.spec.instance_type for each in plan.offers),
        vcpus=first.vcpus,
        usd_per_h=plan.costs[0].all_usd_per_h,
        spot=options.spot,
        most=plan.most,
        bucket=bucket,
        queue_url=queue_url,
        dead_url=dead_url,
        asked=plan.asked,
    )
    parts.tell(info)
    return info


def _pushed(plan: FleetPlan, tags: Mapping[str, str], context: Context, engines: Engines) -> str:
    assert plan.image is not None
    into = partial(plan.parts.repository, plan.options.name, tags)
    return pushed_for(plan.offers[0].arch, plan.image, engines, into, context.reporter)


remove = FLEETS.remove
known = FLEETS.known


@dataclass(frozen=True, slots=True)
class ListedFleet:
    """A fleet, and the machines that it has now, each with what it has cost so far."""

    info: FleetInfo
    machines: tuple[ListedMachine, ...]


def _there(parts: FleetParts) -> Iterator[tuple[str, ListedFleet]]:
    for info in parts.fleets():
        machines = tuple(_row(each, info) for each in parts.machines(info.name))
        yield info.name, ListedFleet(info, machines)


listed = partial(FLEETS.listed, _there)


def _row(machine: Machine, info: FleetInfo) -> ListedMachine:
    age_s = running_s(machine)
    usd = age_s and info.usd_per_h * age_s / 3600
    return ListedMachine(info.name, info.region, machine, None, age_s, usd)


def permissions(
    context: Context,
    region: str | None,
    profile: str | None,
    connect: Connect | None = None,
) -> Json:
    """Which permissions there are of those that looking for a fleet takes."""
    return FLEETS.permissions(region, profile, context.settings.fleet, connect)
