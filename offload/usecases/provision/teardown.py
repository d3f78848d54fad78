"""Taking down what was left up: containers here, rented machines with all that is theirs.

Where an engine or the cloud does not answer, or something does not go, OffloadError is raised.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.machines import Resource
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.aws.tagging import called
from offload.drivers.docker.container_spec import KEEP
from offload.drivers.docker.engine import Engine
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineFolder, MachineRecord
from offload.drivers.settings import Settings
from offload.providers.ec2 import registry
from offload.providers.ec2.registry import MachineState
from offload.usecases.context import Context
from offload.usecases.provision.launch import TimedOut, Waiter
from offload.usecases.provision.machines import each_region

_GONE_S = 300.0
_FIRST = ("spot request", "instance")
"""Kinds that others hang on: a group is in use until its machine is gone."""
_LAST = "key pair"
"""It shows that the rest is ours, also to whoever goes on after an interruption."""

Told = Callable[[Resource], None]
"""Told of each thing when it has been asked to go."""
May = Callable[[Sequence[Resource]], bool]
"""Says whether things that may be somebody else's may go."""


def containers(kept_as: str | None = None) -> Iterator[str]:
    """Remove every container that we started, or those that were kept as this; the name of each
    when it is gone.
    """
    with Engine.connected() as engine:
        for container in engine.ours():
            if kept_as is None or container.labels.get(KEEP) == kept_as:
                engine.remove(container.id)
                yield container.name


def _ours_among(things: Sequence[Resource], ours: set[str]) -> list[Resource]:
    """Those with an id among `ours`, or tied to what has: tags can be copied. `ours` gets what is
    found, as what hung on something that is gone by then stays ours.
    """
    while more := {each.id for each in things if each.ties & ours} - ours:
        ours.update(more)
    return [each for each in things if each.id in ours]


def down(
    context: Context,
    name: str,
    region: str | None,
    profile: str | None,
    told: Told,
    may: May = lambda _found: False,
) -> None:
    """Remove what is ours of a machine, by its key, its group or the id that is known here, and
    what this computer knows of it. Where that is nothing, `may` is asked about all that there is.

    Raises:
        UsageError: nothing is known of it, here or in the cloud; or not where it is.
    """
    folder = machine_files.folder(context.settings.machines_path, name)
    patience = Waiter(context.stop)
    with folder.locked(patience.check):
        record = registry.readable(folder)
        if record is None and folder.exists and region is None:
            raise UsageError(
                f"The record of the machine {name} does not say where it is.",
                hint=f"To see: offload machines --all-regions; then: offload down {name} --region "
                "REGION",
            )
        local = None
        if record is not None and region in {None, record.spec.region}:
            local = MachineState(folder, record)
        where = region or (record.spec.region if record else None)
        cloud = context.clouds(where, profile or (record.profile if record else None))
        ours = _known(cloud, local) if local else _asked(cloud, folder, may)
        if ours is None:
            return
        if others := remove(name, ours, cloud, patience, told):
            things = ", ".join(f"{each.kind} {each.id}" for each in others)
            context.reporter.warn(
                f"Other things called {name} are not of this computer, and stay: {things}. To "
                f"remove them: offload down --orphans --region {cloud.region}"
            )
        if record is None or local is not None:
            folder.remove()


def _known(cloud: Cloud, local: MachineState) -> set[str]:
    """Ids of what is ours of a machine that this computer brought up."""
    proofs = {local.record.id} if local.record.id else set()
    if local.is_ours(cloud.key_of(local.folder.name)):
        proofs.add(called(local.folder.name))
    return proofs


def _asked(cloud: Cloud, folder: MachineFolder, may: May) -> set[str] | None:
    """Ids of all that there is of a machine that is not known here; None if that may not go."""
    found = cloud.resources(folder.name)
    if not found and not folder.exists:
        raise UsageError(
            f"There is no machine {folder.name} in {cloud.region}.",
            hint="To list machines: offload machines --all-regions",
        )
    return {each.id for each in found} if not found or may(found) else None


def orphans(
    context: Context, regions: Sequence[str], profile: str | None, *, everywhere: bool
) -> Iterator[tuple[Cloud, list[Resource]]]:
    """For each region, what carries our mark and belongs to no machine that this computer brought
    up, or is at work on, and that still is there.
    """
    first = context.clouds(regions[0] if regions else None, profile)
    known = {record.spec.region for record in registry.records(context.settings)}
    chosen = regions or [first.region, *sorted(known - {first.region})]

    def found(region: str) -> tuple[Cloud, list[Resource]]:
        cloud = first if region == first.region else context.clouds(region, profile)
        living = _living(context.settings, cloud)
        return cloud, [each for each in cloud.resources() if each.name not in living]

    where = first.regions() if everywhere else chosen
    yield from (each for each in each_region(where, found, context) if each[1])


def _living(configured: Settings, cloud: Cloud) -> set[str]:
    """Names of machines that are to stay."""
    there = {machine.name for machine in cloud.machines()}
    return {
        folder.name
        for folder in registry.folders(configured)
        if folder.is_locked
        or (
            (record := registry.readable(folder))
            and _is_done(record, cloud.region)
            and folder.name in there
        )
    }


def _is_done(record: MachineRecord, region: str) -> bool:
    return record.ready and record.spec.region == region


def remove_orphans(context: Context, cloud: Cloud, found: Sequence[Resource], told: Told) -> None:
    """Remove these, and what hangs on them."""
    patience = Waiter(context.stop)
    known = {folder.name: folder for folder in registry.folders(context.settings)}
    these = {resource.id for resource in found}
    for name in dict.fromkeys(resource.name for resource in found):
        folder = known.get(name)  # a name that others gave may be no name for a folder
        with folder.locked(patience.check) if folder else nullcontext():
            record = registry.readable(folder) if folder else None
            if record and _is_done(record, cloud.region) and cloud.machines(name):
                continue  # somebody brought it up meanwhile
            remove(name, these, cloud, patience, told)
            if folder and record and record.spec.region == cloud.region:
                folder.remove()


def remove(
    name: str, ours: set[str], cloud: Cloud, patience: Waiter, told: Told
) -> Sequence[Resource]:
    """Take away what of a machine is `ours`, by its ids; what else carries its mark. When this ends
    well, nothing of ours is left; it ends with Interrupted where somebody asked to stop.
    """
    asked: set[str] = set()
    refusals: list[OffloadError] = []

    def gone() -> list[Resource] | None:
        refusals.clear()
        found = cloud.resources(name)
        left = _ours_among(found, ours)
        for resource in sorted(left, key=lambda each: each.kind not in _FIRST):
            if resource.id in asked or (resource.kind == _LAST and len(left) > 1):
                continue
            try:
                cloud.remove(resource)
            except OffloadError as error:  # in use until the machine is gone
                refusals.append(error)
            else:
                asked.add(resource.id)
                told(resource)
        for refusal in refusals:
            if isinstance(refusal, PlaceUnavailable):  # waiting does not help
                raise refusal
        return None if left else found

    try:
        return patience.until(gone, _GONE_S, f"Part of the machine {name} could not be removed.")
    except TimedOut as error:
        why = " ".join([str(error), *map(str, refusals[:1])])
        raise OffloadError(why, hint=f"To try again: offload down {name}") from error
