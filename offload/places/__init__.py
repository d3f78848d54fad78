"""WHERE it runs. A place is one module and one line here, or an entry point of another package.

The module declares `TRAITS` (`domain.places.PlaceTraits`) and `make(config)`, which gives a
`domain.ports.Place`. Every provider of HTTP servers (`offload.providers`) is a place, too. No place
imports another.
"""

from functools import cache
from typing import TYPE_CHECKING

from offload.domain.errors import UsageError
from offload.domain.places import KnownPlaces
from offload.drivers.host.plugins import Registry
from offload.providers import PROVIDERS

if TYPE_CHECKING:
    from offload.domain.ports import Place
    from offload.providers.config import PlaceConfig

PLACES = {
    "local": "offload.places.inprocess",
    "lambda": "offload.places.function",
    "fleet": "offload.places.fleet",
}
"""The name `--where` takes -> its module."""

_FIRST, *_OTHERS = PLACES
OWN = (_FIRST, *PROVIDERS.own, *_OTHERS)
"""The places that are part of offload, as help lists them."""

REGISTRY = Registry("place", "offload.places", PLACES)


def names() -> list[str]:
    """What `--where` takes, but for ways to use several places."""
    return list(dict.fromkeys([*OWN, *REGISTRY.names(), *PROVIDERS.names()]))


def source(name: str) -> str:
    """The package that brings a place."""
    return _registry(name).source(name)


def make(name: str, config: "PlaceConfig") -> "Place":
    """The place that `--where` calls `name`.

    Raises:
        UsageError: there is no such place, or the configuration cannot be meant.
    """
    if name not in names():
        raise UsageError(f"There is no place {name!r}.", hint=f"Available: {', '.join(names())}.")
    module = _registry(name).module(name)
    if _registry(name) is PROVIDERS:
        from offload.places.served import ServedPlace

        return ServedPlace(module, config)
    made: Place = module.make(config)
    return made


@cache
def known() -> KnownPlaces:
    """The traits of all places."""
    return KnownPlaces(_registry(name).module(name).TRAITS for name in names())


def _registry(name: str) -> Registry:
    return PROVIDERS if name not in PLACES and name in PROVIDERS else REGISTRY
