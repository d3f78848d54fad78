"""What the shell is offered for a value that is being typed. Imports nothing heavy."""

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer
from typer import completion

from offload import places
from offload.domain.places import AUTO, SPLIT

if TYPE_CHECKING:
    from offload.drivers.settings import Settings


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


def settings() -> list[str]:
    """What `offload config get` takes."""
    from offload.drivers import settings

    return [settings.typed_as(key) for key in settings.KEYS]


def formats() -> Iterable[str]:
    """What `--format` takes."""
    from offload.drivers.folders.results_formats import FORMATS

    return FORMATS


def engines() -> Iterable[str]:
    """What `--engine` takes."""
    from offload import engines

    return engines.names()


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


def install(ctx: Any, _param: Any, wanted: bool | str) -> None:
    """Install completion for the shell that this is typed in, where that shell looks for it. fish
    looks where XDG_CONFIG_HOME says, and typer does not.
    """
    if not wanted or ctx.resilient_parsing:
        return
    named = wanted if isinstance(wanted, str) else None
    shell, written = completion.install(named)  # type: ignore[attr-defined] # imported there
    path, config = str(written), os.environ.get("XDG_CONFIG_HOME")
    if shell == "fish" and config:
        path = os.path.join(config, "fish", "completions", written.name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.move(written, path)
    typer.echo(f"The completion for {shell} is in {path}. To use it, open another terminal.")
    raise typer.Exit


def _settings() -> "Settings | None":
    from offload.domain.errors import OffloadError
    from offload.drivers import settings

    with suppress(OffloadError):
        return settings.load(os.environ)
    return None
