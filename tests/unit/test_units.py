from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.domain.errors import UsageError
from offload.domain.units import (
    duration_s,
    rate_bytes_per_s,
    show_bytes,
    show_rate,
    show_s,
    show_usd,
    size_bytes,
    usd,
)

PARSERS = (duration_s, rate_bytes_per_s, size_bytes, usd)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60), ("90", 90), (" 5m ", 300), ("1h30m", 5400), ("1.5 h", 5400), ("250ms", 0.25),
        ("2 min 5 s", 125), ("1 hour 12 minutes", 4320), ("2D", 172800), (".5 sec", 0.5),
        ("3\u00a0s", 3),
    ],
)  # fmt: skip
def test_a_duration_is_understood_as_people_type_it(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "bits_per_s"),
    [
        ("20Mbit", 20e6), ("20Mbit/s", 20e6), ("20 Mbps", 20e6), ("20 MBit/s", 20e6), ("20", 20e6),
        ("20Mb/s", 20e6), ("1Gbit", 1e9), ("8 bits", 8), ("1.2MB/s", 9.6e6), ("2 MBps", 16e6),
        ("300kB/s", 2.4e6), ("512 KiB/s", 512 * 1024 * 8), ("3 Mibit", 3 * 1024**2),
        ("1 kbyte/sec", 8000),
    ],
)  # fmt: skip
def test_in_a_rate_a_small_b_is_bits_and_a_large_one_bytes(text: str, bits_per_s: float) -> None:
    assert rate_bytes_per_s(text) == pytest.approx(bits_per_s / 8)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("170000", 170_000), ("43.57MB", 43_570_000), ("43.57 mb", 43_570_000), ("0", 0),
        ("512kB", 512_000), ("512k", 512_000), ("1.5GiB", 3 * 2**29), ("7 bytes", 7),
    ],
)  # fmt: skip
def test_a_size_is_in_bytes_whatever_its_case(text: str, count: int) -> None:
    assert size_bytes(text) == count


def test_dollars_may_carry_their_sign() -> None:
    assert usd("$0.05") == usd("0.05") == usd(" $ .05 ") == 0.05


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "text", ["", " ", ".", "-1", "+1", "nan", "inf", "1e3", "1e999", "9" * 400, "1_000", "1,5", "٣"]
)
def test_what_no_quantity_can_be_is_refused(parse: Callable[[str], float], text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (duration_s, "5 apples"), (duration_s, "30m1h"), (duration_s, "1h1h"), (duration_s, "1h30"),
        (rate_bytes_per_s, "20M"), (rate_bytes_per_s, "20 MBPS"), (rate_bytes_per_s, "20 s"),
        (size_bytes, "20Mbit"), (size_bytes, "43.57"), (size_bytes, "1 MB/s"),
        (usd, "0.05 €"), (usd, "$$1"),
    ],
)  # fmt: skip
def test_what_could_be_meant_in_two_ways_or_none_is_refused(
    parse: Callable[[str], float], text: str
) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_an_error_names_the_option_what_was_typed_and_what_to_type() -> None:
    with pytest.raises(UsageError) as caught:
        duration_s("abc", option="--deadline")
    assert str(caught.value) == "--deadline takes a duration, not 'abc'."
    assert caught.value.hint == "For instance: --deadline 90s"
    with pytest.raises(UsageError) as caught:
        size_bytes("abc", option="Line 3, 'Payload Size',")
    assert caught.value.hint == "For instance: 43.57MB"


@pytest.mark.parametrize(("parse", "word"), [(duration_s, "time"), (rate_bytes_per_s, "bandwidth")])
@pytest.mark.parametrize("text", ["0", "0.0", "0." + "0" * 16 + "1"])
def test_zero_is_refused_unless_it_may_be(parse: Any, word: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"zero {word}"):
        parse(text, option="--x")
    assert duration_s(text, zero_ok=True) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.0000345, "0.034 ms"), (0.045, "45 ms"), (0.09996, "0.1 s"),
        (0.2134, "0.21 s"), (3.42, "3.4 s"), (9.96, "10 s"), (12.34, "12.3 s"), (59.96, "1 min"),
        (125, "2 min 5 s"), (3599.6, "1 h"), (4320, "1 h 12 min"), (90_000, "25 h"),
    ],
)  # fmt: skip
def test_a_duration_is_shown_in_the_units_of_a_clock(seconds: float, text: str) -> None:
    assert show_s(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999.4, "999 B"), (999.6, "1 kB"), (1234, "1.2 kB"), (170_000, "170 kB"),
        (999_600, "1 MB"), (17_512_345, "17.5 MB"), (1.5e9, "1.5 GB"), (1e15, "1000 TB"),
    ],
)  # fmt: skip
def test_a_size_is_shown_with_the_prefix_it_rounds_to(count: float, text: str) -> None:
    assert show_bytes(count) == text
    assert show_rate(count / 8) == text.replace("B", "bit/s")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0"), (1e-8, "$0"), (0.00312, "$0.0031"), (0.05, "$0.05"), (0.0996, "$0.10"),
        (0.1, "$0.10"), (12.4, "$12.40"), (1234.5, "$1234.50"),
    ],
)  # fmt: skip
def test_dollars_are_shown_to_the_cent_and_less_than_ten_cents_to_two_digits(
    amount: float, text: str
) -> None:
    assert show_usd(amount) == text


@pytest.mark.parametrize(
    ("show", "parse", "least", "most"),
    [
        (show_s, duration_s, 1e-6, 1e9),
        (show_bytes, size_bytes, 100, 9e14),
        (show_rate, rate_bytes_per_s, 1, 9e14),
        (show_usd, usd, 1e-4, 9e14),
    ],
)
@given(share=st.floats(0, 1))
def test_what_is_shown_can_be_typed_and_shows_the_same_again(
    show: Callable[[float], str],
    parse: Callable[[str], float],
    least: float,
    most: float,
    share: float,
) -> None:
    value = least * (most / least) ** share
    again = parse(show(value))
    assert again == pytest.approx(value, rel=0.051), "half of the second digit"
    assert show(again) == show(value)


@given(st.text() | st.from_regex(r"\A[$ 0-9.]*[ a-zA-Z/0-9.]*\Z"))
def test_nothing_that_is_typed_raises_anything_but_a_usage_error(text: str) -> None:
    for parse in PARSERS:
        with suppress(UsageError):
            assert 0 <= parse(text) <= 1e15
