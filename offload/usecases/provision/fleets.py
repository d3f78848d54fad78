"""A fleet brought up and taken down: what there is stays, what lacks is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

from offload.domain.errors import OffloadError, UsageError
from offload.domain.events import PhaseBegan
from offload.domain.machines import FleetInfo, Machine
from offload.domain.measurements import StartPhase
from offload.domain.results import Json
from offload.drivers.aws.fleet.parts import FleetParts, FleetSpec, marks
from offload.drivers.aws.iam import Answer
from offload.drivers.docker.engine import Engine
from offload.drivers.folders import known_files
from offload.drivers.folders.known_files import Known
from offload.usecases.context import Context
from offload.usecases.provision import brought_up, deploy
from offload.usecases.provision.fleet_planning import Connect, FleetPlan, check_name, several
from offload.usecases.provision.machines import ListedMachine, each_region, running_s
from offload.usecases.provision.model_image import Engines, pushed
from offload.usecases.provision.teardown import May, Told
from offload.version import __version__


def carry_out(plan: FleetPlan, context: Context, engines: Engines = Engine.connected) -> FleetInfo:
    """The fleet, once it takes images. The same plan goes on after any failure.

    Raises:
        OffloadError: it cannot be done.
    """
    options, parts, reporter = plan.options, plan.parts, context.reporter
    name, tags = options.name, marks(options.name)
    here = Known(name, parts.region, options.profile)
    known_files.remember(context.settings.fleets_path, here)
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
    with engines() as engine:
        if engine.arch != plan.offers[0].arch:
            raise deploy.of_another_kind(engine.arch, plan.offers[0].arch)
        into = partial(plan.parts.repository, plan.options.name, tags)
        return pushed(plan.image, engine, into, context.reporter)


def remove(
    context: Context,
    name: str,
    region: str | None,
    profile: str | None,
    told: Told,
    may: May,
    connect: Connect = FleetParts.connected,
) -> None:
    """Remove a fleet and all that is its own, machines first. `told` is told of each when it has
    gone. Where some of it was not made here, `may` is asked about all. Without a region it is the
    one that this computer brought up, if that is but one.

    Raises:
        UsageError: there is nothing of it.
    """
    check_name(name)
    at = (context.settings.fleets_path, name, region, profile)
    found, where = brought_up.remove(*at, context, told, may, connect)
    if not found:
        raise UsageError(
            f"There is no fleet {name} of offload's in {where}.",
            hint=f"To look elsewhere: offload down fleet:{name} --region REGION",
        )


def known(context: Context) -> list[Known]:
    """The fleets that this computer brought up."""
    return known_files.known(context.settings.fleets_path)


@dataclass(frozen=True, slots=True)
class ListedFleet:
    """A fleet, and the machines that it has now, each with what it has cost so far."""

    info: FleetInfo
    machines: tuple[ListedMachine, ...]


def listed(
    context: Context,
    regions: Sequence[str],
    profile: str | None,
    *,
    everywhere: bool = False,
    connect: Connect = FleetParts.connected,
) -> list[ListedFleet]:
    """Every fleet of offload's in these regions; without regions in the one that is configured, and
    where this computer brought some up. Where they may not be listed, that is said.
    """

    def there(at: tuple[str, str | None]) -> list[ListedFleet]:
        parts = connect(*at)
        return [
            ListedFleet(info, tuple(_row(each, info) for each in parts.machines(info.name)))
            for info in parts.fleets()
        ]

    try:
        where = brought_up.where(known(context), context, regions, profile, connect, everywhere)
        found = {
            (each.info.name, each.info.region): each
            for some in each_region(where, there, context)
            for each in some
        }
        return [found[key] for key in sorted(found)]
    except OffloadError as error:
        context.reporter.warn(f"Fleets are not listed: {error}")
        return []


def _row(machine: Machine, info: FleetInfo) -> ListedMachine:
    age_s = running_s(machine)
    usd = age_s and info.usd_per_h * age_s / 3600
    return ListedMachine(info.name, info.region, machine, None, age_s, usd)


def permissions(
    context: Context,
    region: str | None,
    profile: str | None,
    connect: Connect = FleetParts.connected,
) -> Json:
    """Which permissions there are of those that looking for a fleet takes. Nothing is made, so
    nothing is known of those to make one.
    """
    found = connect(region, profile).permissions(context.settings.fleet)
    return {each: [name for name in found if found[name] == each] for each in get_args(Answer)}
