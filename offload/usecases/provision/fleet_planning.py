"""What bringing up a fleet would mean: looked up, priced, nothing changed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from offload.costmodel.dollars import Billing
from offload.detectors import source
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.machines import FleetInfo, Offer, Spec
from offload.drivers.aws import lookup
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.aws.fleet.parts import FleetParts
from offload.drivers.docker.own_image import ModelImage
from offload.usecases.advise import prices
from offload.usecases.advise.question import INSTANCE
from offload.usecases.context import Context
from offload.usecases.provision import brought_up, planning
from offload.usecases.provision.model_image import image_of

_MOST = 4
_NOBODY = ("127.0.0.1/32",)
"""Who may connect to a machine."""
_FOR_ONCE = {"name", "region", "profile", "offline"}
"""Options that are not kept for the next time."""


Connect = brought_up.Connect[FleetParts]
FLEETS = brought_up.PartsKind(
    "fleet", "fleets", "fleet", FleetParts.connected,
    re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?"), 20,
)  # fmt: skip
"""Names of buckets end after 63 characters, and account and region are in them too."""


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
        FLEETS.check_name(self.name)
        if not several(self.instance_type):
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
    offers = offers_for(options, cloud)
    if before is None:
        checked = (offers[0], cloud, context, options.profile)
        planning.check_allowed(*checked, offline=options.offline)
    costs = tuple(cost_of(each, options, context) for each in offers)
    most = most_of(options, offers[0], cloud)
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


def offers_for(options: FleetOptions, cloud: Cloud) -> tuple[Offer, ...]:
    """What there is of each type that is named: machines that are alike, as one image and one
    number of cores are for all.
    """
    subnet = next(iter(several(options.subnet)), None)
    specs = [
        Spec(options.name, cloud.region, each, _NOBODY, subnet=subnet, spot=options.spot)
        for each in several(options.instance_type)
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


def cost_of(offer: Offer, options: FleetOptions, context: Context) -> Billing:
    """What an hour of one costs, address and disk included; at spot prices, at most."""
    if options.price_usd_per_h is not None:
        return Billing(options.price_usd_per_h, "set by hand", disk_gb=offer.disk_gb)
    where = (offer.spec.instance_type, offer.spec.region, context, options.profile)
    found = prices.find(*where, offline=options.offline)
    return Billing(
        found.usd_per_h, found.source, found.as_of,
        disk_gb=offer.disk_gb, disk_usd_per_gb_month=found.disk_usd_per_gb_month,
    )  # fmt: skip


def most_of(options: FleetOptions, offer: Offer, cloud: Cloud) -> int:
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


def several(text: str | None) -> tuple[str, ...]:
    """What a text names, with commas between."""
    return tuple(each.strip() for each in (text or "").split(",") if each.strip())
