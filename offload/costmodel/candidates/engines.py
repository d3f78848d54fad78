"""The lanes of engines: a batch on one, two, five, … workers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from offload.costmodel import batch, fit
from offload.costmodel.accuracy import NOISE
from offload.costmodel.candidates import priors
from offload.costmodel.decide import Goal
from offload.costmodel.fleet import Bounds, Pace
from offload.costmodel.makespan import per_image_s
from offload.costmodel.terms import (
    DRAWS,
    SHORTEST_S,
    Candidate,
    Draws,
    Shards,
    Term,
    assumed,
    given,
)
from offload.domain.measurements import Measurement
from offload.domain.places import PlaceTraits

_SEED = 21_000
_MOST_BATCHES = 5
_USUAL_SPREAD = 0.1
"""By how much shards differ, until some were measured."""
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class EngineWorkers:
    """An engine that a job may be given to: up to `most` workers, each at `usd_per_h`; a shard
    takes one of them at least `shortest_s`.
    """

    traits: PlaceTraits
    most: int = batch.MOST_WORKERS
    usd_per_h: float = 0.0
    shortest_s: float = SHORTEST_S


def lanes(
    engines: Sequence[EngineWorkers],
    measurements: Sequence[Measurement],
    here: Candidate | None,
    goal: Goal,
) -> list[Candidate]:
    """A lane for each number of workers that is worth a look, up to the one that the job is worth.
    What no batch measured of an engine's workers is taken from this process, `here`, and the lane
    may not be chosen.
    """
    return [lane for each in engines for lane in _lanes(each, measurements, here, goal)]


def _lanes(
    engine: EngineWorkers,
    measurements: Sequence[Measurement],
    here: Candidate | None,
    goal: Goal,
) -> Iterator[Candidate]:
    rng = np.random.default_rng(_SEED)
    alone = _alone(engine, _batches(engine, measurements), here, rng)
    shards = alone.shards or Shards(1)
    pace = Pace(
        1 / float(alone.service_s.draws.mean()),
        float(alone.startup_s.draws.mean()),
        engine.usd_per_h,
    )
    limits = Bounds(goal.deadline_s, goal.max_cost_usd)
    worth = batch.workers(goal.images, engine.most, pace, limits, shards)
    for number in (*_below(worth), worth):
        yield replace(
            alone,
            name=f"{alone.place}, {number} worker{'s' * (number > 1)}",
            slots=number,
            in_flight=number,
            clients=number,
            usd_per_h=number * engine.usd_per_h,
            shards=replace(shards, workers=number),
        )


def _below(worth: int) -> Iterator[int]:
    power = 1
    while power < worth:
        yield from (step * power for step in _STEPS if step * power < worth)
        power *= 10


def _batches(engine: EngineWorkers, measurements: Sequence[Measurement]) -> list[Measurement]:
    """The newest that measured it, with workers as they were the last time."""
    found = [m for m in measurements if m.source == "batch" and m.totals]
    ours = [m for m in found if m.condition.place == engine.traits.name]
    newest = sorted(ours, key=lambda m: m.taken_at, reverse=True)
    return [m for m in newest if m.condition.key == newest[0].condition.key][:_MOST_BATCHES]


def _alone(
    engine: EngineWorkers,
    batches: Sequence[Measurement],
    here: Candidate | None,
    rng: np.random.Generator,
) -> Candidate:
    """One worker."""
    nothing = given(0.0, "each worker reads from the store and writes to it")
    image_s, spread = _image_s(batches, here, rng)
    return Candidate(
        name=engine.traits.name,
        traits=engine.traits,
        state=priors.HERE,
        slots=1,
        clients=1,
        in_flight=1,
        startup_s=_startup(engine, batches, rng),
        first_s=nothing,
        prepare_s=nothing,
        sent_bytes=nothing,
        goodput=priors.NO_LINK,
        rtt_s=nothing,
        service_s=image_s,
        download_s=nothing,
        efficiency=given(1.0, "measured with the shards"),
        noise=np.exp(NOISE * rng.standard_normal(DRAWS)),
        choosable=bool(batches),
        key=batches[0].condition.key if batches else "",
        shards=Shards(1, spread, engine.shortest_s),
    )


def _image_s(
    batches: Sequence[Measurement], here: Candidate | None, rng: np.random.Generator
) -> tuple[Term, float]:
    """Seconds of a worker for an image, and by how much shards differ. Shards are resampled."""
    jobs = [job for m in batches for job in m.totals]
    if not jobs:
        return _assumed_s(here, rng), _USUAL_SPREAD
    images, took_s = np.array([(job.images, job.total_s) for job in jobs], float).T
    drawn = rng.integers(len(jobs), size=(DRAWS, len(jobs)))
    draws: Draws = took_s[drawn].sum(axis=1) / images[drawn].sum(axis=1)
    each_s = took_s / images
    spread = float(each_s.std() / each_s.mean()) if len(jobs) > 1 else _USUAL_SPREAD
    return Term(draws, "measured", len(jobs), batches[0].taken_at, "shards of batches"), spread


def _assumed_s(here: Candidate | None, rng: np.random.Generator) -> Term:
    if here is None or not here.key:
        return priors.term("inference", priors.SERVICE_S, rng)
    slower = assumed(*priors.OTHER_MACHINE, rng, "")
    draws: Draws = np.multiply(per_image_s(here), slower.draws)
    return Term(draws, "assumed", how="a worker is half to twice as slow as this machine")


def _startup(
    engine: EngineWorkers, batches: Sequence[Measurement], rng: np.random.Generator
) -> Term:
    draws = fit.medians([s.startup_s for m in batches for s in m.starts], rng)
    if draws is not None:
        count = sum(len(m.starts) for m in batches)
        return Term(draws, "measured", count, batches[0].taken_at, "first shards of batches")
    if engine.traits.rented:
        return priors.term("a machine's start", priors.MACHINES_S, rng)
    return priors.term("a worker's start", priors.LOCAL_STARTUP_S, rng)
