"""What is said of a comparison, wherever in the report it is said."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from offload.domain.units import show_usd
from offload.findings import money, phases
from offload.findings.crossing import Crossing
from offload.render.report.document import listing, said
from offload.render.report.matter import Matter, Pair, round_images, times, took
from offload.render.report.naming import Names, setting
from offload.render.words import capital, count, percent

if TYPE_CHECKING:
    from offload.findings.study import Group

_BINDS = {
    "start-up": "start-up is {shares} of the makespan",
    "client": "reading and preparing the images binds: it is {shares} of an image's time",
    "link": "the link binds: {shares} of an image's time go into waiting for it and crossing it",
    "detector": "the detector binds: {shares} of an image's time go into waiting for it and its "
    "work",
}


def alone(matter: Matter) -> str:
    """What the largest job takes."""
    if not matter.groups:
        return ""
    group = matter.groups[-1]
    knobs = f" with {setting(group.lane)}" if setting(group.lane) else ""
    images = count(group.images, "image")
    name = capital(matter.names.spoken(group.lane))
    return f"{name} takes {took(group.estimate('makespan_s'))} for {images}{knobs}."


def pair_sentence(matter: Matter, pair: Pair) -> str:
    """How two lanes compare with the most images that both did."""
    name, base = (matter.names.spoken(g.lane) for g in (pair.lane, pair.base))
    lane_s, base_s = pair.seconds
    ratio = pair.ratio.value
    if not pair.clear or round(ratio, 2) == 1:
        return (
            f"With {count(pair.images, 'image')}, {name} and {base} cannot be told apart: "
            f"{took(lane_s)} and {took(base_s)}."
        )
    how = f"takes {percent(1 - ratio)} less than" if ratio < 1 else f"takes {longer(ratio)}"
    return (
        f"With {count(pair.images, 'image')}, {name} {how} {base}: {took(lane_s)} against "
        f"{took(base_s)}."
    )


def longer(ratio: float) -> str:
    """`1.7 times as long as`, `12 % longer than`."""
    if ratio < 1.5:  # noqa: PLR2004 - from there on people say so
        return f"{percent(ratio - 1)} longer than"
    return f"{ratio:.2g} times as long as"


def off(error: float) -> str:
    """An error without its sign: `12 %`, `a factor of 4.7`."""
    return percent(error) if error < 1 else f"a factor of {1 + error:.2g}"


def crossing_sentence(matter: Matter, crossing: Crossing) -> str:
    """From how many images on which of two lanes is faster."""
    slow, fast = matter.names.spoken(crossing.slow), matter.names.spoken(crossing.fast)
    if crossing.clear_from is None:
        return f"Even with {crossing.most:,} images, {fast} and {slow} cannot be told apart."
    if crossing.clear_from == crossing.least:
        return _throughout(matter, [crossing])
    if crossing.images is None:
        return (
            f"From {crossing.clear_from} images on, {fast} is faster than {slow}; with fewer they "
            "cannot be told apart."
        )
    interval = crossing.images.interval
    sure = ""
    if interval and round_images(interval[0]) != round_images(interval[1]):
        sure = f" ({round_images(interval[0])} to {round_images(interval[1])})"
    number = round_images(crossing.images.value)
    return f"From about {number} images on{sure}, {fast} is faster than {slow}."


def crossing_sentences(matter: Matter) -> list[str]:
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


def _throughout(matter: Matter, same: list[Crossing]) -> str:
    first = same[0]
    slow = listing([matter.names.spoken(each.slow) for each in same])
    fast = matter.names.spoken(first.fast)
    return f"From {first.least} to {first.most:,} images, {fast} is faster than {slow} throughout."


def binding_sentences(matter: Matter) -> Iterator[str]:
    """What the jobs wait for most: a sentence for each stage that does so somewhere."""
    found: dict[str, list[tuple[Group, float]]] = {}
    for group in matter.groups:
        if binds := phases.binding(group):
            found.setdefault(binds[0], []).append((group, binds[1]))
    for stage, groups in found.items():
        names = capital(listing([matter.names.at(group.lane) for group, _ in groups]))
        shares = listing(list(dict.fromkeys(percent(share) for _, share in groups)))
        yield f"{names}, {_BINDS[stage].format(shares=shares)}."


def scaling_sentence(matter: Matter, number: int) -> str:
    """What the most replicas bring beside the fewest, with many requests in flight and with one."""
    sweep = matter.sweeps[number]
    few, many = sweep.replicas[0], sweep.replicas[-1]
    if few == many:
        return ""
    most = sweep.concurrencies[-1]
    gain = sweep.speed_up(most)
    if gain is None:
        return ""
    where = f"{capital(Names({}).at(sweep.lane))}, going" if len(matter.sweeps) > 1 else "Going"
    text = (
        f"{where} from {few} to {count(many, 'replica')} multiplies the images per second by "
        f"{times(gain)} with {most} requests in flight, where {many / few:.2g} would be ideal"
    )
    if gain.interval and gain.low <= 1 <= gain.high:
        return f"{text}; that may be chance."
    least = sweep.concurrencies[0]
    alone = sweep.speed_up(least)
    if least < most and alone is not None:
        text += f"; with {least} in flight, which cannot keep more of them busy, by {times(alone)}"
    return f"{text}."


def worth_sentence(matter: Matter) -> str:
    """What an hour must be worth for the fastest to pay beside the cheapest."""
    bills = matter.bills
    if not bills:
        return ""
    cheapest = min(bills, key=lambda bill: (bill.usd.value, bill.seconds.value))
    hour = money.worth_usd_per_h(bills[0], cheapest)
    return said(
        "{fast} pays if an hour of waiting is worth {usd} or more.",
        fast=capital(matter.names.spoken(bills[0].lane)),
        usd=show_usd(hour) if hour else None,
    )
