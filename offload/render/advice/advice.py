"""An advice for people, and as JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime

from offload.costmodel.advice import Advice, document
from offload.costmodel.decide import Option
from offload.costmodel.split import AnyCandidate, SplitCandidate
from offload.domain.units import show_usd
from offload.render import tables
from offload.render.advice import breakevens, options
from offload.render.advice.options import missed, regret, seconds
from offload.render.messages import shown
from offload.render.words import between, capital, count, percent, spoken

_SURE, _LIKELY = 0.95, 0.8
_MEANS = {
    "start-up": "start-up is most of it, more images would hardly take longer",
    "uplink": "the uplink is the bottleneck, a faster machine there would not help",
    "server": "the machine there is the bottleneck, a faster uplink would not help",
    "client": "preparing images here is the bottleneck, a faster machine there would not help",
    "downlink": "receiving answers is the bottleneck, a faster machine there would not help",
    "latency": "the round trip is the bottleneck, a machine nearby would help",
}
"""A bottleneck -> what that means, where it means more than that a machine is no faster."""


def as_json(advice: Advice) -> None:
    """The answer as one JSON document."""
    tables.write_json(document(advice))


def show(advice: Advice, *, explain: bool = False, now: datetime | None = None) -> None:
    """The answer, then all options, where it would flip, and what it assumes.

    With `explain` also every term with its age at `now`, which knows its time zone, and the bill.
    """
    tables.print_lines([sentence(advice), ""])
    options.show(advice)
    notes = [f"note: {shown(note)}" for note in advice.stale]
    parts = _split(advice), breakevens.lines(advice), options.assumptions(advice), notes
    for lines in map(list, parts):
        tables.print_lines(["", *lines] if lines else [])
    if explain:
        now = now or datetime.now(UTC)
        tables.print_lines([""])
        options.terms(advice, now)
        tables.print_lines(["", *options.billing(advice.billing, now)])


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
    """Images of each place of a split that may be chosen, what saving a second costs, and where
    the budget ends it.
    """
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
