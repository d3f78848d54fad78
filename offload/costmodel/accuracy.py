"""How good predictions were, and what follows for the next one's interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from offload.domain.measurements import Outcome
from offload.domain.places import PlaceTraits
from offload.domain.timing import quantile

NOISE, LINK_NOISE = 0.05, 0.1
"""Standard deviation of the logarithm of one run over the next, until runs tell; over a link."""
_PRIOR_WEIGHT = 5
"""Runs that the prior spread counts for."""
_FEWEST_CONFORMAL = 20
COVERED = 0.9


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Predictions of one place beside their outcomes.

    Errors are actual over predicted, less one; `covered` is the share of outcomes within the 90 %
    interval.
    """

    place: str
    runs: int
    median_error: float
    p90_error: float
    bias: float
    covered: float
    assumed: int


def accuracy(outcomes: Sequence[Outcome]) -> list[Accuracy]:
    """A summary for each place; predictions that rest on assumptions are counted apart."""
    found = []
    for place in dict.fromkeys(o.place for o in outcomes):
        own = [o for o in outcomes if o.place == place]
        sound = [o for o in own if not o.assumed] or own
        signed = sorted(o.actual_s / o.predicted_s - 1 for o in sound)
        errors = sorted(map(abs, signed))
        middle, high, bias = quantile(errors, 0.5), quantile(errors, 0.9), quantile(signed, 0.5)
        covered = sum(o.low_s <= o.actual_s <= o.high_s for o in sound) / len(sound)
        assumed = sum(o.assumed for o in own)
        found.append(Accuracy(place, len(sound), middle, high, bias, covered, assumed))
    return found


def residuals(outcomes: Sequence[Outcome], place: str) -> list[float]:
    """Logarithms of actual over predicted seconds at a place, where nothing was assumed."""
    return [
        math.log(o.actual_s / o.predicted_s)
        for o in outcomes
        if o.place == place and not o.assumed and o.actual_s > 0 and o.predicted_s > 0
    ]


def sigma(outcomes: Sequence[Outcome], traits: PlaceTraits) -> float:
    """Standard deviation of the logarithm of one run over its prediction: the prior's, and the more
    runs there are, theirs (the mean of squares, the prior counting for five).
    """
    prior = LINK_NOISE if traits.uses_link else NOISE
    seen = residuals(outcomes, traits.name)
    # One run that went wrong altogether says nothing of the others.
    squares = sum(min(r * r, (4 * prior) ** 2) for r in seen)
    return math.sqrt((_PRIOR_WEIGHT * prior**2 + squares) / (_PRIOR_WEIGHT + len(seen)))


def widened(low: float, middle: float, high: float, seen: Sequence[float]) -> tuple[float, float]:
    """The interval, widened where past errors ask for it, never narrowed.

    Split-conformal on |log(actual / predicted)|, with its finite-sample quantile (Vovk et al.
    2005), once there are twenty runs.
    """
    if len(seen) < _FEWEST_CONFORMAL:
        return low, high
    ordered = sorted(map(abs, seen))
    rank = min(len(ordered), math.ceil((len(ordered) + 1) * COVERED))
    reach = ordered[rank - 1]
    return min(low, middle * math.exp(-reach)), max(high, middle * math.exp(reach))
