"""The options of an advice, every term of each, and what is billed."""

from collections.abc import Iterator
from datetime import date, datetime

from offload.costmodel.advice import Advice
from offload.costmodel.candidates.priors import HERE, STATES
from offload.costmodel.decide import Option
from offload.costmodel.split import UNITS, AnyCandidate, SplitCandidate
from offload.costmodel.terms import Term
from offload.domain import prices
from offload.domain.places import REMOTE, StartState
from offload.domain.units import show_bytes, show_s, show_usd
from offload.render import tables
from offload.render.words import SHOW, between, count, percent, span, spoken, took

NAMES = {
    "startup_s": "start-up",
    "first_s": "extra for the first image",
    "prepare_s": "preparing an image",
    "sent_bytes": "sent per image",
    "goodput": "uplink",
    "rtt_s": "round trip",
    "service_s": "detecting an image",
    "download_s": "receiving an answer",
    "efficiency": "measured / modelled",
    "local_contention": "slowdown here",
    "remote_contention": "slowdown there",
}
"""A term's name -> what people call it."""
_MOST = 4
_OLD_DAYS = 90
_AGES_S = {"d": 86400, "h": 3600, "min": 60}


def rows(advice: Advice, *, every: bool) -> list[Option]:
    """The options to show, the chosen one first: the best few that may be chosen, or `every` one.
    A place of which none is among them has one row, as it would be brought up for the job; machines
    in other states have theirs only where one may be rented.
    """
    chosen, in_usd = advice.choice.chosen, advice.choice.unit == "usd"

    def rank(o: Option) -> tuple[bool, bool, bool, float, float]:
        amount = o.usd if in_usd else o.seconds
        return o is not chosen, not o.lane.choosable, not o.keeps_limits, amount, o.seconds

    ordered = sorted(advice.options, key=rank)
    found = [option for option in ordered if option.lane.choosable][:_MOST]
    if every:
        may_rent = advice.by_hand.may_rent
        found = [o for o in ordered if may_rent or o.lane.choosable or _is_there(o.lane)]
    places = {option.lane.place for option in found if option.lane.choosable}
    names = {option.lane.name for option in found}
    others = (o for o in ordered if not (o.lane.choosable or o.lane.place in places))
    return [*found, *(o for o in others if o.lane.name not in names and is_from_nothing(o.lane))]


def _is_there(lane: AnyCandidate) -> bool:
    is_known = bool(lane.key) or not lane.traits.leaves_machine
    return is_known and lane.state in {HERE, StartState.WARM}


def is_from_nothing(lane: AnyCandidate) -> bool:
    """Whether it is a place in the state in which nothing of it is ready."""
    if isinstance(lane, SplitCandidate):
        return False
    states = lane.traits.start_states
    return lane.state == (states[-1] if lane.traits.leaves_machine and states else HERE)


def show(advice: Advice, *, every: bool) -> None:
    """A line for each of the rows, with more columns for `every` one."""
    shown, choice = rows(advice, every=every), advice.choice
    p_best = choice.p_best if len(choice.p_best) > 1 else {}
    best = [percent(p_best[o.lane.name]) if o.lane.name in p_best else "" for o in shown]
    late = [missed(o) if o.lane.choosable else "" for o in shown]
    columns = {
        "place": [_row_name(advice, o.lane) for o in shown],
        "total time (90 %)": [seconds(o) for o in shown],
        "cost (90 %)" if every else "cost": [_cost(o, every=every) for o in shown],
        "best in": [each or share for each, share in zip(late, best, strict=True)],
        "bottleneck": [o.bottleneck for o in shown],
    }
    if every:
        columns["expected loss"] = [_expected_loss(advice, o.lane.name) for o in shown]
        scores = (o.lane.agreement for o in shown)
        columns["agreement"] = ["" if f1 is None else f"{f1:.2f}" for f1 in scores]
    told = {name: cells for name, cells in columns.items() if set(cells) - {"", "$0"}}
    styles = ["bold" if o is choice.chosen else "" if o.lane.choosable else "dim" for o in shown]
    tables.print_table([*told], zip(*told.values(), strict=True), folded=told, styles=styles)
    more = sum(o.lane.choosable for o in advice.options) - sum(o.lane.choosable for o in shown)
    if more > 0:
        tables.print_lines([f"{count(more, 'more row')}: --explain"])


