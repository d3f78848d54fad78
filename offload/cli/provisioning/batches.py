"""What `offload batch --engine aws-batch` brings up, and what `offload down batch:NAME` does."""

from typing import TYPE_CHECKING, Any

import typer

from offload.cli import consent
from offload.cli.parsing import configured, options
from offload.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from offload.domain.machines import Resource
    from offload.usecases.batch.run import Batch
    from offload.usecases.context import Context
    from offload.usecases.provision.teardown import May

PLACE, ENGINE = "batch", "aws-batch"


_OPTIONS = (
    "plan", "instance_type", "on_demand", "container_image", "instance_profile", "price_usd_per_h",
    "subnet", "profile",
)  # fmt: skip
"""What means something with this engine only."""


def bring_up(
    context: typer.Context, batch: "Batch", *, plan: bool, yes: bool, as_json: bool
) -> dict[str, Any]:
    """Have all that the batch takes at AWS, once that is agreed to; what its engine is to know of
    that. With `plan` it is only shown, and that is nothing.
    """
    from offload import bootstrap
    from offload.domain.events import Sent
    from offload.render import messages, progress
    from offload.render.fleets import batches as rendered
    from offload.usecases.batch import aws_parts

    given = options.fields(context, aws_parts.BatchOptions, "name")
    wish = aws_parts.BatchOptions(
        **given, name=batch.called, spot=bool(context.params["is_spot"])
    )  # fmt: skip
    quiet, verbose = bool(context.params["quiet"]), bool(context.params["verbose"])
    say = messages.Messages(quiet=quiet, verbose=verbose)
    found = aws_parts.planned(wish, bootstrap.context(say.hear, offline=wish.offline))
    if plan:
        rendered.plan(found, as_json=as_json)
        return {}
    rendered.announce(found, quiet=quiet)
    consent.to_create("a batch", yes=yes)
    with progress.phases(quiet) as phases, progress.transfer(Sent, quiet) as bar:
        made = bootstrap.context(phases, bar, say.hear, offline=wish.offline)
        aws_parts.carry_out(found, made)
    return {"most": found.most, "region": found.region, "usd_per_h": found.usd_per_h}


def refuse_options(context: typer.Context, engine: str) -> None:
    """Raise UsageError where an option was given that another engine does not know."""
    if given := [name for name in _OPTIONS if configured.is_typed(context, name)]:
        named = next(each for each in context.command.params if each.name == given[0])
        raise UsageError(
            f"{named.opts[0]} has no effect with --engine {engine}.",
            hint=f"For machines of AWS Batch: --engine {ENGINE}",
        )


def down(
    context: "Context",
    name: str,
    region: str | None,
    profile: str | None,
    told: "Callable[[Resource], None]",
    may: "May",
) -> None:
    """Remove what the batch called `name` has in the cloud."""
    from offload.usecases.batch import aws_parts

    meant = name.partition(":")[2]
    if not meant:
        raise UsageError("Which batch?", hint="For instance: offload down batch:NAME")
    aws_parts.remove(context, meant, region, profile, told, may)
