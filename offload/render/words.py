"""Quantities with their intervals, places and shares, in words."""

from collections.abc import Callable, Mapping, Sequence

from offload.domain.units import rounded, show_bytes, show_rate, show_s

Show = Callable[[float], str]


def between(
    value: float, interval: tuple[float, float], show: Show, *, always: bool = False
) -> str:
    """`2.4 s (2.2 to 2.7)`; the value alone where its interval looks the same, unless `always`."""
    text, low, high = _bare([show(each) for each in (value, *interval)])
    return show(value) + ("" if text == low == high and not always else f" ({low} to {high})")


def span(interval: tuple[float, float], show: Show) -> str:
    """`2.2 to 2.7 s`."""
    high_text = show(interval[1])
    low, high = _bare([show(each) for each in interval])
    return high_text if low == high else f"{low} to {high_text}"


_UNITS = (("h", 3600.0, 3600.0), ("min", 60.0, 60.0), ("s", 0.1, 1.0), ("ms", 0.0, 1e-3))
"""A unit, from how many seconds on a duration is told in it, and its seconds."""


def took(seconds: float, interval: tuple[float, float] | None = None) -> str:
    """`2.8 min (1.6 to 4.3)`: a duration and its interval, all in the unit of the duration."""
    unit, _, unit_s = next(each for each in _UNITS if seconds >= each[1])

    def show(value_s: float) -> str:
        return f"{rounded(value_s / unit_s):g} {unit}"

    return between(seconds, interval or (seconds, seconds), show)


def _bare(texts: Sequence[str]) -> Sequence[str]:
    """The numbers alone, if all are one number of one and the same unit."""
    units = {text.partition(" ")[2] for text in texts}
    if len(units) > 1 or any(" " in unit for unit in units):
        return texts
    return [text.partition(" ")[0] for text in texts]


def percent(share: float) -> str:
    """`98 %`; only what is certain is 0 % or 100 %."""
    rounded = round(100 * share)
    if rounded in {0, 100} and share not in {0, 1}:
        return "<1 %" if rounded == 0 else ">99 %"
    return f"{rounded} %"


SHOW: Mapping[str, Show] = {
    "s": show_s, "bytes": show_bytes, "bytes/s": show_rate, "": "{:.3g}".format, "share": percent,
}  # fmt: skip
"""How a value of a term's unit is shown."""


def spoken(candidate: str) -> str:
    """A candidate's name within a sentence: `remote (stopped)`."""
    place, _, state = candidate.partition(", ")
    return f"{place} ({state})" if state else place


def capital(sentence: str) -> str:
    """The sentence with its first letter large."""
    return sentence[:1].upper() + sentence[1:]


def moment(taken_at: str) -> str:
    """`2026-11-21 09:03`, of a moment in ISO 8601."""
    return taken_at[:16].replace("T", " ")


def count(number: int, thing: str) -> str:
    """`1 image`, `12,000 images`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
