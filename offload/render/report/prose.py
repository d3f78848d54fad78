"""What is said of a comparison, wherever in the report it is said."""

from collections.abc import Iterator

from offload.findings import headline, money, phases
from offload.findings.crossing import Crossing
from offload.findings.scaling import Sweep
from offload.findings.study import Group, Variant
from offload.render.report.comparisons import Comparisons, Pair
from offload.render.report.document import listing
from offload.render.report.sentences import round_images, setting
from offload.render.words import capital, count, percent


def alone(compared: Comparisons, group: Group) -> str:
    """What a job takes."""
    return compared.say("alone", group=group, seconds=group.estimate("makespan_s"))


def pair_sentence(compared: Comparisons, pair: Pair) -> str:
    """How two variants compare with the most images that both did."""
    name = "pair" if pair.clear else "pair_unclear"
    return compared.say(name, pair=pair, when=compared.when(pair.column))


def crossing_sentence(compared: Comparisons, crossing: Crossing) -> str:
    """From how many images on which of two variants is faster."""
    when = compared.when(crossing.column)
    clear_from, crossed, ahead = crossing.clear_from, crossing.images, crossing.ahead
    if clear_from is None:
        if ahead is None:
            return compared.say("crossing_none", crossing=crossing, when=when)
        number, fast = ahead
        slow = crossing.slow if fast == crossing.fast else crossing.fast
        known = {"images": number, "most": crossing.most, "fast": fast, "slow": slow}
        return compared.say("crossing_lost", when=when, **known)
    if clear_from == crossing.least:
        return _throughout(compared, [crossing])
    if crossed is None:
        return compared.say("crossing_from", crossing=crossing, when=when)
    low, high = map(round_images, crossed.interval or (0, 0))
    interval = f" ({low} to {high})" if low != high else ""
    late = clear_from > crossing.after
    clear = compared.say("crossing_clear", images=clear_from) if late else ""
    return compared.say("crossing", crossing=crossing, interval=interval, clear=clear, when=when)


def crossing_sentences(compared: Comparisons) -> Iterator[str]:
    """One for each pair that changes places, and one for each variant that is ahead throughout."""
    told: dict[object, list[Crossing]] = {}
    for number, each in enumerate(compared.crossings):
        throughout = each.clear_from == each.least
        key = (each.fast, each.least, each.most, each.column) if throughout else number
        told.setdefault(key, []).append(each)
    for first, *others in told.values():
        if others:
            yield _throughout(compared, [first, *others])
        else:
            yield crossing_sentence(compared, first)


def _throughout(compared: Comparisons, same: list[Crossing]) -> str:
    slow = [compared.names.spoken(each.slow) for each in same]
    when = compared.when(same[0].column)
    return compared.say("throughout", crossing=same[0], slow=slow, when=when)


def bottleneck_sentences(compared: Comparisons) -> Iterator[str]:
    """A sentence for each stage that is the bottleneck somewhere, with its variants."""
    found: dict[str, list[tuple[Variant, str]]] = {}
    for group in compared.groups:
        if stage := phases.bottleneck(group):
            found.setdefault(stage[0], []).append((group.lane, percent(stage[1])))
    for name, binding in found.items():
        variants, shares = zip(*binding, strict=True)
        where = [
            compared.names.at(each) + setting(each) * (headline.settings(compared.study, each) > 1)
            for each in variants
        ]
        alike = len(set(shares)) == 1
        told = compared.say(f"bottleneck_{name}", share=shares[0] if alike else listing(shares))
        yield f"{capital(listing(where))}, {told}{'' if alike else ', in this order'}."


def scaling_sentence(compared: Comparisons, number: int) -> str:
    """What the most replicas bring beside the fewest, with many requests in flight and with one."""
    sweep = compared.sweeps[number]
    few, many = sweep.replicas[0], sweep.replicas[-1]
    least, most = sweep.concurrencies[0], sweep.concurrencies[-1]
    gain = sweep.speed_up(most)
    if few == many or gain is None:
        return ""
    text = compared.say(
        "scaling",
        where=f"{swept(compared, sweep)}: " * (len(compared.sweeps) > 1),
        few=few,
        many=many,
        gain=gain,
        flying=flying(most),
        proportion=many / few,
    )
    if gain.interval and gain.low <= 1 <= gain.high:
        return compared.say("scaling_chance", text=text)
    alone = sweep.speed_up(least) if least < most else None
    return compared.say("scaling_least", text=text, requests=least, gain=alone) or f"{text}."


def flying(requests: int) -> str:
    """` with 8 requests in flight`; empty where their number was left to the place."""
    return f" with {count(requests, 'request')} in flight" if requests else ""


def swept(compared: Comparisons, sweep: Sweep) -> str:
    """Where replicas and requests in flight were varied, and what else tells it from others."""
    names = compared.named(each.lane for each in compared.sweeps)
    return names.at(sweep.lane) + setting(sweep.lane)


def worth_sentence(compared: Comparisons) -> str:
    """What an hour must be worth for the fastest to pay, if it surely is the faster one."""
    bills = compared.bills
    if not bills:
        return ""
    cheapest = min(bills, key=lambda bill: (bill.usd.value, bill.seconds.value))
    if bills[0].seconds.high >= cheapest.seconds.low:
        return ""
    hour = money.worth_usd_per_h(bills[0], cheapest)
    return compared.say("worth", fast=bills[0].lane, usd=hour or None)
