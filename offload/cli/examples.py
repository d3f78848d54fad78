"""`offload examples`."""

from typing import Annotated

import typer
from typer import Argument


def examples(folder: Annotated[str, Argument(metavar="DIR", help="Where to put them.")]) -> None:
    """Lay out pictures to try the tool on, and print their paths.

    A dozen are the project's own; the photographs come from matplotlib and scikit-image as far as
    those are installed. Nothing is downloaded.
    """
    from offload.usecases import examples

    for path in examples.lay_out(folder):
        typer.echo(path)
