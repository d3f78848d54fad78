"""`offload profile`."""

from typing import Annotated

import typer
from typer import Argument

from offload.cli import consent
from offload.cli.parsing import options
from offload.cli.parsing.pages import App, RunGroup
from offload.cli.process import INTERRUPTED, UNAVAILABLE, stopping_on_interrupt
from offload.domain.errors import UsageError

app = App(
    cls=RunGroup,
    help="""Measure places with your images, and keep what was measured.

    offload profile photos/ --where local,container

It is short for: offload profile run photos/ …""",
)

Id = Annotated[int, Argument(metavar="ID", help="A number from the list.")]


@app.command()
def run(
    ctx: typer.Context,
    sources: options.Sources,
    recursive: options.Recursive = False,
    where: options.Places = "local",
    budget_s: Annotated[float, options.duration("--budget", kind=options.limit)] = 10.0,
    model: options.Model = None,
    labels: options.Labels = None,
    url: options.Url = None,
    token: options.Token = None,
    machine: options.MachineName = None,
    concurrency: options.Concurrency = None,
    timeout_s: options.TimeoutS = 60.0,
    upload_max_side: Annotated[
        int | None, options.sending("--upload-max-side", takes="PX", min=16)
    ] = None,
    upload_quality: options.UploadQuality = 90,
    strip_metadata: options.StripMetadata = False,
    container_image: options.ContainerImage = None,
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    workers: options.Workers = None,
    threads: options.Threads = None,
    as_json: Annotated[bool, options.result("--json")] = False,
    as_csv: Annotated[bool, options.result("--csv")] = False,
    max_pixels: options.MaxPixels = options.MAX_PIXELS,
    offline: options.Offline = False,
    yes: consent.Yes = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure places with images drawn from a folder.

        offload profile photos/ --where local,container
        offload profile photos/ --where remote --url http://HOST:8080

    Measures the cold start, the link, and part of the job at each place. Exit codes: 0 done, 1 an
    explained failure, 2 usage, 4 a place is not available and the others are measured, 130
    interrupted.

    Parameters:
        budget_s: Time to measure one place, about. [default: 10s]
        upload_max_side: Longest side of smaller copies to measure too. [default: some, if the link
            is the bottleneck]
        as_json: Every sample as JSON, as offload profile export.
        as_csv: Every sample as a line of CSV.
    """
    from offload import bootstrap
    from offload.domain.events import Downloaded
    from offload.render import messages, profiles, progress
    from offload.usecases.detect.request import Request, at_each
    from offload.usecases.profile import profile

    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other.", hint="Leave one of the two out.")
    places = options.names(where)
    requests = at_each(places, **options.for_places(ctx, Request, places, "where"))
    consent.to_rented((request.where for request in requests), yes=yes)
    say, lost = messages.Messages(quiet=quiet, verbose=verbose), list[str]()
    with progress.transfer(Downloaded, quiet) as bar, progress.phases(quiet) as phases:
        context = bootstrap.context(phases, bar, say.hear, offline=offline)
        with context.history() as store, stopping_on_interrupt(context) as interrupted:
            measured = profile.measurements(requests, context, budget_s, lost)
            kept = [(store.add(found), found) for found in measured]
    if as_csv:
        profiles.samples([found for _, found in kept])
    else:
        profiles.show(kept, as_json=as_json)
    for _, found in kept:
        for warning in found.warnings:
            context.reporter.warn(f"{found.condition.place}: {warning}")
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if lost:
        raise typer.Exit(UNAVAILABLE)


@app.command("list")
def list_measurements(as_json: options.AsJson = False) -> None:
    """Show what has been measured, the newest first.

    offload profile list
    """
    from offload import bootstrap
    from offload.render import messages, profiles

    with bootstrap.context(messages.Messages().hear).history() as store:
        profiles.listing(store.listing(), as_json=as_json)


@app.command()
def show(number: Id, as_json: options.AsJson = False) -> None:
    """Show one measurement.

    offload profile show 3
    """
    from offload import bootstrap
    from offload.render import messages, profiles
    from offload.usecases.history import history_io

    with bootstrap.context(messages.Messages().hear).history() as store:
        found = history_io.measurement(store, number)
    profiles.show([(number, found)], as_json=as_json)


@app.command()
def export(
    file: Annotated[str, Argument(metavar="FILE")] = "-",
) -> None:
    """Write everything measured as JSON.

    offload profile export measured.json

    Parameters:
        file: File to write; - for standard output.
    """
    from offload import bootstrap
    from offload.render import messages
    from offload.usecases.history import history_io

    with bootstrap.context(messages.Messages().hear).history() as store:
        history_io.export(store, file)


@app.command("import")
def import_measurements(
    file: Annotated[str, Argument(metavar="FILE")],
    model: options.ModelOfTable = "imported",
) -> None:
    """Keep what was measured elsewhere, or jobs timed by hand.

    offload profile import measured.json

    Parameters:
        file: JSON as exported, or a CSV table of jobs that you timed.
    """
    from offload import bootstrap
    from offload.render import messages, profiles
    from offload.usecases.history import history_io

    with bootstrap.context(messages.Messages().hear).history() as store:
        added = history_io.import_file(store, file, model)
    profiles.taken_in(*added)


@app.command()
def forget(
    numbers: Annotated[list[int] | None, Argument(metavar="ID")] = None,
    everything: Annotated[bool, options.rare("--all")] = False,
) -> None:
    """Forget measurements.

    offload profile forget 3 4

    Parameters:
        numbers: Numbers from the list.
        everything: All measurements and outcomes of predictions.
    """
    from offload import bootstrap
    from offload.render import messages
    from offload.usecases.history import history_io

    if bool(numbers) == everything:
        hint = "To see the numbers: offload profile list"
        raise UsageError("Give the numbers to forget, or --all.", hint=hint)
    with bootstrap.context(messages.Messages().hear).history() as store:
        typer.echo(f"{history_io.forget(store, numbers or ())} forgotten")
