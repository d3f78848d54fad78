"""A fleet brought up and taken down: what there is stays, what lacks is made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from offload.domain.fleets import FleetInfo
from offload.domain.machines import Machine, Offer, Resource
from offload.drivers.aws.iam import Answer
from offload.drivers.aws.repositories import Repository


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """A fleet as it is asked for: up to `most` machines of what is offered, best first, at spot
    prices or not, which run the container `image`. None leaves the instance profile to us, and no
    subnets mean those of the default network.
    """

    name: str
    image: str
    offers: tuple[Offer, ...]
    most: int
    spot: bool
    instance_profile: str | None = None
    subnets: tuple[str, ...] = ()


class FleetParts(Protocol):
    """What a fleet consists of at AWS, in one account and region. Every method may raise
    OffloadError.
    """

    region: str

    def info(self, name: str) -> FleetInfo | None:
        """What the fleet says of itself, if it is there; UsageError where what is called so is not
        ours.
        """

    def repository(self, name: str, tags: Mapping[str, str]) -> Repository:
        """Where its image belongs, made if it is not there."""

    def bring_up(self, spec: FleetSpec, tags: Mapping[str, str]) -> tuple[str, str, str]:
        """Its bucket, the URLs of its queue and of that of what was given up; all is made that is
        not there, and changed that is asked for otherwise.
        """

    def tell(self, info: FleetInfo) -> None:
        """Have its bucket say what it is."""

    def fleets(self) -> list[FleetInfo]:
        """Every fleet of offload's that there is."""

    def machines(self, name: str) -> list[Machine]:
        """Those that it has now."""

    def resources(self, name: str) -> Iterator[Resource]:
        """What there is of it and carries our tag, in the order to remove it in."""

    def remove(self, resource: Resource) -> None:
        """Remove it; if it is gone already, all the better."""

    def permissions(self, name: str) -> dict[str, Answer]:
        """Each permission that looking for a fleet and all that is its own takes."""
