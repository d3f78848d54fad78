"""Taking down what was left up: containers here, rented machines with all that is theirs.

Where an engine or the cloud does not answer, or something does not go, OffloadError is raised.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.machines import Resource
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.docker.container_spec import KEEP
from offload.drivers.docker.engine import Engine
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineRecord
from offload.drivers.settings import Settings
from offload.providers.ec2 import registry
from offload.providers.ec2.registry import MachineState
from offload.usecases.context import Context
from offload.usecases.provision.launch import TimedOut, Waiter

_GONE_S = 300.0
_FIRST = ("spot request", "instance")
"""Kinds that others hang on: a group is in use until its machine is gone."""

Told = Callable[[Resource], None]
"""Told of each thing when it has been asked to go."""


def containers(kept_as: str | None = None) -> Iterator[str]:
    """Remove every container that we started, or those that were kept as this; the name of each
    when it is gone.
    """
    with Engine.connected() as engine:
        for container in engine.ours():
            if kept_as is None or container.labels.get(KEEP) == kept_as:
                engine.remove(container.id)
                yield container.name


def down(
    context: Context,
    name: str,
    region: str | None,
    profile: str | None,
    told: Told,
    *,
    only_ours: bool = False,
) -> None:
    """Remove a machine with everything that carries its mark, and what this computer knows of it.
    With `only_ours`, what somebody else made under that name since stays.

    Raises:
        UsageError: nothing is known of it, here or in the cloud; or not where it is.
    """
    folder = machine_files.folder(context.settings.machines_path, name)
    patience = Waiter(context.stop)
    with folder.locked(patience.check):
        record = registry.readable(folder)
        if record is None and folder.exists and region is None:
            raise UsageError(
                f"What is known of the machine {name} does not say where it is.",
                hint=f"To see: offload machines --all-regions; then: offload down {name} --region "
                "REGION",
            )
        where = region or (record.spec.region if record else None)
        cloud = context.clouds(where, profile or (record.profile if record else None))
        if record is None and not folder.exists and not cloud.resources(name):
            raise UsageError(
                f"There is no machine {name} in {cloud.region}.",
                hint="To see what there is: offload machines --all-regions",
            )
        if not (only_ours and record and _is_taken(cloud, MachineState(folder, record))):
            remove_all_of(name, cloud, patience, told)
        if record is None or where == record.spec.region:
            folder.remove()


def _is_taken(cloud: Cloud, local: MachineState) -> bool:
    """Whether ours is gone, and somebody else has its name."""
    name, key = local.folder.name, cloud.key_of(local.folder.name)
    theirs = key is not None and not local.is_ours(key)
    return theirs and local.record.id not in {machine.id for machine in cloud.machines(name)}


def orphans(
    context: Context, regions: Sequence[str], profile: str | None, *, everywhere: bool
) -> Iterator[tuple[Cloud, list[Resource]]]:
    """For each region, what carries our mark and belongs to no machine that this computer brought
    up, or is at work on, and that still is there.
    """
    first = context.clouds(regions[0] if regions else None, profile)
    known = {record.spec.region for record in registry.records(context.settings)}
    chosen = regions or [first.region, *sorted(known - {first.region})]
    for region in first.regions() if everywhere else chosen:
        cloud = first if region == first.region else context.clouds(region, profile)
        living = _living(context.settings, cloud)
        found = [each for each in cloud.resources() if each.name not in living]
        if found:
            yield cloud, found


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
    """Remove everything of the machines that these belong to."""
    patience = Waiter(context.stop)
    known = {folder.name: folder for folder in registry.folders(context.settings)}
    for name in dict.fromkeys(resource.name for resource in found):
        folder = known.get(name)  # a name that others gave may be no name for a folder
        with folder.locked(patience.check) if folder else nullcontext():
            record = registry.readable(folder) if folder else None
            if record and _is_done(record, cloud.region) and cloud.machines(name):
                continue  # somebody brought it up meanwhile
            remove_all_of(name, cloud, patience, told)
            if folder and record and record.spec.region == cloud.region:
                folder.remove()


def remove_all_of(name: str, cloud: Cloud, patience: Waiter, told: Told) -> None:
    """Take away everything of a machine. When this ends well, nothing carries its mark; it ends
    with Interrupted where somebody asked to stop.
    """
    asked: set[str] = set()
    refusals: list[OffloadError] = []

    def gone() -> bool | None:
        refusals.clear()
        left = cloud.resources(name)
        for resource in sorted(left, key=lambda each: each.kind not in _FIRST):
            if resource.id in asked:
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
        return None if left else True

    try:
        patience.until(gone, _GONE_S, f"Not everything of the machine {name} is gone.")
    except TimedOut as error:
        why = " ".join([str(error), *map(str, refusals[:1])])
        raise OffloadError(why, hint=f"To try again: offload down {name}") from error
