"""Rented machines as people handle them: listed, stopped, let in, their logs and shells.

Where the cloud does not do its part, or the machine does not answer, OffloadError says why.
"""

import datetime
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import Machine
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.folders.machine_files import MachineFolder, MachineRecord
from offload.providers.ec2 import connection, registry
from offload.providers.ec2.registry import SSH_PORT, MachineState
from offload.usecases.context import Context
from offload.usecases.provision.deploy import log_command


@dataclass(frozen=True, slots=True)
class ListedMachine:
    """A machine as `offload machines` shows it: what the cloud says, what this computer knows.

    `machine` is None where there is none any more, `record` where this computer knows of none.
    `age_s` and `usd` count from when it last began to run; a stopped one costs `usd_per_month`.
    """

    name: str
    region: str
    machine: Machine | None
    record: MachineRecord | None
    age_s: float | None = None
    usd: float | None = None
    usd_per_month: float | None = None


def listed(
    context: Context, regions: Sequence[str], profile: str | None, *, everywhere: bool = False
) -> list[ListedMachine]:
    """Every machine that carries our mark in these regions, and what this computer knows of more.

    Without regions: in the one that is configured, and where this computer knows of machines.
    """
    ours = {record.spec.name: record for record in registry.records(context.settings)}
    clouds = _clouds(context, regions, profile, list(ours.values()), everywhere=everywhere)

    def there(at: _Where) -> tuple[str, list[Machine]]:
        return at[0], (clouds[at] or context.clouds(*at)).machines()

    answers = list(each_region(sorted(clouds, key=str), there, context))
    # Two profiles may be of one account.
    found = list({machine.id: machine for _, some in answers for machine in some}.values())
    names = {machine.name for machine in found}
    rows = [_row(machine, ours.get(machine.name)) for machine in found]
    rows += [
        ListedMachine(name, record.spec.region, None, record)
        for name, record in ours.items()
        if name not in names and record.spec.region in dict(answers)
    ]
    return sorted(rows, key=lambda row: row.name)


_Where = tuple[str, str | None]
"""A region, and a profile."""


def _clouds(
    context: Context,
    regions: Sequence[str],
    profile: str | None,
    ours: Sequence[MachineRecord],
    *,
    everywhere: bool,
) -> dict[_Where, Cloud | None]:
    """Where to look, each with its cloud if that is at hand."""
    if regions:
        return dict.fromkeys((region, profile) for region in regions)
    known = {(r.spec.region, r.profile if profile is None else profile) for r in ours}
    where: dict[_Where, Cloud | None] = dict.fromkeys(known)
    # Where that is all there is, it says what is missing.
    with nullcontext() if everywhere or not ours else suppress(OffloadError):
        usual = context.clouds(None, profile)
        if everywhere:
            where |= dict.fromkeys((region, profile) for region in usual.regions())
        where[usual.region, profile] = usual
    return where


At = TypeVar("At", str, _Where)
T = TypeVar("T")


def each_region(regions: Sequence[At], ask: Callable[[At], T], context: Context) -> Iterator[T]:
    """What is answered for each region. One that refuses, as a policy may have it, is told of at
    the end; where all do, the first refusal is raised.
    """
    refusals: dict[At, OffloadError] = {}
    for region in regions:
        try:
            answer = ask(region)
        except OffloadError as error:
            refusals[region] = error
        else:
            yield answer
    for region, refusal in refusals.items():
        if len(refusals) == len(regions):
            raise refusal
        name = region if isinstance(region, str) else region[0]
        context.reporter.warn(f"The state of {name} is unknown: {refusal}")


def _row(machine: Machine, record: MachineRecord | None) -> ListedMachine:
    here = (machine.region, machine.id)
    if record is not None and (record.spec.region, record.id or machine.id) != here:
        record = None
    usd = monthly = None
    age_s = running_s(machine)
    if record is not None:
        billing = connection.billing(record)
        usd = age_s and billing.all_usd_per_h * age_s / 3600
        monthly = billing.stopped_usd_per_month
    return ListedMachine(machine.name, machine.region, machine, record, age_s, usd, monthly)


def running_s(machine: Machine) -> float | None:
    """How long it has been running, in seconds; None if it does not."""
    if machine.state not in {"pending", "running"}:
        return None
    now = datetime.datetime.now(datetime.UTC)
    return (now - datetime.datetime.fromisoformat(machine.launched_at)).total_seconds()


def stop(context: Context, name: str | None) -> tuple[Machine, float]:
    """Switch a machine off, its disk kept; what that costs a month in dollars."""
    folder = registry.one(context.settings, name)
    with folder.locked():
        record, cloud, machine = _there(context, folder)
        if machine.spot:
            raise UsageError(
                f"The machine {folder.name} is a spot instance, which cannot be stopped.",
                hint=f"To remove it: offload down {folder.name}",
            )
        cloud.stop(machine.id)
        folder.keep(replace(record, address=None))
    return machine, connection.billing(record).stopped_usd_per_month


def _there(context: Context, folder: MachineFolder) -> tuple[MachineRecord, Cloud, Machine]:
    name, record = folder.name, registry.record_of(folder)
    cloud = context.clouds(record.spec.region, record.profile)
    found = connection.machines_of(MachineState(folder, record), cloud)
    if not found:
        raise UsageError(
            f"The machine {name} no longer exists.",
            hint=f"To create one: offload provision ec2 --name {name}; to forget it: "
            f"offload down {name}",
        )
    return record, cloud, found[0]


def allow(context: Context, name: str | None, cidrs: Sequence[str]) -> tuple[str, ...]:
    """Let in whoever is at these addresses, or this computer where it is now, and nobody else."""
    folder = registry.one(context.settings, name)
    wanted = tuple(cidrs) or (connection.caller_cidr(context.settings),)
    _, cloud, _ = _there(context, folder)
    cloud.open_to(None, folder.name, wanted)  # at once: whoever holds the lock may wait for it
    with folder.locked():
        record = registry.record_of(folder)
        spec = replace(record.spec, allow_cidrs=wanted)
        folder.keep(replace(record, spec=spec, cidrs_by_hand=bool(cidrs)))
    return wanted


def logs(context: Context, name: str | None, lines: int) -> str:
    """The last that the server on a machine said."""
    local = registry.connected(context.settings, name)
    with closing(connection.connected(local, context.settings, context.clouds)) as shell:
        return shell.run(log_command(lines))


def shell(context: Context, name: str | None, command: Sequence[str]) -> int:
    """A shell on the machine, or one command there; its exit code."""
    program = shutil.which("ssh")
    if program is None:
        raise OffloadError("ssh is not installed here.", hint="sudo apt-get install openssh-client")
    local = registry.connected(context.settings, name)
    # Says why, where it does not answer.
    connection.connected(local, context.settings, context.clouds).close()
    folder = local.folder
    key, known_hosts = (
        path.replace("%", "%%") for path in map(folder.file, ("key", "known_hosts"))
    )
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f'"{known_hosts}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "HostKeyAlias": folder.alias,
        "HostKeyAlgorithms": "ssh-ed25519",
    }
    words = [program, "-F", "/dev/null", "-i", key, "-p", str(SSH_PORT)]
    words += [f"-o{option}={value}" for option, value in options.items()]
    words += ["-l", local.record.login, str(local.record.address), *command]
    return subprocess.run(words, check=False).returncode  # noqa: S603 - the user's own command
