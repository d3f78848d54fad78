"""What is said of a comparison, wherever in the report it is said."""

from collections.abc import Iterator

from offload.domain.units import show_usd
from offload.findings import headline, money, phases
from offload.findings.crossing import Crossing
from offload.findings.scaling import Sweep
from offload.findings.study import Group, Variant
from offload.render.report.comparisons import Comparisons, Pair, digits, round_images, times, took
from offload.render.report.document import listing
from offload.render.report.naming import setting
from offload.render.report.sentences import say
from offload.render.words import capital, count, percent


def alone(compared: Comparisons, group: Group) -> str:
    """What a job takes."""
    name, images = capital(compared.names.spoken(group.lane)), count(group.images, "image")
    seconds = took(group.estimate("makespan_s"))
    return say("alone", name=name, seconds=seconds, images=images, setting=setting(group.lane))


def pair_values(compared: Comparisons, pair: Pair) -> dict[str, str]:
    """What sentences on a pair are filled with: its names, images, and what each takes."""
    candidate_s, base_s = pair.seconds
    return {
        "images": count(pair.images, "image"),
        "name": compared.names.spoken(pair.candidate.lane),
        "base": compared.names.spoken(pair.base.lane),
        "candidate_s": took(candidate_s) or "",
        "base_s": took(base_s) or "",
        "longer": longer(pair.ratio.value),
    }


def pair_sentence(compared: Comparisons, pair: Pair) -> str:
    """How two variants compare with the most images that both did."""
    return say("pair" if pair.clear else "pair_unclear", **pair_values(compared, pair))


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
        return _unclear(crossing, slow, fast)
    if crossing.clear_from == crossing.least:
        return _throughout(compared, [crossing])
    clear, both = crossing.clear_from, {"fast": fast, "slow": slow}
    if crossing.images is None:
        return say("crossing_from", images=clear, unclear=crossing.unclear, **both)
    images = round_images(crossing.images.value)
    low, high = map(round_images, crossing.images.interval or (0, 0))
    interval = f" ({low} to {high})" if low != high else ""
    late = say("crossing_clear", images=clear) if clear > crossing.after else ""
    return say("crossing", images=images, interval=interval, clear=late, **both)


def _unclear(crossing: Crossing, slow: str, fast: str) -> str:
    """Two variants that cannot be told apart with the most images."""
    most = crossing.most
    if crossing.ahead is None:
        return say("crossing_none", least=crossing.least, most=most, fast=fast, slow=slow)
    number, ahead = crossing.ahead
    fast, slow = (fast, slow) if ahead == crossing.fast else (slow, fast)
    return say("crossing_lost", images=count(number, "image"), most=most, fast=fast, slow=slow)


def crossing_sentences(compared: Comparisons) -> list[str]:
    """One for each pair that changes places, and one for each variant that is ahead throughout."""
    told: dict[object, list[Crossing]] = {}
    for number, each in enumerate(compared.crossings):
        throughout = each.clear_from == each.least
        key = (each.fast, each.least, each.most) if throughout else number
        told.setdefault(key, []).append(each)
    return [
        _throughout(compared, same) if len(same) > 1 else crossing_sentence(compared, same[0])
        for same in told.values()
    ]


def _throughout(compared: Comparisons, same: list[Crossing]) -> str:
    first, slow = same[0], listing([compared.names.spoken(each.slow) for each in same])
    fast = compared.names.spoken(first.fast)
    return say("throughout", least=first.least, most=first.most, fast=fast, slow=slow)


def bottleneck_sentences(compared: Comparisons) -> Iterator[str]:
    """What the jobs wait for most: a sentence for each stage that is the bottleneck somewhere."""
    found: dict[str, list[tuple[Group, float]]] = {}
    for group in compared.groups:
        if stage := phases.binding(group):
            found.setdefault(stage[0], []).append((group, stage[1]))
    for name, groups in found.items():
        where = capital(listing([_at_its_best(compared, group.lane) for group, _ in groups]))
        shares = [percent(share) for _, share in groups]
        alike = len(set(shares)) == 1
        told = say(f"bottleneck_{name}", shares[0] if alike else listing(shares))
        yield f"{where}, {told}{'' if alike else ', in this order'}."


def _at_its_best(compared: Comparisons, variant: Variant) -> str:
    """A variant, with its knobs if others were turned."""
    several = headline.settings(compared.study, variant) > 1
    return compared.names.at(variant) + setting(variant) * several


def scaling_sentence(compared: Comparisons, number: int) -> str:
    """What the most replicas bring beside the fewest, with many requests in flight and with one."""
    sweep = compared.sweeps[number]
    few, many = sweep.replicas[0], sweep.replicas[-1]
    least, most = sweep.concurrencies[0], sweep.concurrencies[-1]
    gain = sweep.speed_up(most)
    if few == many or gain is None:
        return ""
    several = len(compared.sweeps) > 1
    text = say(
        "scaling",
        going=f"{capital(swept(compared, sweep))}: going" if several else "Going",
        few=few,
        many=count(many, "replica"),
        gain=times(gain),
        flying=flying(most),
        proportion=digits(many / few),
    )
    if gain.interval and gain.low <= 1 <= gain.high:
        return say("scaling_chance", text=text)
    gain = sweep.speed_up(least)
    if least < most and gain is not None:
        return say("scaling_least", text=text, requests=least, gain=times(gain))
    return f"{text}."


def flying(requests: int) -> str:
    """` with 8 requests in flight`; empty where their number was left to the place."""
    return f" with {count(requests, 'request')} in flight" if requests else ""


def swept(compared: Comparisons, sweep: Sweep) -> str:
    """Where replicas and requests in flight were varied, and what else tells it from others."""
    names = compared.named(each.lane for each in compared.sweeps)
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
    fast = capital(compared.names.spoken(bills[0].lane))
    return say("worth", fast=fast, usd=show_usd(hour) if hour else None)
