"""What provisioning a machine would mean: looked up, priced, nothing changed."""

import itertools
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from offload.costmodel.dollars import Billing
from offload.detectors import source
from offload.detectors.source import ModelSource
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.machines import Machine, Offer, Spec
from offload.drivers.aws.calls import NoCapacity, NotInPlan
from offload.drivers.aws.ec2 import Cloud, Clouds
from offload.drivers.docker.engine import Engine
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineFolder, MachineRecord
from offload.drivers.host import machine as this_machine
from offload.providers.ec2 import connection
from offload.providers.ec2.registry import MachineState
from offload.usecases.advise import prices
from offload.usecases.advise.question import INSTANCE
from offload.usecases.context import Context
from offload.usecases.provision import deploy, launch

_ENGINE_S = 3
_LASTING = ("instance_type", "ami", "login", "disk_gb", "subnet", "spot", "idle_s", "lifetime_s")
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
    login: str | None = None
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

    `before` is the machine that is there, None where one is created. `engine_arch` is
    the processor that images of this computer's engine are for, None without one. `otherwise` is
    what is tried where AWS has no such machine free: the next type or zone that was named.
    """

    offer: Offer
    record: MachineRecord
    model: ModelSource
    billing: Billing
    before: Machine | None
    engine_arch: str | None
    cloud: Cloud = field(repr=False)
    otherwise: "ProvisionPlan | None" = None


def planned(wish: ProvisionOptions, context: Context) -> ProvisionPlan:
    """What would be done, with everything looked up and nothing changed; OffloadError where it
    cannot be, as far as can be known before.
    """
    configured = context.settings
    folder = machine_files.folder(configured.machines_path, wish.name)
    known = folder.record() or MachineRecord(
        Spec(wish.name, "", "", ()), "", 0.0, 0, secrets.token_hex(8), this_machine.now()
    )
    asked = lasting(wish.model) or known.model
    usual = lasting(source.usual_labels(asked or configured.model, configured.labels))
    labels = lasting(wish.labels) or (None if wish.model else known.labels) or usual
    model = source.chosen(asked or configured.model, context.hub, labels)
    profile = wish.profile or known.profile
    cloud = context.clouds(wish.region or known.spec.region or None, profile)
    if known.spec.region and (known.spec.region, known.profile) != (cloud.region, profile):
        _check_elsewhere(known, cloud, context.clouds)
    by_hand = wish.allow_cidrs or (known.spec.allow_cidrs if known.cidrs_by_hand else ())
    cidrs = by_hand or (connection.caller_cidr(configured),)
    before = next(iter(cloud.machines(wish.name)), None)
    known = replace(
        known,
        profile=profile,
        image_way=wish.image_way or known.image_way,
        model=asked,
        labels=labels,
        cidrs_by_hand=bool(by_hand),
    )
    planner = _Planner(known, folder, model, cloud, before, cidrs, context)
    return planner.first_of(list(_singles(wish, before)))


@dataclass(frozen=True, slots=True)
class _Planner:
    """What the plans of several types and zones have in common."""

    known: MachineRecord
    folder: MachineFolder
    model: ModelSource
    cloud: Cloud
    before: Machine | None
    cidrs: tuple[str, ...]
    context: Context

    def first_of(self, wishes: Sequence[ProvisionOptions]) -> ProvisionPlan:
        """The plan of the first wish, with the next one's behind it; what AWS says it has not is
        left out, unless it has none of them.
        """
        first, *rest = wishes
        otherwise = None
        with suppress(NoCapacity):
            otherwise = self.first_of(rest) if rest else None
        try:
            return self._plan(first, otherwise)
        except NoCapacity:
            if otherwise is None:
                raise
            return otherwise

    def _plan(self, wish: ProvisionOptions, otherwise: ProvisionPlan | None) -> ProvisionPlan:
        known, before, cloud, context = self.known, self.before, self.cloud, self.context
        spec = _spec(wish, known.spec, cloud.region, self.cidrs)
        offer = cloud.offer(spec)
        if before is None:
            check_allowed(offer, cloud, context, known.profile, offline=wish.offline)
        billing = _billing(wish, known, offer, context)
        record = replace(
            known,
            spec=spec,
            login=before.login if before else offer.login,
            usd_per_h=billing.usd_per_h,
            disk_gb=offer.disk_gb,
            disk_usd_per_gb_month=billing.disk_usd_per_gb_month,
        )
        if before is not None:
            launch.check(before, spec, MachineState(self.folder, record), cloud)
        arch = _engine_arch(offer, record.image_way)
        return ProvisionPlan(offer, record, self.model, billing, before, arch, cloud, otherwise)


def _singles(wish: ProvisionOptions, before: Machine | None) -> Iterator[ProvisionOptions]:
    """The wish for each of the types and zones that it names, in that order; for that of the
    machine that is there, if it is one of them.
    """
    types, zones = _named(wish.instance_type), _named(wish.zone)
    if before is not None:
        types = [before.instance_type] if before.instance_type in types else types[:1]
        zones = zones[:1]
    for instance_type, zone in itertools.product(types, zones):
        yield replace(wish, instance_type=instance_type, zone=zone)


def _named(text: str | None) -> list[str | None]:
    return [each.strip() for each in text.split(",")] if text else [None]


def check_allowed(
    offer: Offer, cloud: Cloud, context: Context, profile: str | None, *, offline: bool = False
) -> None:
    """See that EC2 would create it; NotInPlan says what a Free plan has instead, and its price."""
    try:
        cloud.allowed(offer)
    except NotInPlan as error:
        best = cloud.in_free_plan(offer)
        if best is None:
            raise
        price = ""
        with suppress(UsageError):
            found = prices.find(best, offer.spec.region, context, profile, offline=offline)
            price = f", ${found.usd_per_h:.4f} an hour"
        raise NotInPlan(
            f"The account is on AWS' Free plan, which has no {offer.spec.instance_type}.",
            hint=f"For the best that it has{price}: --instance-type {best}",
        ) from error


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


def _engine_arch(offer: Offer, way: str) -> str | None:
    """Which processor the images of an engine here are for: that of the machine, where the image is
    to be sent there; None if no engine answers.
    """
    try:
        with Engine.connected(timeout_s=_ENGINE_S) as engine:
            arch = engine.arch
    except PlaceUnavailable:
        if way == "stream":
            raise
        return None
    if way == "stream" and arch != offer.arch:
        raise deploy.of_another_kind(arch, offer.arch)
    return arch


def _spec(wish: ProvisionOptions, before: Spec, region: str, allow_cidrs: tuple[str, ...]) -> Spec:
    """What is asked for: what the wish says, else what was asked for the last time, but for where
    in the region.
    """
    if before.region != region:
        before = replace(before, region=region, ami=None, login=None, subnet=None)
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


def lasting(path: str | None) -> str | None:
    """A file's path as it holds in every folder; names stay names."""
    return os.path.abspath(path) if path and os.path.exists(path) else path


