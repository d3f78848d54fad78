"""A fleet brought up and taken down: what there is stays, what lacks is made."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, get_args

from offload.costmodel.dollars import Billing
from offload.detectors import source
from offload.detectors.source import ModelSource
from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.events import PhaseBegan
from offload.domain.fleets import FleetInfo
from offload.domain.machines import Machine, Offer, Spec
from offload.domain.measurements import StartPhase
from offload.domain.results import Json
from offload.drivers.aws import lookup
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.aws.fleet.parts import FleetParts, FleetSpec, marks
from offload.drivers.aws.iam import Answer
from offload.drivers.docker.engine import Engine
from offload.drivers.docker.own_image import ModelImage
from offload.drivers.folders import known_files
from offload.drivers.folders.known_files import Known
from offload.usecases.advise import prices
from offload.usecases.advise.question import INSTANCE
from offload.usecases.context import Context
from offload.usecases.provision import brought_up, deploy, planning
from offload.usecases.provision.machines import ListedMachine, each_region, running_s
from offload.usecases.provision.model_image import Engines, image_of, pushed
from offload.usecases.provision.teardown import May, Told
from offload.version import __version__

_MOST = 4
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
"""Names of buckets end after 63 characters, and account and region are in them too."""
_NOBODY = ("127.0.0.1/32",)
"""Who may connect to a machine."""
_FOR_ONCE = {"name", "region", "profile", "offline"}
"""Options that are not kept for the next time."""


Connect = Callable[[str | None, str | None], FleetParts]


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """The options of `offload provision fleet`; None where the last time or a default decides.
    `instance_type` and `subnet` may name several, with commas between them; the first `on_demand`
    machines are so where the others are spot ones.

    Raises:
        UsageError: they cannot be meant.
    """

    name: str = "offload"
    most: int | None = None
    instance_type: str = INSTANCE
    spot: bool = False
    model: str | None = None
    container_image: str | None = None
    instance_profile: str | None = None
    subnet: str | None = None
    on_demand: int = 0
    price_usd_per_h: float | None = None
    region: str | None = None
    profile: str | None = None
    offline: bool = False

    def __post_init__(self) -> None:
        """Refuse what AWS would, before it is asked."""
        check_name(self.name)
        if not _several(self.instance_type):
            raise UsageError(
                "--instance-type names no type.", hint="For instance: --instance-type c7i.large"
            )
        if self.on_demand and not self.spot:
            raise UsageError(
                "--on-demand-base needs --spot: without it all machines are on demand.",
                hint="Add --spot, or: --on-demand-base 0",
            )


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What carrying out a wish means: up to `most` machines of what is offered, best first, each at
    what its `costs` say. `image` is None where one was named; `before` is the fleet that is there.
    """

    options: FleetOptions
    region: str
    model: ModelSource
    image: ModelImage | None
    offers: tuple[Offer, ...]
    costs: tuple[Billing, ...]
    most: int
    before: FleetInfo | None
    asked: Mapping[str, Any]
    parts: FleetParts = field(repr=False)

    @property
    def most_usd_per_h(self) -> float:
        """What an hour costs in which all of its machines run, were they the dearest ones."""
        return self.most * max(each.all_usd_per_h for each in self.costs)


def planned(
    given: Mapping[str, Any], context: Context, connect: Connect = FleetParts.connected
) -> FleetPlan:
    """What would be done, with everything looked up and nothing changed; `given` are the options
    that were typed.

    Raises:
        OffloadError: it cannot be, as far as can be known before.
    """
    options = FleetOptions(**given)
    parts = connect(options.region, options.profile)
    before = parts.info(options.name)
    asked = _lasting(before.asked if before else {}, given)
    options = FleetOptions(**asked)
    model = source.chosen(options.model or context.settings.model, context.hub, None)
    image = None if options.container_image else image_of(model, "aws")
    cloud = context.clouds(parts.region, options.profile)
    offers = _offers(options, cloud)
    if before is None:
        checked = (offers[0], cloud, context, options.profile)
        planning.check_allowed(*checked, offline=options.offline)
    costs = tuple(_cost(each, options, context) for each in offers)
    most = _most(options, offers[0], cloud)
    kept = {key: value for key, value in asked.items() if key not in _FOR_ONCE}
    return FleetPlan(options, parts.region, model, image, offers, costs, most, before, kept, parts)


def _lasting(last: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for last, with what is given; another model replaces the image that was
    named.
    """
    known = {each.name for each in fields(FleetOptions)}
    if "model" in given:
        known -= {"container_image"}
    asked = {key: value for key, value in last.items() if key in known} | dict(given)
    return asked | {"model": planning.lasting(asked.get("model"))}


def _offers(options: FleetOptions, cloud: Cloud) -> tuple[Offer, ...]:
    """What there is of each type that is named: machines that are alike, as one image and one
    number of cores are for all.
    """
    subnet = next(iter(_several(options.subnet)), None)
    specs = [
        Spec(options.name, cloud.region, each, _NOBODY, subnet=subnet, spot=options.spot)
        for each in _several(options.instance_type)
    ]
    offers = tuple(map(cloud.offer, specs))
    if len({(each.arch, each.vcpus) for each in offers}) > 1:
        found = ", ".join(f"{o.spec.instance_type} {o.arch} with {o.vcpus}" for o in offers)
        raise UsageError(
            "All machines of a fleet have the same processor and number of vCPUs, and these differ:"
            f" {found}.",
            hint=f"For one type: --instance-type {offers[0].spec.instance_type}",
        )
    return offers


def _cost(offer: Offer, options: FleetOptions, context: Context) -> Billing:
    """What an hour of one costs, address and disk included; at spot prices, at most."""
    if options.price_usd_per_h is not None:
        return Billing(options.price_usd_per_h, "set by hand", disk_gb=offer.disk_gb)
    where = (offer.spec.instance_type, offer.spec.region, context, options.profile)
    found = prices.find(*where, offline=options.offline)
    return Billing(
        found.usd_per_h, found.source, found.as_of,
        disk_gb=offer.disk_gb, disk_usd_per_gb_month=found.disk_usd_per_gb_month,
    )  # fmt: skip


def _most(options: FleetOptions, offer: Offer, cloud: Cloud) -> int:
    """How many machines there may be, which the account's quota allows as far as it is known."""
    spec, vcpus = offer.spec, offer.vcpus
    quota = lookup.quota(cloud.clients, spec.instance_type, spot=spec.spot)
    allowed = 10**6 if quota is None else int(quota // vcpus)
    most = options.most or min(_MOST, allowed)
    if most > allowed:
        what = "spot machines" if spec.spot else "machines"
        raise PlaceUnavailable(
            f"The account's quota is {quota:.0f} vCPUs of such {what} in {spec.region}, "
            f"{most} of type {spec.instance_type} take {most * vcpus}.",
            hint=f"For fewer: --max {allowed}. {lookup.more_quota(spec, most * vcpus)}",
        )
    return most


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
    subnets = _several(options.subnet)
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


def check_name(name: str) -> None:
    """Raise UsageError where a fleet cannot be called that."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A fleet cannot be called {name!r}: a small letter, then small letters, digits and "
            "hyphens, 20 at most.",
            hint="For instance: offload provision fleet --name photos",
        )


def _several(text: str | None) -> tuple[str, ...]:
    return tuple(each.strip() for each in (text or "").split(",") if each.strip())
