"""The whole answer: what was asked, every option, the choice, and where it would flip."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from offload.costmodel import accuracy, breakeven, split_option
from offload.costmodel.breakeven import BreakEven
from offload.costmodel.candidates import engines
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.candidates.engines import EngineWorkers
from offload.costmodel.decide import SURE, Choice, Goal, Option, choose, options
from offload.costmodel.dollars import Billing
from offload.costmodel.split import UNITS, SplitCandidate
from offload.costmodel.terms import Candidate, Term
from offload.domain.measurements import Measurement, Outcome
from offload.domain.places import SPLIT, KnownPlaces
from offload.domain.results import Json

_SAID = ("uplink_bytes_per_s", "rtt_s", "image_bytes", "slots", "state", "min_agreement")
"""What of `Overrides` was said, or is the machine's; the rest is where it was asked."""
_OF_LANE = ("name", "place", "state", "upload_max_side_px", "choosable", "slots", "in_flight")
_OF_OPTION = ("seconds", "usd", "bottleneck", "late_s", "over_usd")

Confidence = Literal["high", "medium", "low"]
"""That the choice is right."""
_HIGH = 0.95
_SCHEMA = 3

Single = tuple[Candidate, Option]
"""A lane, and the option that it is."""


@dataclass(frozen=True, slots=True)
class Advice:
    """An answer, from most to least important; `stale` are warnings about its measurements.

    `command` is what to type, with the model as `model_option`. `served_here` has the keys of lanes
    whose server is on this machine.
    """

    goal: Goal
    by_hand: Overrides
    billing: Billing
    model: str
    choice: Choice
    options: tuple[Option, ...]
    break_evens: tuple[BreakEven, ...]
    stale: tuple[str, ...] = ()
    command: str = ""
    model_option: str = ""
    served_here: frozenset[str] = frozenset()

    @property
    def deciding(self) -> list[Option]:
        """The options with a term that is assumed and decides: it is the chosen one's, or that of
        one which is the best in some worlds.
        """
        chosen, p_best = self.choice.chosen, self.choice.p_best
        rivals = [o for o in self.options if p_best.get(o.lane.name) and o is not chosen]
        return [option for option in (chosen, *rivals) if option.lane.assumptions]

    @property
    def confidence(self) -> Confidence:
        """Low where the choice is too close to call, misses a limit, or was not measured; high only
        where there is something to compare, and no term that decides is assumed.
        """
        choice = self.choice
        p_best, chosen = choice.p_best[choice.chosen.lane.name], choice.chosen
        if p_best < SURE or choice.too_close or not (chosen.keeps_limits and chosen.lane.key):
            return "low"
        is_high = p_best >= _HIGH and len(choice.p_best) > 1 and not self.deciding
        return "high" if is_high else "medium"

    @property
    def split(self) -> Option | None:
        """The option to split the job, if there is one."""
        return next((o for o in self.options if o.shares is not None), None)

    @property
    def usd_per_saved_s(self) -> float | None:
        """Dollars for each second a split saves over this process; None if none, or no dearer."""
        if self.split is None:
            return None
        alone = next(o for o in self.options if o.lane.traits.in_process)
        saved_s, more_usd = alone.seconds - self.split.seconds, self.split.usd - alone.usd
        return more_usd / saved_s if saved_s > 0 and more_usd > 0 else None


def advise(
    measurements: Sequence[Measurement],
    outcomes: Sequence[Outcome],
    goal: Goal,
    by_hand: Overrides,
    billing: Billing,
    model: str,
    places: KnownPlaces,
    stale: Sequence[str] = (),
    workers: Sequence[EngineWorkers] = (),
) -> Advice:
    """The answer for one job, of measurements with one model and the outcomes of past runs; a batch
    of it may be given to `workers` of engines.
    """
    ways = lanes(measurements, outcomes, by_hand, places)
    here = next((lane for lane in ways if lane.traits.in_process), None)
    if by_hand.places is None:
        ways += engines.lanes(workers, measurements, here, goal)
    errors = {o.place: accuracy.residuals(outcomes, o.place) for o in outcomes}
    candidates = options(ways, goal, billing, errors)
    singles = list(zip(ways, candidates, strict=True))
    split = split_option.split(ways, measurements, goal, by_hand.split_with)
    if split is not None and (by_hand.places is None or SPLIT in by_hand.places):
        past = errors.get(SPLIT, [])
        candidates.append(split_option.joint(split, candidates, goal, billing, past))
    choice = choose(candidates, goal)
    flips = tuple(_break_evens(singles, choice, goal, billing))
    return Advice(goal, by_hand, billing, model, choice, tuple(candidates), flips, tuple(stale))


