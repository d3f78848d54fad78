"""Rented machines as people handle them: listed, stopped, started, let in, removed."""

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace

from offload.app.pipeline import Stop
from offload.app.removing import remove_all_of
from offload.app.rented import Listed
from offload.app.renting import Patience
from offload.costmodel.dollars import Billing
from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import Machine, Resource
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
    records = {f.name: r for f in _folders(configured) if (r := f.record())}
    known = {(r.spec.region, r.profile if profile is None else profile) for r in records.values()}
    clouds = [Cloud.connected(region, profile) for region in regions]
    if not regions:
        first = _configured(profile)
        clouds = [first] if first else []
        if everywhere and first:
            known |= {(region, profile) for region in first.regions()}
        there = {cloud.region for cloud in clouds}
        clouds += [Cloud.connected(r, p) for r, p in sorted(known, key=str) if r not in there]
    if not clouds and not records:
        Cloud.connected(None, profile)  # says what is missing
    found = [machine for cloud in clouds for machine in cloud.machines()]
    names = {machine.name for machine in found}
    rows = [_row(machine, records.get(machine.name)) for machine in found]
    rows += [
        Listed(name, record.spec.region, None, record)
        for name, record in records.items()
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
    return [folder.name for folder in _folders(configured)]


def label(configured: Settings, name: str | None) -> str | None:
    """What measurements at the machine that is meant have in common; None if none is meant, or
    it is not up.
    """
    up = [record for record in _records(configured) if record.ready and record.address]
    found = [record for record in up if name in {None, record.spec.name}]
    return found[0].label if len(found) == 1 else None


def one(configured: Settings, name: str | None) -> Folder:
    """The machine of that name that this computer knows of, or the only one.

    Raises:
        UsageError: there is none, or more than one.
    """
    folders = _folders(configured)
    if name is not None:
        folders = [folder for folder in folders if folder.name == name]
    if len(folders) == 1:
        return folders[0]
    if not folders:
        which = f" {name}" if name else ""
        raise UsageError(
            f"This computer knows of no machine{which}.",
            hint="To see what there is: offload machines; to make one: offload provision ec2",
        )
    names = ", ".join(folder.name for folder in folders)
    raise UsageError(f"Which machine: {names}?", hint="Say its name.")


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
    record = record_of(folder)
    if record.spec.spot:
        raise UsageError(
            f"The machine {folder.name} is a spot instance, which cannot be stopped.",
            hint=f"To remove it: offload down {folder.name}",
        )
    cloud = cloud_of(record)
    machine = _there(cloud, folder.name)
    with folder.locked():
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
    record = record_of(folder)
    spec = replace(record.spec, allow_cidrs=tuple(cidrs) or (caller(configured),))
    cloud = cloud_of(record)
    _there(cloud, folder.name)
    cloud.open_to(cloud.offer(spec).vpc, folder.name, spec.allow_cidrs)
    with folder.locked():
        folder.keep(replace(record, spec=spec))
    return spec.allow_cidrs


def down(
    configured: Settings,
    name: str,
    region: str | None,
    profile: str | None,
    stopped: Stop,
    told: Callable[[Resource], None],
) -> None:
    """Remove a machine with everything that carries its mark, and what this computer knows of it.

    Raises:
        UsageError: nothing is known of it, here or in the cloud.
        OffloadError: something of it does not go.
    """
    folder = machinefiles.folder(configuration.machines_path(configured), name)
    record = _readable(folder)
    where = region or (record.spec.region if record else None)
    cloud = Cloud.connected(where, profile or (record.profile if record else None))
    with folder.locked():
        if record is None and not folder.exists and not cloud.resources(name):
            raise UsageError(
                f"There is no machine {name} in {cloud.region}.",
                hint="To see what there is: offload machines --all-regions",
            )
        patience = Patience(time.monotonic, time.sleep, stopped)
        remove_all_of(name, cloud, patience, told)
        if record is None or where == record.spec.region:
            folder.remove()


def _readable(folder: Folder) -> Record | None:
    try:
        return folder.record()
    except OffloadError:  # what cannot be read must still go
        return None


def orphans(
    configured: Settings, regions: Sequence[str], profile: str | None, *, everywhere: bool
) -> Iterator[tuple[Cloud, list[Resource]]]:
    """For each region, what carries our mark and belongs to no machine that this computer brought
    up, or is at work on, and that still is there.

    Raises:
        OffloadError: the cloud does not answer.
    """
    first = Cloud.connected(regions[0] if regions else None, profile)
    names = list(regions) or [first.region]
    if everywhere:
        names = first.regions()
    elif not regions:
        names += sorted({r.spec.region for r in _records(configured)} - {first.region})
    for region in names:
        cloud = first if region == first.region else Cloud.connected(region, profile)
        living = _living(configured, cloud)
        found = [each for each in cloud.resources() if each.name not in living]
        if found:
            yield cloud, found


def _living(configured: Settings, cloud: Cloud) -> set[str]:
    """Names of machines that are to stay."""
    there = {machine.name for machine in cloud.machines()}
    return {
        folder.name
        for folder in _folders(configured)
        if folder.is_locked
        or (
            (record := _readable(folder))
            and _is_done(record, cloud.region)
            and folder.name in there
        )
    }


def _is_done(record: Record, region: str) -> bool:
    return record.ready and record.spec.region == region


def remove_orphans(
    configured: Settings,
    cloud: Cloud,
    found: Sequence[Resource],
    stopped: Stop,
    told: Callable[[Resource], None],
) -> None:
    """Remove everything of the machines that these belong to.

    Raises:
        OffloadError: something does not go.
    """
    patience = Patience(time.monotonic, time.sleep, stopped)
    known = {folder.name: folder for folder in _folders(configured)}
    for name in dict.fromkeys(resource.name for resource in found):
        folder = known.get(name)  # a name that others gave may be no name for a folder
        with folder.locked() if folder else nullcontext():
            remove_all_of(name, cloud, patience, told)
            record = _readable(folder) if folder else None
            if folder and record and record.spec.region == cloud.region:
                folder.remove()


def _folders(configured: Settings) -> list[Folder]:
    return machinefiles.folders(configuration.machines_path(configured))


def _records(configured: Settings) -> list[Record]:
    return [record for folder in _folders(configured) if (record := _readable(folder))]


def connected(configured: Settings, name: str | None) -> Remembered:
    """A machine with what it takes to connect to it."""
    folder = one(configured, name)
    return Remembered(folder, record_of(folder))
