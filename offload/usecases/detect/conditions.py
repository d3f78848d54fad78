"""What a measurement at a place depends on, as this process finds it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from offload.domain.measurements import Condition
from offload.domain.ports import Session
from offload.drivers.host import machine, network
from offload.drivers.settings import Settings
from offload.places import known
from offload.usecases.history.query import shown

if TYPE_CHECKING:
    from offload.usecases.detect.request import Request


def condition(
    session: Session, request: "Request", configured: Settings, label: str | None = None
) -> Condition:
    """The condition of what `session` is asked for on behalf of `request`; `label` stands for the
    address of a rented machine.
    """
    client, host = asdict(machine.describe()), dict(session.host)
    place = known()[request.where]
    if not place.leaves_machine:
        host["name"] = client["name"]  # a container calls itself something else every time
    slots = session.slots
    if place.in_process:  # fewer images take fewer detectors at what is the same place
        slots = max(slots, local_slots(request, configured))
    return Condition(
        model=session.model,
        place=request.where,
        client=client,
        host=host,
        slots=slots,
        url=label or (shown(request.url or configured.url or "") if place.takes("url") else None),
        network=network.fingerprint() if place.uses_link else None,
        upload_max_side_px=request.upload_max_side,
        upload_quality=request.upload_quality,
        strip_metadata=request.strip_metadata,
        cpus=request.cpus,
    )


def local_slots(request: "Request", configured: Settings) -> int:
    """How many images this process works on at a time if there are as many."""
    return request.workers or configured.workers or machine.usable_cores()
