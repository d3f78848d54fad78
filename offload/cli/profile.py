"""`offload profile`."""

from typing import Annotated, Any

import typer
from typer import Argument, Option
from typer.core import TyperGroup

from offload.cli import consent, options
from offload.cli.process import INTERRUPTED, UNAVAILABLE, stopping_on_interrupt


class ProfileGroup(TyperGroup):
    """A group that measures unless told to do something else."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in front that may be left out."""
        known = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if not args or args[0] in known else ["run", *args])


app = typer.Typer(
    cls=ProfileGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure places with your images, and keep what was measured. offload profile photos/ is "
    "short for offload profile run photos/.",
)

Id = Annotated[int, Argument(metavar="ID", help="A number from the list.")]


@app.command()
def run(
    ctx: typer.Context,
    sources: options.Sources,
    recursive: options.Recursive = False,
    where: Annotated[
        str, Option(help="The places to measure, such as local,container,remote.")
    ] = "local",
    budget_s: Annotated[
        float,
        options.duration("--budget", "What measuring one place may take, about. [default: 10s]"),
    ] = 10.0,
    model: options.Model = None,
    labels: options.Labels = None,
    max_pixels: options.MaxPixels = options.MAX_PIXELS,
    workers: options.Workers = None,
    threads: options.Threads = None,
    url: options.Url = None,
    token: options.Token = None,
    machine: options.MachineName = None,
    concurrency: options.Concurrency = None,
    timeout_s: options.TimeoutS = 60.0,
    upload_max_side: Annotated[
        int | None,
        Option(
            min=16,
            metavar="PX",
            help="remote, container, lambda: smaller copies to measure beside the images "
            "themselves. [default: some, if the link is the limit]",
        ),
    ] = None,
    upload_quality: options.UploadQuality = 90,
    strip_metadata: options.StripMetadata = False,
    image: options.ContainerImage = None,
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    as_json: Annotated[
        bool, Option("--json", help="Every sample as JSON, as offload profile export.")
    ] = False,
    as_csv: Annotated[bool, Option("--csv", help="Every sample as a line of CSV.")] = False,
    offline: options.Offline = False,
    yes: consent.Yes = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure places with images drawn at random from a folder, and keep what was measured.

    Each place is brought up by processes of their own, its link is probed, and a stretch of the
    job is done there. Exit codes: 0 done, 1 an explained failure, 2 usage, 4 a place is not there
    and the others are measured, 130 interrupted.
    """
    from offload import bootstrap
    from offload.domain.events import Downloaded
    from offload.render import messages, profiles, progress
    from offload.usecases.detect.request import Request, at_each
    from offload.usecases.profile import profile

    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other.")
    requests = at_each(options.names(where), **options.fields(ctx, Request, "where"))
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
    """Show what has been measured, the newest first."""
    from offload import bootstrap
    from offload.render import messages, profiles

    with bootstrap.context(messages.Messages().hear).history() as store:
        profiles.listing(store.listing(), as_json=as_json)


@app.command()
def show(number: Id, as_json: options.AsJson = False) -> None:
    """Show one measurement."""
    from offload import bootstrap
    from offload.render import messages, profiles
    from offload.usecases.history import history_io

    with bootstrap.context(messages.Messages().hear).history() as store:
        found = history_io.measurement(store, number)
    profiles.show([(number, found)], as_json=as_json)


@app.command()
def export(
    file: Annotated[
        str, Argument(metavar="[FILE]", help="Where to; standard output if left out.")
    ] = "-",
) -> None:
    """Write everything measured as JSON, for offload profile import or a program of yours."""
    from offload import bootstrap
    from offload.render import messages
    from offload.usecases.history import history_io

    with bootstrap.context(messages.Messages().hear).history() as store:
        history_io.export(store, file)


@app.command("import")
def import_measurements(
    file: Annotated[
        str,
        Argument(metavar="FILE", help="JSON as exported, or a CSV table of jobs that you timed."),
    ],
    model: Annotated[
        str, Option("--model", "-m", help="CSV: the model those jobs ran.")
    ] = "imported",
) -> None:
    """Keep what was measured elsewhere, or jobs timed by other means."""
    from offload import bootstrap
    from offload.render import messages, profiles
    from offload.usecases.history import history_io

    with bootstrap.context(messages.Messages().hear).history() as store:
        added = history_io.import_file(store, file, model)
    profiles.taken_in(*added)


@app.command()
def forget(
    numbers: Annotated[
        list[int] | None, Argument(metavar="ID…", help="Numbers from the list.")
    ] = None,
    everything: Annotated[
        bool, Option("--all", help="All measurements, and how predictions turned out.")
    ] = False,
) -> None:
    """Forget measurements."""
    from offload import bootstrap
    from offload.render import messages
    from offload.usecases.history import history_io

    if bool(numbers) == everything:
        raise typer.BadParameter("Give the numbers to forget, or --all.")
    with bootstrap.context(messages.Messages().hear).history() as store:
        typer.echo(f"{history_io.forget(store, numbers or ())} forgotten")
