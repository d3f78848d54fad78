"""What is said of a comparison, wherever in the report it is said."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from offload.domain.units import show_usd
from offload.findings import headline, money, phases
from offload.findings.crossing import Crossing
from offload.findings.scaling import Sweep
from offload.findings.study import Variant
from offload.render.report.comparisons import Comparisons, Pair, digits, round_images, times, took
from offload.render.report.document import listing, said
from offload.render.report.naming import Names, setting
from offload.render.words import capital, count, percent

if TYPE_CHECKING:
    from offload.findings.study import Group

_BINDS = {
    "start-up": "start-up is {} of the makespan",
    "client": "reading and preparing the images binds: that is {} of an image's time",
    "link": "the link binds: waiting for it and crossing it is {} of an image's time",
    "detector": "the detector binds: waiting for it and its work is {} of an image's time",
}


def alone(matter: Comparisons, group: "Group") -> str:
    """What a job takes."""
    images = count(group.images, "image")
    name = capital(matter.names.spoken(group.lane))
    return f"{name} takes {took(group.estimate('makespan_s'))} for {images}{setting(group.lane)}."


def pair_sentence(matter: Comparisons, pair: Pair) -> str:
    """How two lanes compare with the most images that both did."""
    name, base = (matter.names.spoken(g.lane) for g in (pair.lane, pair.base))
    lane_s, base_s = pair.seconds
    if not pair.clear:
        return (
            f"With {count(pair.images, 'image')}, {name} and {base} cannot be told apart: "
            f"{took(lane_s)} and {took(base_s)}."
        )
    return (
        f"With {count(pair.images, 'image')}, {name} takes {longer(pair.ratio.value)} {base}: "
        f"{took(lane_s)} against {took(base_s)}."
    )


def longer(ratio: float) -> str:
    """`1.7 times as long as`, `12 % longer than`, `12 % less than`."""
    if ratio < 1:
        return f"{percent(1 - ratio)} less than"
    if ratio < 1.5:  # noqa: PLR2004 - from there on people say so
        return f"{percent(ratio - 1)} longer than"
    return f"{digits(ratio)} times as long as"


def off(error: float) -> str:
    """An error without its sign: `12 %`, `a factor of 4.7`."""
    return percent(error) if error < 1 else f"a factor of {digits(1 + error)}"


def crossing_sentence(matter: Comparisons, crossing: Crossing) -> str:
    """From how many images on which of two lanes is faster."""
    slow, fast = matter.names.spoken(crossing.slow), matter.names.spoken(crossing.fast)
    if crossing.clear_from is None:
        return _unclear(matter, crossing)
    if crossing.clear_from == crossing.least:
        return _throughout(matter, [crossing])
    if crossing.images is None:
        return (
            f"From {crossing.clear_from:,} images on, {fast} is faster than {slow}; with "
            f"{crossing.unclear:,} they cannot be told apart."
        )
    interval = crossing.images.interval
    sure = ""
    if interval and round_images(interval[0]) != round_images(interval[1]):
        sure = f" ({round_images(interval[0])} to {round_images(interval[1])})"
    number = round_images(crossing.images.value)
    text = f"From about {number} images on{sure}, {fast} is faster than {slow}"
    late = crossing.clear_from > crossing.after
    return text + f", beyond chance from {crossing.clear_from:,} on." * late + "." * (not late)


def _unclear(matter: Comparisons, crossing: Crossing) -> str:
    """Two lanes that cannot be told apart with the most images."""
    slow, fast = matter.names.spoken(crossing.slow), matter.names.spoken(crossing.fast)
    if crossing.ahead is None:
        return (
            f"From {crossing.least} to {crossing.most:,} images, {fast} and {slow} cannot be told "
            "apart."
        )
    number, ahead = crossing.ahead
    ahead_, behind = (fast, slow) if ahead == crossing.fast else (slow, fast)
    return (
        f"With {count(number, 'image')}, {ahead_} is faster than {behind}; with {crossing.most:,} "
        "they cannot be told apart."
    )


def crossing_sentences(matter: Comparisons) -> list[str]:
    """One for each pair of lanes that change places, and one for each lane that is ahead of others
    throughout.
    """
    told: dict[object, list[Crossing]] = {}
    for number, each in enumerate(matter.crossings):
        throughout = each.clear_from == each.least
        told.setdefault((each.fast, each.least, each.most) if throughout else number, []).append(
            each
        )
    return [
        _throughout(matter, same) if len(same) > 1 else crossing_sentence(matter, same[0])
        for same in told.values()
    ]


def _throughout(matter: Comparisons, same: list[Crossing]) -> str:
    first = same[0]
    slow = listing([matter.names.spoken(each.slow) for each in same])
    fast = matter.names.spoken(first.fast)
    return f"From {first.least} to {first.most:,} images, {fast} is faster than {slow} throughout."


def binding_sentences(matter: Comparisons) -> Iterator[str]:
    """What the jobs wait for most: a sentence for each stage that does so somewhere."""
    found: dict[str, list[tuple[Group, float]]] = {}
    for group in matter.groups:
        if binds := phases.binding(group):
            found.setdefault(binds[0], []).append((group, binds[1]))
    for stage, groups in found.items():
        names = capital(listing([_at_its_best(matter, group.lane) for group, _ in groups]))
        shares = [percent(share) for _, share in groups]
        alike = len(set(shares)) == 1
        told = _BINDS[stage].format(shares[0] if alike else listing(shares))
        yield f"{names}, {told}{'' if alike else ', in this order'}."


def _at_its_best(matter: Comparisons, lane: Variant) -> str:
    """A lane, with its knobs if others were turned."""
    several = headline.settings(matter.study, lane) > 1
    return matter.names.at(lane) + setting(lane) * several


def scaling_sentence(matter: Comparisons, number: int) -> str:
    """What the most replicas bring beside the fewest, with many requests in flight and with one."""
    sweep = matter.sweeps[number]
    few, many = sweep.replicas[0], sweep.replicas[-1]
    if few == many:
        return ""
    most = sweep.concurrencies[-1]
    gain = sweep.speed_up(most)
    if gain is None:
        return ""
    text = (
        f"Going from {few} to {count(many, 'replica')} multiplies the images per second by "
        f"{times(gain)}{flying(most)}, where {digits(many / few)} would be in proportion"
    )
    if len(matter.sweeps) > 1:
        text = f"{capital(swept(matter, sweep))}: {text[:1].lower()}{text[1:]}"
    if gain.interval and gain.low <= 1 <= gain.high:
        return f"{text}; that may be chance."
    least = sweep.concurrencies[0]
    gain = sweep.speed_up(least)
    if least < most and gain is not None:
        text += f"; with {least} in flight by {times(gain)}"
    return f"{text}."


def flying(requests: int) -> str:
    """` with 8 requests in flight`; empty where their number was left to the place."""
    return f" with {count(requests, 'request')} in flight" if requests else ""


def swept(matter: Comparisons, sweep: Sweep) -> str:
    """Where replicas and requests in flight were varied, and what else tells it from others."""
    names = Names.of(each.lane for each in matter.sweeps)
    return names.at(sweep.lane) + setting(sweep.lane)


def worth_sentence(matter: Comparisons) -> str:
    """What an hour must be worth for the fastest to pay beside the cheapest, if it surely is the
    faster one.
    """
    bills = matter.bills
    if not bills:
        return ""
    cheapest = min(bills, key=lambda bill: (bill.usd.value, bill.seconds.value))
    if bills[0].seconds.high >= cheapest.seconds.low:
        return ""
    hour = money.worth_usd_per_h(bills[0], cheapest)
    return said(
        "{fast} pays if an hour of waiting is worth {usd} or more.",
        fast=capital(matter.names.spoken(bills[0].lane)),
        usd=show_usd(hour) if hour else None,
    )
