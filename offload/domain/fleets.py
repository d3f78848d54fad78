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
