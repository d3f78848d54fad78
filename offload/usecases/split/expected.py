"""What is expected of the other place of a split, as such places were when they were measured."""

from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.split import Speed, contention, speed
from offload.domain.places import REMOTE, StartState
from offload.domain.ports import Session
from offload.drivers.host import network
from offload.places import known as known_places
from offload.providers import Endpoint
from offload.usecases.context import Context
from offload.usecases.detect.places import condition, local_slots
from offload.usecases.detect.request import Request
from offload.usecases.history import query
from offload.usecases.provision.planning import ProvisionPlan


def expected_speed(
    session: Session, request: Request, context: Context, via: Endpoint | None, image_bytes: float
) -> Speed | None:
    """The remote place's speed beside this process; None if unknown. `via` is its machine."""
    under = condition(session, request, context.settings, via)
    known = query.of_model(session.model, under.url, context)
    slots = local_slots(request, context.settings)
    overrides = Overrides(slots=slots, network=under.network, kind=under.machine)
    candidates = lanes(known.measurements, known.outcomes, overrides, known_places())
    here = next(each for each in candidates if each.traits.in_process)
    for there in candidates:
        if there.key == under.key and there.state == StartState.WARM:
            return speed(there, image_bytes, contention(known.measurements, here, there).remote)
    return None


def startup_s(plan: ProvisionPlan, context: Context) -> float:
    """Seconds until a machine's first result, as such machines took, else assumed."""
    known = query.of_model(plan.model.identity, plan.record.label, context)
    overrides = Overrides(kind=plan.record.kind, network=network.fingerprint())
    state = StartState.ABSENT if plan.before is None else StartState.STOPPED
    candidates = lanes(known.measurements, known.outcomes, overrides, known_places())
    machine = next(each for each in candidates if each.place == REMOTE and each.state == state)
    return machine.startup_s.median + machine.first_s.median
