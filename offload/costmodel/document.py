"""An advice as JSON types."""

from dataclasses import asdict
from typing import Any

from offload.costmodel.advice import Advice
from offload.costmodel.decide import Option
from offload.costmodel.split import UNITS, SplitCandidate
from offload.costmodel.terms import Term
from offload.domain.results import SCHEMA, Json

_SAID = ("uplink_bytes_per_s", "rtt_s", "image_bytes", "slots", "state", "min_agreement")
"""What of `Given` was said, or is the machine's; the rest is where it was asked."""


def document(advice: Advice) -> Json:
    """The whole answer; documents of one schema version keep their names."""
    choice = advice.choice
    chosen = choice.chosen
    return {
        "schema": SCHEMA,
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
            "binds": chosen.binds,
            "keeps_limits": chosen.keeps_limits,
            "unit": choice.unit,
        },
        "options": [_option(advice, option) for option in advice.options],
        "break_evens": [asdict(each) for each in advice.break_evens],
        "notes": list(advice.stale),
    }


def _option(advice: Advice, option: Option) -> Json:
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
        "p_best": advice.choice.p_best.get(lane.name),
        "expected_regret": advice.choice.regret.get(lane.name),
        "slots": lane.slots,
        "in_flight": lane.in_flight,
        "terms": {name: _term(term, UNITS[name]) for name, term in lane.terms().items()},
    } | _of_split(advice, option)


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
