"""The options of an advice, what they assume, every term of each, and what is billed."""

from collections.abc import Iterator
from datetime import date, datetime

from offload.costmodel.advice import Advice
from offload.costmodel.candidates.priors import STATES
from offload.costmodel.decide import Option
from offload.costmodel.dollars import Billing
from offload.costmodel.split import UNITS, AnyCandidate, SplitCandidate
from offload.costmodel.terms import Term
from offload.domain import prices
from offload.domain.places import StartState
from offload.domain.units import show_bytes, show_s, show_usd
from offload.render import tables
from offload.render.words import SHOW, between, count, percent, span, spoken

NAMES = {
    "startup_s": "start-up",
    "first_s": "more for the first image",
    "prepare_s": "preparing an image",
    "sent_bytes": "sent per image",
    "goodput": "uplink",
    "rtt_s": "round trip",
    "service_s": "detecting an image",
    "download_s": "receiving an answer",
    "efficiency": "measured over modelled",
    "local_contention": "slower here meanwhile",
    "remote_contention": "slower there meanwhile",
}
"""A term's name -> what people call it."""
_OLD_DAYS = 90
_AGES_S = {"d": 86400, "h": 3600, "min": 60}
_BY_HAND = {"goodput": "--uplink 20Mbit", "rtt_s": "--rtt 30ms", "sent_bytes": "--image-size 170kB"}
"""A term -> what sets it."""


def show(advice: Advice) -> None:
    """A line for each option: the chosen one, its rivals, then what only might be."""
    chosen = advice.choice.chosen
    ordered = sorted(advice.options, key=lambda o: (o is not chosen, not o.lane.choosable))
    columns = {
        "place": [_name(advice, o.lane) for o in ordered],
        "takes (90 %)": [seconds(o) for o in ordered],
        "costs (90 %)": [between(o.usd, (o.low_usd, o.high_usd), show_usd) for o in ordered],
        "confidence": [
            (missed(o) or percent(advice.choice.p_best[o.lane.name])) if o.lane.choosable else ""
            for o in ordered
        ],
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


def missed(option: Option) -> str:
    """`3.4 s late`, `$0.02 over budget`, both, or nothing."""
    late = f"{show_s(option.late_s)} late" if option.late_s else ""
    over = f"{show_usd(option.over_usd)} over budget" if option.over_usd else ""
    return " and ".join(filter(None, (late, over)))


def regret(advice: Advice, candidate: str) -> str:
    """What taking the candidate is expected to lose; nothing if it may not be taken."""
    lost = advice.choice.regret.get(candidate)
    if lost is None:
        return ""
    return show_s(lost) if advice.choice.unit == "s" else show_usd(lost)


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
    known = {name: term for name, term in candidate.terms().items() if term.origin == "assumed"}
    if not known:
        return
    values = [f"{NAMES[n]} {span(t.interval, SHOW[UNITS[n]])}" for n, t in known.items()]
    yield f"Assumed of {spoken(candidate.name)}: {', '.join(values)}."
    if isinstance(candidate, SplitCandidate):
        yield "  To measure that: offload detect PHOTOS --where split"
        return
    if [*known] != ["startup_s"] or STATES.get(candidate.state) in {None, STATES[StartState.WARM]}:
        url = " --url http://HOST:8080" if "url" in candidate.traits.options else ""
        yield f"  To measure that: offload profile PHOTOS --where {candidate.place}{url}"
    if candidate.state == StartState.ABSENT and candidate.startup_s.origin == "assumed":
        kind = advice.by_hand.kind
        which = f" --instance-type {kind.instance_type} --region {kind.region}" if kind else ""
        yield f"  To measure a start: offload provision ec2{which}"
    if by_hand := [_BY_HAND[name] for name in known if name in _BY_HAND]:
        yield f"  To say it: offload advise {' '.join(by_hand)}"


def terms(advice: Advice, now: datetime) -> None:
    """A line for each term of each option, on standard output."""
    rows: list[list[str]] = []
    for candidate in (option.lane for option in advice.options):
        name, workers = spoken(candidate.name), count(candidate.slots, "worker")
        heading = f"{name}: {workers}, {candidate.in_flight} in progress"
        if rows:
            rows.append([])
        rows.append([heading])
        rows += [list(_cells(*term, now)) for term in candidate.terms().items()]
    columns = ("term", "value", "90 % interval", "origin", "samples", "age", "how")
    styles = ["bold" if len(row) == 1 else "" for row in rows]
    right = {"value", "samples", "age"}
    tables.print_table(columns, rows, right=right, folded={"how"}, styles=styles)


def _cells(name: str, term: Term, now: datetime) -> Iterator[str]:
    show = SHOW[UNITS[name]]
    yield f"  {NAMES[name]}"
    if term.interval[1] == float("inf"):
        yield from ("none", "")
    else:
        value, interval = show(term.median), span(term.interval, show)
        yield from (value, "" if interval == value else interval)
    yield term.origin
    yield str(term.samples) if term.samples else ""
    yield ago(term.taken_at, now) if term.taken_at else ""
    yield term.how


def ago(taken_at: str, now: datetime) -> str:
    """`3 min ago`, of a moment in ISO 8601 with its offset from UTC."""
    age_s = (now - datetime.fromisoformat(taken_at)).total_seconds()
    for unit, unit_s in _AGES_S.items():
        if age_s >= unit_s:
            return f"{age_s // unit_s:.0f} {unit} ago"
    return "just now"


def billing(billed: Billing, now: datetime) -> Iterator[str]:
    """What the dollars are made of, a sentence each."""
    if calls := billed.calls:
        yield (
            f"A function's calls cost {show_usd(1e6 * calls.usd_per_call)} a million and "
            f"{show_usd(3600 * calls.usd_per_s)} an hour that one works or starts ({calls.how}, as "
            f"of {calls.as_of}); a free allowance is not taken off."
        )
    if not billed.usd_per_h:
        yield f"Nothing is billed: {billed.how}."
        return
    parts = billed.parts_usd_per_h()
    as_of = f" as of {billed.as_of}" if billed.as_of else ""
    yield (
        f"A remote machine costs {show_usd(sum(parts.values()))} an hour: the instance "
        f"{show_usd(parts['instance'])} ({billed.how}{as_of}), its IPv4 address "
        f"{show_usd(parts['IPv4'])}, {billed.disk_gb} GB of disk {show_usd(parts['disk'])}."
    )
    if billed.assumed:
        yield "A server that runs already is taken to be yours, at $0."
    yield (
        f"One that is started for the job is billed {show_s(prices.MINIMUM_BILLED_S)} at least, "
        f"and stays {show_s(billed.idle_s)} after it."
    )
    yield (
        f"What it sends is free for {show_bytes(prices.EGRESS_FREE_BYTES)} a month, and "
        f"{show_usd(prices.EGRESS_USD_PER_GB)} a GB from there on."
    )
    listed = date.fromisoformat(billed.as_of) if billed.as_of else now.date()
    days = (now.date() - listed).days
    if days > _OLD_DAYS:
        yield (
            f"warning: the price is {days} days old; to name today's: offload advise "
            "--price USD_PER_HOUR"
        )
