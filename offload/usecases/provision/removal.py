"""Taking away everything of a machine, and seeing that nothing is left."""

from collections.abc import Callable
from typing import Protocol

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.domain.machines import Resource
from offload.usecases.provision.launch import TimedOut, Waiter

_GONE_S = 300.0
_FIRST = ("spot request", "instance")
"""Kinds that others hang on: a group is in use until its machine is gone."""


class ResourceRemover(Protocol):
    """What removing asks of a cloud; `drivers.ec2.Cloud` is one."""

    def resources(self, name: str | None = None) -> list[Resource]:
        """Everything that carries our mark."""

    def remove(self, resource: Resource) -> None:
        """Take it away; what is gone is fine."""


def remove_all_of(
    name: str, cloud: ResourceRemover, patience: Waiter, told: Callable[[Resource], None]
) -> None:
    """Take away everything of a machine; `told` of each thing when it has been asked to go. When
    this ends well, nothing carries its mark.

    Raises:
        Interrupted: somebody asked to stop.
        OffloadError: something does not go.
    """
    asked: set[str] = set()
    refusals: list[OffloadError] = []

    def gone() -> bool | None:
        refusals.clear()
        left = cloud.resources(name)
        for resource in sorted(left, key=lambda each: each.kind not in _FIRST):
            if resource.id in asked:
                continue
            try:
                cloud.remove(resource)
            except OffloadError as error:  # in use until the machine is gone
                refusals.append(error)
            else:
                asked.add(resource.id)
                told(resource)
        for refusal in refusals:
            if isinstance(refusal, PlaceUnavailable):  # waiting does not help
                raise refusal
        return None if left else True

    try:
        patience.until(gone, _GONE_S, f"Not everything of the machine {name} is gone.")
    except TimedOut as error:
        why = " ".join([str(error), *map(str, refusals[:1])])
        raise OffloadError(why, hint=f"To try again: offload down {name}") from error
