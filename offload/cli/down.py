"""`offload down`."""

from typing import Annotated

import typer


def down(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Remove every container that offload started on this machine, and print their names.

    Those of jobs that are running are not spared.
    """
    from offload.wiring import taking_down

    for name in taking_down.containers():
        if not quiet:
            typer.echo(name)
