"""When a split will end and what it costs, from how its places stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from offload.usecases.split.work_queue import WorkerStatus


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds from the command's first line to its last image, and dollars; None sets none."""

    deadline_s: float | None = None
    max_usd: float | None = None


@dataclass(frozen=True, slots=True)
class MachineBill:
    """What a place costs from `since_s` until `tail_s` after its last image, `least_s` at least."""

    usd_per_h: float
    since_s: float
    least_s: float = 0.0
    tail_s: float = 0.0

    def usd(self, until_s: float) -> float:
        """What it comes to if the last image is done at `until_s`."""
        billed_s = max(self.least_s, until_s - self.since_s + self.tail_s)
        return billed_s * self.usd_per_h / 3600

    def until_s(self, usd: float) -> float:
        """When the last image must be done for it to come to `usd`, or to the least there is."""
        if not self.usd_per_h:
            return inf
        billed_s = max(self.least_s, usd * 3600 / self.usd_per_h)
        return self.since_s + billed_s - self.tail_s


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds until all is done, and how many of the images that are not yet each place does."""

    seconds: float
    images: Mapping[str, float]


def forecast(left: int, places: Sequence[WorkerStatus], elsewhere: float = inf) -> Forecast | None:
    """What follows from the rates as they are; None if none is known. `left` are the images that
    nobody has taken, of which so many at most are for places `elsewhere` than here.
    """
    together = _shared(left, places)
    away = [place for place in places if not place.is_here]
    images = together.images if together else {}
    if sum(images.get(place.name, 0.0) - place.in_progress for place in away) <= elsewhere:
        return together
    here = _shared(left - elsewhere, [place for place in places if place.is_here])
    others = _shared(elsewhere, away)
    if not here or not others:
        return together
    return Forecast(max(here.seconds, others.seconds), {**here.images, **others.images})


def _shared(left: float, places: Sequence[WorkerStatus]) -> Forecast | None:
    """All places that take images end together (divisible load: Robertazzi, "Ten Reasons to Use
    Divisible Load Theory", 2003): after the images left and in progress over the sum of their
    throughputs. That includes the last image's latency, because a place has throughput times
    latency images in progress (Little, 1961). A place that needs longer for those takes no more,
    unless others would do them sooner.
    """
    rates = {place.name: place.images_per_s or 0.0 for place in places}
    late = [place for place in places if not (place.is_open and rates[place.name])]
    takers, seconds, rate_per_s = [place for place in places if place not in late], inf, 0.0
    slow = takers
    while slow:
        rate_per_s = sum(rates[place.name] for place in takers)
        seconds = (left + sum(place.in_progress for place in takers)) / rate_per_s
        slow = [p for p in takers if p.in_progress > seconds * rates[p.name] * (1 + 1e-9)]
        late, takers = late + slow, [place for place in takers if place not in slow]
    if not takers:
        return None
    alone_s = max((p.in_progress / (rates[p.name] or 1e-9) for p in late), default=0.0)
    shared_s = (left + sum(place.in_progress for place in places)) / rate_per_s
    images = {p.name: seconds * rates[p.name] for p in takers}
    images |= {p.name: float(p.in_progress) for p in late if p.in_progress}
    return Forecast(max(seconds, min(alone_s, shared_s)), images)


@dataclass(frozen=True, slots=True)
class View:
    """How a split stands, `spent_s` after the command's first line, at most until its last row: the
    images that nobody has taken, those of them that are `free` to leave, the places, what those
    that are billed come to if they end now, and what is ahead.
    """

    now_s: float
    spent_s: float
    left: int
    free: int
    places: Sequence[WorkerStatus]
    usd: Mapping[str, float]
    ahead: Forecast | None
    limits: Limits

    @property
    def left_s(self) -> float | None:
        """Seconds until all is done; None as long as no rate is known."""
        return self.ahead.seconds if self.ahead else None

    @property
    def undone(self) -> int:
        """Images without an answer."""
        return self.left + sum(place.in_progress for place in self.places)
