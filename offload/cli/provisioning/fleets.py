"""`offload provision fleet`."""

from typing import Annotated

import typer

from offload.cli import consent
from offload.cli.parsing import options

_fleet = options.panel("The fleet")
_machine = options.panel("Its machines")


def provision(
    context: typer.Context,
    name: Annotated[str | None, _fleet("--name", takes="NAME")] = None,
    most: Annotated[int | None, options.how_many(_fleet, "--max")] = None,
    model: options.Model = None,
    plan: Annotated[bool, _fleet("--plan")] = False,
    instance_type: Annotated[str | None, _machine("--instance-type", takes="TYPE")] = None,
    spot: Annotated[bool | None, _machine("--spot/--on-demand")] = None,
    on_demand: Annotated[int | None, _machine("--on-demand-base", takes="N", min=0)] = None,
    container_image: Annotated[str | None, _machine("--container-image", takes="IMAGE")] = None,
    instance_profile: Annotated[str | None, _machine("--instance-profile", takes="NAME")] = None,
    price_usd_per_h: Annotated[float | None, options.dollars("--price", kind=_machine)] = None,
    subnet: Annotated[str | None, options.account("--subnet", takes="ID")] = None,
    region: options.Region = None,
    profile: options.Profile = None,
    yes: consent.Yes = False,
    as_json: options.AsJson = False,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Bring up a fleet on EC2: machines that come and go with the work.

        offload provision fleet --max 19 --spot --plan
        offload provision fleet --max 19 --spot

    Images wait in a queue; while none does, no machine runs. You need a Docker engine here, which
    builds the container image, or --container-image. The same command continues after any failure;
    what you leave out stays as it is.

    Parameters:
        name: Name of the fleet. [default: offload] [env: OFFLOAD_FLEET]
        most: Maximum number of machines. [default: 4, or as many as the account's quota allows]
        plan: Only show what will be created or changed, and what it costs.
        instance_type: EC2 instance type; of several, like c7i.large,c7a.large, the best available.
            [default: c7i.large]
        spot: Spot instances: cheaper, but AWS may take them away. [default: on demand]
        on_demand: With --spot: the first N machines are on demand. [default: 0]
        container_image: Use one that the machines have or can pull, instead of building it.
        instance_profile: The instance profile they run with. [default: a new one that may only use
            this fleet]
        price_usd_per_h: Price per hour of a machine. [default: AWS's]
        subnet: Subnet, or A,B for several. [default: those of the default network]
    """
    from offload import bootstrap
    from offload.domain.events import Sent
    from offload.render import messages, progress
    from offload.render.fleets import provisioning as rendered
    from offload.usecases.provision import fleet_planning
    from offload.usecases.provision import fleets as provisioning

    say = messages.Messages(quiet=quiet, verbose=verbose)
    made = bootstrap.context(say.hear, offline=offline)
    given = options.fields(context, fleet_planning.FleetOptions)
    given.setdefault("name", made.settings.fleet)
    found = fleet_planning.planned(given, made)
    if plan:
        rendered.plan(found, as_json=as_json)
        return
    if found.before is None:
        say.lines(rendered.plan_lines(found))
        consent.to_create("a fleet", yes=yes)
    with progress.phases(quiet) as phases, progress.transfer(Sent, quiet) as bar:
        made = bootstrap.context(phases, bar, say.hear, offline=offline)
        up = provisioning.carry_out(found, made)
    if not quiet:
        rendered.provisioned(up, as_json=as_json)
