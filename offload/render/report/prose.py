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


def alone(compared: Comparisons, group: "Group") -> str:
    """What a job takes."""
    images = count(group.images, "image")
    name = capital(compared.names.spoken(group.lane))
    return f"{name} takes {took(group.estimate('makespan_s'))} for {images}{setting(group.lane)}."


def pair_sentence(compared: Comparisons, pair: Pair) -> str:
    """How two variants compare with the most images that both did."""
    name, base = (compared.names.spoken(g.lane) for g in (pair.candidate, pair.base))
    candidate_s, base_s = pair.seconds
    if not pair.clear:
        return (
            f"With {count(pair.images, 'image')}, {name} and {base} cannot be told apart: "
            f"{took(candidate_s)} and {took(base_s)}."
        )
    return (
        f"With {count(pair.images, 'image')}, {name} takes {longer(pair.ratio.value)} {base}: "
        f"{took(candidate_s)} against {took(base_s)}."
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


def crossing_sentence(compared: Comparisons, crossing: Crossing) -> str:
    """From how many images on which of two variants is faster."""
    slow, fast = compared.names.spoken(crossing.slow), compared.names.spoken(crossing.fast)
    if crossing.clear_from is None:
        return _unclear(compared, crossing)
    if crossing.clear_from == crossing.least:
        return _throughout(compared, [crossing])
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


def _unclear(compared: Comparisons, crossing: Crossing) -> str:
    """Two variants that cannot be told apart with the most images."""
    slow, fast = compared.names.spoken(crossing.slow), compared.names.spoken(crossing.fast)
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


def crossing_sentences(compared: Comparisons) -> list[str]:
    """One for each pair that changes places, and one for each variant that is ahead throughout."""
    told: dict[object, list[Crossing]] = {}
    for number, each in enumerate(compared.crossings):
        throughout = each.clear_from == each.least
        told.setdefault((each.fast, each.least, each.most) if throughout else number, []).append(
            each
        )
    return [
        _throughout(compared, same) if len(same) > 1 else crossing_sentence(compared, same[0])
        for same in told.values()
    ]


def _throughout(compared: Comparisons, same: list[Crossing]) -> str:
    first = same[0]
    slow = listing([compared.names.spoken(each.slow) for each in same])
    fast = compared.names.spoken(first.fast)
    return f"From {first.least} to {first.most:,} images, {fast} is faster than {slow} throughout."


def binding_sentences(compared: Comparisons) -> Iterator[str]:
    """What the jobs wait for most: a sentence for each stage that does so somewhere."""
    found: dict[str, list[tuple[Group, float]]] = {}
    for group in compared.groups:
        if binds := phases.binding(group):
            found.setdefault(binds[0], []).append((group, binds[1]))
    for stage, groups in found.items():
        names = capital(listing([_at_its_best(compared, group.lane) for group, _ in groups]))
        shares = [percent(share) for _, share in groups]
        alike = len(set(shares)) == 1
        told = _BINDS[stage].format(shares[0] if alike else listing(shares))
        yield f"{names}, {told}{'' if alike else ', in this order'}."


def _at_its_best(compared: Comparisons, variant: Variant) -> str:
    """A variant, with its knobs if others were turned."""
    several = headline.settings(compared.study, variant) > 1
    return compared.names.at(variant) + setting(variant) * several


def scaling_sentence(compared: Comparisons, number: int) -> str:
    """What the most replicas bring beside the fewest, with many requests in flight and with one."""
    sweep = compared.sweeps[number]
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
    if len(compared.sweeps) > 1:
        text = f"{capital(swept(compared, sweep))}: {text[:1].lower()}{text[1:]}"
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


def swept(compared: Comparisons, sweep: Sweep) -> str:
    """Where replicas and requests in flight were varied, and what else tells it from others."""
    names = Names.of(each.lane for each in compared.sweeps)
    return names.at(sweep.lane) + setting(sweep.lane)


def worth_sentence(compared: Comparisons) -> str:
    """What an hour must be worth for the fastest to pay beside the cheapest, if it surely is the
    faster one.
    """
    bills = compared.bills
    if not bills:
        return ""
    cheapest = min(bills, key=lambda bill: (bill.usd.value, bill.seconds.value))
    if bills[0].seconds.high >= cheapest.seconds.low:
        return ""
    hour = money.worth_usd_per_h(bills[0], cheapest)
    return said(
        "{fast} pays if an hour of waiting is worth {usd} or more.",
        fast=capital(compared.names.spoken(bills[0].lane)),
        usd=show_usd(hour) if hour else None,
    )
