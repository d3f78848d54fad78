"""`offload doctor`."""

from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show what works here: cores, runtimes, models, the model hub, Docker, AWS credentials."""
    from offload.render import tables
    from offload.wiring import configuration, diagnosis

    tables.facts(diagnosis.facts(configuration.load()), as_json=as_json)