def _break_evens(
    singles: Sequence[Single], choice: Choice, goal: Goal, billing: Billing
) -> list[BreakEven]:
    """Where the best here and the best elsewhere meet; by images for each start state there too."""
    best_here = _best(singles, choice, leaves_machine=False)
    best_there = _best(singles, choice, leaves_machine=True)
    if best_here is None or best_there is None:
        return []
    mean_bytes = None if goal.total_bytes is None else goal.total_bytes / max(1, goal.images)
    (base, here), (other, there) = best_here, best_there
    same = [lane for lane, _ in singles if lane.place == other.place and not lane.shards]
    there_too = [lane for lane in same if lane is not other]
    states = [lane for lane in there_too if lane.upload_max_side_px is None]
    by_images = [(breakeven.images(base, lane, mean_bytes), lane) for lane in (other, *states)]
    found = [
        flip
        for flip, lane in by_images
        if breakeven.is_true_of(flip, base, lane, goal.images, mean_bytes)
    ]
    if other.traits.uses_link:
        found.append(breakeven.along("uplink", base, other, goal))
    if other.traits.uses_link and other.upload_max_side_px is None:
        found.append(breakeven.along("image size", base, other, goal))
    if billing.usd_per_h:
        found.append(breakeven.value_of_hour(here, there))
        if goal.value_of_time_usd_per_h is not None and not other.traits.by_call:
            found.append(breakeven.price(here, there, billing, goal.value_of_time_usd_per_h))
    return found


def _best(singles: Sequence[Single], choice: Choice, *, leaves_machine: bool) -> Single | None:
    """The chosen option if it is on that side, else the fastest that may be chosen there."""
    side = [s for s in singles if s[0].traits.leaves_machine == leaves_machine and s[0].choosable]
    return min(side, key=lambda s: (s[1] is not choice.chosen, s[1].seconds), default=None)


def document(advice: Advice) -> Json:
    """An advice as JSON types; documents of one schema version keep their names."""
    choice = advice.choice
    chosen = choice.chosen
    return {
        "schema": _SCHEMA,
        "kind": "advice",
        "model": advice.model,
        "goal": asdict(advice.goal),
        "given": {k: v for k, v in asdict(advice.by_hand).items() if k in _SAID},
        "billing": asdict(advice.billing) | {"parts_usd_per_h": advice.billing.parts_usd_per_h()},
        "choice": {
            "where": chosen.lane.name,
            "place": chosen.lane.place,
            "state": chosen.lane.state,
            "upload_max_side_px": chosen.lane.upload_max_side_px,
            "best": choice.best.lane.name,
            "too_close_to_call": choice.too_close,
            "bottleneck": chosen.bottleneck,
            "keeps_limits": chosen.keeps_limits,
            "confidence": advice.confidence,
            "unit": choice.unit,
            "command": advice.command,
        },
        "options": [_option(advice, option) for option in advice.options],
        "break_evens": [asdict(each) for each in advice.break_evens],
        "notes": list(advice.stale),
    }


def _option(advice: Advice, option: Option) -> Json:
    lane, choice = option.lane, advice.choice
    document = {name: getattr(lane, name) for name in _OF_LANE}
    document |= {name: getattr(option, name) for name in _OF_OPTION}
    if isinstance(lane, Candidate) and lane.shards is not None:
        document["workers"] = lane.shards.workers
    return document | {
        "agreement_f1": lane.agreement,
        "on_this_machine": not lane.traits.leaves_machine or lane.key in advice.served_here,
        "seconds_interval": [option.low_s, option.high_s],
        "usd_interval": [option.low_usd, option.high_usd],
        "usd_per_1000_images": 1000 * option.usd / max(1, advice.goal.images),
        "p_best": choice.p_best.get(lane.name),
        "expected_loss": choice.expected_loss.get(lane.name),
        "terms": {name: _term(term, UNITS[name]) for name, term in lane.terms().items()},
        **_of_split(advice, option),
    }


def _of_split(advice: Advice, option: Option) -> Json:
    """What only a split has."""
    lane = option.lane
    if option.shares is None or not isinstance(lane, SplitCandidate):
        return {}
    counts = dict(zip((lane.local.place, lane.remote.place), option.shares.counts, strict=True))
    return {
        "images": {place: count.images for place, count in counts.items()},
        "images_interval": {place: [count.low, count.high] for place, count in counts.items()},
        "remote_images_at_most": option.shares.at_most,
        "usd_per_saved_s": advice.usd_per_saved_s,
    }


def _term(term: Term, unit: str) -> Json:
    endless = term.median == float("inf")
    value, interval = (None, None) if endless else (term.median, [*term.interval])
    origin = {name: getattr(term, name) for name in ("origin", "samples", "taken_at", "how")}
    return {"value": value, "interval": interval, "unit": unit, **origin}
