"""A job over this process and a remote place at once, each taking images as fast as it can.

Divisible load theory (Bharadwaj, Ghose and Mani 1994), for two places the intersection of lines
that Qilin looks for (Luk, Hong and Kim, MICRO 2009): places that take A + b n for n images end
together, at

    T* = (N + sum A/b) / (sum 1/b),   n = (T* - A)/b

summed over those that get any of the N images; a place that is not ready by then gets none. A is
what the first image takes less b, and b what one more does. While both work, from the later A on,
a place takes phi longer: T + phi max(0, T - max A) for what it would be done with at T.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from offload.costmodel import fit, makespan
from offload.costmodel.makespan import job_s, one_image_s, per_image_s
from offload.costmodel.terms import HIGH, LOW, TERMS, Candidate, Draws, Term, assumed
from offload.domain.measurements import Measurement
from offload.domain.places import SPLIT, PlaceTraits

_CLIENT_CORES = (0.02, 0.35)
"""Of a core, what reading, preparing and sending images takes away from inference."""
_STARVED = (0.005, 0.1)
"""What images take longer remotely where preparing and sending them waits for a core."""
_SEED = 30_000


@dataclass(frozen=True, slots=True)
class Contention:
    """By how much longer an image takes at either place while the other works too, as a share."""

    local: Term
    remote: Term


@dataclass(frozen=True, slots=True)
class Count:
    """How many images a place gets; 90 % are within `low` and `high`."""

    images: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Shares:
    """How a split job comes out, one number per draw: seconds to the last result; images that each
    place gets, and seconds until the remote one, which may get `at_most` so many, is done with its
    own, 0 without any.
    """

    seconds: Draws
    local: Draws
    remote: Draws
    remote_s: Draws
    at_most: int | None = None

    @property
    def counts(self) -> tuple[Count, Count]:
        """The images of this process, and of the other place."""
        low, middle, high = (int(q) for q in np.quantile(self.local, (LOW, 0.5, HIGH)).round())
        total = int(self.local[0] + self.remote[0])
        return Count(middle, low, high), Count(total - middle, total - high, total - low)


@dataclass(frozen=True, slots=True)
class SplitCandidate:
    """Two lanes at once. The remote one gets `at_most` so many images, if that is a number."""

    place: ClassVar[str] = SPLIT

    local: Candidate
    remote: Candidate
    contention: Contention
    at_most: int | None = None
    choosable: bool = True

    def shares(self, images: int, total_bytes: float | None = None) -> Shares:
        """How `images`, at least one, that weigh `total_bytes` (None: as those measured) come out.

        Shares are rounded both ways, and those kept with which the last result comes earlier.
        """
        image_bytes = None if total_bytes is None else total_bytes / max(1, images)
        lanes = self.local, self.remote
        slowed = np.stack([self.contention.local.draws, self.contention.remote.draws])
        each_s = np.stack([np.maximum(per_image_s(lane, image_bytes), 1e-12) for lane in lanes])
        start_s = np.stack([job_s(lane, 1, image_bytes) for lane in lanes]) - each_s
        both_s = np.maximum(0, start_s.max(axis=0))
        late_s = start_s - slowed * (both_s - start_s)
        _, there = ending_together(late_s, each_s * (1 + slowed), images)
        there = np.clip(there, 0, images if self.at_most is None else min(self.at_most, images))

        def alone_s(lane: Candidate, count: Draws) -> Draws:
            return np.where(count > 0, job_s(lane, np.maximum(count, 1), image_bytes), 0.0)

        def rounded(how: Callable[[Draws], Draws]) -> Draws:
            counts = np.stack([images - how(there), how(there)])
            ends_s = np.stack([alone_s(*each) for each in zip(lanes, counts, strict=True)])
            # The place that is done first was held up to its end, the other one for as long.
            first_s = (ends_s + slowed * np.maximum(0, ends_s - both_s)).min(axis=0)
            ends_s += slowed / (1 + slowed) * np.maximum(0, first_s - both_s)
            return np.stack([ends_s.max(axis=0), *counts, ends_s[1]])

        down, up = rounded(np.floor), rounded(np.ceil)
        seconds, here, away, away_s = np.where(down[0] <= up[0], down, up)
        return Shares(seconds, here, away, away_s, self.at_most)

    def terms(self) -> dict[str, Term]:
        """The terms that neither lane has."""
        contention = self.contention
        return {"local_contention": contention.local, "remote_contention": contention.remote}

    @property
    def name(self) -> str:
        """What the option is called."""
        return f"{SPLIT}: {self.local.name} and {self.remote.name}"

    @property
    def traits(self) -> PlaceTraits:
        """Those of the other place: what is sent away, and billed, is so there."""
        return self.remote.traits

    @property
    def state(self) -> str:
        """The start state of the other place."""
        return self.remote.state

    @property
    def slots(self) -> int:
        """How many images both work on at a time."""
        return self.local.slots + self.remote.slots

    @property
    def in_flight(self) -> int:
        """How many images are under way at a time."""
        return self.local.in_flight + self.remote.in_flight

    @property
    def upload_max_side_px(self) -> int | None:
        """What the remote place is sent."""
        return self.remote.upload_max_side_px

    @property
    def agreement(self) -> float | None:
        """How far what is found in smaller copies agrees, if those are sent."""
        return self.remote.agreement

    @property
    def key(self) -> str:
        """Of both conditions; empty if either was not measured."""
        keys = self.local.key, self.remote.key
        return " ".join(keys) if all(keys) else ""

    @property
    def assumptions(self) -> list[str]:
        """The names of terms, of both lanes too, that were never measured nor given."""
        own = [name for name, term in self.terms().items() if term.origin == "assumed"]
        return list(dict.fromkeys([*self.local.assumptions, *self.remote.assumptions, *own]))


AnyCandidate = Candidate | SplitCandidate
"""A way to do a job: a lane, or two at once."""
UNITS = {**TERMS, "local_contention": "share", "remote_contention": "share"}
"""The name and unit of every term of a way."""


def makespan_s(way: AnyCandidate, images: int, total_bytes: float | None = None) -> Draws:
    """Seconds from the command's first line to the last result, one number per draw."""
    if isinstance(way, SplitCandidate):
        return way.shares(images, total_bytes).seconds
    return makespan.makespan_s(way, images, total_bytes)


