"""What consists of parts in the cloud that carry our tag: where to look for it, and its end."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from offload.domain.machines import Resource
from offload.drivers.folders import known_files
from offload.drivers.folders.known_files import Known
from offload.drivers.host import machine
from offload.usecases.context import Context
from offload.usecases.provision.teardown import May, Told


class Parts(Protocol):
    """Those of one account and region."""

    region: str

    def resources(self, name: str) -> Iterable[Resource]:
        """What there is of that name and carries our tag, in the order to remove it in."""

    def remove(self, resource: Resource) -> None:
        """Remove it; if it is gone already, all the better."""


Connect = Callable[[str | None, str | None], Parts]


def remove(
    folder: str,
    name: str,
    region: str | None,
    profile: str | None,
    context: Context,
    told: Told,
    may: May,
    connect: Connect,
) -> tuple[Sequence[Resource], str]:
    """Remove all of what is called so; what there was of it, and the region. `told` is told of each
    when it has gone. Where some of it was not made here, `may` is asked about all. Without a region
    it is the one that this computer brought up, if that is but one; `folder` is where it remembers.
    """
    here = [each for each in known_files.known(folder) if each.name == name]
    if region is None and len(here) == 1:
        region, profile = here[0].region, profile or here[0].profile
    parts = connect(region, profile)
    found = list(parts.resources(name))
    if any(each.owner != machine.owner() for each in found) and not may(found):
        return found, parts.region
    for resource in found:
        if context.stop:
            return found, parts.region
        parts.remove(resource)
        told(resource)
    known_files.forget(folder, Known(name, parts.region))
    return found, parts.region


def where(
    here: Sequence[Known],
    context: Context,
    regions: Sequence[str],
    profile: str | None,
    connect: Connect,
    everywhere: bool,
) -> list[tuple[str, str | None]]:
    """The regions and profiles to look in: those that are named; without names the one that is
    configured, and where this computer brought some up.
    """
    found = dict.fromkeys((region, profile) for region in regions)
    if not regions:
        found |= dict.fromkeys((each.region, profile or each.profile) for each in here)
        found[connect(None, profile).region, profile] = None
    if everywhere:
        enabled = context.clouds(None, profile).regions()
        found |= dict.fromkeys((region, profile) for region in enabled)
    return list(found)
