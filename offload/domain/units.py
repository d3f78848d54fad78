"""Quantities as people type them, and as we show them back.

Typed is a decimal number with a point, then its unit, spaces between them or not; k, M, G and T
are decimal, Ki, Mi, Gi and Ti binary. What is negative, infinite or beyond 1e15 is refused, and
nine decimals count. `option` is what an error names.

Shown are two digits below 10 of a unit and three from there on, without zeros at the end; what is
shown can be typed.
"""

import re

from offload.domain.errors import UsageError

_NUMBER = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_UNITS_S = {
    "d|days?": 86400, "h|hrs?|hours?": 3600, "m|mins?|minutes?": 60, "s|secs?|seconds?": 1,
    "ms|milliseconds?": 1e-3,
}  # fmt: skip
"""Units of time in the order they are typed in, in seconds."""
_DURATION = re.compile(
    "".join(rf"(?:({_NUMBER})\s*(?:{unit})\s*)?" for unit in _UNITS_S), re.IGNORECASE
)
_RATE = re.compile(rf"({_NUMBER})\s*(?:([kKmMgGtT]i?)?([bB]its?|[bB]ytes?|b|B)(?:ps|/s|/sec)?)?")
_SIZE = re.compile(rf"({_NUMBER})\s*([kmgt]i?)?(b|bytes?)?", re.IGNORECASE)
_MOST = 1e15
_MINUTE_S, _HOUR_S = 60, 3600
_TENTH = 0.1
_THREE_DIGITS_FROM = 10


def duration_s(text: str, *, option: str = "This", zero_ok: bool = False) -> float:
    """Seconds of `90`, `250ms`, `5m`, `1.5 h` or `1h30m`.

    Raises:
        UsageError: it is no duration, or zero and not `zero_ok`.
    """
    text_s = f"{text}s" if re.fullmatch(_NUMBER, text.strip()) else text
    found = _DURATION.fullmatch(text_s.strip())
    seconds = None
    if found and any(found.groups()):
        counts = zip(found.groups(), _UNITS_S.values(), strict=True)
        seconds = sum(float(count) * unit_s for count, unit_s in counts if count)
    return _checked(seconds, text, option, "a duration", "90s", "zero time" * (not zero_ok))


def rate_bytes_per_s(text: str, *, option: str = "This") -> float:
    """Bytes per second of `20Mbit`, `20 Mbit/s`, `20 Mbps`, `1.2MB/s` or `512 KiB/s`.

    `b` and `bit` are bits, `B` and `byte` bytes; a number alone is in Mbit/s.

    Raises:
        UsageError: it is no transfer rate, or zero.
    """
    rate = None
    if found := _RATE.fullmatch(text.strip()):
        count, prefix, unit = found.groups(default="")
        bits = 8 if unit == "B" or unit.lower().startswith("byte") else 1
        rate = float(count) * (_scale(prefix) if unit else 1e6) * bits / 8
    return _checked(rate, text, option, "a transfer rate", "20Mbit/s", "zero bandwidth")


def size_bytes(text: str, *, option: str = "This") -> int:
    """Bytes of `170000`, `512kB`, `43.57 MB` or `1.5GiB`, in any case: sizes are never in bits.

    Raises:
        UsageError: it is no size; a fraction without a unit is none.
    """
    size = None
    if found := _SIZE.fullmatch(text.strip()):
        count, prefix, unit = found.groups(default="")
        if prefix or unit or "." not in count:
            size = float(count) * _scale(prefix)
    return round(_checked(size, text, option, "a size", "43.57MB"))


def usd(text: str, *, option: str = "This") -> float:
    """Dollars of `0.05` or `$0.05`.

    Raises:
        UsageError: it is no amount of money.
    """
    found = re.fullmatch(rf"\$?\s*({_NUMBER})", text.strip())
    amount = float(found[1]) if found else None
    return _checked(amount, text, option, "an amount in dollars", "0.05")


def _scale(prefix: str) -> float:
    base = 1024.0 if prefix.endswith("i") else 1000.0
    return base ** " kmgt".index(prefix[:1].lower() or " ")


def _checked(
    value: float | None, text: str, option: str, kind: str, example: str, zero: str = ""
) -> float:
    name = f"{option} " if option.startswith("-") else ""
    hint = f"For instance: {name}{example}"
    if value is None or value > _MOST:
        raise UsageError(f"{option} takes {kind}, not {text!r}.", hint=hint)
    value = round(value, 9)
    if zero and not value:
        raise UsageError(f"{option} takes {kind}, and {text!r} is {zero}.", hint=hint)
    return value


def show_s(seconds: float) -> str:
    """A duration: `45 ms`, `0.21 s`, `3.4 s`, `2 min 5 s`, `1 h 12 min`."""
    if seconds > 0 and round(seconds, 4) < _TENTH:
        return f"{_digits(seconds * 1e3)} ms"
    if round(seconds, 1) < _MINUTE_S:
        return f"{_digits(seconds)} s"
    if round(seconds) < _HOUR_S:
        return _sixtieths(round(seconds), "min", "s")
    return _sixtieths(round(seconds / _MINUTE_S), "h", "min")


def show_rate(bytes_per_s: float) -> str:
    """A transfer rate, in bits as links are sold: `19.2 Mbit/s`."""
    return _scaled(bytes_per_s * 8, "bit/s")


def show_bytes(count: float) -> str:
    """A size: `170 kB`, `17.5 MB`."""
    return _scaled(count, "B")


def show_usd(amount: float) -> str:
    """Dollars: `$0`, `$0.0031`, `$0.05`, and from ten cents on with all cents, `$12.40`."""
    digits = _digits(amount)
    return f"${amount:.2f}" if float(digits) >= _TENTH else f"${digits}"


def _scaled(value: float, unit: str) -> str:
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if float(f"{value:.3g}") >= scale:
            return f"{_digits(value / scale)} {prefix}{unit}"
    return f"{_digits(value)} {unit}"


def _sixtieths(count: int, whole: str, rest: str) -> str:
    return f"{count // 60} {whole}" + (f" {count % 60} {rest}" if count % 60 else "")


def rounded(value: float) -> float:
    """What is shown of a number: two digits below 10, three from there on."""
    return float(f"{value:.2g}" if value < _THREE_DIGITS_FROM else f"{value:.3g}")


def _digits(value: float) -> str:
    return f"{rounded(value):.6f}".rstrip("0").rstrip(".")