def at_uplink(way: AnyCandidate, goodput: Term) -> AnyCandidate:
    """The way with another uplink, if it uses one."""
    if isinstance(way, SplitCandidate):
        return replace(way, remote=way.remote.with_terms(goodput=goodput))
    return way.with_terms(goodput=goodput) if way.traits.uses_link else way


def ending_together(start_s: Draws, each_s: Draws, images: float) -> Draws:
    """The images that each place gets for all to end at once, where n images take a place `start_s`
    + n `each_s`; these and the result are [places, draws].
    """
    active = np.ones(start_s.shape, bool)
    for _ in start_s:
        rates = active / each_s
        end_s = (images + (rates * start_s).sum(axis=0)) / rates.sum(axis=0)
        shares: Draws = np.where(active, (end_s - start_s) / each_s, 0.0)
        active = shares > 0
    return shares


@dataclass(frozen=True, slots=True)
class Speed:
    """What is expected of a place: its rate, and what an image takes until its answer."""

    images_per_s: float
    latency_s: float


def speed(lane: Candidate, image_bytes: float | None = None, slowed: Term | None = None) -> Speed:
    """Medians; `slowed` by contention, if anything else works meanwhile."""
    longer = 1.0 if slowed is None else 1 + slowed.draws
    rate = 1 / np.median(per_image_s(lane, image_bytes) * longer)
    return Speed(float(rate), float(np.median(one_image_s(lane, image_bytes) * longer)))


def contention(
    measurements: Sequence[Measurement], local: Candidate, remote: Candidate
) -> Contention:
    """By how much longer an image takes beside the other place, as in past splits or assumed."""
    rng = np.random.default_rng(_SEED)
    low, high = (cores / local.slots for cores in _CLIENT_CORES)
    here = assumed(low, high, rng, f"sending takes 2 to 35 % of a core; local uses {local.slots}")
    there = assumed(*_STARVED, rng, "prior of sending beside inference")
    here = _measured(measurements, local, remote.place, rng) or here
    return Contention(here, _measured(measurements, remote, local.place, rng) or there)


def _measured(
    measurements: Sequence[Measurement], lane: Candidate, beside: str, rng: np.random.Generator
) -> Term | None:
    besides = [m for m in measurements if m.condition.beside == beside]
    group = [m for m in besides if replace(m.condition, beside=None).key == lane.key]

    def values(m: Measurement) -> Draws | None:
        steady = fit.steady(m, rng, in_process=lane.traits.in_process)
        if steady is None or steady.gap_s is None:
            return None
        alone_s = per_image_s(lane, float(np.median(steady.sent_bytes))) / lane.noise
        return steady.gap_s / alone_s - 1

    found = fit.Pool.of(group, rng).term(values)
    return None if found is None else replace(found, draws=np.maximum(found.draws, 0.0))
