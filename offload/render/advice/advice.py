"""An advice for people, and as JSON."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from offload.costmodel.advice import Advice, document
from offload.costmodel.breakeven import BreakEven
from offload.costmodel.decide import Option
from offload.costmodel.split import AnyCandidate, SplitCandidate
from offload.domain.units import show_bytes, show_rate, show_usd
from offload.render import tables
from offload.render.advice import options
from offload.render.advice.options import missed, regret, seconds
from offload.render.words import Show, between, capital, count, percent, spoken

_SURE, _LIKELY = 0.95, 0.8
_RARE = 0.05
"""Shares of cases beyond this one and its complement are not worth a word."""
_MEANS = {
    "start-up": "start-up is most of it, more images would hardly take longer",
    "uplink": "the uplink is the bottleneck, a faster machine there would not help",
    "server": "the machine there is the bottleneck, a faster uplink would not help",
    "client": "preparing images here is the bottleneck, a faster machine there would not help",
    "downlink": "receiving answers is the bottleneck, a faster machine there would not help",
    "latency": "the round trip is the bottleneck, a machine nearby would help",
}
"""A bottleneck -> what that means, where it means more than that a machine is no faster."""


def show(
    advice: Advice, *, explain: bool = False, as_json: bool = False, now: datetime | None = None
) -> None:
    """The answer, then all options, where it would flip, and what it assumes, or all as JSON.

    With `explain` also every term with its age at `now`, which knows its time zone, and the bill.
    """
    if as_json:
        return tables.write_json(document(advice))
    tables.print_lines([sentence(advice), ""])
    options.show(advice)
    notes = [f"note: {note}" for note in advice.stale]
    parts = _split(advice), break_evens(advice), options.assumptions(advice), notes
    for lines in map(list, parts):
        tables.print_lines(["", *lines] if lines else [])
    if explain:
        now = now or datetime.now(UTC)
        tables.print_lines([""])
        options.terms(advice, now)
        tables.print_lines(["", *options.billing(advice.billing, now)])
    return None


def sentence(advice: Advice) -> str:
    """Where to run and what it takes, how sure that is, and what the next best would take."""
    said = [f"Run it {_plan(advice)}{_means(advice.choice.chosen)}.", capital(f"{_sure(advice)}.")]
    rival = advice.rival
    if rival is not None:
        late = "" if rival.keeps_limits else f", {missed(rival)}"
        means = "" if rival.binds == advice.choice.chosen.binds else _means(rival)
        name = capital(_subject(rival.lane.name))
        said.append(f"{name} would take {_amounts(rival)}{late}{means}.")
    return " ".join(said)


def one_line(advice: Advice) -> str:
    """What is about to be done and how sure that is, without the reasons."""
    return f"Running {_plan(advice)}; {_sure(advice)}"


def _plan(advice: Advice) -> str:
    """Where, and what it takes there; of a split how many images are done here."""
    chosen = advice.choice.chosen
    takes = f"{count(advice.goal.images, 'image')} take{'s' * (advice.goal.images == 1)}"
    here = f", about {chosen.shares.counts[0].images:,} of them here" if chosen.shares else ""
    return f"{_where(chosen.lane)}: {takes} {_amounts(chosen)}{here}"


def _where(candidate: AnyCandidate) -> str:
    """`here`, `remotely (640 px)`, `here and remotely at once`, `at farm`."""
    if isinstance(candidate, SplitCandidate):
        return f"{_where(candidate.local)} and {_where(candidate.remote)} at once"
    phrase = candidate.traits.phrase or f"at {candidate.place}"
    return spoken(candidate.name).replace(candidate.place, phrase, 1)


def _amounts(option: Option) -> str:
    assumed = "" if option.lane.key else ", assumed and not measured"
    return f"{seconds(option)}, {show_usd(option.usd)}{assumed}"


def _means(option: Option) -> str:
    means = _MEANS.get(option.binds)
    return f": {means}" if means else ""


def _sure(advice: Advice) -> str:
    """How sure the choice is, or that limits leave none."""
    choice, name = advice.choice, advice.choice.chosen.lane.name
    if not choice.chosen.keeps_limits:
        return f"nothing keeps the limits, this comes closest: {missed(choice.chosen)}"
    if len(choice.p_best) == 1:
        others = [o for o in advice.options if o.lane.choosable and o is not choice.chosen]
        return "nothing else keeps the limits" if others else "no other place was measured"
    p = choice.p_best[name]
    confidence = f"confidence {percent(p)}"
    risk = f", expected regret {regret(advice, name)}" if choice.regret[name] else ""
    if choice.too_close:
        others_p = {other: p for other, p in choice.p_best.items() if other != name}
        second = max(others_p, key=lambda other: others_p[other])
        said = f"{confidence}, {_subject(second)} {percent(others_p[second])}"
        return f"too close to call: {said}; it is the simpler place{risk}"
    how = "sure" if p >= _SURE else "likely" if p >= _LIKELY else "unsure"
    if not choice.chosen.lane.key:
        how = "as far as assumptions go"
    return f"{how}: {confidence}{risk}"


def _subject(name: str) -> str:
    """An option's name in the middle of a sentence; of a split `local and remote at once`."""
    _, _, both = name.rpartition("split: ")
    return spoken(name) if both == name else f"{spoken(both)} at once"


