"""Every run is a sample: what was predicted for it, and how it went, go into the history."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from offload.costmodel import accuracy
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.candidates.priors import STATES
from offload.costmodel.decide import Goal, Option, options
from offload.costmodel.dollars import Billing, cost_usd
from offload.domain.errors import OffloadError
from offload.domain.measurements import Condition, Measurement, Outcome, Start, StartPhase
from offload.drivers.store.store import Store
from offload.places import known as known_places
from offload.usecases.context import Context
from offload.usecases.detect.conditions import condition
from offload.usecases.detect.request import Request
from offload.usecases.detect.run import DetectRun

_WAITED_SHARE, _WAITED_S = 0.5, 0.5
"""Of its time, and in seconds, that a run may have waited for whoever reads its results: workers go
on meanwhile, so only who reads more slowly than they work holds them up.
"""


def remember(
    run: DetectRun,
    request: Request,
    context: Context,
    *,
    is_usual_start: bool = True,
    bring_up: Measurement | None = None,
) -> Outcome | None:
    """Add a run to the history, unless the settings say not to; its prediction beside its outcome.

    The prediction rests on what was known before; a run that was interrupted has none. What took
    the time of other things than detecting says nothing: runs that annotated, had failures, or
    waited for whoever read their results. And `is_usual_start` False, as where a model was fetched
    first, or a list or a container that was there already, leaves the start-up out.

    `bring_up` is what was added to the history when a machine was brought up for this very run: its
    seconds are part of the run's, and none of the place's own start-up.
    """
    samples = run.samples[request.where]
    if not context.settings.history or samples.first_s is None or not is_plain(run, request):
        return None
    session = run.tally.session
    kept = known_places()[request.where].takes("keep") and StartPhase.CREATE not in session.phases
    usual = is_usual_start and "-" not in request.sources and not kept
    under = condition(session, request, context.settings, run.via)
    taken_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    images = samples.images
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
                samples.first_s,
                samples.first_sent_bytes,
                dict(session.phases),
            ),
        )
        if usual and bring_up is None
        else (),
        images=tuple(images),
    )

    def compared(store: Store) -> Outcome | None:
        if not (run.complete and usual):
            return None
        found = store.measurements(model=session.model.sha256)
        known = [m for _, m in found if m != bring_up]
        job = _Job(under, run.via.billing if run.via else Billing(), bring_up)
        return _outcome(run, job, known, store.outcomes(), taken_at)

    return kept_in_store([measurement], compared, context)


def kept_in_store(
    measurements: Sequence[Measurement],
    compared: Callable[[Store], Outcome | None],
    context: Context,
) -> Outcome | None:
    """Add to the history, with what the run comes to when `compared` to what was known before."""
    try:
        with context.history() as store:
            outcome = compared(store)
            for each in measurements:
                store.add(each)
            if outcome is not None:
                store.note(outcome)
            return outcome
    except OffloadError as error:
        context.reporter.warn(f"This run could not be remembered: {error}")
        return None


@dataclass(frozen=True, slots=True)
class _Job:
    """What a run was made under, what its machine costs, and whether that was brought up for it."""

    under: Condition
    billing: Billing
    bring_up: Measurement | None

    @property
    def place(self) -> str:
        """Where it ran; where a machine was brought up for it, also what from: such predictions are
        not as good as others.
        """
        if self.bring_up is None:
            return self.under.place
        return f"{self.under.place}, {STATES[self.bring_up.facts['from']]}"


def _outcome(
    run: DetectRun,
    job: _Job,
    known: Sequence[Measurement],
    outcomes: Sequence[Outcome],
    taken_at: str,
) -> Outcome | None:
    """The prediction for a place that was measured, beside the outcome; else None."""
    under = job.under
    of_model = [o for o in outcomes if o.model == under.model.name]
    goal = Goal(run.tally.images, float(run.tally.bytes))
    predicted = _prediction(known, of_model, goal, job)
    if predicted is None:
        return None
    actual_s = np.array([run.startup_s + run.detect_s])
    [actual_usd] = cost_usd(predicted.lane, actual_s, goal.images, job.billing)
    return outcome_of(run, predicted, job.place, float(actual_usd), taken_at)


def outcome_of(
    run: DetectRun, predicted: Option, place: str, actual_usd: float, taken_at: str
) -> Outcome:
    """What was predicted of a run, and what it took."""
    return Outcome(
        taken_at=taken_at,
        key=predicted.lane.key,
        place=place,
        model=run.tally.session.model.name,
        images=run.tally.images,
        bytes=run.tally.bytes,
        predicted_s=predicted.seconds,
        low_s=predicted.low_s,
        high_s=predicted.high_s,
        actual_s=run.startup_s + run.detect_s,
        predicted_usd=predicted.usd,
        actual_usd=actual_usd,
        assumed=bool(predicted.lane.assumptions),
    )


def is_plain(run: DetectRun, request: Request) -> bool:
    """Whether the pace of a run was that of its place."""
    tally = run.tally
    waited = run.waited_s > max(_WAITED_S, _WAITED_SHARE * run.detect_s)
    several = (request.replicas or 1) > 1  # no condition tells how many
    return not (several or request.annotate or tally.failed or tally.fallen_back or waited)


def _prediction(
    known: Sequence[Measurement], outcomes: Sequence[Outcome], goal: Goal, job: _Job
) -> Option | None:
    """What advice would have said of the lane; of its condition alone where others hide it. None
    where that was not measured.
    """
    under, up = job.under, job.bring_up
    same = [m for m in known if m.condition.key == under.key or m.is_bring_up]
    by_hand = Overrides(slots=under.slots, network=under.network, kind=under.machine)
    places = known_places()
    ways = (lanes(each, outcomes, by_hand, places) for each in (known, same))
    for lane in chain.from_iterable(ways):
        if lane.key == under.key and (up is None or lane.state == up.facts["from"]):
            past = {lane.place: accuracy.residuals(outcomes, job.place)}
            return options([lane], goal, job.billing, past)[0]
    return None
