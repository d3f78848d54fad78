"""Lanes with known terms, and profiles of pipelines with known numbers."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from offload.costmodel.terms import DRAWS, TERMS, Candidate, Term, given
from offload.domain.measurements import Condition, Measurement, Probe, Start
from tests.costmodel.simulation import Pipeline, simulate
from tests.measured import HERE, MODEL, PLACES, PROBED_BYTES, TAKEN_AT, THERE, URL

REMOTE = Pipeline(
    prepare_s=0.002, sent_bytes=170_000, bytes_per_s=2.5e6, rtt_s=0.03, service_s=0.05,
    download_s=0.001, clients=2, slots=4, in_flight=10,
)  # fmt: skip
LOCAL = Pipeline(
    prepare_s=0.0, sent_bytes=170_000, bytes_per_s=float("inf"), rtt_s=0.0, service_s=0.04,
    download_s=0.0, clients=2, slots=2, in_flight=2,
)  # fmt: skip


def lane(pipeline: Pipeline = REMOTE, place: str = "remote", **more: Any) -> Candidate:
    """The lane of a pipeline of which everything is known; `more` are other fields of it, terms as
    numbers.
    """
    known: dict[str, Any] = {
        "name": place,
        "traits": PLACES[place],
        "state": "warm" if place == "remote" else "here",
        "startup_s": 0.0,
        "first_s": 0.0,
        "goodput": pipeline.bytes_per_s,
        "efficiency": 1.0,
        "noise": np.ones(DRAWS),
        **{
            name: getattr(pipeline, name)
            for name in (
                "prepare_s", "sent_bytes", "rtt_s", "service_s", "download_s", "clients", "slots",
                "in_flight",
            )
        },
        **more,
    }  # fmt: skip
    terms = {name: given(float(known[name]), "known") for name in TERMS}
    return Candidate(**known | terms)


def blurred(lane: Candidate, spread: float, seed: int) -> Candidate:
    """The lane with every term's draws log-normal about what they were."""
    rng = np.random.default_rng(seed)
    terms = {
        name: Term(term.draws * np.exp(spread * rng.standard_normal(DRAWS)), "measured", 10)
        for name, term in lane.terms().items()
    }
    return replace(lane.with_terms(**terms), noise=np.exp(spread * rng.standard_normal(DRAWS)))


@dataclass(frozen=True, slots=True)
class Sketch:
    """A lane in few numbers: its draws have a standard deviation of about `spread`, its images one
    of `cv`.
    """

    pipeline: Pipeline = REMOTE
    place: str = "remote"
    state: str = "warm"
    startup_s: float = 0.5
    first_s: float = 0.1
    efficiency: float = 1.0
    cv: float = 0.0
    spread: float = 0.0
    seed: int = 0

    def lane(self) -> Candidate:
        """The lane itself."""
        elsewhere = self.place == "remote"
        known = lane(
            self.pipeline, self.place, state=self.state if elsewhere else "here",
            startup_s=self.startup_s, first_s=self.first_s, efficiency=self.efficiency,
            service_cv=self.cv, bytes_cv=self.cv if elsewhere else 0.0,
        )  # fmt: skip
        return blurred(known, self.spread, self.seed)


def profile(
    pipeline: Pipeline = REMOTE,
    place: str = "remote",
    *,
    images: int = 60,
    cv: float = 0.1,
    seed: int = 0,
    startup_s: float = 0.5,
    first_s: float = 0.1,
    starts: int = 5,
    round_trips: int = 10,
    taken_at: str = TAKEN_AT,
    probed_bytes: Sequence[int] = PROBED_BYTES * 2,
) -> Measurement:
    """What profiling a pipeline gives: images, probes and starts that differ by `cv`; a start's
    first image takes `first_s` longer than the others.
    """
    luck = random.Random(seed)

    def about(value: float) -> float:
        return value * max(0.1, luck.gauss(1, cv))

    elsewhere = place == "remote"
    upload_s = pipeline.sent_bytes / pipeline.bytes_per_s
    latency_s = (
        pipeline.prepare_s + upload_s + pipeline.rtt_s + pipeline.service_s + pipeline.download_s
    )
    probes = [Probe("rtt", 0, about(pipeline.rtt_s)) for _ in range(round_trips)] + [
        Probe("up", size, about(pipeline.rtt_s + size / pipeline.bytes_per_s))
        for size in probed_bytes
    ]
    return Measurement(
        taken_at=taken_at,
        source="profile",
        condition=Condition(
            MODEL, place, HERE, THERE if elsewhere else HERE, pipeline.slots,
            url=URL if elsewhere else None,
        ),
        in_flight=pipeline.in_flight,
        starts=tuple(
            Start(1, about(startup_s), first_s + about(latency_s), round(pipeline.sent_bytes))
            for _ in range(starts)
        ),
        images=tuple(simulate(pipeline, images, cv, seed)),
        probes=tuple(probes) if elsewhere else (),
    )  # fmt: skip
