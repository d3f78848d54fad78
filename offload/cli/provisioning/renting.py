"""What a run rents with `--provision`: before it begins, or meanwhile."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from offload.cli.process import INTERRUPTED, stopping_on_interrupt
from offload.cli.provisioning.provision import bring_up
from offload.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offload.domain.measurements import Measurement
    from offload.drivers.settings import Settings
    from offload.render.messages import Messages
    from offload.usecases.context import Context
    from offload.usecases.detect.request import Request
    from offload.usecases.split.rental import HiredMachine


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
            "--provision rents a machine; --url names a server that runs already.",
            hint="Leave one of the two out.",
        )
    if request.where not in {SPLIT, "remote"} or request.url is not None:
        raise UsageError(
            "--provision needs --where remote or split.",
            hint="For instance: offload detect photos/ --where remote --provision",
        )
    name = registry.meant(configured, request.machine)
    machine_files.folder(configured.machines_path, name)  # it can be called so
    if request.where == SPLIT:  # while it works here
        hired = HiredMachine(
            name, lambda plan: say.lines(machines.plan_lines(plan)), keep=request.keep
        )
        return None, hired
    wish = ProvisionOptions(name=name, model=request.model, offline=request.offline)
    made = bring_up(
        wish, yes=True, quiet=say.quiet, verbose=say.verbose, to_stderr=True, configured=configured
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
