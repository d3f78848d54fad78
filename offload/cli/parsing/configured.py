"""Settings as defaults of options: what is not typed is as it is set, else as it is declared."""

import os
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from offload.domain import events


class ConfiguredGroup(TyperGroup):
    """The root of a command tree whose options have the settings as their defaults."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Look up what is set, unless help is asked for, which explains itself whatever is set; or
        who starts us has said all with options.
        """
        is_child = os.environ.get(events.VARIABLE) == events.AS_LINES
        if not (ctx.resilient_parsing or is_child or {*ctx.help_option_names} & {*args}):
            ctx.default_map = self._defaults(next((each for each in args if each[:1] != "-"), ""))
        return super().parse_args(ctx, args)

    def _defaults(self, command: str) -> dict[str, Any]:
        from offload.drivers import settings
        from offload.drivers.setting_kinds import OPTIONS

        paths = {path for option in OPTIONS.values() for path in option.commands}
        if command not in {path.partition(" ")[0] for path in paths}:
            return {}
        made: dict[str, Any] = {}
        for key, value in settings.load(os.environ).options.items():
            for path in OPTIONS[key].commands:
                below = made
                for name in path.split():
                    below = below.setdefault(name, {})
                below |= {each.name: value for each in parameters(self, path, key)}
        return made


def parameters(root: Any, path: str, key: str) -> Iterator[Any]:
    """The option of the command at `path` that is called like the setting `key`."""
    for name in path.split():
        root = root.commands[name]
    spelled = f"--{key.replace('_', '-')}"
    return (each for each in root.params if spelled in each.opts)


def is_typed(context: typer.Context, name: str) -> bool:
    """Whether a parameter was typed: neither set nor left at its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def is_set(context: typer.Context, name: str) -> bool:
    """Whether a parameter comes from the settings."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT_MAP"


def check(context: typer.Context, key: str, text: str) -> None:
    """See that the options that a setting is the default of take `text`.

    Raises:
        UsageError: one does not; or typer's own error.
    """
    from offload.domain.places import AUTO
    from offload.drivers.setting_kinds import OPTIONS, parsed
    from offload.usecases.detect.request import Request

    root = context.find_root().command
    for path in OPTIONS[key].commands if key in OPTIONS else ():
        for parameter in parameters(root, path, key):
            value = parameter.process_value(context, parsed(text, OPTIONS[key].kind))
            if path == "detect":
                several = parameter.name in {"others", "formats"}
                wish: dict[str, Any] = {"where": AUTO}
                wish[parameter.name] = tuple(text.split(",")) if several else value
                Request((), **wish)
