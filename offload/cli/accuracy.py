"""`offload accuracy`."""

from typing import Annotated

from typer import Option

from offload.cli import options


def accuracy(
    last: Annotated[
        int, Option("--last", "-n", min=1, help="Look at this many runs, the newest.")
    ] = 50,
    as_json: options.AsJson = False,
) -> None:
    """How good the last predictions were: each detect run beside what was predicted for it."""
    from offload import bootstrap
    from offload.render import accuracy as rendered
    from offload.render import messages
    from offload.usecases.history import query

    outcomes = query.outcomes(bootstrap.context(messages.Messages().hear), last)
    rendered.show(outcomes, as_json=as_json)
