"""All options of an advice side by side, and what they assume."""

from collections.abc import Iterator

from offload.costmodel.advice import Advice
from offload.costmodel.candidates.priors import STATES
from offload.costmodel.decide import Option
from offload.costmodel.split import UNITS, AnyCandidate, SplitCandidate
from offload.domain.places import StartState
from offload.domain.units import show_s, show_usd
from offload.render import tables
from offload.render.advice.explained import NAMES
from offload.render.words import SHOW, between, percent, span, spoken

_BY_HAND = {"goodput": "--uplink 20Mbit", "rtt_s": "--rtt 30ms", "sent_bytes": "--image-size 170kB"}
"""A term -> what sets it."""


def show(advice: Advice) -> None:
    """A line for each option: the chosen one, its rivals, then what only might be."""
    chosen = advice.choice.chosen
    ordered = sorted(advice.options, key=lambda o: (o is not chosen, not o.lane.choosable))
    columns = {
        "place": [_name(advice, o.lane) for o in ordered],
        "takes (90 %)": [seconds(o) for o in ordered],
        "costs (90 %)": [usd(o) for o in ordered],
        "confidence": [_standing(advice, o) for o in ordered],
        "regret": [regret(advice, o.lane.name) for o in ordered],
        "bottleneck": [o.binds for o in ordered],
        "agreement": ["" if (f1 := o.lane.agreement) is None else f"{f1:.2f}" for o in ordered],
    }
    told = {name: cells for name, cells in columns.items() if set(cells) - {"", "$0"}}
    styles = ["bold" if o is chosen else "" if o.lane.choosable else "dim" for o in ordered]
    tables.print_table([*told], zip(*told.values(), strict=True), folded=told, styles=styles)


def seconds(option: Option) -> str:
    """`3.4 s (3.1 to 4.0)`."""
    return between(option.seconds, (option.low_s, option.high_s), show_s)


def usd(option: Option) -> str:
    """`$0.004 ($0.0038 to $0.0045)`."""
    return between(option.usd, (option.low_usd, option.high_usd), show_usd)


def missed(option: Option) -> str:
    """`3.4 s late`, `$0.02 over budget`, both, or nothing."""
    late = f"{show_s(option.late_s)} late" if option.late_s else ""
    over = f"{show_usd(option.over_usd)} over budget" if option.over_usd else ""
    return " and ".join(filter(None, (late, over)))


def regret(advice: Advice, candidate: str) -> str:
    """What taking the candidate is expected to lose, in what the goal weighs; nothing if it may not
    be taken.
    """
    lost = advice.choice.regret.get(candidate)
    if lost is None:
        return ""
    return show_s(lost) if advice.choice.unit == "s" else show_usd(lost)


def _standing(advice: Advice, option: Option) -> str:
    if not option.lane.choosable:
        return ""
    return missed(option) or percent(advice.choice.p_best[option.lane.name])


def _name(advice: Advice, candidate: AnyCandidate) -> str:
    """The candidate's name; of one that may not be chosen with what would have to be so."""
    name = spoken(candidate.name)
    if candidate.choosable:
        return name
    if isinstance(candidate, SplitCandidate):
        return f"{name}, if it gained more"
    state = STATES.get(candidate.state)
    if state is None:
        return f"{candidate.place}, if measured"
    if candidate.upload_max_side_px is None:
        return f"{candidate.place}, if {state}"
    unlike = (candidate.agreement or 0.0) < advice.by_hand.min_agreement
    return f"{name}, if {'alike enough' if unlike else state}"


def assumptions(advice: Advice) -> Iterator[str]:
    """What nobody measured at places that may be chosen, and how to replace it."""
    for candidate in (option.lane for option in advice.options):
        if candidate.choosable and candidate.assumptions:
            yield from _assumed(advice, candidate)
        elif not (candidate.choosable or candidate.key or candidate.traits.leaves_machine):
            yield f"{candidate.place.capitalize()} is not chosen before it is measured:"
            yield f"  offload profile PHOTOS --where {candidate.place}"


def _assumed(advice: Advice, candidate: AnyCandidate) -> Iterator[str]:
    names = [name for name, term in candidate.terms().items() if term.origin == "assumed"]
    if not names:
        return
    yield f"Assumed of {spoken(candidate.name)}: {', '.join(_term(candidate, n) for n in names)}."
    if isinstance(candidate, SplitCandidate):
        yield "  To measure that: offload detect PHOTOS --where split"
        return
    if names != ["startup_s"] or STATES.get(candidate.state) in {None, STATES[StartState.WARM]}:
        url = " --url http://HOST:8080" if "url" in candidate.traits.options else ""
        yield f"  To measure that: offload profile PHOTOS --where {candidate.place}{url}"
    if candidate.state == StartState.ABSENT and candidate.startup_s.origin == "assumed":
        yield f"  To measure a start: offload provision ec2{_of_kind(advice)}"
    if by_hand := [_BY_HAND[name] for name in names if name in _BY_HAND]:
        yield f"  To say it: offload advise {' '.join(by_hand)}"


def _of_kind(advice: Advice) -> str:
    kind = advice.by_hand.kind
    return f" --instance-type {kind.instance_type} --region {kind.region}" if kind else ""


def _term(candidate: AnyCandidate, name: str) -> str:
    return f"{NAMES[name]} {span(candidate.terms()[name].interval, SHOW[UNITS[name]])}"
