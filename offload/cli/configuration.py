"""`offload config`."""

from typing import Annotated

import typer


def config(
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show every setting, its value and where it was set.

    Settings come from OFFLOAD_* variables, then ./offload.toml, then your own settings file.
    """
    from offload.render import tables
    from offload.wiring import configuration

    tables.facts(configuration.facts(configuration.load()), as_json=as_json)
