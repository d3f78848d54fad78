"""Every run is a sample: what was predicted for it, and how it went, go into the history."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from offload.costmodel import accuracy
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.decide import Goal, Option, options
from offload.costmodel.dollars import Billing, cost_usd
from offload.costmodel.terms import Candidate
from offload.domain.errors import OffloadError
from offload.domain.measurements import Condition, Measurement, Outcome, Start, StartPhase
from offload.domain.places import StartState
from offload.drivers.host import machine
from offload.drivers.store.store import Store
from offload.places import known as known_places
from offload.usecases.advise import prices
from offload.usecases.context import Context
from offload.usecases.detect.places import condition
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
    if run.total is None or run.comes_from_store:
        return None  # its pace may be the store's
    session = run.session
    kept = known_places()[request.where].takes("keep") and StartPhase.CREATE not in session.phases
    usual = is_usual_start and "-" not in request.sources and not kept
    under = condition(session, request, context.settings, run.endpoint)
    sent_bytes, phases = samples.first_sent_bytes, dict(session.phases)
    start = Start(run.total, run.startup_s, samples.first_s, sent_bytes, phases)
    starts = (start,) if usual and bring_up is None else ()
    measurement = replace(measured(run, under, machine.now()), starts=starts)

    def compared(store: Store) -> Outcome | None:
        if not (run.complete and usual):
            return None
        known = [m for _, m in store.measurements(model=under.model.sha256) if m != bring_up]
        past = [o for o in store.outcomes() if o.model == under.model.name]
        goal = Goal(run.images, float(run.bytes))
        billing = run.endpoint.billing if run.endpoint else Billing()
        billing = replace(billing, calls=prices.of_calls(under.host, context, offline=True))
        state = bring_up.facts["from"] if bring_up else None
        if {StartPhase.INIT, StartPhase.MACHINES} & phases.keys():
            state = StartState.COLD
        lane = _lane(known, past, under, state)
        if lane is None:
            return None
        # Where a machine was brought up for the run, predictions are not as good as others.
        place = lane.name if state else under.place
        errors = {under.place: accuracy.residuals(past, place)}
        [predicted] = options([lane], goal, billing, errors)
        actual_s = np.array([run.startup_s + run.detect_s])
        actual_usd = float(cost_usd(lane, actual_s, goal.images, billing)[0])
        if billing.calls:
            started_s = phases.get(StartPhase.INIT, 0.0)
            actual_usd = billing.calls.usd(run.images, run.billed_s + started_s)
        return outcome_of(run, predicted, place, actual_usd, measurement.taken_at)

    return kept_in_store([measurement], compared, context)


def measured(run: DetectRun, under: Condition, taken_at: str) -> Measurement:
    """What a run says of one of its places, but for how it started: what came after a fleet's first
    machine.
    """
    session = run.sessions.get(under.place, run.session)
    late_s = session.phases.get(StartPhase.MACHINES, 0.0)
    images = run.samples[under.place].images
    return Measurement(
        taken_at=taken_at,
        source="run",
        condition=under,
        in_flight=session.concurrency,
        folder_images=run.images,
        folder_bytes=run.bytes,
        images=tuple(replace(i, finished_s=max(0.0, i.finished_s - late_s)) for i in images),
    )


def kept_in_store(
    measurements: Sequence[Measurement],
    compared: Callable[[Store], Outcome | None],
    context: Context,
    what: str = "run",
) -> Outcome | None:
    """Add to the history, with what the run comes to when `compared` to what was known before.
    Where that fails, the user is told that this `what` is not in it.
    """
    try:
        with context.history() as store:
            outcome = compared(store)
            for each in measurements:
                store.add(each)
            if outcome is not None:
                store.note(outcome)
            return outcome
    except OffloadError as error:
        context.reporter.warn(f"This {what} could not be recorded: {error}")
        return None


def outcome_of(
    run: DetectRun, predicted: Option, place: str, actual_usd: float, taken_at: str
) -> Outcome:
    """What was predicted of a run, and what it took."""
    return Outcome(
        taken_at=taken_at,
        key=predicted.lane.key,
        place=place,
        model=run.session.model.name,
        images=run.images,
        bytes=run.bytes,
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
    waited = run.waited_s > max(_WAITED_S, _WAITED_SHARE * run.detect_s)
    several = (request.replicas or 1) > 1  # no condition tells how many
    return not (several or request.annotate or run.failed or run.fallen_back or waited)


def _lane(
    known: Sequence[Measurement], outcomes: Sequence[Outcome], under: Condition, state: str | None
) -> Candidate | None:
    """What advice would have spoken of; of its condition alone where others hide it. None where
    that was not measured.
    """
    same = [m for m in known if m.condition.key == under.key or m.is_bring_up]
    by_hand = Overrides(slots=under.slots, network=under.network, kind=under.machine)
    ways = (lanes(each, outcomes, by_hand, known_places()) for each in (known, same))
    for lane in chain.from_iterable(ways):
        if lane.key == under.key and state in {None, lane.state}:
            return lane
    return None
