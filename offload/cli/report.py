"""`offload report`."""

from typing import Annotated

import typer
from typer import Argument, Option


def report(
    study: Annotated[
        str, Argument(metavar="STUDY", help="The folder that offload experiment wrote.")
    ],
    out: Annotated[
        str | None,
        Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A .pdf or an .html file, or a folder for both. [default: the study's]",
        ),
    ] = None,
) -> None:
    """Write up a study: figures, conclusions with their numbers, and what it cannot say.

    A PDF of at most eight pages, or one HTML file that needs nothing else. Prints the paths.
    """
    from offload.render.report import writing
    from offload.usecases.experiment import report_data

    paths = writing.targets(study if out is None else out)
    writing.write(report_data.study(study), paths)
    for path in paths:
        typer.echo(path)