def _billing(
    wish: ProvisionOptions, known: MachineRecord, offer: Offer, context: Context
) -> Billing:
    """What the machine costs, which may not be more than the wish allows."""
    spec, disk_usd = offer.spec, known.disk_usd_per_gb_month
    usd_per_h, as_of, how = wish.price_usd_per_h, None, "set by hand"
    if usd_per_h is None:
        try:
            where = (spec.instance_type, spec.region)
            found = prices.find(*where, context, known.profile, offline=wish.offline)
        except UsageError:
            if known.spec.instance_type != spec.instance_type:
                raise
            usd_per_h, how = known.usd_per_h, "set by hand before"
        else:
            usd_per_h, as_of = found.usd_per_h, found.as_of
            disk_usd = found.disk_usd_per_gb_month
            how = f"{spec.instance_type} in {spec.region}, {found.source}"
    disk = (offer.disk_gb, disk_usd)
    billing = Billing(usd_per_h, how, as_of, spec.idle_s or 0.0, False, *disk)
    total = billing.all_usd_per_h
    if wish.max_usd_per_h is not None and total > wish.max_usd_per_h:
        raise UsageError(
            f"A {spec.instance_type} costs ${total:.4f} an hour, more than --max-hourly allows.",
            hint="For a smaller one: --instance-type TYPE",
        )
    return billing
