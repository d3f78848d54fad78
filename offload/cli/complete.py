"""What the shell is offered for a value that is being typed. Imports nothing heavy."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from offload import places
from offload.domain.places import AUTO, SPLIT
from offload.providers import PROVIDERS

if TYPE_CHECKING:
    from offload.drivers.settings import Settings

PLACES = (*places.PLACES, *PROVIDERS.own)
"""Those that are part of offload."""


def ways() -> list[str]:
    """What `--where` takes."""
    return [*places.names(), SPLIT, AUTO]


def models() -> list[str]:
    """The models that have a name, and those that were fetched."""
    from offload.detectors.catalogue import NAMED
    from offload.drivers.model_cache import ModelCache

    names = dict.fromkeys(NAMED)
    if configured := _settings():
        fetched = ModelCache(configured.models_path).all()
        names |= {model.name: None for model in fetched if ":" not in model.name}
    return list(names)


def machines() -> list[str]:
    """The rented machines that this computer knows of."""
    from offload.drivers.folders import machine_files

    configured = _settings()
    found = machine_files.folders(configured.machines_path) if configured else []
    return [each.name for each in found]


def formats() -> Iterable[str]:
    """What `--format` takes."""
    from offload.drivers.folders.results_dir import FORMATS

    return FORMATS


def one_of(*values: str) -> dict[str, Any]:
    """What an option says that takes one of these."""
    return {"takes": f"[{'|'.join(values)}]", "autocompletion": lambda: list(values)}


def several(values: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """For a list with commas: what may follow the last of them."""

    def offered(incomplete: str) -> list[str]:
        begun = incomplete.rpartition(",")[0]
        given = begun.split(",")
        front = f"{begun}," if begun else ""
        return [front + value for value in values() if value not in given]

    return offered


def _settings() -> "Settings | None":
    from offload.domain.errors import OffloadError
    from offload.drivers import settings

    with suppress(OffloadError):
        return settings.load(os.environ)
    return None
