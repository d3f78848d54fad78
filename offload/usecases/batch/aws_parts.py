"""What a batch takes at AWS Batch, brought up and taken down: what there is stays, what lacks is
made. None of its machines runs while it has no jobs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from offload.costmodel.dollars import Billing
from offload.detectors import source
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.events import PhaseBegan
from offload.domain.machines import Offer
from offload.domain.measurements import StartPhase
from offload.domain.results import Json
from offload.drivers.aws.batch.parts import BatchParts
from offload.drivers.aws.batch.spec import BatchSpec
from offload.drivers.docker.engine import Engine
from offload.drivers.docker.own_image import ModelImage
from offload.usecases.context import Context
from offload.usecases.provision import brought_up
from offload.usecases.provision.fleet_planning import (
    FleetOptions,
    cost_of,
    most_of,
    offers_for,
    several,
)
from offload.usecases.provision.model_image import Engines, image_of, pushed_for

TYPES = "c7i.large,c6i.large,c7a.large"
"""Alike, and each may be there where the others are not."""
_SPARE = 10
"""Of so many machines at spot prices one is on demand, where none is named: it goes on where AWS
has none at spot prices.
"""

Connect = brought_up.Connect[BatchParts]
BATCHES = brought_up.PartsKind(
    "batch", "batch-parts", "batch", BatchParts.connected,
    re.compile(r".+"), 63,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BatchOptions(FleetOptions):
    """What `offload batch` says of machines at AWS, as for a fleet, and of what they work on:
    images below the URL `source`, rows below `out`. `on_demand` machines of all are so in a batch
    at spot prices; -1 leaves that to us.

    Raises:
        UsageError: they cannot be meant.
    """

    instance_type: str = TYPES
    on_demand: int = -1
    source: str = ""
    out: str = ""

    def __post_init__(self) -> None:
        """Refuse what machines at AWS cannot use: they have no other credentials."""
        if not self.out.startswith("s3://"):
            raise UsageError(
                f"Machines of AWS Batch write to S3, and {self.out!r} is not there.",
                hint="For instance: --out s3://BUCKET/rows/",
            )
        if not self.source.startswith(("s3://", "http://", "https://")):
            raise UsageError(
                f"Machines of AWS Batch read from S3 or the web, and {self.source!r} is neither.",
                hint=f"To copy it: aws s3 sync {self.source} s3://BUCKET/photos/",
            )
        if self.on_demand > 0 and not self.spot:
            raise UsageError(
                "--on-demand-base needs --spot: without it all machines are on demand.",
                hint="Add --spot, or: --on-demand-base 0",
            )
        if not several(self.instance_type):
            raise UsageError("--instance-type names no type.", hint=f"--instance-type {TYPES}")


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What carrying out a wish means: up to `most` machines of what is offered, best first, each at
    what its `costs` say, the last `on_demand` of which are so. `image` is None where one was named;
    `is_there` says that there is a queue for it already.
    """

    options: BatchOptions
    region: str
    model: ModelSource
    image: ModelImage | None
    offers: tuple[Offer, ...]
    costs: tuple[Billing, ...]
    most: int
    on_demand: int
    is_there: bool
    parts: BatchParts = field(repr=False)

    @property
    def usd_per_h(self) -> float:
        """What an hour of the dearest machine costs."""
        return max(each.all_usd_per_h for each in self.costs)

    @property
    def most_usd_per_h(self) -> float:
        """What an hour costs in which all of its machines run, were they the dearest ones."""
        return self.most * self.usd_per_h


def planned(
    options: BatchOptions, context: Context, connect: Connect = BatchParts.connected
) -> BatchPlan:
    """What would be done, with everything looked up and nothing changed.

    Raises:
        OffloadError: it cannot be, as far as can be known before.
    """
    parts = connect(options.region, options.profile)
    model = source.chosen(options.model or context.settings.model, context.hub, None)
    image = None if options.container_image else image_of(model, "aws")
    cloud = context.clouds(parts.region, options.profile)
    is_there = parts.is_there(options.name)
    offers = offers_for(options, cloud)
    costs = tuple(cost_of(each, options, context) for each in offers)
    most = most_of(options, offers[0], cloud)
    if stranded := parts.stranded(several(options.subnet)):
        raise PlaceUnavailable(
            f"Machines there would reach nobody. {' '.join(stranded)}",
            hint="For another network: --subnet ID",
        )
    on_demand = most // _SPARE if options.on_demand < 0 else min(options.on_demand, most)
    return BatchPlan(
        options, parts.region, model, image, offers, costs, most,
        on_demand if options.spot else most, is_there, parts,
    )  # fmt: skip


def carry_out(plan: BatchPlan, context: Context, engines: Engines = Engine.connected) -> None:
    """Have all that its jobs take. The same plan goes on after any failure.

    Raises:
        OffloadError: it cannot be done.
    """
    options, parts = plan.options, plan.parts
    name, tags = options.name, parts.marks(options.name)
    BATCHES.remember(name, parts, options.profile, context)
    image = options.container_image or _pushed(plan, tags, context, engines)
    context.reporter.emit(PhaseBegan(StartPhase.CREATE))
    spec = BatchSpec(
        name, image, options.source, options.out, plan.offers, plan.most - plan.on_demand,
        plan.on_demand, options.instance_profile, several(options.subnet),
    )  # fmt: skip
    parts.bring_up(spec, tags)


def _pushed(plan: BatchPlan, tags: Mapping[str, str], context: Context, engines: Engines) -> str:
    assert plan.image is not None
    into = partial(plan.parts.repository, plan.options.name, tags)
    return pushed_for(plan.offers[0].arch, plan.image, engines, into, context.reporter)


remove = BATCHES.remove
known = BATCHES.known


def permissions(region: str | None, profile: str | None, connect: Connect | None = None) -> Json:
    """Which permissions there are of those that looking for a batch takes."""
    return BATCHES.permissions(region, profile, "doctor", connect)
