"""Split runs are samples too: of either place beside the other, and of the prediction of both."""

from collections.abc import Sequence
from dataclasses import replace

from offload.costmodel import accuracy
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.decide import Goal, Option, options
from offload.costmodel.dollars import Billing
from offload.costmodel.split import split_option
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

_LEAST = 8
"""Images that a place has done, if it is to say how fast it was."""


def remember(
    run: DetectRun,
    ended: View,
    request: Request,
    context: Context,
    *,
    rented: bool,
) -> Outcome | None:
    """Add a run at both places to the history, unless the settings say not to. What a machine that
    was `rented` for it took is not what is predicted of one that is up; nor is anything known of a
    place that was away for a while.
    """
    done = {place.name: place.done for place in ended.places if place.is_open}
    shared = all(done.get(place, 0) >= _LEAST for place in request.members)
    was_away = run.shared and run.shared.other and run.shared.other.times_lost
    if not context.settings.history or not shared or was_away or not is_plain(run, request):
        return None
    taken_at = machine.now()
    under = [_condition(run, place, request, context.settings) for place in request.members]
    samples = [_sample(run, each, taken_at) for each in under]

    def compared(store: Store) -> Outcome | None:
        if not run.complete or rented or "-" in request.sources:
            return None
        known = [m for _, m in store.measurements(model=under[0].model.sha256)]
        via = run.shared.via if run.shared else None
        billing = via.billing if via else Billing()
        predicted = _prediction(known, store.outcomes(), run, under, billing)
        if predicted is None:
            return None
        spent_usd = sum(ended.usd.values())
        return outcome_of(run, predicted, SPLIT, spent_usd, taken_at)

    return kept_in_store(samples, compared, context)


def _condition(run: DetectRun, place: str, request: Request, configured: Settings) -> Condition:
    assert run.shared is not None  # it is a split
    via = run.shared.via
    other = next(each for each in request.members if each != place)
    session = run.shared.work.sessions[place]
    label = via.label if via and place == request.member else None
    return replace(condition(session, alone(request, place), configured, label), beside=other)


def _sample(run: DetectRun, under: Condition, taken_at: str) -> Measurement:
    assert run.shared is not None
    return Measurement(
        taken_at=taken_at,
        source="run",
        condition=under,
        in_flight=run.shared.work.sessions[under.place].concurrency,
        folder_images=run.images,
        folder_bytes=run.bytes,
        images=tuple(run.samples[under.place].images),
    )


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
    by_hand = Overrides(slots=here.slots, network=there.network, kind=there.url)
    ways = lanes(known, past, by_hand, known_places())
    way = split_option.split(ways, known, goal, [there.place])
    if way is None or way.key != _key(under):
        return None
    errors = accuracy.residuals(past, SPLIT)
    return split_option.joint(way, options(ways, goal, billing), goal, billing, errors)


def _key(under: Sequence[Condition]) -> str:
    return " ".join(replace(each, beside=None).key for each in under)