def _split(advice: Advice) -> Iterator[str]:
    """What a split gives each place, what a saved second costs, and where the budget ends it."""
    option = advice.split
    if option is None or option.shares is None or not isinstance(option.lane, SplitCandidate):
        return
    local, remote = option.lane.local.place, option.lane.remote.place
    if option.lane.choosable:
        here, there = (
            between(each.images, (each.low, each.high), "{:,.0f}".format)
            for each in option.shares.counts
        )
        yield f"Of the images of a split, {local} gets {here} and {remote} {there}."
        if (usd := advice.usd_per_saved_s) is not None:
            yield f"  Each second that this saves over {local} alone costs {show_usd(usd)}."
    at_most, limit = option.shares.at_most, advice.goal.max_cost_usd
    if at_most is not None and limit is not None:
        can = f"{count(at_most, 'image')} at most" if at_most else "no image"
        yield f"For {show_usd(limit)}, {remote} can do {can} of a split."


def break_evens(advice: Advice) -> Iterator[str]:
    """A sentence for each break-even, but for start states that never gain."""
    choosable = {option.lane.name for option in advice.options if option.lane.choosable}
    for flip in advice.break_evens:
        if flip.value is not None or _gains(advice, flip) or flip.other in choosable:
            yield break_even(advice, flip)


def _gains(advice: Advice, flip: BreakEven) -> bool:
    """Whether `other` is the faster one for the job at hand."""
    took_s = {option.lane.name: option.seconds for option in advice.options}
    return took_s[flip.other] < took_s[flip.base]


def break_even(advice: Advice, flip: BreakEven) -> str:
    """One break-even."""
    gains = _gains(advice, flip)
    base, other = spoken(flip.base), spoken(flip.other)
    if flip.value is None:
        ahead, behind = (other, base) if gains else (base, other)
        said = _NEVER[flip.quantity].format(ahead=ahead, behind=behind, base=base)
        sure = f", in {percent(flip.never)} of cases" if _RARE < flip.never < 1 - _RARE else ""
        return f"{said}{sure}."
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
    "uplink": "With {value} up or more, {other} would be faster than {base}",
    "image size": "With images of {value} or less, {other} would be faster than {base}",
    "value of an hour": "If an hour of your time is worth {value} or more, {other} pays",
    "price": "At up to {value} an hour for its machine, {other} pays",
}
_STAYS = {
    "uplink": "Down to {value} up, {other} stays faster than {base}",
    "image size": "With images of up to {value}, {other} stays faster than {base}",
}
_NEVER = {
    "images": "At any number of images, {ahead} is faster than {behind}",
    "uplink": "Whatever the uplink, {ahead} is faster than {behind}",
    "image size": "Whatever the images weigh, {ahead} is faster than {behind}",
    "value of an hour": "Whatever an hour of your time is worth, {ahead} is the better one",
    "price": "At no price of its machine would it pay to leave {base}",
}
