"""What `offload batch --engine aws-batch` brings up, and what `offload down batch:NAME` does."""

from typing import TYPE_CHECKING

from offload.cli import consent
from offload.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from offload.domain.machines import Resource
    from offload.usecases.batch.aws_parts import BatchOptions
    from offload.usecases.context import Context
    from offload.usecases.provision.teardown import May

PLACE = "batch"


def bring_up(
    wish: "BatchOptions", *, plan: bool, yes: bool, as_json: bool, quiet: bool, verbose: bool
) -> bool:
    """Have all that the batch takes, once that is agreed to; whether jobs can be sent now. With
    `plan` it is only shown.
    """
    from offload import bootstrap
    from offload.domain.events import Sent
    from offload.render import messages, progress
    from offload.render.fleets import batches as rendered
    from offload.usecases.batch import aws_parts

    say = messages.Messages(quiet=quiet, verbose=verbose)
    found = aws_parts.planned(wish, bootstrap.context(say.hear, offline=wish.offline))
    if plan:
        rendered.plan(found, as_json=as_json)
        return False
    rendered.announce(found, quiet=quiet)
    consent.to_create("a batch", yes=yes)
    with progress.phases(quiet) as phases, progress.transfer(Sent, quiet) as bar:
        made = bootstrap.context(phases, bar, say.hear, offline=wish.offline)
        aws_parts.carry_out(found, made)
    return True


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
