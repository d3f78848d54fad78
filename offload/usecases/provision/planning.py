"""What provisioning a machine would mean: looked up, priced, nothing changed."""

import datetime
import os
import secrets
from dataclasses import dataclass, replace
from typing import Any

from offload.costmodel.dollars import Billing
from offload.detectors import source
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.machines import Offer, Spec
from offload.drivers.aws.ec2 import Cloud, Clouds
from offload.drivers.docker.engine import Engine
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineRecord
from offload.providers.ec2 import caller
from offload.providers.ec2.machine_state import MachineState
from offload.usecases.advise import prices
from offload.usecases.advise.question import INSTANCE
from offload.usecases.context import Context
from offload.usecases.provision import launch
from offload.usecases.provision.plans import ProvisionPlan

_ENGINE_S = 3
_IDLE_S, _LIFETIME_S = 20 * 60.0, 4 * 3600.0


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


def planned(wish: ProvisionOptions, context: Context) -> ProvisionPlan:
    """What would be done, with everything looked up and nothing changed.

    Raises:
        OffloadError: it cannot be done, as far as can be known before.
    """
    configured = context.settings
    folder = machine_files.folder(configured.machines_path, wish.name)
    known = folder.record()
    asked = _lasting(wish.model) or (known.model if known else None)
    labels = _lasting(wish.labels) or (known.labels if known and not wish.model else None)
    model = source.chosen(asked or configured.model, context.hub, labels)
    profile = wish.profile or (known.profile if known else None)
    cloud = context.clouds(wish.region or (known.spec.region if known else None), profile)
    if known and (known.spec.region, known.profile) != (cloud.region, profile):
        _check_elsewhere(known, cloud, context.clouds)
    by_hand = wish.allow_cidrs or (known.spec.allow_cidrs if known and known.cidrs_by_hand else ())
    spec = _spec(wish, known, cloud.region, by_hand or (caller.cidr(configured),))
    found = cloud.machines(wish.name)
    offer = cloud.offer(spec)
    if not found:
        cloud.allowed(offer)
    billing = _billing(wish, known, offer, context)
    now = datetime.datetime.now(datetime.UTC)
    record = MachineRecord(
        spec=spec,
        login=found[0].login if found else offer.login,
        profile=profile,
        usd_per_h=billing.usd_per_h,
        disk_gb=offer.disk_gb,
        attempt=known.attempt if known else secrets.token_hex(8),
        asked_at=known.asked_at if known else now.isoformat(timespec="seconds"),
        image_way=wish.image_way or (known.image_way if known else "auto"),
        model=asked,
        labels=labels,
        cidrs_by_hand=bool(by_hand),
        id=known.id if known else None,
        address=known.address if known else None,
        ready=known.ready if known else False,
    )
    before = found[0] if found else None
    if before is not None:
        ours = MachineState(folder, record).is_ours(cloud.key_of(wish.name))
        launch.check(before, spec, ours=ours)
    can_send = _can_send(offer, record.image_way)
    return ProvisionPlan(offer, record, model, billing, before, can_send, cloud)


def _check_elsewhere(known: MachineRecord, cloud: Cloud, clouds: Clouds) -> None:
    """See that no machine in another region or account would be lost sight of.

    Raises:
        UsageError: there is one.
    """
    name, region = known.spec.name, known.spec.region
    there = clouds(region, known.profile).machines(name)
    if there and there[0].id not in {machine.id for machine in cloud.machines(name)}:
        where = f"{region}, profile {known.profile}" if known.profile else region
        raise UsageError(
            f"The machine {name} is in {where}.",
            hint=f"For another: --name NAME; to remove it: offload down {name}",
        )


def _can_send(offer: Offer, way: str) -> bool:
    """Whether an engine is here whose images run on such a machine.

    Raises:
        UsageError: none is, and the image is to be sent.
        PlaceUnavailable: likewise.
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


def _spec(
    wish: ProvisionOptions, known: MachineRecord | None, region: str, allow_cidrs: tuple[str, ...]
) -> Spec:
    """What is asked for: what the wish says, else what was asked for the last time, but for where
    in the region.
    """
    before = known.spec if known else None
    if before and before.region != region:
        before = replace(before, ami=None, subnet=None)  # of the other region

    def either(value: Any, name: str, default: Any) -> Any:
        return value if value is not None else getattr(before, name) if before else default

    return Spec(
        name=wish.name,
        region=region,
        instance_type=either(wish.instance_type, "instance_type", INSTANCE),
        allow_cidrs=allow_cidrs,
        ami=either(wish.ami, "ami", None),
        disk_gb=either(wish.disk_gb, "disk_gb", None),
        zone=wish.zone,
        subnet=either(wish.subnet, "subnet", None),
        spot=either(wish.spot, "spot", False),
        idle_s=_limit(either(wish.idle_s, "idle_s", _IDLE_S)),
        lifetime_s=_limit(either(wish.lifetime_s, "lifetime_s", _LIFETIME_S)),
        tags=dict(wish.tags) or (dict(before.tags) if before else {}),
    )


def _lasting(path: str | None) -> str | None:
    """A file's path as it holds in every folder; names stay names."""
    return os.path.abspath(path) if path and os.path.exists(path) else path


def _limit(seconds: float | None) -> float | None:
    return seconds or None


def _billing(
    wish: ProvisionOptions, known: MachineRecord | None, offer: Offer, context: Context
) -> Billing:
    """What the machine costs.

    Raises:
        UsageError: nobody knows, or it is more than the wish allows.
    """
    spec = offer.spec
    usd_per_h, as_of, how = wish.price_usd_per_h, None, "set by hand"
    if usd_per_h is None:
        try:
            found = prices.find(spec.instance_type, spec.region, context, offline=wish.offline)
        except UsageError:
            if known is None or known.spec.instance_type != spec.instance_type:
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
