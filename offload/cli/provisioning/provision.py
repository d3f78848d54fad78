"""`offload provision`, and what a run rents with `--provision`: before it begins, or meanwhile."""

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from offload.cli import consent, options
from offload.cli.process import INTERRUPTED, stopping_on_interrupt
from offload.domain import units
from offload.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offload.domain.measurements import Measurement
    from offload.drivers.settings import Settings
    from offload.render.messages import Messages
    from offload.usecases.context import Context
    from offload.usecases.detect.request import Request
    from offload.usecases.provision.planning import ProvisionOptions
    from offload.usecases.split.rental import HiredMachine

_YEAR_S = 365 * 86400.0


def _limit_s(text: str, *, option: str) -> float:
    """Seconds until a machine ends; 0 for never."""
    if text == "never":
        return 0.0
    seconds = units.duration_s(text, option=option)
    if seconds > _YEAR_S:
        raise UsageError(f"{option} takes a year at most.", hint=f"For no end: {option} never")
    return seconds


app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def provision() -> None:
    """Bring up a machine of your own that serves, measured phase by phase."""


@app.command()
def ec2(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Option(help="What the machine is called. [default: the only one, else USER-HOST]"),
    ] = None,
    instance_type: Annotated[
        str | None,
        typer.Option(
            help="Which kind of machine; of several, like c7i.large,c7a.large, the first that AWS "
            "can give. [default: c7i.large]",
            show_default=False,
        ),
    ] = None,
    region: options.Region = None,
    profile: options.Profile = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be created and what it costs, only.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before creating.")] = False,
    max_usd_per_h: Annotated[
        float | None, options.dollars("--max-hourly", "Create nothing that costs more an hour.")
    ] = None,
    price_usd_per_h: Annotated[
        float | None,
        options.dollars("--price", "Dollars an hour of the instance. [default: as known]"),
    ] = None,
    idle_s: Annotated[
        float | None,
        options.quantity(
            "--idle",
            _limit_s,
            "TIME",
            "The machine ends when nobody was connected for so long; or never. [default: 20m]",
        ),
    ] = None,
    lifetime_s: Annotated[
        float | None,
        options.quantity(
            "--max-lifetime",
            _limit_s,
            "TIME",
            "And so long after its boot in any case; or never. [default: 4h]",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="What it serves, as for offload detect; sent there."),
    ] = None,
    labels: options.Labels = None,
    allow_cidrs: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-cidr",
            metavar="CIDR",
            help="Let SSH in from here; repeatable. [default: this computer alone]",
        ),
    ] = None,
    spot: Annotated[
        bool | None,
        typer.Option("--spot/--on-demand", help="Spare capacity: cheaper, may be taken away."),
    ] = None,
    ami: Annotated[
        str | None,
        typer.Option(help="The machine's image. [default: Amazon Linux 2023 with Docker]"),
    ] = None,
    login: Annotated[
        str | None, typer.Option(help="The user that the image lets in. [default: by its name]")
    ] = None,
    disk_gb: Annotated[int | None, typer.Option(min=8, help="Size of its disk.")] = None,
    zone: Annotated[
        str | None, typer.Option(help="Availability zone, or A,B to try in order. [default: any]")
    ] = None,
    subnet: Annotated[
        str | None, typer.Option(help="Subnet. [default: any of the default network]")
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="KEY=VALUE", help="A tag of yours; repeatable."),
    ] = None,
    image_way: Annotated[
        str | None,
        typer.Option(
            "--image",
            metavar="WAY",
            help="How our image gets there: build, on the machine; stream, from this computer's "
            "Docker; auto, built if the machine reaches the registries. [default: auto]",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask AWS for prices, nor the model hub.")
    ] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Bring up a machine on EC2 that serves the detector, reached over SSH and nothing else.

    What is there already stays: the same command goes on after any failure. Credentials come from
    where the AWS command line has them. The machine costs money until it ends: by itself, or by
    offload down.
    """
    from offload import bootstrap
    from offload.providers.ec2 import registry
    from offload.usecases.provision.planning import ProvisionOptions

    if image_way not in {None, "auto", "build", "stream"}:
        raise UsageError("--image takes auto, build or stream.")
    given = options.fields(context, ProvisionOptions) | {"tags": tuple(map(_pair, tags or ()))}
    configured = bootstrap.context().settings
    wish = ProvisionOptions(**given | {"name": registry.meant(configured, name)})
    bring_up(
        wish, only_plan=plan, yes=yes, as_json=as_json, quiet=quiet, verbose=verbose,
        configured=configured,
    )  # fmt: skip


def bring_up(
    wish: "ProvisionOptions",
    *,
    only_plan: bool = False,
    yes: bool = False,
    as_json: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    to_stderr: bool = False,
    configured: "Settings | None" = None,
) -> "Measurement | None":
    """Carry out a wish, having shown what it means where something is created; what was added to
    the history.
    """
    from offload import bootstrap
    from offload.domain.errors import OffloadError
    from offload.domain.events import Sent
    from offload.providers.ec2 import connection
    from offload.render import machines, messages, progress
    from offload.usecases.provision import planning, provisioning

    say = messages.Messages(quiet=quiet, verbose=verbose)
    context = bootstrap.context(say.hear, offline=wish.offline, configured=configured)
    plan = planning.planned(wish, context)
    if only_plan:
        machines.plan(plan, as_json=as_json)
        return None
    if plan.before is None:
        machines.announce(plan, quiet=quiet)
        if not yes and not consent.given("Create it?", "Creating a machine"):
            raise typer.Exit(1)
    with machines.steps(quiet) as steps, progress.transfer(Sent, quiet) as bar:
        heard, configured = (steps, bar, say.hear), context.settings
        context = bootstrap.context(*heard, offline=wish.offline, configured=configured)
        try:
            with stopping_on_interrupt(context, "Stopping after this step"):
                up = provisioning.carry_out(plan, context)
        except (OffloadError, KeyboardInterrupt) as error:
            machines.left(wish.name, provisioning.left(plan))
            if isinstance(error, KeyboardInterrupt):
                raise typer.Exit(INTERRUPTED) from error
            raise
    if to_stderr:
        context.reporter.note(machines.came_up(up))
    else:
        machines.provisioned(up, connection.billing(up.record), as_json=as_json, quiet=quiet)
    return up.measurement


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--tag takes KEY=VALUE, not {text!r}.")
    return key, value


def asked_for(
    request: "Request", say: "Messages", configured: "Settings", *, provision: bool
) -> "tuple[Measurement | None, HiredMachine | None]":
    """What `--provision` means: what was added to the history as a machine was brought up, or the
    machine that may be brought up later. Neither without it.
    """
    if not provision:
        return None, None
    from offload.domain.places import SPLIT
    from offload.drivers.folders import machine_files
    from offload.providers.ec2 import registry
    from offload.render import machines
    from offload.usecases.provision.planning import ProvisionOptions
    from offload.usecases.split.rental import HiredMachine

    if request.where == SPLIT and request.url is not None:
        raise UsageError(
            "--provision rents a machine, and --url names a server that is there.",
            hint="Leave one of the two out.",
        )
    if request.where not in {SPLIT, "remote"} or request.url is not None:
        raise UsageError(
            "--provision rents the machine that --where remote or split runs at.",
            hint="For instance: offload detect photos/ --where remote --provision",
        )
    name = registry.meant(configured, request.machine)
    machine_files.folder(configured.machines_path, name)  # it can be called so
    if request.where == SPLIT:  # while it works here
        announce = partial(machines.announce, quiet=say.quiet)
        return None, HiredMachine(name, announce, keep=request.keep)
    wish = ProvisionOptions(name=name, model=request.model, offline=request.offline)
    made = bring_up(
        wish,
        yes=True,
        quiet=say.quiet,
        verbose=say.verbose,
        to_stderr=True,
        configured=configured,
    )
    return made, None


@contextmanager
def renting(rental: "HiredMachine | None", context: "Context") -> "Iterator[list[int]]":
    """Meanwhile Ctrl-C ends the run, and what was rented for it; the second one ends all at once,
    and what is left is said. The signals that came are in the list.
    """
    if rental is None:
        yield []
        return
    from offload.render import machines
    from offload.usecases.provision import provisioning

    try:
        with stopping_on_interrupt(context) as came:
            yield came
    except KeyboardInterrupt as error:
        if rental.begun == "start":
            machines.left_running(rental.name)
        elif rental.begun is not None and rental.plan is not None:
            machines.left(rental.name, provisioning.left(rental.plan))
        raise typer.Exit(INTERRUPTED) from error
