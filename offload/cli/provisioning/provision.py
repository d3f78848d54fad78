"""`offload provision`."""

from typing import TYPE_CHECKING, Annotated

import typer

from offload.cli import consent
from offload.cli.parsing import complete, options
from offload.cli.parsing.pages import App
from offload.cli.process import INTERRUPTED, stopping_on_interrupt
from offload.domain import units
from offload.domain.errors import UsageError

if TYPE_CHECKING:
    from offload.domain.measurements import Measurement
    from offload.drivers.settings import Settings
    from offload.usecases.provision.planning import ProvisionOptions

_WAYS = "auto", "build", "stream"
_YEAR_S = 365 * 86400.0


def _limit_s(text: str, *, option: str) -> float:
    """Seconds until a machine ends; 0 for never."""
    if text == "never":
        return 0.0
    seconds = units.duration_s(text, option=option)
    if seconds > _YEAR_S:
        raise UsageError(f"{option} takes a year at most.", hint=f"For no limit: {option} never")
    return seconds


app = App()
_machine = options.panel("The machine")
_cost = options.panel("Cost")


@app.callback()
def provision() -> None:
    """Rent a machine, or bring up a function, a fleet or a deployment.

    offload provision ec2 --plan
    offload provision lambda --plan
    offload provision fleet --plan
    """


@app.command()
def ec2(
    context: typer.Context,
    name: Annotated[
        str | None, _machine("--name", takes="NAME", autocompletion=complete.machines)
    ] = None,
    instance_type: Annotated[str | None, _machine("--instance-type", takes="TYPE")] = None,
    disk_gb: Annotated[int | None, _machine("--disk-gb", takes="GB", min=8)] = None,
    plan: Annotated[bool, _cost("--plan")] = False,
    yes: Annotated[bool, _cost("--yes -y")] = False,
    max_usd_per_h: Annotated[float | None, options.dollars("--max-hourly", kind=_cost)] = None,
    idle_s: Annotated[
        float | None, options.quantity("--idle", _limit_s, "TIME", kind=_cost)
    ] = None,
    lifetime_s: Annotated[
        float | None, options.quantity("--max-lifetime", _limit_s, "TIME", kind=_cost)
    ] = None,
    spot: Annotated[bool | None, _cost("--spot/--on-demand")] = None,
    model: options.Model = None,
    labels: options.Labels = None,
    region: options.Region = None,
    profile: options.Profile = None,
    zone: Annotated[str | None, options.account("--zone", takes="ZONE")] = None,
    subnet: Annotated[str | None, options.account("--subnet", takes="ID")] = None,
    allow_cidrs: Annotated[list[str] | None, options.account("--allow-cidr", takes="CIDR")] = None,
    tags: Annotated[list[str] | None, options.account("--tag", takes="KEY=VALUE")] = None,
    ami: Annotated[str | None, options.rare("--ami", takes="ID")] = None,
    login: Annotated[str | None, options.rare("--login", takes="USER")] = None,
    image_way: Annotated[
        str | None, options.rare("--container-image", **complete.one_of(*_WAYS))
    ] = None,
    price_usd_per_h: Annotated[float | None, options.dollars("--price")] = None,
    as_json: Annotated[bool, options.rare("--json")] = False,
    offline: Annotated[bool, options.rare("--offline")] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Rent an EC2 machine with a server on it, reached over SSH only.

        offload provision ec2 --plan
        offload provision ec2 --instance-type c7i.xlarge --max-hourly 0.25

    After a failure the same command continues. Credentials are those of the AWS CLI. The machine
    costs money until it ends by itself or offload down removes it.

    Parameters:
        name: Name of the machine. [default: the only one, else USER-HOST]
        instance_type: EC2 instance type; of several, like c7i.large,c7a.large, the first available.
            [default: c7i.large]
        disk_gb: Size of its disk. [default: the AMI's]
        plan: Only show what will be created and what it costs.
        yes: Do not ask before creating.
        max_usd_per_h: Maximum price per hour.
        idle_s: Idle time after which the machine ends; or never. [default: 20m]
        lifetime_s: Time after boot at which it ends in any case; or never. [default: 4h]
        spot: Spot instance: cheaper, but AWS may take it away.
        zone: Availability zone, or A,B to try in order. [default: any]
        subnet: Subnet. [default: any of the default network]
        allow_cidrs: Addresses that may connect over SSH; repeatable. [default: this computer's]
        tags: A tag of your own; repeatable.
        ami: AMI to boot. [default: Amazon Linux 2023 with Docker]
        login: SSH user of the AMI. [default: by the AMI's name]
        image_way: How the container image gets there. build: on the machine; stream: from this
            computer's Docker; auto: built if the machine reaches the registries. [default: auto]
        price_usd_per_h: Price per hour of the instance. [default: AWS's]
        as_json: JSON instead of text.
        offline: Do not ask AWS for prices, nor the model hub. [env: OFFLOAD_OFFLINE]
    """
    from offload import bootstrap
    from offload.providers.ec2 import registry
    from offload.usecases.provision.planning import ProvisionOptions

    if image_way not in {None, *_WAYS}:
        raise UsageError(f"--container-image takes {', '.join(_WAYS)}, not {image_way!r}.")
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
        say.lines(machines.plan_lines(plan))
        consent.to_create("a machine", yes=yes)
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
