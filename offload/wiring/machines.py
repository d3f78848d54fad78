"""Rented machines as people handle them: listed, stopped, started, let in, removed."""

import datetime
from collections.abc import Sequence
from dataclasses import replace

from offload.app.rented import Listed
from offload.costmodel.dollars import Billing
from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import Machine
from offload.drivers import machinefiles
from offload.drivers.ec2 import Cloud
from offload.drivers.machinefiles import Folder, Record
from offload.drivers.settings import Settings
from offload.wiring import configuration
from offload.wiring.planning import caller
from offload.wiring.remembered import Remembered


def listed(
    configured: Settings, regions: Sequence[str], profile: str | None, *, everywhere: bool = False
) -> list[Listed]:
    """Every machine that carries our mark in these regions, and what this computer knows of more.

    Without regions: in the one that is configured, and where this computer knows of machines.

    Raises:
        OffloadError: the cloud does not answer.
    """
    ours = {record.spec.name: record for record in records(configured)}
    known = {(r.spec.region, r.profile if profile is None else profile) for r in ours.values()}
    clouds = [Cloud.connected(region, profile) for region in regions]
    if not regions:
        must = everywhere or not ours  # and says what is missing
        first = Cloud.connected(None, profile) if must else _configured(profile)
        clouds = [first] if first else []
        if everywhere and first:
            known |= {(region, profile) for region in first.regions()}
        there = {(cloud.region, profile) for cloud in clouds}
        clouds += [Cloud.connected(r, p) for r, p in sorted(known - there, key=str)]
    # Two profiles may be of one account.
    found = list({machine.id: machine for c in clouds for machine in c.machines()}.values())
    names = {machine.name for machine in found}
    rows = [_row(machine, ours.get(machine.name)) for machine in found]
    rows += [
        Listed(name, record.spec.region, None, record)
        for name, record in ours.items()
        if name not in names and (not regions or record.spec.region in regions)
    ]
    return sorted(rows, key=lambda row: row.name)


def _configured(profile: str | None) -> Cloud | None:
    try:
        return Cloud.connected(None, profile)
    except OffloadError:
        return None


def _row(machine: Machine, record: Record | None) -> Listed:
    if record is not None and record.spec.region != machine.region:
        record = None
    age_s = usd = monthly = None
    now = datetime.datetime.now(datetime.UTC)
    if machine.state in {"pending", "running"}:
        age_s = (now - datetime.datetime.fromisoformat(machine.launched_at)).total_seconds()
    if record is not None:
        parts = Billing(record.usd_per_h, disk_gb=record.disk_gb).parts_usd_per_h()
        usd = age_s and sum(parts.values()) * age_s / 3600
        monthly = parts.get("disk", 0.0) * 730
    return Listed(machine.name, machine.region, machine, record, age_s, usd, monthly)


def names(configured: Settings) -> list[str]:
    """The machines that this computer knows of."""
    return [folder.name for folder in folders(configured)]


def label(configured: Settings, name: str | None) -> str | None:
    """What measurements at the machine that is meant have in common; None if none is meant, or
    it is not up.
    """
    up = [record for record in records(configured) if record.ready and record.address]
    found = [record for record in up if name in {None, record.spec.name}]
    return found[0].label if len(found) == 1 else None


def one(configured: Settings, name: str | None) -> Folder:
    """The machine of that name that this computer knows of, or the only one.

    Raises:
        UsageError: there is none, or more than one.
    """
    known = folders(configured)
    if name is not None:
        known = [folder for folder in known if folder.name == name]
    if len(known) == 1:
        return known[0]
    if not known:
        which = f" {name}" if name else ""
        raise UsageError(
            f"This computer knows of no machine{which}.",
            hint="To see what there is: offload machines; to make one: offload provision ec2",
        )
    which = ", ".join(folder.name for folder in known)
    raise UsageError(f"Which machine: {which}?", hint="Say its name.")


def record_of(folder: Folder) -> Record:
    """What is known of a machine.

    Raises:
        UsageError: nothing.
    """
    record = folder.record()
    if record is None:
        raise UsageError(
            f"Nothing is known of the machine {folder.name}.",
            hint=f"To bring it up: offload provision ec2 --name {folder.name}",
        )
    return record


def cloud_of(record: Record) -> Cloud:
    """The cloud that a machine is in."""
    return Cloud.connected(record.spec.region, record.profile)


def stop(configured: Settings, name: str | None) -> tuple[Machine, float]:
    """Switch a machine off, its disk kept; what that costs a month in dollars.

    Raises:
        OffloadError: it is not there, or cannot be stopped.
    """
    folder = one(configured, name)
    with folder.locked():
        record = record_of(folder)
        cloud = cloud_of(record)
        machine = _there(cloud, folder.name)
        if machine.spot:
            raise UsageError(
                f"The machine {folder.name} is a spot instance, which cannot be stopped.",
                hint=f"To remove it: offload down {folder.name}",
            )
        cloud.stop(machine.id)
        folder.keep(replace(record, address=None))
    parts = Billing(record.usd_per_h, disk_gb=record.disk_gb).parts_usd_per_h()
    return machine, parts.get("disk", 0.0) * 730


def _there(cloud: Cloud, name: str) -> Machine:
    found = cloud.machines(name)
    if not found:
        raise UsageError(
            f"There is no machine {name} any more.",
            hint=f"To bring one up: offload provision ec2 --name {name}; to forget it: "
            f"offload down {name}",
        )
    return found[0]


def allow(configured: Settings, name: str | None, cidrs: Sequence[str]) -> tuple[str, ...]:
    """Let in whoever is at these addresses, or this computer where it is now, and nobody else.

    Raises:
        OffloadError: the cloud refuses.
    """
    folder = one(configured, name)
    wanted = tuple(cidrs) or (caller(configured),)
    cloud = cloud_of(record_of(folder))
    _there(cloud, folder.name)
    cloud.open_to(None, folder.name, wanted)  # at once: whoever holds the lock may wait for it
    with folder.locked():
        record = record_of(folder)
        spec = replace(record.spec, allow_cidrs=wanted)
        folder.keep(replace(record, spec=spec, cidrs_by_hand=bool(cidrs)))
    return wanted


def readable(folder: Folder) -> Record | None:
    """What is known of a machine; None where that is nothing, or cannot be read."""
    try:
        return folder.record()
    except OffloadError:  # what cannot be read must still go
        return None


def folders(configured: Settings) -> list[Folder]:
    """The machines that something is known of."""
    return machinefiles.folders(configuration.machines_path(configured))


def records(configured: Settings) -> list[Record]:
    """What is known of each, as far as it can be read."""
    return [record for folder in folders(configured) if (record := readable(folder))]


def connected(configured: Settings, name: str | None) -> Remembered:
    """A machine with what it takes to connect to it."""
    folder = one(configured, name)
    return Remembered(folder, record_of(folder))
