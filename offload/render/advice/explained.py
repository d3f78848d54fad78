"""What an advice rests on: every term of every option, and what is billed."""

from collections.abc import Iterator
from datetime import datetime

from offload.costmodel.advice import Advice
from offload.costmodel.dollars import Billing
from offload.costmodel.split import UNITS, AnyCandidate
from offload.costmodel.terms import Term
from offload.domain import prices
from offload.domain.units import show_bytes, show_s, show_usd
from offload.render import tables
from offload.render.messages import shown
from offload.render.words import SHOW, count, span, spoken

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


def terms(advice: Advice, now: datetime) -> None:
    """A line for each term of each option, on standard output."""
    rows: list[list[str]] = []
    for candidate in (option.lane for option in advice.options):
        rows += [[]] * bool(rows) + [[_heading(candidate)]]
        rows += [list(_cells(*term, now)) for term in candidate.terms().items()]
    columns = ("term", "value", "90 % interval", "origin", "samples", "age", "how")
    styles = ["bold" if len(row) == 1 else "" for row in rows]
    right = {"value", "samples", "age"}
    tables.print_table(columns, rows, right=right, folded={"how"}, styles=styles)


def _heading(candidate: AnyCandidate) -> str:
    workers = count(candidate.slots, "worker")
    return f"{spoken(candidate.name)}: {workers}, {candidate.in_flight} in progress"


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
    yield shown(term.how)


def ago(taken_at: str, now: datetime) -> str:
    """`3 min ago`, of a moment in ISO 8601 with its offset from UTC."""
    age_s = (now - datetime.fromisoformat(taken_at)).total_seconds()
    for unit, unit_s in _AGES_S.items():
        if age_s >= unit_s:
            return f"{age_s // unit_s:.0f} {unit} ago"
    return "just now"


def billing(billed: Billing, now: datetime) -> Iterator[str]:
    """What the dollars are made of, a sentence each."""
    if not billed.usd_per_h:
        yield f"Nothing is billed: {shown(billed.how)}."
        return
    parts = billed.parts_usd_per_h()
    as_of = f" as of {billed.as_of}" if billed.as_of else ""
    yield (
        f"A remote machine costs {show_usd(sum(parts.values()))} an hour: the instance "
        f"{show_usd(parts['instance'])} ({shown(billed.how)}{as_of}), its IPv4 address "
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
    days = prices.age_days(billed.as_of, now.date()) if billed.as_of else 0
    if days > _OLD_DAYS:
        yield (
            f"warning: the price is {days} days old; to name today's: offload advise "
            "--price USD_PER_HOUR"
        )
