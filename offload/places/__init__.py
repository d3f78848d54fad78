"""WHERE it runs. A place is one module and one line here, or an entry point of another package.

The module declares `TRAITS` (`domain.places.PlaceTraits`) and `make(config)`, which gives a
`domain.ports.Place`. No place imports another.
"""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from offload.domain.errors import UsageError
from offload.domain.places import KnownPlaces, PlaceTraits

PLACES = {
    "local": "offload.places.inprocess",
    "container": "offload.places.container",
    "remote": "offload.places.remote",
}
"""The name `--where` takes -> its module."""

GROUP = "offload.places"
"""The group of entry points by which other packages add places: name = module."""


@cache
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def names() -> list[str]:
    """What `--where` takes, but for ways to use several places."""
    return list(dict.fromkeys([*PLACES, *_installed()]))


def module(name: str) -> ModuleType:
    """The module of a place.

    Raises:
        UsageError: there is no such place.
    """
    if name in PLACES:
        return import_module(PLACES[name])
    if name in _installed():
        return import_module(_installed()[name].value)
    raise UsageError(f"There is no place {name!r}.", hint=f"There is: {', '.join(names())}.")


def traits(name: str) -> PlaceTraits:
    """What a place is.

    Raises:
        UsageError: there is no such place.
    """
    declared: PlaceTraits = module(name).TRAITS
    return declared


@cache
def known() -> KnownPlaces:
    """The traits of all places."""
    return KnownPlaces(traits(name) for name in names())
