"""All options of an advice side by side, and what they assume."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from offload.costmodel.advice import Advice
from offload.costmodel.candidates.kinds import UNITS, AnyCandidate, SplitCandidate
from offload.costmodel.candidates.priors import STATES
from offload.costmodel.decide import Option
from offload.domain.machines import Kind
from offload.domain.places import StartState
from offload.domain.units import show_s, show_usd
from offload.render.advice.explained import NAMES
from offload.render.words import SHOW, between, percent, span, spoken

if TYPE_CHECKING:
    from rich.table import Table

_BY_HAND = {"goodput": "--uplink 20Mbit", "rtt_s": "--rtt 30ms", "sent_bytes": "--image-size 170kB"}
"""A term -> what sets it."""


def options(advice: Advice) -> "Table":
    """A line for each option: the chosen one, its rivals, then what only might be."""
    from rich.table import Table
    from rich.text import Text

    chosen = advice.choice.chosen
    ordered = sorted(advice.options, key=lambda o: (o is not chosen, not o.lane.choosable))
    columns = {
        "place": [_name(advice, o.lane) for o in ordered],
        "takes (90 %)": [seconds(o) for o in ordered],
        "costs (90 %)": [usd(o) for o in ordered],
        "best in": [_standing(advice, o) for o in ordered],
        "regret": [regret(advice, o.lane.name) for o in ordered],
        "binds": [o.binds for o in ordered],
        "agreement": ["" if (f1 := o.lane.agreement) is None else f"{f1:.2f}" for o in ordered],
    }
    table = Table(box=None, pad_edge=False)
    told = {name: cells for name, cells in columns.items() if set(cells) - {"", "$0"}}
    for name in told:
        table.add_column(name)
    for option, *cells in zip(ordered, *told.values(), strict=True):
        style = "bold" if option is chosen else "" if option.lane.choosable else "dim"
        table.add_row(*map(Text, cells), style=style)
    return table


def seconds(option: Option) -> str:
    """`2.4 s (2.2 to 2.7)`."""
    return between(option.seconds, (option.low_s, option.high_s), show_s)


def usd(option: Option) -> str:
    """`$0.004 ($0.0038 to $0.0045)`."""
    return between(option.usd, (option.low_usd, option.high_usd), show_usd)


def missed(option: Option) -> str:
    """`3.4 s late`, `$0.02 over budget`, both, or nothing."""
    late = f"{show_s(option.late_s)} late" if option.late_s else ""
    over = f"{show_usd(option.over_usd)} over budget" if option.over_usd else ""
    return " and ".join(filter(None, (late, over)))


def regret(advice: Advice, lane: str) -> str:
    """What taking the lane is expected to lose, in what the goal weighs; nothing if it may not be
    taken.
    """
    lost = advice.choice.regret.get(lane)
    if lost is None:
        return ""
    return show_s(lost) if advice.choice.unit == "s" else show_usd(lost)


def _standing(advice: Advice, option: Option) -> str:
    if not option.lane.choosable:
        return ""
    return missed(option) or percent(advice.choice.p_best[option.lane.name])


def _name(advice: Advice, lane: AnyCandidate) -> str:
    """The lane's name; of one that may not be chosen with what would have to be so."""
    if lane.choosable:
        return spoken(lane.name)
    if isinstance(lane, SplitCandidate):
        return f"{spoken(lane.name)}, if it gained more"
    if lane.place != "remote":
        return f"{lane.place}, if measured"
    if lane.upload_max_side_px is None:
        return f"{lane.place}, if {STATES[lane.state]}"
    unlike = (lane.agreement or 0.0) < advice.by_hand.min_agreement
    return f"{spoken(lane.name)}, if {'alike enough' if unlike else STATES[lane.state]}"


def assumptions(advice: Advice) -> Iterator[str]:
    """What nobody measured at places that may be chosen, and how to replace it."""
    for lane in (option.lane for option in advice.options):
        if isinstance(lane, SplitCandidate):
            yield from _contention(lane)
            continue
        command = f"offload profile PHOTOS --where {lane.place}"
        command += " --url http://HOST:8080" if lane.place == "remote" else ""
        if lane.choosable and lane.assumptions:
            terms = ", ".join(_term(lane, name) for name in lane.assumptions)
            yield f"Assumed of {spoken(lane.name)}: {terms}."
            if lane.assumptions != ["startup_s"] or lane.state in {"here", "warm"}:
                yield f"  To measure that: {command}"
            if lane.state == StartState.ABSENT and lane.startup_s.origin == "assumed":
                yield f"  To measure a start: offload provision ec2{_of_kind(advice)}"
            if by_hand := [_BY_HAND[name] for name in lane.assumptions if name in _BY_HAND]:
                yield f"  To say it: offload advise {' '.join(by_hand)}"
        elif lane.place == "container" and not lane.key:
            yield "A container is not chosen before it is measured:"
            yield f"  {command}"


def _contention(split: SplitCandidate) -> Iterator[str]:
    """What nobody measured of two places at once."""
    assumed = [name for name, term in split.terms().items() if term.origin == "assumed"]
    if split.choosable and assumed:
        terms = ", ".join(_term(split, name) for name in assumed)
        yield f"Assumed of {spoken(split.name)}: {terms}."
        yield "  To measure that: offload detect PHOTOS --where split"


def _of_kind(advice: Advice) -> str:
    kind = Kind.of(advice.by_hand.kind)
    return f" --instance-type {kind.instance_type} --region {kind.region}" if kind else ""


def _term(lane: AnyCandidate, name: str) -> str:
    return f"{NAMES[name]} {span(lane.terms()[name].interval, SHOW[UNITS[name]])}"
