"""A fleet: machines that come for the images in a queue, and go when it is empty."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from offload.domain.ports import ModelIdentity
from offload.domain.typed import Amount, Id, Name, Positive, Share

INFO_KEY = "fleet.json"
"""Where a fleet's bucket says what it is."""


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
