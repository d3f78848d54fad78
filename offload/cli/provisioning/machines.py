"""`offload machines`, `stop`, `start`, `allow`, `logs`, `ssh`."""

from typing import Annotated

import typer

from offload.cli import options


def machines(
    region: Annotated[
        list[str] | None,
        typer.Option(help="Look there; repeatable. [default: where machines are known of]"),
    ] = None,
    all_regions: Annotated[
        bool, typer.Option("--all-regions", help="Look in every region of the account.")
    ] = False,
    profile: options.Profile = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """List the machines that there are: state, age, dollars so far, when they end by themselves."""
    from offload import bootstrap
    from offload.render import machines as rendered
    from offload.usecases.provision import machines as rented

    rows = rented.listed(bootstrap.context(), region or (), profile, everywhere=all_regions)
    rendered.listed(rows, as_json=as_json)


def stop(name: options.Machine = None, quiet: options.Quiet = False) -> None:
    """Switch a machine off and keep its disk, so that it starts sooner than a new one."""
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
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Bring a machine up that was stopped, or was left half done, as it was asked for."""
    from offload import bootstrap
    from offload.cli.provisioning.provision import bring_up
    from offload.providers.ec2 import registry
    from offload.usecases.provision.planning import ProvisionOptions

    folder = registry.one(bootstrap.load(), name)
    registry.record_of(folder)
    bring_up(ProvisionOptions(name=folder.name), as_json=as_json, quiet=quiet, verbose=verbose)


def allow(
    name: options.Machine = None,
    allow_cidr: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Instead of this computer's address; repeatable."),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Let this computer in where its address has changed, and nobody else."""
    from offload import bootstrap
    from offload.usecases.provision import machines as rented

    cidrs = rented.allow(bootstrap.context(), name, allow_cidr or ())
    if not quiet:
        typer.echo(f"SSH is let in from {', '.join(cidrs)}.")


def logs(
    name: options.Machine = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="The last so many.")] = 100,
) -> None:
    """Show what the server on a machine said."""
    from offload import bootstrap
    from offload.usecases.provision import machines as rented

    typer.echo(rented.logs(bootstrap.context(), name, lines), nl=False)


def ssh(
    name: options.Machine = None,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="Instead of a shell.")
    ] = None,
) -> None:
    """Open a shell on a machine, or run a command there, with its key and host key."""
    from offload import bootstrap
    from offload.usecases.provision import machines as rented

    raise typer.Exit(rented.shell(bootstrap.context(), name, command or ()))
