"""`offload down`."""

from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument

from offload.cli import consent
from offload.cli.fleet import PLACE as FLEET
from offload.cli.function import PLACE
from offload.cli.parsing import complete, options
from offload.cli.process import stopping_on_interrupt
from offload.cli.provisioning import batches, clusters
from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offload.domain.events import Reporter
    from offload.domain.machines import Resource
    from offload.drivers.folders.known_files import Known
    from offload.usecases.context import Context
    from offload.usecases.provision.teardown import May, Told

_what = options.panel("What to remove")


def _function(context: "Context", name: str, *how: Any) -> None:
    from offload.usecases.provision import functions

    meant = name.partition(":")[2] or context.settings.function.rpartition(":")[2]
    functions.remove(context, meant, *how)


def _fleet(context: "Context", name: str, *how: Any) -> None:
    from offload.usecases.provision import fleets

    fleets.remove(context, name.partition(":")[2] or context.settings.fleet, *how)


_PARTS = {
    PLACE: ("function", _function), FLEET: ("fleet", _fleet),
    batches.PLACE: ("batch", batches.down),
}  # fmt: skip
"""What `--all` removes besides machines."""


def down(
    name: Annotated[str | None, Argument(metavar="NAME", autocompletion=complete.machines)] = None,
    everything: Annotated[bool, _what("--all")] = False,
    orphans: Annotated[bool, _what("--orphans")] = False,
    region: Annotated[list[str] | None, options.account("--region", takes="REGION")] = None,
    all_regions: Annotated[bool, options.account("--all-regions")] = False,
    profile: options.Profile = None,
    yes: Annotated[bool, options.rare("--yes -y")] = False,
    quiet: Annotated[bool, options.rare("--quiet -q")] = False,
) -> None:
    """Remove offload's containers, machines, functions and fleets.

        offload down
        offload down --orphans --all-regions

    Without a name: all our containers here, those of running jobs too, and the machine that is
    rented, if it is the only one; functions, fleets and batches are named. All of it goes:
    instance, disk, key, security group. What this computer did not create is listed, and removed
    only if you agree.

    Parameters:
        name: A rented machine; lambda or lambda:NAME, a function; fleet or fleet:NAME, a fleet;
            batch:NAME, what a batch has at AWS; kubernetes or kubernetes:NAMESPACE/NAME, a
            deployment. [default: the only machine, if any]
        everything: All machines, functions, fleets and batches made here.
        orphans: What is of no machine made here.
        region: Region to look in; repeatable with --orphans.
        all_regions: With --orphans: in every region.
        yes: Do not ask before removing what may be somebody else's.
        quiet: Print nothing.
    """
    from offload import bootstrap
    from offload.providers.ec2 import registry
    from offload.render.messages import Messages, shown

    if (name is not None) + everything + orphans > 1:
        raise UsageError("down takes one of NAME, --all and --orphans.")
    context = bootstrap.context(Messages(quiet=quiet).hear)

    def say(line: str) -> None:
        if not quiet:
            typer.echo(shown(line))

    def told(resource: "Resource") -> None:
        say(f"{resource.kind} {resource.id} of {resource.name}")

    with stopping_on_interrupt(context, "Stopping after this step"):
        if orphans:
            _orphans(context, region or (), profile, told, everywhere=all_regions, yes=yes)
            return
        names = [name] if name is not None else registry.names(context.settings)
        stays = _brought_up(context) if name is None else []
        if name is None:
            found = _containers(say, engine_optional=bool(names or stays))
            if not (found or names or stays):
                say("Nothing to remove.")
            if names and not everything:
                names = [registry.one(context.settings, None).name]
        where = region[0] if region else None
        may = partial(_agreed, yes=yes)
        tasks = [partial(_remove, context, each, where, profile, told, may) for each in names]
        if everything:
            tasks += [
                partial(
                    _remove, context, f"{place}:{each.name}", each.region, each.profile, told, may
                )
                for place, each in stays
            ]
        else:
            _name(stays, say)
        _each(tasks, context.reporter)


def _brought_up(context: "Context") -> "list[tuple[str, Known]]":
    """What this computer brought up besides machines, each with its place."""
    from offload.usecases.batch import aws_parts
    from offload.usecases.provision import fleets as of_fleets
    from offload.usecases.provision import functions as of_functions

    found = {
        PLACE: of_functions.known, FLEET: of_fleets.known, batches.PLACE: aws_parts.known,
    }  # fmt: skip
    return [(place, each) for place, known in found.items() for each in known(context)]


def _name(stays: "Sequence[tuple[str, Known]]", say: "Callable[[str], None]") -> None:
    for place, each in stays:
        command = f"offload down {place}:{each.name} --region {each.region}"
        say(f"The {_PARTS[place][0]} stays; to remove it: {command}")


def _containers(say: "Callable[[str], None]", *, engine_optional: bool) -> bool:
    """Remove ours; whether there were any. Without an engine there are none."""
    from offload.usecases.provision import teardown

    found = False
    with suppress(PlaceUnavailable) if engine_optional else nullcontext():
        for container in teardown.containers():
            say(container)
            found = True
    return found


def _remove(
    context: "Context", name: str, region: str | None, profile: str | None, told: "Told", may: "May"
) -> None:
    """Remove a machine, a function, a fleet or a deployment."""
    from offload.usecases.provision import teardown

    kind = name.partition(":")[0]
    if kind in _PARTS:
        _PARTS[kind][1](context, name, region, profile, told, may)
    elif kind == clusters.PLACE:
        clusters.down(context, name, told)
    else:
        teardown.down(context, name, region, profile, told, may)


def _each(tasks: "Sequence[Callable[[], None]]", reporter: "Reporter") -> None:
    """Remove each machine, function and fleet; where one does not go, the others, which cost money
    too.
    """
    from offload.usecases.provision.launch import Interrupted

    failed: OffloadError | None = None
    for remove in tasks:
        try:
            remove()
        except Interrupted:
            raise
        except OffloadError as error:
            if failed is not None:
                reporter.warn(str(failed))
            failed = error
    if failed is not None:
        raise failed


def _orphans(
    context: "Context",
    regions: "Sequence[str]",
    profile: str | None,
    told: "Told",
    *,
    everywhere: bool,
    yes: bool,
) -> None:
    from offload.usecases.provision import teardown

    nothing = True
    for cloud, found in teardown.orphans(context, regions, profile, everywhere=everywhere):
        nothing = False
        if _agreed(found, yes=yes):
            teardown.remove_orphans(context, cloud, found, told)
    if nothing:
        typer.echo("There are no orphans.", err=True)


def _agreed(found: "Sequence[Resource]", *, yes: bool) -> bool:
    """Whether these may go, which may be somebody else's: they are listed, and asked about."""
    from offload.render.messages import shown

    if yes:
        return True
    for each in found:
        made = f", made by {each.owner}" if each.owner else ""
        typer.echo(shown(f"{each.region}: {each.kind} {each.id} of {each.name}{made}"))
    return consent.given("Remove these?", "Removing what may be somebody else's")
