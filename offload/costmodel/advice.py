"""The whole answer: what was asked, every option, the choice, and where it would flip."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from offload.costmodel import accuracy, breakeven
from offload.costmodel.breakeven import BreakEven
from offload.costmodel.decide import Choice, Goal, Option, choose, options
from offload.costmodel.dollars import Billing
from offload.costmodel.lanes import Given, lanes
from offload.costmodel.terms import TERMS, Lane, Term
from offload.domain.measurements import Measurement, Outcome
from offload.domain.results import SCHEMA, Json


@dataclass(frozen=True, slots=True)
class Advice:
    """An answer, from most to least important; `stale` are sentences about what it rests on."""

    goal: Goal
    by_hand: Given
    billing: Billing
    model: str
    choice: Choice
    options: tuple[Option, ...]
    break_evens: tuple[BreakEven, ...]
    stale: tuple[str, ...] = ()

    @property
    def rival(self) -> Option | None:
        """The best of the other options that may be chosen."""
        others = [
            o
            for o in self.options
            if o.lane.choosable and o.lane.name != self.choice.chosen.lane.name
        ]
        return min(others, key=lambda option: option.seconds, default=None)

    def to_json(self) -> Json:
        """The answer as JSON types; documents of one schema version keep their names."""
        return {
            "schema": SCHEMA,
            "kind": "advice",
            "model": self.model,
            "goal": asdict(self.goal),
            "given": {k: v for k, v in asdict(self.by_hand).items() if k in _SAID},
            "billing": asdict(self.billing) | {"parts_usd_per_h": self.billing.parts_usd_per_h()},
            "choice": {
                "where": self.choice.chosen.lane.name,
                "place": self.choice.chosen.lane.place,
                "state": self.choice.chosen.lane.state,
                "upload_max_side_px": self.choice.chosen.lane.upload_max_side_px,
                "best": self.choice.best.lane.name,
                "too_close_to_call": self.choice.too_close,
                "binds": self.choice.chosen.binds,
                "keeps_limits": self.choice.chosen.keeps_limits,
                "unit": self.choice.unit,
            },
            "options": [self._option(option) for option in self.options],
            "break_evens": [asdict(each) for each in self.break_evens],
            "notes": list(self.stale),
        }

    def _option(self, option: Option) -> Json:
        lane = option.lane
        return {
            "name": lane.name,
            "place": lane.place,
            "state": lane.state,
            "upload_max_side_px": lane.upload_max_side_px,
            "agreement_f1": lane.agreement,
            "choosable": lane.choosable,
            "seconds": option.seconds,
            "seconds_interval": [option.low_s, option.high_s],
            "usd": option.usd,
            "usd_interval": [option.low_usd, option.high_usd],
            "binds": option.binds,
            "late_s": option.late_s,
            "over_usd": option.over_usd,
            "p_best": self.choice.p_best.get(lane.name),
            "expected_regret": self.choice.regret.get(lane.name),
            "slots": lane.slots,
            "in_flight": lane.in_flight,
            "terms": {name: _term(term, TERMS[name]) for name, term in lane.terms().items()},
        }


def _term(term: Term, unit: str) -> dict[str, Any]:
    low, high = term.interval
    endless = term.median == float("inf")
    return {
        "value": None if endless else term.median,
        "interval": None if endless else [low, high],
        "unit": unit,
        "origin": term.origin,
        "samples": term.samples,
        "taken_at": term.taken_at,
        "how": term.how,
    }


_SAID = ("uplink_bytes_per_s", "rtt_s", "image_bytes", "slots", "state", "min_agreement")
"""What of `Given` was said, or is the machine's; the rest is where it was asked."""


def advise(
    measurements: Sequence[Measurement],
    outcomes: Sequence[Outcome],
    goal: Goal,
    by_hand: Given,
    billing: Billing,
    model: str,
    stale: Sequence[str] = (),
) -> Advice:
    """The answer for one job, of measurements with one model and the outcomes of past runs."""
    ways = lanes(measurements, outcomes, by_hand)
    errors = {lane.place: accuracy.residuals(outcomes, lane.place) for lane in ways}
    candidates = options(ways, goal, billing, errors)
    choice = choose(candidates, goal)
    flips = tuple(_break_evens(candidates, choice, goal, billing))
    return Advice(goal, by_hand, billing, model, choice, tuple(candidates), flips, tuple(stale))


def _break_evens(
    candidates: Sequence[Option], choice: Choice, goal: Goal, billing: Billing
) -> list[BreakEven]:
    """Where the best option here and the best one elsewhere meet; and for each start state of the
    remote place, the number of images.
    """
    here = _best(candidates, choice, remote=False)
    there = _best(candidates, choice, remote=True)
    if here is None or there is None:
        return []
    mean_bytes = None if goal.total_bytes is None else goal.total_bytes / max(1, goal.images)
    base, other = here.lane, there.lane
    found = [breakeven.images(base, other, mean_bytes)]
    found += [
        breakeven.images(base, option.lane, mean_bytes)
        for option in candidates
        if option.lane.place == "remote" and _is_state_of(option.lane, other)
    ]
    found.append(breakeven.uplink(base, other, goal))
    if other.upload_max_side_px is None:
        found.append(breakeven.image_bytes(base, other, goal))
    if billing.usd_per_h:
        found.append(breakeven.value_of_hour(here, there))
        if goal.value_of_time_usd_per_h is not None:
            worth = goal.value_of_time_usd_per_h
            found.append(breakeven.price(here, there, billing, worth))
    return found


def _is_state_of(lane: Lane, other: Lane) -> bool:
    return lane.upload_max_side_px is None and lane.name != other.name


def _best(candidates: Sequence[Option], choice: Choice, *, remote: bool) -> Option | None:
    """The chosen option if it is on that side, else the fastest that may be chosen there."""
    side = [o for o in candidates if (o.lane.place == "remote") == remote and o.lane.choosable]
    if choice.chosen in side:
        return choice.chosen
    return min(side, key=lambda option: option.seconds, default=None)
