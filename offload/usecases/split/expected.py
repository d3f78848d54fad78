"""How fast the other place of a split is expected to be, as it was when it was measured."""

from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.split.contention import contention
from offload.costmodel.split.throughput import Speed, speed
from offload.domain.ports import Session
from offload.places import known as known_places
from offload.usecases.context import Context
from offload.usecases.detect.places import condition, local_slots
from offload.usecases.detect.request import Request
from offload.usecases.history import query


def expected(
    session: Session,
    request: Request,
    context: Context,
    label: str | None,
    image_bytes: float | None,
) -> Speed | None:
    """The remote place's speed beside this process; None if it was never measured. `label` stands
    for the address of a rented machine.
    """
    configured = context.settings
    under = condition(session, request, configured, label)
    known = query.of_model(session.model, under.url, context)
    slots = local_slots(request, configured)
    by_hand = Overrides(slots=slots, network=under.network, kind=under.url)
    ways = lanes(known.measurements, known.outcomes, by_hand, known_places())
    here = next(way for way in ways if way.traits.in_process)
    there = next((way for way in ways if way.key == under.key and way.state == "warm"), None)
    if there is None:
        return None
    return speed(there, image_bytes, contention(known.measurements, here, there).remote)
