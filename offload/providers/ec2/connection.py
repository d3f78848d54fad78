"""The way to a rented machine's server: an SSH connection, and what to know of the machine."""

import ipaddress
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.request import getproxies

from offload.costmodel.dollars import Billing
from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.machines import SERVER_PORT, SERVER_URL, Machine
from offload.drivers.aws.ec2 import Cloud, Clouds
from offload.drivers.folders.machine_files import MachineRecord
from offload.drivers.http import web
from offload.drivers.settings import Settings
from offload.drivers.ssh.login import HostKeyChanged, SshUnreachable
from offload.drivers.ssh.tunnel import Tunnel
from offload.providers.config import Endpoint
from offload.providers.ec2 import registry
from offload.providers.ec2.registry import MachineState

if TYPE_CHECKING:
    from offload.drivers.ssh.connection import Shell

_CHECK_S = 5.0
_FIRST_S, _CONNECT_S = 4.0, 10.0
"""Seconds before the cloud is asked why a machine does not answer, and after that."""


@contextmanager
def endpoint(name: str | None, configured: Settings, clouds: Clouds) -> Iterator[Endpoint]:
    """The machine of that name, or the only one, connected to.

    Raises:
        UsageError: it is not clear which.
        PlaceUnavailable: it does not answer, and why.
    """
    local = registry.connected(configured, name)
    first = [connected(local, configured, clouds)]
    record = local.record

    def connect(timeout_s: float) -> "Shell":
        return first.pop() if first else local.connect(timeout_s)

    def gone() -> str | None:
        error = _why(local, configured, clouds)
        return str(error) if error else None

    def notice() -> str | None:
        with suppress(OffloadError):  # nothing is known where nobody can be asked
            if record.spec.spot and record.id is not None:
                return clouds(record.spec.region, record.profile).notice(record.id)
        return None

    with closing(Tunnel(connect, SERVER_PORT, gone)) as tunnel:
        yield Endpoint(
            SERVER_URL,
            local.token,
            tunnel.dial,
            record.kind.label,
            billing(record),
            notice,
            machine=record.kind,
        )


def billing(record: MachineRecord) -> Billing:
    """What the machine costs, as it did when it was brought up."""
    spec = record.spec
    how = f"{spec.instance_type} in {spec.region}, as provisioned"
    disk = (record.disk_gb, record.disk_usd_per_gb_month)
    return Billing(record.usd_per_h, how, None, spec.idle_s or 0.0, False, *disk)


def machines_of(local: MachineState, cloud: Cloud) -> list[Machine]:
    """Those of that name that are ours, by their id or their key, newest first."""
    name = local.folder.name
    found = cloud.machines(name)
    if known := [machine for machine in found if machine.id == local.record.id]:
        return known
    return found if found and local.is_ours(cloud.key_of(name)) else []


def connected(local: MachineState, configured: Settings, clouds: Clouds) -> "Shell":
    """A connection to the machine.

    Raises:
        PlaceUnavailable: it does not answer, and why.
    """
    try:
        return local.connect(_FIRST_S)
    except (SshUnreachable, HostKeyChanged) as error:  # its address may be another's by now
        failed = error
    why = _why(local, configured, clouds)
    if why is None:  # it may have another address than before, or a slow link
        with suppress(SshUnreachable):
            return local.connect(_CONNECT_S)
    raise why or PlaceUnavailable(
        f"The machine {local.folder.name} refuses SSH: {failed}",
        hint=f"To repair it: offload provision ec2 --name {local.folder.name}",
    ) from failed


def _why(local: MachineState, configured: Settings, clouds: Clouds) -> PlaceUnavailable | None:
    """Why a machine does not answer, as far as the cloud can tell; notes its present address."""
    name = local.folder.name
    try:
        cloud = clouds(local.record.spec.region, local.record.profile)
        found = machines_of(local, cloud)
        known = local.folder.record()  # somebody may have changed or removed it
    except OffloadError:  # no credentials or no network: nothing is known
        return None
    before = local.record.address
    if known is not None:
        local.keep(known.seen(found[0]) if found else replace(known, address=None))
    if not found:
        what, hint = "is gone: it ended by itself, or somebody ended it", "For another"
        if local.record.id is None:
            what, hint = "was never created", "To create it"
        return PlaceUnavailable(
            f"The machine {name} {what}.", hint=f"{hint}: offload provision ec2 --name {name}"
        )
    machine = found[0]
    if machine.state in {"stopping", "stopped"}:
        return PlaceUnavailable(
            f"The machine {name} is stopped.", hint=f"To start it: offload start {name}"
        )
    if machine.address and machine.address != before:
        return None
    return _locked_out(name, cloud, configured)


def _locked_out(name: str, cloud: Cloud, configured: Settings) -> PlaceUnavailable | None:
    """That the machine does not let in whoever is at our address, if so."""
    try:
        here = caller_cidr(configured)
        let_in = cloud.cidrs(name)
    except OffloadError:
        return None
    seen = ipaddress.ip_address(here.removesuffix("/32"))
    if any(seen in ipaddress.ip_network(cidr) for cidr in let_in):
        return None
    return PlaceUnavailable(
        f"This computer's address is {seen} now; the machine {name} lets in "
        f"{', '.join(let_in) or 'nobody'} only.",
        hint=f"To let it in: offload allow {name}",
    )


def caller_cidr(configured: Settings) -> str:
    """The IPv4 address that the world sees this computer at, as a CIDR.

    Raises:
        PlaceUnavailable: nobody says.
    """
    try:
        said = web.text(configured.checkip, _CHECK_S, as_ssh=True).strip()
        return f"{ipaddress.IPv4Address(said)}/32"
    except (web.Unreachable, ValueError) as error:
        past = " past the proxy, which SSH does not use" if getproxies() else ""
        raise PlaceUnavailable(
            f"{web.without_secrets(configured.checkip)} does not tell the address of this "
            f"computer{past}.",
            hint="To set it yourself: --allow-cidr ADDRESS/32",
        ) from error
