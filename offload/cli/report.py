"""`offload report`."""

from typing import Annotated

import typer


def report(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="The folder that offload experiment wrote.")
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A .pdf or an .html file, or a folder for both. [default: the study's]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write up a study: figures, conclusions with their numbers, and what it cannot say.

    A PDF of at most eight pages, or one HTML file that needs nothing else. Prints the paths.
    """
    from offload.render.report import build
    from offload.usecases.experiment import report_data

    paths = build.targets(study if out is None else out)
    build.write(report_data.study(study), paths)
    for path in paths:
        typer.echo(path)
