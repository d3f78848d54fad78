"""Rented machines that this computer knows of."""

from offload.domain.errors import OffloadError, UsageError
from offload.drivers.aws.ec2 import Cloud, Clouds
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineFolder, MachineRecord
from offload.drivers.settings import Settings
from offload.providers.ec2.machine_state import MachineState


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


def one(configured: Settings, name: str | None) -> MachineFolder:
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


def record_of(folder: MachineFolder) -> MachineRecord:
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


def cloud_of(record: MachineRecord, clouds: Clouds) -> Cloud:
    """The cloud that a machine is in."""
    return clouds(record.spec.region, record.profile)


def readable(folder: MachineFolder) -> MachineRecord | None:
    """What is known of a machine; None where that is nothing, or cannot be read."""
    try:
        return folder.record()
    except OffloadError:  # what cannot be read must still go
        return None


def folders(configured: Settings) -> list[MachineFolder]:
    """The machines that something is known of."""
    return machine_files.folders(configured.machines_path)


def records(configured: Settings) -> list[MachineRecord]:
    """What is known of each, as far as it can be read."""
    return [record for folder in folders(configured) if (record := readable(folder))]


def connected(configured: Settings, name: str | None) -> MachineState:
    """A machine with what it takes to connect to it."""
    folder = one(configured, name)
    return MachineState(folder, record_of(folder))
