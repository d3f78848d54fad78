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


def remember(
    run: Run, request: Request, configured: Settings, warn: Callable[[str], None]
) -> Outcome | None:
    """Add a run to the history, unless the settings say not to; its prediction beside its outcome.

    The prediction rests on what was known before. There is none for runs that were interrupted, or
    in which images failed or were done elsewhere.
    """
    if not configured.history or not run.samples.images or run.samples.first_s is None:
        return None
    session = run.tally.session
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
                run.tally.images,
                run.startup_s,
                run.samples.first_s,
                images[0].sent_bytes,
                dict(session.phases),
            ),
        ),
        images=tuple(images),
    )
    try:
        with Store.opened(configuration.store_path(configured), warn) as store:
            outcome = None
            if run.complete and not run.tally.failed and not run.tally.fallen_back:
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
    predicted = _prediction(same, of_model, goal, under)
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


def _prediction(
    same: Sequence[Measurement], outcomes: Sequence[Outcome], goal: Goal, under: Condition
) -> Option:
    lane = next(lane for lane in lanes(same, outcomes, Given()) if lane.key == under.key)
    past = {under.place: accuracy.residuals(outcomes, under.place)}
    return options([lane], goal, Billing(), past)[0]
