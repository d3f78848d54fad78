"""`offload provision lambda`."""

from typing import Annotated

import typer

from offload.cli import consent
from offload.cli.parsing import options

_function = options.panel("The function")


def provision(
    context: typer.Context,
    name: Annotated[str | None, _function("--name", takes="NAME")] = None,
    memory_mb: Annotated[int, _function("--memory", takes="MB")] = 1769,
    model: options.Model = None,
    role: Annotated[str | None, _function("--role", takes="ARN")] = None,
    drop_box: Annotated[bool, _function("--drop-box")] = False,
    plan: Annotated[bool, _function("--plan")] = False,
    region: options.Region = None,
    profile: options.Profile = None,
    yes: consent.Yes = False,
    as_json: options.AsJson = False,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Bring up a function on AWS Lambda: each image is a call.

        offload provision lambda --plan
        offload provision lambda --memory 1769 --drop-box

    It costs nothing while nobody calls it. You need a Docker engine here, which builds its
    container image. The same command continues after any failure, and changes what you ask for
    differently.

    Parameters:
        name: Name of the function. [default: offload]
        memory_mb: Its memory; 1769 MB come with one core.
        role: The role it runs as. [default: a new one that may only log]
        drop_box: Also a bucket: pictures put there become rows of a table.
        plan: Only show what would be created and what it costs.
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
        say.lines(functions.plan_lines(found))
        consent.to_create("a function", yes=yes)
    with progress.phases(quiet) as phases, progress.transfer(Sent, quiet) as bar:
        made = bootstrap.context(phases, bar, say.hear, offline=offline)
        up = provisioning.carry_out(found, made)
    if not quiet:
        functions.provisioned(up, as_json=as_json)
