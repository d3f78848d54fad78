"""`offload fleet`: how one is. `offload work`: what its machines do."""

from typing import Annotated

import typer
from typer import Argument

from offload.cli.parsing import options

PLACE = "fleet"
_fleet = options.panel("Fleet")


def work(
    ctx: typer.Context,
    queue: Annotated[str, _fleet("--queue", takes="URL")],
    dead: Annotated[str, _fleet("--dead", takes="URL")],
    out: Annotated[str, _fleet("--out -o", takes="s3://BUCKET/rows")],
    stay: Annotated[bool, _fleet("--stay")] = False,
    model: options.Model = None,
    labels: options.Labels = None,
    workers: options.Workers = None,
    threads: options.Threads = None,
    max_pixels: options.MaxPixels = options.MAX_PIXELS,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Work for a fleet: detect in the images of its queue.

        offload work --queue URL --dead URL --out s3://BUCKET/rows

    The machines of a fleet do this; one more may help, with credentials that may do what theirs
    may. On Ctrl-C or SIGTERM it finishes what it has in progress and ends; so it does when no image
    came for a minute.

    Parameters:
        queue: The queue that images come from.
        dead: The queue for images that are given up.
        out: The fleet's bucket, where rows go.
        stay: Wait for more when no image comes.
    """
    from offload import bootstrap
    from offload.cli.process import stopping_on_interrupt
    from offload.domain.events import Downloaded
    from offload.render import messages, progress
    from offload.usecases import work
    from offload.usecases.detect.request import Request

    say = messages.Messages(quiet=quiet, verbose=verbose)
    errand = work.Errand(**options.fields(ctx, work.Errand))
    request = Request((), **options.fields(ctx, Request, "out"))
    with progress.transfer(Downloaded, quiet) as bar:
        context = bootstrap.context(say.hear, bar, offline=offline)
        with stopping_on_interrupt(context):
            work.run(errand, request, PLACE, context, say.working)


def fleet(
    name: Annotated[str | None, Argument(metavar="NAME", show_default=False)] = None,
    region: options.Region = None,
    profile: options.Profile = None,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
) -> None:
    """Show how a fleet is: what waits, who works, its cost, what failed.

        offload fleet

    The rate is that of the last five minutes as CloudWatch has it, one or two behind; before that,
    the time left is at the usual pace. Today is since midnight UTC, at the price that the fleet was
    provisioned with. Images that were given up stay in its dead-letter queue for 14 days; -v shows
    up to a hundred of them, and each machine.

    Parameters:
        name: Name of the fleet. [default: that of the setting fleet]
    """
    from offload import bootstrap
    from offload.render.fleets import status
    from offload.usecases import fleet

    called = name or bootstrap.context().settings.fleet
    found = fleet.status(called, region, profile)
    status.status(found, as_json=as_json, verbose=verbose)
