"""The terms of the cost model: each a value we are more or less sure of, as draws."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from offload.domain.places import PlaceTraits

Draws = npt.NDArray[np.float64]
"""One number per draw. Draw i of every term belongs to the same imagined world, so terms that
places share move together.
"""
DRAWS = 500
"""Enough for a 90 % interval whose ends are sure to a few per cent of its width."""
LOW, HIGH = 0.05, 0.95
"""The quantiles between which 90 % of the draws lie."""


@dataclass(frozen=True, slots=True)
class Term:
    """One quantity: its draws and where it comes from.

    `samples` were taken until `taken_at`. `how` says what an assumption rests on, or who gave it.
    """

    draws: Draws
    origin: Literal["measured", "assumed", "given"]
    samples: int = 0
    taken_at: str | None = None
    how: str = ""

    @property
    def median(self) -> float:
        """The middle draw."""
        return float(np.median(self.draws))

    @property
    def interval(self) -> tuple[float, float]:
        """90 % of the draws lie within."""
        if np.isinf(self.draws[0]):  # a link that is none: nothing to interpolate between
            return math.inf, math.inf
        low, high = np.quantile(self.draws, (LOW, HIGH))
        return float(low), float(high)


def given(value: float, how: str) -> Term:
    """A value that somebody set."""
    return Term(np.full(DRAWS, value), "given", how=how)


def assumed(low: float, high: float, rng: np.random.Generator, how: str) -> Term:
    """A prior: log-normal, with 90 % between `low` and `high`."""
    middle = (np.log(low) + np.log(high)) / 2
    sigma = (np.log(high) - np.log(low)) / (2 * 1.6448536)
    return Term(np.exp(middle + sigma * rng.standard_normal(DRAWS)), "assumed", how=how)


SHORTEST_S = 20.0
"""Of a shard: its objects take a fraction of a second."""


@dataclass(frozen=True, slots=True)
class Shards:
    """How a job is shared by `workers` that take shards of it: by how much the seconds of one shard
    for an image differ from another's, as standard deviation over mean, and how long a shard takes
    at least.
    """

    workers: int
    spread: float = 0.0
    shortest_s: float = SHORTEST_S


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to do the job: a place in a start state, with what is sent, and its terms.

    Seconds, bytes and bytes per second. `first_s` is what the first image takes beyond an image
    later on: a new connection, the first inference. `efficiency` is the measured time per image
    over that of the slowest stage. `noise` is what one run differs from another by, a factor.
    `service_cv` and `bytes_cv` are how much images differ, as standard deviation over mean. In a
    `serial` lane the stages follow each other instead of overlapping. `init_s` is what each slot
    takes to start, where it has to. `replicas` are the servers that share its slots, None where
    that is not for anybody to choose. `usd_per_h` is what they cost where they come for the job.
    `shards` is set where an engine's workers do it.
    """

    name: str
    traits: PlaceTraits
    state: str
    slots: int
    clients: int
    in_flight: int
    startup_s: Term
    first_s: Term
    prepare_s: Term
    sent_bytes: Term
    goodput: Term
    rtt_s: Term
    service_s: Term
    download_s: Term
    efficiency: Term
    noise: Draws
    service_cv: float = 0.0
    bytes_cv: float = 0.0
    upload_max_side_px: int | None = None
    agreement: float | None = None
    choosable: bool = True
    serial: bool = False
    key: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)
    init_s: Draws | None = None
    replicas: int | None = None
    usd_per_h: float = 0.0
    shards: Shards | None = None

    @property
    def place(self) -> str:
        """The name of the place."""
        return self.traits.name

    def terms(self) -> dict[str, Term]:
        """The terms by name."""
        return {name: getattr(self, name) for name in TERMS}

    def with_terms(self, **terms: Term) -> "Candidate":
        """The lane with other values for some terms."""
        return replace(self, **terms)  # type: ignore[arg-type] # names of Term fields

    def with_replicas(self, replicas: int) -> "Candidate":
        """The lane with so many servers, each as fast as before; as it is where that cannot be."""
        if self.replicas in {None, replicas}:
            return self
        assert self.replicas is not None
        slots = max(1, self.slots // self.replicas) * replicas
        in_flight = max(1, self.in_flight - self.slots + slots)
        how = f"each as fast as with {self.replicas}"
        service_s = replace(self.service_s, origin="assumed", how=how)
        return replace(
            self, replicas=replicas, slots=slots, in_flight=in_flight, service_s=service_s
        )

    @property
    def assumptions(self) -> list[str]:
        """The names of terms that were never measured nor given."""
        return [name for name, term in self.terms().items() if term.origin == "assumed"]


TERMS = {
    "startup_s": "s",
    "first_s": "s",
    "prepare_s": "s",
    "sent_bytes": "bytes",
    "goodput": "bytes/s",
    "rtt_s": "s",
    "service_s": "s",
    "download_s": "s",
    "efficiency": "",
}
"""Every term's name and unit."""
