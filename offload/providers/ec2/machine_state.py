"""A rented machine as this computer remembers it: keys, what a new one is told, its connection."""

import datetime
import hashlib
import math
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING

from offload.domain.machines import Machine, Spec
from offload.drivers.folders.machine_files import MachineFolder, MachineRecord
from offload.drivers.ssh import login
from offload.drivers.ssh.errors import SshUnreachable

if TYPE_CHECKING:
    from offload.drivers.ssh.connection import Shell

SSH_PORT = 22
_LATELY_S = 600.0
_HOST_KEY = "host_key"
"""The file of a host key's private part, there until the machine has another."""


@dataclass(slots=True)
class MachineState:
    """The folder of a machine and its record; what `app.renting` asks for."""

    folder: MachineFolder
    record: MachineRecord

    def is_ours(self, public_key: str | None) -> bool:
        """Whether its private part is here."""
        if public_key is None or not self.folder.has("key"):
            return False
        return public_key.split()[:2] == self.public_key().split()[:2]

    def intend(self) -> None:
        """Remember what is asked for."""
        self.keep(self.record)

    def public_key(self) -> str:
        """The public part of the key that the machine lets in."""
        if not self.folder.has("key"):
            pair = login.new_key()
            self.folder.write("key.pub", pair.public)
            self.folder.write("key", pair.private)
        return self.folder.read("key.pub")

    def user_data(self) -> str:
        """The script of its first boot, with the host key that it is known by then."""
        spec = self.record.spec
        values = {
            "@HOST_KEY@": self._host_key().strip(),
            "@IDLE_S@": str(math.ceil(spec.idle_s or 0)),
            "@LIFETIME_S@": str(math.ceil(spec.lifetime_s or 0)),
        }
        script = (resources.files("offload.drivers.aws") / "boot.sh").read_text("utf-8")
        for placeholder, value in values.items():
            script = script.replace(placeholder, value)
        return script

    def client_token(self) -> str:
        """What makes repeated requests for this machine one."""
        text = f"{self.public_key()} {self.record.attempt}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def expires_at(self) -> str:
        """When it ends by itself at the latest, reckoned from when it was first asked for."""
        return expires_at(self.record.spec, datetime.datetime.fromisoformat(self.record.asked_at))

    def had_one(self) -> bool:
        """Whether there ever was a machine."""
        return self.record.id is not None

    def just_made(self) -> str | None:
        """The id of one that the cloud may not know everywhere yet."""
        asked_at = datetime.datetime.fromisoformat(self.record.asked_at)
        age = datetime.datetime.now(datetime.UTC) - asked_at
        return self.record.id if age.total_seconds() < _LATELY_S else None

    def reset(self) -> None:
        """It is gone: the next machine is another."""
        for name in (_HOST_KEY, "known_hosts"):
            self.folder.drop(name)
        record = replace(self.record, attempt=secrets.token_hex(8), asked_at=_now())
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
        before, pair = self._pinned(), login.new_key()
        self.folder.pin(*before, pair.public)
        yield pair.private
        self.folder.pin(pair.public)
        self.folder.drop(_HOST_KEY)

    def connect(self, timeout_s: float) -> "Shell":
        """A connection to where it was last seen.

        Raises:
            ssh.Unreachable: it has no address, as far as is known, or does not answer.
            ssh.HostKeyChanged: something else answers.
        """
        if self.record.address is None:
            raise SshUnreachable("It has no address.")
        return login.connected(
            self.record.address, SSH_PORT, self.record.login, self.folder.key,
            self.folder.known_hosts, self.folder.alias, timeout_s,
        )  # fmt: skip

    def _host_key(self) -> str:
        if not self.folder.has(_HOST_KEY):
            pair = login.new_key()
            self.folder.pin(pair.public)
            self.folder.write(_HOST_KEY, pair.private)
        return self.folder.read(_HOST_KEY)

    def _pinned(self) -> list[str]:
        lines = self.folder.read("known_hosts").splitlines()
        return [line.partition(" ")[2] for line in lines]


def expires_at(spec: Spec, booted: datetime.datetime) -> str:
    """When a machine that boots then ends by itself at the latest, as its tag says it."""
    if spec.lifetime_s is None:
        return "never"
    return (booted + datetime.timedelta(seconds=spec.lifetime_s)).isoformat(timespec="seconds")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
