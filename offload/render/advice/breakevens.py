"""Where the answer flips, in words."""

from collections.abc import Iterator, Mapping

from offload.costmodel.advice import Advice
from offload.costmodel.breakeven import BreakEven
from offload.domain.units import show_bytes, show_rate, show_usd
from offload.render.words import Show, between, percent, spoken

_RARE = 0.05
"""Shares of cases beyond this one and its complement are not worth a word."""


def lines(advice: Advice) -> Iterator[str]:
    """A sentence for each break-even, but for start states that never gain."""
    choosable = {option.lane.name for option in advice.options if option.lane.choosable}
    for flip in advice.break_evens:
        if flip.value is not None or _gains(advice, flip) or flip.other in choosable:
            yield sentence(advice, flip)


def _gains(advice: Advice, flip: BreakEven) -> bool:
    """Whether `other` is the faster one for the job at hand."""
    took_s = {option.lane.name: option.seconds for option in advice.options}
    return took_s[flip.other] < took_s[flip.base]


def sentence(advice: Advice, flip: BreakEven) -> str:
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
