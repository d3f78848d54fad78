"""`offload provision lambda`, and what `offload down lambda` does."""

from typing import TYPE_CHECKING, Annotated

import typer

from offload.cli import consent, options

if TYPE_CHECKING:
    from collections.abc import Callable

    from offload.domain.machines import Resource
    from offload.usecases.context import Context


def provision(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Option(help="What the function is called. [default: offload]")
    ] = None,
    memory_mb: Annotated[
        int,
        typer.Option("--memory", metavar="MB", help="Its memory; 1769 MB come with one core."),
    ] = 1769,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="What it detects with, as for offload detect."),
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(
            metavar="ARN", help="The role that it runs as. [default: one is made that may log]"
        ),
    ] = None,
    drop_box: Annotated[
        bool,
        typer.Option(
            "--drop-box", help="Also: pictures that are put into its bucket become rows of a table."
        ),
    ] = False,
    region: options.Region = None,
    profile: options.Profile = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be made and what it costs, only.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before creating.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask AWS for prices, nor the model hub.")
    ] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Bring up a function on AWS Lambda that detects: each image is a call, and rest costs nothing.

    Needs a Docker engine here, which builds its image. What is there already stays: the same
    command goes on after any failure, and changes what is asked for otherwise than before.
    """
    from offload import bootstrap
    from offload.domain.events import Sent
    from offload.render import functions, messages, progress
    from offload.usecases.provision import functions as provisioning

    wish = provisioning.FunctionOptions(
        **options.fields(context, provisioning.FunctionOptions, "name")
        | ({"name": name} if name else {})
    )
    say = messages.Messages(quiet=quiet, verbose=verbose)
    made = bootstrap.context(say.hear, offline=offline)
    found = provisioning.planned(wish, made)
    if plan:
        functions.plan(found, as_json=as_json)
        return
    if found.before is None:
        functions.announce(found, quiet=quiet)
        if not yes and not consent.given("Create it?", "Nothing is created without --yes."):
            raise typer.Exit(1)
    with progress.phases(quiet) as phases, progress.transfer(Sent, quiet) as bar:
        made = bootstrap.context(phases, bar, say.hear, offline=offline)
        up = provisioning.carry_out(found, made)
    if not quiet:
        functions.provisioned(up, as_json=as_json)


def down(
    context: "Context",
    name: str,
    region: str | None,
    profile: str | None,
    told: "Callable[[Resource], None]",
) -> None:
    """Remove the function called `name`, or the one that the settings mean."""
    from offload.usecases.provision import functions

    meant = name.partition(":")[2] or context.settings.function.rpartition(":")[2]
    functions.remove(context, meant, region, profile, told)
