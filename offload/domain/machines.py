"""Machines that are rented, alone or as a fleet: what is asked for, what there is, what it is
reached by.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from offload.domain.ports import ModelIdentity
from offload.domain.typed import Amount, Id, Name, Positive, Share

State = Literal["pending", "running", "stopping", "stopped", "ending", "gone"]
"""Of a machine. `ending` and `gone` ones cost nothing and never come back."""

MARK = "offload:machine"
"""The tag that everything of ours carries; its value is the machine's name."""
OWNER = "offload:owner"
"""The tag with who made it at which computer, which a policy may ask for."""
EXPIRES = "offload:expires"
"""The tag with the latest time, UTC in ISO 8601, at which a machine ends by itself, or `never`."""
LOGIN = "offload:login"
"""The tag with the name of the user that the machine lets in."""
SERVER_PORT = 8080
"""The port of the machine's own loopback that our server answers on."""
SERVER_URL = f"http://127.0.0.1:{SERVER_PORT}"
INFO_KEY = "fleet.json"
"""Where a fleet's bucket says what it is."""
IMAGES, ROWS = "in/", "rows/"
"""What keys of images and of rows in it begin with; a job's own name follows."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A machine as it is asked for; None leaves the choice to the cloud.

    `login` is the user that the image lets in, `allow_cidrs` the addresses that SSH is let in from.
    `idle_s` is how long it may run with nobody connected, `lifetime_s` how long after its boot in
    any case; None means for ever. `tags` are the user's own.
    """

    name: str
    region: str
    instance_type: str
    allow_cidrs: tuple[str, ...]
    ami: str | None = None
    login: str | None = None
    disk_gb: int | None = None
    zone: str | None = None
    subnet: str | None = None
    spot: bool = False
    idle_s: float | None = 1200.0
    lifetime_s: float | None = 14400.0
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the cloud would give for a Spec: all that is looked up before anything is created.

    `arch` is `x86_64` or `arm64`, `login` the user that the image `ami` lets in, `root_device` the
    name of its disk. `has_engine` says that the image brings a Docker engine. `subnet` is None
    where any of the default network will do. `burstable` machines are fast for minutes only.
    `in_free_plan` says that AWS' Free plan has both type and image.
    """

    spec: Spec
    ami: str
    arch: str
    vcpus: int
    memory_gib: float
    root_device: str
    disk_gb: int
    login: str
    has_engine: bool
    vpc: str
    subnet: str | None = None
    burstable: bool = False
    in_free_plan: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that there is, as the cloud says. Times are UTC in ISO 8601.

    `address` is its public one while it runs. `launched_at` is when it last began to run.
    `why_ended` is what the cloud says of one that has ended.
    """

    id: str
    name: str
    region: str
    state: State
    instance_type: str
    launched_at: str
    address: str | None = None
    login: str = "ec2-user"
    expires_at: str | None = None
    zone: str | None = None
    spot: bool = False
    why_ended: str | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """Anything that carries our mark: `kind` is `instance`, `key pair`, `security group`, `volume`,
    `network interface` or `spot request`; `name` the machine and `owner` the computer that its tags
    name, which anybody can copy. `ties` are the key, group and machine that it has or is at.
    """

    kind: str
    id: str
    name: str
    region: str
    owner: str | None = None
    ties: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Kind:
    """Machines that are alike, so that what was measured at one holds for the others."""

    instance_type: str
    region: str

    @property
    def label(self) -> str:
        """What stands for the address where they are measured: `ec2:c7i.large@us-east-1`."""
        return f"ec2:{self.instance_type}@{self.region}"

    @classmethod
    def of(cls, label: str | None) -> "Kind | None":
        """The kind that a label names; None of an address, or of nothing."""
        named = re.fullmatch(r"ec2:([\w.-]+)@([\w-]+)", label or "", re.ASCII)
        return cls(*named.groups()) if named else None


@dataclass(frozen=True, slots=True)
class FleetInfo:
    """What a fleet is, as it says in its bucket.

    `version` is that of its workers, `instance_types` what its machines are, best first, of
    `vcpus` each; an hour of one costs `usd_per_h`, as assumed when it was provisioned. `most` is
    how many machines there may be. `queue_url` takes images, `dead_url` keeps what was given up.
    `asked` are the options it was provisioned with, which hold until others are given.
    """

    name: Name
    region: Name
    version: Name
    model: ModelIdentity
    labels: Mapping[Id, Name]
    min_score: Share
    instance_types: tuple[Name, ...]
    vcpus: Positive
    usd_per_h: Amount
    spot: bool
    most: Positive
    bucket: Name
    queue_url: Name
    dead_url: Name
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> ModelIdentity:
        """Which weights answer, as `domain.ports.Model` calls it."""
        return self.model


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is hidden from others for a while; it came `receives` times so far, this one
    included.
    """

    body: str
    receipt: str
    receives: int = 1


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many messages wait, and how many are hidden as somebody is at work on them; about."""

    visible: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Size:
    """Machines of a group: as many as are wanted, as work, as come up, and as there may be."""

    desired: int
    running: int
    pending: int
    most: int
