"""What provisioning a machine would mean: looked up, priced, nothing changed."""

import os
import secrets
from dataclasses import dataclass, field, replace

from offload.costmodel.dollars import Billing
from offload.detectors import source
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.machines import Machine, Offer, Spec
from offload.drivers.aws.ec2 import Cloud, Clouds
from offload.drivers.docker.engine import Engine
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineRecord
from offload.drivers.host import machine as this_machine
from offload.providers.ec2 import connection
from offload.providers.ec2.registry import MachineState
from offload.usecases.advise import prices
from offload.usecases.advise.question import INSTANCE
from offload.usecases.context import Context
from offload.usecases.provision import launch

_ENGINE_S = 3
_LASTING = ("instance_type", "ami", "disk_gb", "subnet", "spot", "idle_s", "lifetime_s")
"""Options that hold until another is given."""


@dataclass(frozen=True, slots=True)
class ProvisionOptions:
    """The options of `offload provision ec2`; None where the last time or a default decides.

    `idle_s` and `lifetime_s` of 0 are never. `price_usd_per_h` is that of the instance alone.
    """

    name: str
    instance_type: str | None = None
    region: str | None = None
    profile: str | None = None
    ami: str | None = None
    disk_gb: int | None = None
    zone: str | None = None
    subnet: str | None = None
    spot: bool | None = None
    allow_cidrs: tuple[str, ...] = ()
    idle_s: float | None = None
    lifetime_s: float | None = None
    tags: tuple[tuple[str, str], ...] = ()
    model: str | None = None
    labels: str | None = None
    image_way: str | None = None
    price_usd_per_h: float | None = None
    max_usd_per_h: float | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class ProvisionPlan:
    """What carrying out a wish means: what the cloud offers, what it costs, what is there already.

    `before` is the machine that is there, None where one is created. `can_send` says that this
    computer has an engine whose images run there.
    """

    offer: Offer
    record: MachineRecord
    model: ModelSource
    billing: Billing
    before: Machine | None
    can_send: bool
    cloud: Cloud = field(repr=False)


def planned(wish: ProvisionOptions, context: Context) -> ProvisionPlan:
    """What would be done, with everything looked up and nothing changed; OffloadError where it
    cannot be, as far as can be known before.
    """
    configured = context.settings
    folder = machine_files.folder(configured.machines_path, wish.name)
    known = folder.record() or MachineRecord(
        Spec(wish.name, "", "", ()), "", 0.0, 0, secrets.token_hex(8), this_machine.now()
    )
    asked = _lasting(wish.model) or known.model
    labels = _lasting(wish.labels) or (None if wish.model else known.labels)
    model = source.chosen(asked or configured.model, context.hub, labels)
    profile = wish.profile or known.profile
    cloud = context.clouds(wish.region or known.spec.region or None, profile)
    if known.spec.region and (known.spec.region, known.profile) != (cloud.region, profile):
        _check_elsewhere(known, cloud, context.clouds)
    by_hand = wish.allow_cidrs or (known.spec.allow_cidrs if known.cidrs_by_hand else ())
    spec = _spec(wish, known.spec, cloud.region, by_hand or (connection.caller_cidr(configured),))
    found = cloud.machines(wish.name)
    offer = cloud.offer(spec)
    if not found:
        cloud.allowed(offer)
    billing = _billing(wish, known, offer, context)
    record = replace(
        known,
        spec=spec,
        login=found[0].login if found else offer.login,
        profile=profile,
        usd_per_h=billing.usd_per_h,
        disk_gb=offer.disk_gb,
        image_way=wish.image_way or known.image_way,
        model=asked,
        labels=labels,
        cidrs_by_hand=bool(by_hand),
    )
    before = found[0] if found else None
    if before is not None:
        launch.check(before, spec, MachineState(folder, record), cloud)
    can_send = _can_send(offer, record.image_way)
    return ProvisionPlan(offer, record, model, billing, before, can_send, cloud)


def _check_elsewhere(known: MachineRecord, cloud: Cloud, clouds: Clouds) -> None:
    """See that no machine in another region or account would be lost sight of."""
    name, region = known.spec.name, known.spec.region
    there = clouds(region, known.profile).machines(name)
    if there and there[0].id not in {machine.id for machine in cloud.machines(name)}:
        where = f"{region}, profile {known.profile}" if known.profile else region
        raise UsageError(
            f"The machine {name} is in {where}.",
            hint=f"For another: --name NAME; to remove it: offload down {name}",
        )


def _can_send(offer: Offer, way: str) -> bool:
    """Whether an engine is here whose images run on such a machine, as there must be where the
    image is to be sent.
    """
    try:
        with Engine.connected(timeout_s=_ENGINE_S) as engine:
            arch = engine.arch
    except PlaceUnavailable:
        if way == "stream":
            raise
        return False
    if way == "stream" and arch != offer.arch:
        raise UsageError(
            f"This computer's images are for {arch}, and a {offer.spec.instance_type} is "
            f"{offer.arch}.",
            hint="To build the image there: --image build",
        )
    return arch == offer.arch


def _spec(wish: ProvisionOptions, before: Spec, region: str, allow_cidrs: tuple[str, ...]) -> Spec:
    """What is asked for: what the wish says, else what was asked for the last time, but for where
    in the region.
    """
    if before.region != region:
        before = replace(before, region=region, ami=None, subnet=None)
    given = {name: getattr(wish, name) for name in _LASTING}
    spec = replace(before, **{name: value for name, value in given.items() if value is not None})
    return replace(
        spec,
        instance_type=spec.instance_type or INSTANCE,
        allow_cidrs=allow_cidrs,
        zone=wish.zone,
        idle_s=spec.idle_s or None,
        lifetime_s=spec.lifetime_s or None,
        tags=dict(wish.tags) or before.tags,
    )


def _lasting(path: str | None) -> str | None:
    """A file's path as it holds in every folder; names stay names."""
    return os.path.abspath(path) if path and os.path.exists(path) else path


def _billing(
    wish: ProvisionOptions, known: MachineRecord, offer: Offer, context: Context
) -> Billing:
    """What the machine costs, which may not be more than the wish allows."""
    spec = offer.spec
    usd_per_h, as_of, how = wish.price_usd_per_h, None, "set by hand"
    if usd_per_h is None:
        try:
            found = prices.find(spec.instance_type, spec.region, context, offline=wish.offline)
        except UsageError:
            if known.spec.instance_type != spec.instance_type:
                raise
            usd_per_h, how = known.usd_per_h, "set by hand before"
        else:
            usd_per_h, as_of = found.usd_per_h, found.as_of
            how = f"{spec.instance_type} in {spec.region}, {found.source}"
    billing = Billing(usd_per_h, how, as_of, spec.idle_s or 0.0, disk_gb=offer.disk_gb)
    total = sum(billing.parts_usd_per_h().values())
    if wish.max_usd_per_h is not None and total > wish.max_usd_per_h:
        raise UsageError(
            f"A {spec.instance_type} costs ${total:.4f} an hour, more than --max-hourly allows.",
            hint="For a smaller one: --instance-type TYPE",
        )
    return billing
