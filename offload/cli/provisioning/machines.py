"""`offload machines`, `stop`, `start`, `allow`, `logs`, `ssh`."""

from typing import Annotated

import typer
from typer import Argument

from offload.cli.parsing import options


def machines(
    region: Annotated[list[str] | None, options.account("--region", takes="REGION")] = None,
    all_regions: Annotated[bool, options.account("--all-regions")] = False,
    profile: options.Profile = None,
    as_json: options.AsJson = False,
) -> None:
    """List machines with age, cost so far and end; functions; fleets.

    offload machines

    Parameters:
        region: Region to look in; repeatable. [default: those of known machines]
        all_regions: Look in every region of the account.
    """
    from offload import bootstrap
    from offload.render import machines as rendered
    from offload.render.messages import Messages
    from offload.usecases.provision import fleets as breathing
    from offload.usecases.provision import functions as called
    from offload.usecases.provision import machines as rented

    context, where = bootstrap.context(Messages().hear), (region or (), profile)
    parts = (
        each.listed(context, *where, everywhere=all_regions) for each in (rented, called, breathing)
    )
    rendered.listed(*parts, as_json=as_json)


def stop(name: options.Machine = None, quiet: options.Quiet = False) -> None:
    """Switch a machine off and keep its disk.

        offload stop

    It starts sooner than a new one, and costs its disk until: offload down
    """
    from offload import bootstrap
    from offload.usecases.provision import machines as rented

    machine, usd_per_month = rented.stop(bootstrap.context(), name)
    if not quiet:
        typer.echo(
            f"{machine.name} stops; its disk costs ${usd_per_month:.2f} a month until: "
            f"offload down {machine.name}"
        )


def start(
    name: options.Machine = None,
    as_json: Annotated[bool, options.result("--json")] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Start a machine that was stopped, or whose creation broke off.

    offload start

    Parameters:
        as_json: JSON instead of text.
    """
    from offload import bootstrap
    from offload.cli.provisioning.provision import bring_up
    from offload.providers.ec2 import registry
    from offload.usecases.provision.planning import ProvisionOptions

    name = registry.connected(bootstrap.context().settings, name).folder.name
    bring_up(ProvisionOptions(name=name), as_json=as_json, quiet=quiet, verbose=verbose)


def allow(
    name: options.Machine = None,
    allow_cidr: Annotated[list[str] | None, options.account("--allow-cidr", takes="CIDR")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Let this computer in after its address has changed.

        offload allow

    Every other address is shut out.

    Parameters:
        allow_cidr: Addresses to let in instead of this computer's; repeatable.
    """
    from offload import bootstrap
    from offload.usecases.provision import machines as rented

    cidrs = rented.allow(bootstrap.context(), name, allow_cidr or ())
    if not quiet:
        typer.echo(f"SSH is let in from {', '.join(cidrs)}.")


def logs(
    name: options.Machine = None,
    lines: Annotated[int, options.result("--lines -n", takes="N", min=1)] = 100,
) -> None:
    """Show the log of the server on a machine.

        offload logs -n 20

    A line per request: time, client, path, status, duration, bytes in and out.

    Parameters:
        lines: Number of lines, the last ones.
    """
    from offload import bootstrap
    from offload.render.messages import shown
    from offload.usecases.provision import machines as rented

    said = rented.logs(bootstrap.context(), name, lines)
    typer.echo("\n".join(map(shown, said.split("\n"))), nl=False)


def ssh(
    name: options.Machine = None,
    command: Annotated[list[str] | None, Argument(metavar="COMMAND")] = None,
) -> None:
    """Open a shell on a machine, or run a command there.

    offload ssh
    offload ssh ana-laptop docker ps

    Parameters:
        command: Command to run instead of a shell.
    """
    from offload import bootstrap
    from offload.usecases.provision import machines as rented

    raise typer.Exit(rented.shell(bootstrap.context(), name, command or ()))
