"""Every run is a sample: what was predicted for it, and how it went, go into the history."""

import datetime
from collections.abc import Callable, Sequence

from offload.costmodel import accuracy
from offload.costmodel.decide import Goal, Option, options
from offload.costmodel.dollars import Billing
from offload.costmodel.lanes import Given, lanes
from offload.domain.errors import OffloadError
from offload.domain.measurements import Condition, Measurement, Outcome, Start
from offload.drivers.settings import Settings
from offload.drivers.store import Store
from offload.wiring import configuration
from offload.wiring.conditions import condition
from offload.wiring.detection import Run
from offload.wiring.request import Request

_WAITED_SHARE, _WAITED_S = 0.5, 0.5
"""Of its time, and in seconds, that a run may have waited for whoever reads its results: workers go
on meanwhile, so only who reads more slowly than they work holds them up.
"""


def remember(
    run: Run,
    request: Request,
    configured: Settings,
    warn: Callable[[str], None],
    *,
    is_usual_start: bool = True,
) -> Outcome | None:
    """Add a run to the history, unless the settings say not to; its prediction beside its outcome.

    The prediction rests on what was known before; a run that was interrupted has none. What took
    the time of other things than detecting says nothing: runs that annotated, had failures, or
    waited for whoever read their results. And `is_usual_start` False, as where a model was fetched
    first, or a list or a container that was there already, leaves the start-up out.
    """
    if not configured.history or run.samples.first_s is None or not _is_plain(run, request):
        return None
    session = run.tally.session
    kept = request.where == "container" and "create" not in session.phases
    usual = is_usual_start and "-" not in request.sources and not kept
    under = condition(session, request, configured)
    taken_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    images = run.samples.images
    measurement = Measurement(
        taken_at=taken_at,
        source="run",
        condition=under,
        in_flight=session.concurrency,
        folder_images=run.tally.images,
        folder_bytes=run.tally.bytes,
        starts=(
            Start(
                run.total,
                run.startup_s,
                run.samples.first_s,
                run.samples.first_sent_bytes,
                dict(session.phases),
            ),
        )
        if usual
        else (),
        images=tuple(images),
    )
    try:
        with Store.opened(configuration.store_path(configured), warn) as store:
            outcome = None
            if run.complete and usual:
                known = [m for _, m in store.measurements(model=session.model.sha256)]
                outcome = _outcome(run, under, known, store.outcomes(), taken_at)
            store.add(measurement)
            if outcome is not None:
                store.note(outcome)
            return outcome
    except OffloadError as error:
        warn(f"This run could not be remembered: {error}")
        return None


def _outcome(
    run: Run,
    under: Condition,
    known: Sequence[Measurement],
    outcomes: Sequence[Outcome],
    taken_at: str,
) -> Outcome | None:
    """The prediction for a place that was measured, beside the outcome; else None."""
    same = [m for m in known if m.condition.key == under.key]
    if not same:
        return None
    of_model = [o for o in outcomes if o.model == under.model.name]
    goal = Goal(run.tally.images, float(run.tally.bytes))
    predicted = _prediction(known, same, of_model, goal, under)
    return Outcome(
        taken_at=taken_at,
        key=under.key,
        place=under.place,
        model=under.model.name,
        images=run.tally.images,
        bytes=run.tally.bytes,
        predicted_s=predicted.seconds,
        low_s=predicted.low_s,
        high_s=predicted.high_s,
        actual_s=run.startup_s + run.detect_s,
        assumed=bool(predicted.lane.assumptions),
    )


def _is_plain(run: Run, request: Request) -> bool:
    """Whether the pace of a run was that of its place."""
    tally = run.tally
    waited = run.waited_s > max(_WAITED_S, _WAITED_SHARE * run.detect_s)
    return not (request.annotate or tally.failed or tally.fallen_back or waited)


def _prediction(
    known: Sequence[Measurement],
    same: Sequence[Measurement],
    outcomes: Sequence[Outcome],
    goal: Goal,
    under: Condition,
) -> Option:
    """What advice would have said of the lane; of its condition alone where others hide it."""
    by_hand = Given(slots=under.slots, network=under.network)
    found = (*lanes(known, outcomes, by_hand), *lanes(same, outcomes, by_hand))
    lane = next(lane for lane in found if lane.key == under.key)
    past = {under.place: accuracy.residuals(outcomes, under.place)}
    return options([lane], goal, Billing(), past)[0]
