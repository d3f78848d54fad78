"""What an advice rests on that was not measured, and the commands that measure it."""

import shlex
from collections.abc import Iterator, Sequence

from offload.costmodel.advice import Advice
from offload.costmodel.candidates.priors import HERE
from offload.costmodel.split import AnyCandidate, SplitCandidate
from offload.domain.places import SPLIT, StartState
from offload.render.advice.options import NAMES, is_from_nothing, named, rows

_BY_HAND = {"sent_bytes": "--image-size 170kB", "goodput": "--uplink 20Mbit", "rtt_s": "--rtt 30ms"}
"""A term -> what sets it."""


def assumed(advice: Advice, candidate: AnyCandidate) -> str:
    """What was not measured of a candidate, in a few words."""
    if not any(option.lane.key for option in advice.options):
        return f"nothing was measured with {advice.model}"
    if not candidate.key:
        return f"{named(candidate)} was not measured"
    if isinstance(candidate, SplitCandidate):
        return f"how much the places of a {SPLIT} slow each other down is assumed"
    terms = [NAMES[name] for name in candidate.assumptions]
    are = "is" if len(terms) == 1 else "are"
    return f"{' and '.join(terms)} of {named(candidate)} {are} assumed"


def assumptions(advice: Advice, *, every: bool) -> Iterator[str]:
    """What rows of places rest on that are not there, and the commands that measure what is assumed
    of the rows, or was not measured of what is up; of `every` one also those that set it.
    """
    every_row = [option.lane for option in rows(advice, every=every)]
    shown = [lane for lane in every_row if lane.choosable]
    away = [x for x in every_row if x.traits.leaves_machine and not (x.choosable or x.key)]
    elsewhere = [lane for lane in away if is_from_nothing(lane) and not _is_batch(lane)]
    if told := list(filter(None, (_basis(advice, lane) for lane in elsewhere))):
        yield f"Assumed: {'; '.join(told)}. All assumptions: --explain"
    ready = {HERE, advice.by_hand.state} & {HERE, StartState.WARM}
    unknown = [o.lane for o in advice.options if not (o.lane.key or o.lane.traits.by_call)]
    unknown = [lane for lane in unknown if not _is_batch(lane)]
    here = [lane for lane in unknown if lane.state in ready]
    lacking = [lane for lane in shown if _is_profiled(lane)]
    if places := [p for p in dict.fromkeys(x.place for x in (*lacking, *here)) if p != SPLIT]:
        url = any("url" in lane.traits.options for lane in lacking) and not advice.by_hand.may_rent
        yield f"To measure {' and '.join(places)}:"
        yield f"  {_profile(advice, places)}{' --url http://HOST:8080' if url else ''}"
    absent = [lane for lane in shown if _is_absent(lane) and "startup_s" in lane.assumptions]
    if absent and (kind := advice.by_hand.kind):
        start = f"offload provision ec2 --instance-type {kind.instance_type} --region {kind.region}"
        place, *_ = places = [absent[0].place]
        yield f"To measure {place}:"
        yield f"  {start} && {_profile(advice, places)}"
    for lane in elsewhere:
        if lane.traits.by_call:
            start = f"offload provision {lane.place}{_model(advice)}"
            yield f"To measure {lane.place}:"
            yield f"  {start} && {_profile(advice, [lane.place])}"
    for engine in dict.fromkeys(lane.place for lane in away if _is_batch(lane)):
        yield f"To measure {engine}:"
        yield f"  offload batch PHOTOS --out URL --engine {engine}{_model(advice)}"
    names = [name for lane in shown for name in lane.assumptions]
    if every and (by_hand := [typed for name, typed in _BY_HAND.items() if name in names]):
        yield f"To set {' and '.join(NAMES[n] for n in _BY_HAND if n in names)} by hand:"
        yield f"  offload advise {' '.join(by_hand)}"


def _basis(advice: Advice, lane: AnyCandidate) -> str:
    """What is taken a place elsewhere for that is not there."""
    calls, kind = advice.billing.calls, advice.by_hand.kind
    if lane.traits.by_call and calls:
        return f"{lane.place} is {calls.how.partition(',')[0]}, {lane.slots} calls at a time"
    return f"{lane.place} is a {kind.instance_type} in {kind.region}" if kind else ""


def _profile(advice: Advice, places: Sequence[str]) -> str:
    return f"offload profile PHOTOS --where {','.join(places)}{_model(advice)}"


def _model(advice: Advice) -> str:
    return f" --model {shlex.quote(advice.model_option)}" if advice.model_option else ""


def _is_absent(lane: AnyCandidate) -> bool:
    return not isinstance(lane, SplitCandidate) and lane.state == StartState.ABSENT


def _is_batch(lane: AnyCandidate) -> bool:
    return not isinstance(lane, SplitCandidate) and lane.shards is not None


def _is_profiled(lane: AnyCandidate) -> bool:
    """Whether a profile measures what is assumed of it now; not so of another start state."""
    ready = {HERE, StartState.WARM}
    if isinstance(lane, SplitCandidate) or lane.shards is not None:
        return False
    return lane.state in ready and bool(lane.assumptions)