def _cost(option: Option, *, every: bool) -> str:
    interval = (option.low_usd, option.high_usd) if every else (option.usd, option.usd)
    return between(option.usd, interval, show_usd)


def seconds(option: Option) -> str:
    """`3.4 s (3.1 to 4.0)`."""
    return took(option.seconds, (option.low_s, option.high_s))


def missed(option: Option) -> str:
    """`3.4 s late`, `$0.02 over budget`, both, or nothing."""
    late = f"{show_s(option.late_s)} late" if option.late_s else ""
    over = f"{show_usd(option.over_usd)} over budget" if option.over_usd else ""
    return " and ".join(filter(None, (late, over)))


def _expected_loss(advice: Advice, candidate: str) -> str:
    """What taking the candidate is expected to lose; nothing if it may not be taken."""
    lost = advice.choice.expected_loss.get(candidate)
    if lost is None:
        return ""
    return show_s(lost) if advice.choice.unit == "s" else show_usd(lost)


def named(way: AnyCandidate) -> str:
    """What a way is called: `local`, `remote (stopped)`, `split`."""
    if not isinstance(way, SplitCandidate):
        return spoken(way.name)
    other = way.remote.name.replace(way.remote.place, "", 1).removeprefix(", ")
    partner = "" if way.remote.place == REMOTE else f" with {way.remote.place}"
    return f"{way.place}{partner}{f' ({other})' if other else ''}"


def _row_name(advice: Advice, candidate: AnyCandidate) -> str:
    """The candidate's name; of one that may not be chosen with what would have to be so."""
    name = named(candidate)
    if candidate.choosable:
        return f"{name} (this machine)" if candidate.key in advice.served_here else name
    if isinstance(candidate, SplitCandidate):
        return f"{name}, gains too little"
    state = STATES.get(candidate.state)
    if state is None:
        return f"{candidate.place}, if measured"
    if candidate.upload_max_side_px is None:
        return f"{candidate.place}, if {candidate.name.partition(', ')[2] or state}"
    unlike = (candidate.agreement or 0.0) < advice.by_hand.min_agreement
    return f"{name}, if {'similar enough' if unlike else state}"


def terms(advice: Advice, now: datetime) -> None:
    """A line for each term of each option, on standard output."""
    lines: list[list[str]] = []
    for candidate in (option.lane for option in rows(advice, every=True)):
        name, workers = spoken(candidate.name), count(candidate.slots, "worker")
        heading = f"{name}: {workers}, {candidate.in_flight} in progress"
        if lines:
            lines.append([])
        lines.append([heading])
        lines += [list(_cells(*term, now)) for term in candidate.terms().items()]
    columns = ("term", "value", "90 % interval", "origin", "samples", "age", "how")
    styles = ["bold" if len(row) == 1 else "" for row in lines]
    right = {"value", "samples", "age"}
    tables.print_table(columns, lines, right=right, folded={"how"}, styles=styles)


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


def billing(advice: Advice, now: datetime) -> Iterator[str]:
    """What the dollars are made of, a sentence each."""
    billed = advice.billing
    if not any(option.usd for option in rows(advice, every=True)):
        return
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
    as_of = f", {billed.as_of}" if billed.as_of else ""
    yield (
        f"A remote machine costs {show_usd(sum(parts.values()))} an hour: the instance "
        f"{show_usd(parts['instance'])} ({billed.how}{as_of}), its IPv4 address "
        f"{show_usd(parts['IPv4'])}, {billed.disk_gb} GB of disk {show_usd(parts['disk'])}."
    )
    if billed.assumed:
        yield "A server that runs already counts as yours, at $0."
    yield (
        f"One that is started for the job is billed {show_s(prices.MINIMUM_BILLED_S)} at least, "
        f"and stays {show_s(billed.idle_s)} after it."
    )
    yield (
        f"What it sends is free up to {show_bytes(prices.EGRESS_FREE_BYTES)} a month, then "
        f"{show_usd(prices.EGRESS_USD_PER_GB)} a GB."
    )
    listed = date.fromisoformat(billed.as_of) if billed.as_of else now.date()
    days = (now.date() - listed).days
    if days > _OLD_DAYS:
        yield (
            f"warning: the price is {days} days old; to set today's: offload advise --price "
            "USD_PER_HOUR"
        )
