"""`offload drop`, `offload results`: pictures for a function's drop box, and its rows."""

from typing import Annotated

import typer
from typer import Argument

from offload.cli import consent
from offload.cli.function import PLACE
from offload.cli.parsing import options
from offload.cli.process import SOME_FAILED
from offload.domain.errors import UsageError


def drop(
    ctx: typer.Context,
    sources: options.Sources,
    recursive: options.Recursive = False,
    wait: Annotated[bool, options.result("--wait/--no-wait")] = True,
    as_json: Annotated[bool, options.result("--json")] = False,
    yes: consent.Yes = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Put images into a function's drop box, and gather the rows.

        offload drop photos/ --json

    The function is the one that the setting function names. Its drop box comes from offload
    provision lambda --drop-box.

    Parameters:
        wait: Gather the rows as they come.
        as_json: One JSON object per image on standard output.
    """
    from offload import bootstrap
    from offload.render import detections, messages, progress
    from offload.usecases import drops
    from offload.usecases.detect.request import Request

    del recursive
    request = Request(**options.fields(ctx, Request), where=PLACE)
    say = messages.Messages(quiet=quiet, verbose=verbose)
    context = bootstrap.context(say.hear)
    consent.to_rented([PLACE], yes=yes)
    failed = 0
    total, rows = drops.drop(request, context, drops.opened(context), wait=wait)
    with (
        detections.sink(as_json=as_json, to_folder=not wait) as add,
        progress.images(total, say.quiet) as advance,
    ):
        for row in rows:
            failed += row.error is not None
            add(row)
            say.row(row)
            advance(row)
    if failed:
        raise typer.Exit(SOME_FAILED)


def results(
    place: Annotated[str, Argument(metavar="PLACE")],
    failed: Annotated[bool, options.result("--failed")] = False,
    as_json: Annotated[bool, options.result("--json")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Show the rows of images in a function's drop box.

        offload results lambda --json

    Rows are as offload detect writes them. Each time is of one clock: durations are the function's,
    the time of the upload is S3's.

    Parameters:
        place: lambda, or lambda:NAME for a function of that name.
        failed: Instead, the images that the function failed to do.
        as_json: One JSON object per image.
    """
    from offload import bootstrap
    from offload.render import detections, functions, messages
    from offload.usecases import drops

    kind, _, name = place.partition(":")
    if kind != PLACE:
        raise UsageError(
            f"There are no results of {place!r}: only functions keep some.",
            hint=f"For instance: offload results {PLACE}; of other runs: the folder --out names",
        )
    context = bootstrap.context(messages.Messages(quiet=quiet).hear)
    box = drops.opened(context, name or None)
    if failed:
        functions.failures(box.failures(), as_json=as_json)
        return
    with detections.sink(as_json=as_json, to_folder=False) as add:
        for document in box.rows():
            add(drops.as_row(document))
