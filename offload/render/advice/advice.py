"""An advice for people, and as JSON."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from offload.costmodel.advice import Advice, document
from offload.costmodel.breakeven import BreakEven
from offload.costmodel.split import AnyCandidate, SplitCandidate
from offload.domain.units import show_bytes, show_rate, show_usd
from offload.render import tables
from offload.render.advice import assumptions, options
from offload.render.advice.options import missed, seconds
from offload.render.words import Show, between, capital, count, percent, spoken, took

_RARE = 0.05
"""Shares of cases beyond this one and its complement are not worth a word."""
_MEANS = {
    "start-up": "start-up is the bottleneck: more images hardly take longer",
    "uplink": "the uplink is the bottleneck: a faster machine does not help",
    "server": "the machine is the bottleneck: a faster uplink does not help",
    "client": "preparing images here is the bottleneck: a faster machine does not help",
    "downlink": "receiving answers is the bottleneck: a faster machine does not help",
    "latency": "the round trip is the bottleneck: a nearer machine helps",
}
"""A bottleneck -> what that means, where it means more than that a machine is no faster."""


def show(
    advice: Advice, *, explain: bool = False, as_json: bool = False, now: datetime | None = None
) -> None:
    """The answer, the command, the best options, what could be otherwise; or all as JSON.

    With `explain` also the other options, every term with its age at `now`, which knows its time
    zone, and the bill.
    """
    if as_json:
        return tables.write_json(document(advice))
    tables.print_lines([sentence(advice), *filter(None, [f"  {advice.command}".rstrip()]), ""])
    options.show(advice, every=explain)
    notes = [f"note: {note}" for note in advice.stale]
    said = remarks(advice, every=explain), break_evens(advice, every=explain)
    for lines in map(list, (*said, assumptions.assumptions(advice, every=explain), notes)):
        tables.print_lines(["", *lines] if lines else [])
    if explain:
        now = now or datetime.now(UTC)
        tables.print_lines([""])
        options.terms(advice, now)
        tables.print_lines(["", *options.billing(advice, now)])
    return None


def sentence(advice: Advice) -> str:
    """Model, place, time, dollars and confidence."""
    chosen = advice.choice.chosen
    late = f", {missed(chosen)}" if missed(chosen) else ""
    return f"Run {_answer(advice, took(chosen.seconds), late)}."


def one_line(advice: Advice) -> str:
    """What is about to be done, and why the confidence is no higher."""
    because = why(advice)
    return (
        f"Running {_answer(advice, seconds(advice.choice.chosen))}{f': {because}' * bool(because)}"
    )


def _answer(advice: Advice, takes: str, late: str = "") -> str:
    chosen = advice.choice.chosen
    return (
        f"{advice.model} {_where(advice, chosen.lane)}: {count(advice.goal.images, 'image')} in "
        f"{takes}, {show_usd(chosen.usd)}{late}, {advice.confidence} confidence"
    )


def _where(advice: Advice, candidate: AnyCandidate) -> str:
    """`here`, `remotely (640 px)`, `here and remotely at once`, `at farm`."""
    if isinstance(candidate, SplitCandidate):
        both = (_where(advice, each) for each in (candidate.local, candidate.remote))
        return f"{' and '.join(both)} at once"
    phrase = candidate.traits.phrase or f"at {candidate.place}"
    if candidate.key in advice.served_here:
        phrase = "at the server on this machine"
    return spoken(candidate.name).replace(candidate.place, phrase, 1)


def why(advice: Advice) -> str:
    """Why the confidence is no higher; empty where it is high."""
    choice, lanes = advice.choice, {o.lane.name: o.lane for o in advice.options}
    name = choice.chosen.lane.name
    if advice.confidence == "high":
        return ""
    if not choice.chosen.keeps_limits:
        return "nothing meets the limits, this comes closest"
    if choice.too_close:
        second = max((p, other) for other, p in choice.p_best.items() if other != name)
        shares = [(choice.p_best[name], name), second]
        said = ", ".join(f"{options.named(lanes[other])} {percent(p)}" for p, other in shares)
        return f"too close to call ({said}), and this is the simpler place"
    if advice.deciding:
        assumed = [assumptions.assumed(advice, each.lane) for each in advice.deciding]
        return "; ".join(dict.fromkeys(assumed))
    if len(choice.p_best) == 1:
        others = [o for o in advice.options if o.lane.choosable and o is not choice.chosen]
        return "nothing else meets the limits" if others else "no other place was measured"
    return f"it is best in {percent(choice.p_best[name])} of cases"


def remarks(advice: Advice, *, every: bool) -> Iterator[str]:
    """Why the confidence is no higher, what the bottleneck means, and how a split comes out."""
    chosen = advice.choice.chosen
    if because := why(advice):
        yield f"{capital(advice.confidence)} confidence: {because}."
    means = _MEANS.get(chosen.bottleneck)
    if means and chosen.lane.key not in advice.served_here:
        yield f"{capital(options.named(chosen.lane))}: {means}."
    yield from _split(advice, every=every)


def _split(advice: Advice, *, every: bool) -> Iterator[str]:
    """What a split gives each place, what a saved second costs, and where the budget ends it."""
    option = advice.split
    if option is None or option.shares is None or not isinstance(option.lane, SplitCandidate):
        return
    local, remote = option.lane.local.place, option.lane.remote.place
    if option.lane.choosable and (every or option is advice.choice.chosen):
        here, there = (
            between(each.images, (each.low, each.high), "{:,.0f}".format)
            for each in option.shares.counts
        )
        yield f"Share of the images: {here} {local}, {there} {remote}."
        if (usd := advice.usd_per_saved_s) is not None:
            yield f"Each second that this saves over {local} alone costs {show_usd(usd)}."
    at_most, limit = option.shares.at_most, advice.goal.max_cost_usd
    if at_most is not None and limit is not None:
        can = f"{count(at_most, 'image')} at most" if at_most else "no image"
        yield f"Within {show_usd(limit)}, {remote} can do {can} of a split."


def break_evens(advice: Advice, *, every: bool) -> Iterator[str]:
    """A sentence for each value from which another place is the better one; of those that may be
    chosen unless `every` one, and what no value changes, is asked for.
    """
    choosable = {option.lane.name for option in advice.options if option.lane.choosable}
    shown = {option.lane.name for option in options.rows(advice, every=True)}
    linkless = {o.lane.name for o in advice.options if o.lane.key in advice.served_here}
    for flip in advice.break_evens:
        is_worthless = flip.value is not None and show_usd(flip.value) == show_usd(0)
        if is_worthless or (flip.quantity in _STAYS and flip.other in linkless):
            continue
        among = shown if every and flip.value is not None else choosable
        if flip.other in among and (every or flip.value is not None):
            yield break_even(advice, flip)


def break_even(advice: Advice, flip: BreakEven) -> str:
    """One break-even."""
    took_s = {option.lane.name: option.seconds for option in advice.options}
    gains = took_s[flip.other] < took_s[flip.base]  # `other` is the faster one for the job at hand
    base, other = spoken(flip.base), spoken(flip.other)
    if flip.value is None:
        ahead, behind = (other, base) if gains else (base, other)
        said = _NEVER[flip.quantity].format(ahead=ahead, behind=behind, base=base)
        share = f", in {percent(flip.never)} of cases" if _RARE < flip.never < 1 - _RARE else ""
        return f"{said}{share}."
    later, sooner = (other, base) if flip.faster == "above" else (base, other)
    low, high = flip.low, flip.high
    known = (flip.value, flip.value) if low is None or high is None else (low, high)
    value, _, interval = between(flip.value, known, _SHOW[flip.quantity]).partition(" (")
    never = f"no such value in {percent(flip.never)} of cases" if flip.never > _RARE else ""
    beside = "; ".join(filter(None, (interval.removesuffix(")"), never)))
    words = _STAYS if gains and flip.quantity in _STAYS else _WORDS
    said = words[flip.quantity].format(
        value=value, base=base, other=other, later=later, sooner=sooner
    )
    return f"{said} ({beside})." if beside else f"{said}."


_SHOW: Mapping[str, Show] = {
    "images": lambda number: f"{float(f'{number:.3g}'):,.0f}",
    "uplink": show_rate,
    "image size": show_bytes,
    "value of an hour": show_usd,
    "price": show_usd,
}
_WORDS = {
    "images": "From {value} images on, {later} is faster than {sooner}",
    "uplink": "With an uplink of {value} or more, {other} is faster than {base}",
    "image size": "With images of {value} or less, {other} is faster than {base}",
    "value of an hour": "If an hour of your time is worth {value} or more, {other} pays",
    "price": "If its machine costs {value} an hour or less, {other} pays",
}
_STAYS = {
    "uplink": "With an uplink of {value} or more, {other} stays faster than {base}",
    "image size": "With images of up to {value}, {other} stays faster than {base}",
}
_NEVER = {
    "images": "At any number of images, {ahead} is faster than {behind}",
    "uplink": "At any uplink, {ahead} is faster than {behind}",
    "image size": "At any image size, {ahead} is faster than {behind}",
    "value of an hour": "At any value of your time, {ahead} is better",
    "price": "At any price of the machine, {base} is better",
}
