"""Rented machines as this computer remembers them: which there are, keys, the way to connect."""

import datetime
import hashlib
import math
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING

from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import Machine
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineFolder, MachineRecord
from offload.drivers.host import machine as this_machine
from offload.drivers.settings import Settings
from offload.drivers.ssh.login import SshUnreachable, new_key

if TYPE_CHECKING:
    from offload.drivers.ssh.connection import Shell

SSH_PORT = 22
_LATELY_S = 600.0
_HOST_KEY = "host_key"
"""The file of a host key's private part, there until the machine has another."""


@dataclass(slots=True)
class MachineState:
    """The folder of a machine and its record."""

    folder: MachineFolder
    record: MachineRecord

    def is_ours(self, public_key: str | None) -> bool:
        """Whether its private part is here."""
        if public_key is None or not self.folder.has("key"):
            return False
        return public_key.split()[:2] == self.public_key().split()[:2]

    def public_key(self) -> str:
        """The public part of the key that the machine lets in."""
        if not self.folder.has("key"):
            pair = new_key()
            self.folder.write("key.pub", pair.public)
            self.folder.write("key", pair.private)
        return self.folder.read("key.pub")

    def user_data(self) -> str:
        """The script of its first boot, with the host key that it is known by then."""
        if not self.folder.has(_HOST_KEY):
            pair = new_key()
            self.folder.pin(pair.public)
            self.folder.write(_HOST_KEY, pair.private)
        spec, scripts = self.record.spec, resources.files("offload.drivers.aws")
        values = {
            "@HOST_KEY@": self.folder.read(_HOST_KEY).strip(),
            "@IDLE_S@": str(math.ceil(spec.idle_s or 0)),
            "@LIFETIME_S@": str(math.ceil(spec.lifetime_s or 0)),
            "@ENGINE@": (scripts / "engine.sh").read_text("utf-8").strip(),
        }
        script = (scripts / "boot.sh").read_text("utf-8")
        for placeholder, value in values.items():
            script = script.replace(placeholder, value)
        return script

    def client_token(self) -> str:
        """What makes repeated requests for this machine one."""
        text = f"{self.public_key()} {self.record.attempt}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def expires_at(self, booted: str | None = None) -> str:
        """When it ends by itself at the latest, for its tag: counted from its boot, if known."""
        if self.record.spec.lifetime_s is None:
            return "never"
        lifetime = datetime.timedelta(seconds=self.record.spec.lifetime_s)
        since = datetime.datetime.fromisoformat(booted or self.record.asked_at)
        return (since + lifetime).isoformat(timespec="seconds")

    def just_made(self) -> str | None:
        """The id of one that the cloud may not know everywhere yet."""
        asked_at = datetime.datetime.fromisoformat(self.record.asked_at)
        age = datetime.datetime.now(datetime.UTC) - asked_at
        return self.record.id if age.total_seconds() < _LATELY_S else None

    def reset(self) -> None:
        """It is gone: the next machine is another."""
        for name in (_HOST_KEY, "known_hosts"):
            self.folder.drop(name)
        record = replace(self.record, attempt=secrets.token_hex(8), asked_at=this_machine.now())
        self.keep(replace(record, id=None, address=None, ready=False))

    def seen(self, machine: Machine) -> None:
        """Remember where it is."""
        self.keep(self.record.seen(machine))

    def keep(self, record: MachineRecord) -> None:
        """Another record from now on."""
        self.record = record
        self.folder.keep(record)

    @property
    def token(self) -> str:
        """What the server there wants to know."""
        if not self.folder.has("token"):
            self.folder.write("token", secrets.token_hex(16))
        return self.folder.read("token")

    @property
    def host_key_pending(self) -> bool:
        """Whether the machine may not show its host key yet, or shows the one it was told."""
        return self.folder.has(_HOST_KEY)

    @contextmanager
    def another_host_key(self) -> Iterator[str]:
        """The private part of a new host key; meanwhile the machine may show the old one too.

        When the block ends well, only the new one is right.
        """
        pair, pinned = new_key(), self.folder.read("known_hosts").splitlines()
        self.folder.pin(*(line.partition(" ")[2] for line in pinned), pair.public)
        yield pair.private
        self.folder.pin(pair.public)
        self.folder.drop(_HOST_KEY)

    def connect(self, timeout_s: float) -> "Shell":
        """A connection to where it was last seen.

        Raises:
            SshUnreachable: it has no address, as far as is known, or does not answer.
            HostKeyChanged: something else answers.
        """
        if self.record.address is None:
            raise SshUnreachable("It has no address.")
        from offload.drivers.ssh.connection import Shell

        return Shell.connected(
            self.record.address, SSH_PORT, self.record.login, self.folder.file("key"),
            self.folder.file("known_hosts"), self.folder.alias, timeout_s,
        )  # fmt: skip


def names(configured: Settings) -> list[str]:
    """The machines that this computer knows of."""
    return [folder.name for folder in folders(configured)]


def label(configured: Settings, name: str | None) -> str | None:
    """What measurements at the machine that is meant have in common; None if none is, or not up."""
    up = [r for r in records(configured) if r.ready and r.address and name in {None, r.spec.name}]
    return up[0].kind.label if len(up) == 1 else None


def one(configured: Settings, name: str | None) -> MachineFolder:
    """The machine of that name that this computer knows of, or the only one.

    Raises:
        UsageError: there is none, or more than one.
    """
    known = [folder for folder in folders(configured) if name in {None, folder.name}]
    if len(known) == 1:
        return known[0]
    if not known:
        which = f" {name}" if name else ""
        raise UsageError(
            f"This computer knows no machine{which}.",
            hint="To list them: offload machines; to create one: offload provision ec2",
        )
    which = ", ".join(folder.name for folder in known)
    raise UsageError(f"Which machine: {which}?", hint="Give its NAME.")


def meant(configured: Settings, name: str | None) -> str:
    """What a machine that is to be there is called: that, as the only one, else as this computer.

    Raises:
        UsageError: there is more than one.
    """
    if name is None and names(configured):
        return one(configured, None).name
    return this_machine.owner() if name is None else name


def record_of(folder: MachineFolder) -> MachineRecord:
    """What is known of a machine.

    Raises:
        UsageError: nothing.
    """
    record = folder.record()
    if record is None:
        raise UsageError(
            f"There is no record of the machine {folder.name}.",
            hint=f"To create it: offload provision ec2 --name {folder.name}",
        )
    return record


def readable(folder: MachineFolder) -> MachineRecord | None:
    """What is known of a machine; None where that is nothing, or cannot be read."""
    with suppress(OffloadError):  # what cannot be read must still go
        return folder.record()
    return None


def folders(configured: Settings) -> list[MachineFolder]:
    """The machines that something is known of."""
    return machine_files.folders(configured.machines_path)


def records(configured: Settings) -> list[MachineRecord]:
    """What is known of each, as far as it can be read."""
    return [record for folder in folders(configured) if (record := readable(folder))]


def connected(configured: Settings, name: str | None) -> MachineState:
    """A machine with what it takes to connect to it."""
    folder = one(configured, name)
    return MachineState(folder, record_of(folder))
