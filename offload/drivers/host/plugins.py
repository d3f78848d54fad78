"""Modules by name: our own, and those that other packages add as entry points."""

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from offload.domain.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Registry:
    """What there is of one `kind`: `own` maps names to our modules, `group` is where other packages
    declare `name = module`. Our own names cannot be taken.
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, str]) -> None:
        self.kind = kind
        self.own = own
        self._group = group

    @cached_property
    def installed(self) -> dict[str, "EntryPoint"]:
        """The entry points of other packages."""
        from importlib.metadata import entry_points

        found = entry_points(group=self._group)
        return {point.name: point for point in found if point.name not in self.own}

    def names(self) -> list[str]:
        """Our own first; nothing is imported for it."""
        return [*self.own, *self.installed]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.installed

    def module(self, name: str) -> Any:
        """The module of that name.

        Raises:
            UsageError: there is none, or it cannot be imported.
        """
        if name in self.own:
            return import_module(self.own[name])
        if name not in self.installed:
            raise UsageError(
                f"There is no {self.kind} {name!r}.", hint=f"Available: {', '.join(self.names())}."
            )
        try:
            return self.installed[name].load()
        except ImportError as error:
            raise UsageError(
                f"The {self.kind} {name} of the package {self.source(name)} cannot be imported: "
                f"{error}.",
                hint="To see what is installed: offload doctor",
            ) from error

    def source(self, name: str) -> str:
        """The package that brings it, with its version where it is not ours."""
        if name in self.own:
            return "offload"
        package = self.installed[name].dist
        return f"{package.name} {package.version}" if package else self.installed[name].value
