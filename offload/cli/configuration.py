"""`offload config`."""

from typing import Annotated

import typer


def config(
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show every setting, its value and where it was set.

    Settings come from OFFLOAD_* variables, then ./offload.toml, then your own settings file.
    """
    from offload import bootstrap
    from offload.render import tables

    tables.facts(bootstrap.facts(bootstrap.load()), as_json=as_json)
