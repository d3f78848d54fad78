"""What consists of parts in the cloud that carry our tag, functions and fleets: what it may be
called, where to look for it, and its end.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, get_args

from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import Resource
from offload.domain.results import Json
from offload.drivers.aws.iam import Answer
from offload.drivers.aws.parts import Parts
from offload.drivers.folders import known_files
from offload.drivers.folders.known_files import Known
from offload.drivers.host import machine
from offload.usecases.context import Context
from offload.usecases.provision.machines import each_region
from offload.usecases.provision.teardown import May, Told

P = TypeVar("P", bound=Parts)
T = TypeVar("T")
Connect = Callable[[str | None, str | None], P]


@dataclass(frozen=True, slots=True)
class PartsKind(Generic[P]):
    """Functions, or fleets: what people call one and several, what removes one (`offload down
    PLACE:NAME`), how they are connected to, and names of up to `longest` characters.
    """

    noun: str
    several: str
    place: str
    connect: Connect[P]
    names: re.Pattern[str]
    longest: int

    def check_name(self, name: str) -> None:
        """Raise UsageError where none can be called that."""
        if not self.names.fullmatch(name):
            raise UsageError(
                f"A {self.noun} cannot be called {name!r}: a small letter, then small letters, "
                f"digits and hyphens, {self.longest} at most.",
                hint=f"For instance: offload provision {self.place} --name photos",
            )

    def folder(self, context: Context) -> str:
        """Where this computer remembers those that it brought up."""
        return os.path.join(context.settings.data, self.several)

    def remember(self, name: str, parts: P, profile: str | None, context: Context) -> None:
        """Know of it from now on."""
        known_files.remember(self.folder(context), Known(name, parts.region, profile))

    def known(self, context: Context) -> list[Known]:
        """Those that this computer brought up."""
        return known_files.known(self.folder(context))

    def remove(
        self,
        context: Context,
        name: str,
        region: str | None,
        profile: str | None,
        told: Told,
        may: May,
        connect: Connect[P] | None = None,
    ) -> None:
        """Remove one and all that is its own, as `remove` below does.

        Raises:
            UsageError: there is nothing of it.
        """
        self.check_name(name)
        at = (self.folder(context), name, region, profile)
        found, where = remove(*at, context, told, may, connect or self.connect)
        if not found:
            raise UsageError(
                f"There is no {self.noun} {name} of offload's in {where}.",
                hint=f"To look elsewhere: offload down {self.place}:{name} --region REGION",
            )

    def listed(
        self,
        there: Callable[[P], Iterable[tuple[str, T]]],
        context: Context,
        regions: Sequence[str],
        profile: str | None,
        *,
        everywhere: bool = False,
        connect: Connect[P] | None = None,
    ) -> list[T]:
        """Those in these regions, as `there` gives them with their names; without regions in the
        one that is configured, and where this computer brought some up. Where they may not be
        listed, that is said.
        """

        def named(one: tuple[str, str | None]) -> list[tuple[tuple[str, str], T]]:
            parts = (connect or self.connect)(*one)
            return [((name, parts.region), each) for name, each in there(parts)]

        look = regions, profile, connect or self.connect, everywhere
        try:
            at = where(self.known(context), context, *look)
            # Two profiles may be of one account.
            found = {key: each for some in each_region(at, named, context) for key, each in some}
            return [found[key] for key in sorted(found)]
        except OffloadError as error:
            context.reporter.warn(f"{self.several.capitalize()} are not listed: {error}")
            return []

    def permissions(
        self, region: str | None, profile: str | None, name: str, connect: Connect[P] | None
    ) -> Json:
        """Which permissions there are of those that looking for one takes. Nothing is made, so
        nothing is known of those to make one.
        """
        found = (connect or self.connect)(region, profile).permissions(name)
        return {each: [key for key in found if found[key] == each] for each in get_args(Answer)}


def remove(
    folder: str,
    name: str,
    region: str | None,
    profile: str | None,
    context: Context,
    told: Told,
    may: May,
    connect: Connect[P],
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
    connect: Connect[P],
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
