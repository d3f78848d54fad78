"""Split runs are samples too: of either place beside the other, and of the prediction of both."""

from collections.abc import Sequence
from dataclasses import replace

from offload.costmodel import accuracy, split_option
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.decide import Goal, Option, options
from offload.costmodel.dollars import Billing
from offload.domain.measurements import Condition, Measurement, Outcome
from offload.domain.places import SPLIT
from offload.drivers.host import machine
from offload.drivers.settings import Settings
from offload.drivers.store.store import Store
from offload.places import known as known_places
from offload.usecases.context import Context
from offload.usecases.detect.places import condition
from offload.usecases.detect.record import is_plain, kept_in_store, outcome_of
from offload.usecases.detect.request import Request, alone
from offload.usecases.detect.run import DetectRun
from offload.usecases.split.forecast import View
from offload.usecases.split.members import RemoteMember
from offload.usecases.split.splitting import SplitRun

_LEAST = 8
"""Images that a place has done, if it is to say how fast it was."""


def remember(
    run: DetectRun, split: SplitRun, ended: View, request: Request, context: Context
) -> Outcome | None:
    """Add a run at both places to the history, unless the settings say not to. What a machine that
    was rented for it took is not what is predicted of one that is up; nor is anything known of a
    place that was away for a while.
    """
    member, rented = split.other, split.rental is not None
    if member is None or not context.settings.history:
        return None
    done = {place.name: place.done for place in ended.places if place.is_open}
    too_few = any(done.get(place, 0) < _LEAST for place in request.members)
    if member.times_lost or too_few or not is_plain(run, request):
        return None
    taken_at = machine.now()
    under = [_condition(run, member, place, request, context.settings) for place in request.members]
    samples = [
        Measurement(
            taken_at=taken_at,
            source="run",
            condition=each,
            in_flight=run.sessions[each.place].concurrency,
            folder_images=run.images,
            folder_bytes=run.bytes,
            images=tuple(run.samples[each.place].images),
        )
        for each in under
    ]

    def compared(store: Store) -> Outcome | None:
        if not run.complete or rented or "-" in request.sources:
            return None
        known = [m for _, m in store.measurements(model=under[0].model.sha256)]
        billing = member.via.billing if member.via else Billing()
        predicted = _prediction(known, store.outcomes(), run, under, billing)
        if predicted is None:
            return None
        return outcome_of(run, predicted, SPLIT, sum(ended.usd.values()), taken_at)

    return kept_in_store(samples, compared, context)


def _condition(
    run: DetectRun, member: RemoteMember, place: str, request: Request, configured: Settings
) -> Condition:
    via = member.via if place == request.members[1] else None
    found = condition(run.sessions[place], alone(request, place), configured, via)
    return replace(found, beside=next(each for each in request.members if each != place))


def _prediction(
    known: Sequence[Measurement],
    outcomes: Sequence[Outcome],
    run: DetectRun,
    under: Sequence[Condition],
    billing: Billing,
) -> Option | None:
    """What advice would have said of both together; None where one of them was not measured."""
    here, there = under
    past = [o for o in outcomes if o.model == here.model.name]
    goal = Goal(run.images, float(run.bytes))
    overrides = Overrides(slots=here.slots, network=there.network, kind=there.machine)
    candidates = lanes(known, past, overrides, known_places())
    together = split_option.split(candidates, known, goal, [there.place])
    key = " ".join(replace(each, beside=None).key for each in under)
    if together is None or together.key != key:
        return None
    errors = accuracy.residuals(past, SPLIT)
    return split_option.joint(together, options(candidates, goal, billing), goal, billing, errors)
