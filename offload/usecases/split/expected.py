"""How fast the other place of a split is expected to be, as it was when it was measured."""

from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.split.contention import contention
from offload.costmodel.split.throughput import Speed, speed
from offload.domain.ports import Session
from offload.places import known as known_places
from offload.usecases.context import Context
from offload.usecases.detect.conditions import condition, local_slots
from offload.usecases.detect.request import Request
from offload.usecases.history import query


def expected_speed(
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
    overrides = Overrides(slots=slots, network=under.network, kind=under.url)
    candidates = lanes(known.measurements, known.outcomes, overrides, known_places())
    here = next(candidate for candidate in candidates if candidate.traits.in_process)
    there = next(
        (
            candidate
            for candidate in candidates
            if candidate.key == under.key and candidate.state == "warm"
        ),
        None,
    )
    if there is None:
        return None
    return speed(there, image_bytes, contention(known.measurements, here, there).remote)
