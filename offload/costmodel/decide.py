"""Which lane to take: the least expected loss under the limits, and with what confidence.

Draw i of every lane belongs to the same imagined world, so what lanes share cancels. The
probability of being best is the share of worlds in which a lane is, and the expected loss what
taking it loses over knowing the world beforehand (COSMOS, MobiHoc 2014, decides on risk likewise).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from offload.costmodel.accuracy import widened
from offload.costmodel.dollars import Billing, cost_usd
from offload.costmodel.makespan import binding, makespan_s
from offload.costmodel.split import AnyCandidate, Shares
from offload.costmodel.terms import HIGH, LOW, Candidate, Draws

SURE = 0.8
"""Below this probability of being best the choice is too close to call."""
_CLOSE = 0.05
"""To lose at most this share more than the best is expected to is worth being simple."""
_AVERSE = 0.9


@dataclass(frozen=True, slots=True)
class Goal:
    """The job, and what matters: `images` that weigh `total_bytes` (None: as those measured).

    Limits are in seconds and dollars. `risk` averse looks at what nine runs of ten stay below,
    instead of the mean.
    """

    images: int
    total_bytes: float | None = None
    optimize: Literal["time", "cost"] = "time"
    deadline_s: float | None = None
    max_cost_usd: float | None = None
    value_of_time_usd_per_h: float | None = None
    risk: Literal["mean", "averse"] = "mean"


@dataclass(frozen=True, slots=True)
class Option:
    """A way to do the job, and what that would take.

    `low` and `high` hold 90 %. `late_s` and `over_usd` are by how much it misses the limits, 0
    where it keeps them. `shares` are those of a split.
    """

    lane: AnyCandidate
    draws_s: Draws
    draws_usd: Draws
    seconds: float
    low_s: float
    high_s: float
    usd: float
    low_usd: float
    high_usd: float
    bottleneck: str
    late_s: float = 0.0
    over_usd: float = 0.0
    shares: Shares | None = None

    @property
    def keeps_limits(self) -> bool:
        """Whether it is expected to be in time and within the budget."""
        return not self.late_s and not self.over_usd


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do. `best` is expected to be best, `chosen` what to take: the simpler one where the
    two are too close to call. Probabilities and expected losses (in the goal's unit) are by lane
    name, of those that may be chosen.
    """

    chosen: Option
    best: Option
    too_close: bool
    p_best: dict[str, float]
    expected_loss: dict[str, float]
    unit: Literal["s", "usd"]


def options(
    lanes: Sequence[Candidate],
    goal: Goal,
    billing: Billing,
    errors: dict[str, list[float]] | None = None,
) -> list[Option]:
    """What the job would take at each lane; `errors` are past ones by place, as logarithms."""
    found = []
    for lane in lanes:
        draws_s = makespan_s(lane, goal.images, goal.total_bytes)
        draws_usd = cost_usd(lane, draws_s, goal.images, billing)
        bottleneck = binding(lane, goal.images, goal.total_bytes)
        past = (errors or {}).get(lane.place, [])
        found.append(summed(lane, draws_s, draws_usd, bottleneck, goal, past))
    return found


def summed(
    way: AnyCandidate,
    draws_s: Draws,
    draws_usd: Draws,
    bottleneck: str,
    goal: Goal,
    errors: Sequence[float],
) -> Option:
    """A way as an option, out of its draws."""
    low_s, middle_s, high_s = (float(q) for q in np.quantile(draws_s, (LOW, 0.5, HIGH)))
    low_s, high_s = widened(low_s, middle_s, high_s, errors)
    low_usd, middle_usd, high_usd = (float(q) for q in np.quantile(draws_usd, (LOW, 0.5, HIGH)))
    return Option(
        way, draws_s, draws_usd, middle_s, low_s, high_s, middle_usd, low_usd, high_usd, bottleneck,
        late_s=_excess(draws_s, goal.deadline_s, goal),
        over_usd=_excess(draws_usd, goal.max_cost_usd, goal),
    )  # fmt: skip


def _excess(draws: Draws, limit: float | None, goal: Goal) -> float:
    return 0.0 if limit is None else max(0.0, expectation(draws, goal) - limit)


def expectation(draws: Draws, goal: Goal) -> float:
    """What is weighed of something uncertain: its mean, or for the averse more."""
    return float(np.quantile(draws, _AVERSE) if goal.risk == "averse" else draws.mean())


def choose(candidates: Sequence[Option], goal: Goal) -> Choice:
    """The choice among `candidates`, of which at least one may be chosen; where none keeps the
    limits, that of the one that misses them least, relative to the limits.
    """
    eligible = [option for option in candidates if option.lane.choosable]
    within = [option for option in eligible if option.keeps_limits]
    if not within:
        within = [min(eligible, key=lambda option: _violation(option, goal))]
    losses = {option.lane.name: _loss(option, goal) for option in within}
    least = np.minimum.reduce(list(losses.values()))
    winner = np.argmin(list(losses.values()), axis=0)
    p_best = {name: float(np.mean(winner == i)) for i, name in enumerate(losses)}
    expected_loss = {name: float(np.mean(lost - least)) for name, lost in losses.items()}
    best = min(within, key=lambda option: expectation(losses[option.lane.name], goal))
    chosen, too_close = _unless_close(best, within, losses, p_best, goal)
    in_usd = goal.optimize == "cost" or goal.value_of_time_usd_per_h is not None
    return Choice(chosen, best, too_close, p_best, expected_loss, "usd" if in_usd else "s")


def _loss(option: Option, goal: Goal) -> Draws:
    """What is to be small: seconds, dollars, or dollars with an hour's value."""
    if goal.value_of_time_usd_per_h is not None:
        return option.draws_usd + goal.value_of_time_usd_per_h * option.draws_s / 3600
    if goal.optimize == "cost":
        # Between two that cost the same, the faster one: a second weighs as good as nothing.
        return option.draws_usd + 1e-9 * option.draws_s
    return option.draws_s


def _violation(option: Option, goal: Goal) -> float:
    late = option.late_s / goal.deadline_s if goal.deadline_s else 0.0
    over = option.over_usd / goal.max_cost_usd if goal.max_cost_usd else option.over_usd
    return late + over


def _unless_close(
    best: Option,
    within: Sequence[Option],
    losses: dict[str, Draws],
    p_best: dict[str, float],
    goal: Goal,
) -> tuple[Option, bool]:
    """The best, or where that is too close to call the simplest and cheapest that loses little."""
    if p_best[best.lane.name] >= SURE or len(within) == 1:
        return best, False
    bearable = (1 + _CLOSE) * expectation(losses[best.lane.name], goal)
    close = [o for o in within if expectation(losses[o.lane.name], goal) <= bearable]
    if len(close) == 1:
        return best, False
    return min(close, key=_simplicity), True


def _simplicity(option: Option) -> tuple[bool, int, bool, float]:
    lane, is_split = option.lane, option.shares is not None
    return is_split, lane.traits.simplicity, lane.upload_max_side_px is not None, option.usd
