import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.costmodel.accuracy import (
    LINK_NOISE,
    NOISE,
    accuracy,
    residuals,
    sigma,
    widened,
)
from offload.domain.measurements import Outcome
from tests.measured import PLACES, TAKEN_AT, advised, local, remote

PRIORS = {"local": NOISE, "container": NOISE, "remote": LINK_NOISE, "unknown": LINK_NOISE}
TOOK_10_S = Outcome(TAKEN_AT, "k", "local", "builtin", 100, 17_000_000, 10.0, 9.0, 11.0, 10.0)


def took(actual_s: float, place: str = "local", *, assumed: bool = False) -> Outcome:
    """A run that was predicted to take 10 s, give or take one."""
    return replace(TOOK_10_S, actual_s=actual_s, place=place, assumed=assumed)


def off_by(log_error: float, runs: int) -> list[Outcome]:
    """Runs that took longer and shorter in turn."""
    return [took(10 * math.exp(log_error * (-1) ** run)) for run in range(runs)]


def test_without_runs_the_spread_is_the_prior_s() -> None:
    assert all(sigma([], PLACES[place]) == prior for place, prior in PRIORS.items())


def test_the_spread_goes_from_the_prior_s_to_that_of_the_runs() -> None:
    spreads = [sigma(off_by(0.1, runs), PLACES["local"]) for runs in (0, 2, 10, 100, 1000)]
    assert spreads == sorted(spreads)
    assert spreads[0] == pytest.approx(0.05)
    assert spreads[-1] == pytest.approx(0.1, rel=0.01)
    assert sigma(off_by(0.01, 1000), PLACES["local"]) == pytest.approx(0.01, rel=0.1)


def test_one_run_that_went_wrong_altogether_says_little() -> None:
    assert sigma([*off_by(0.05, 20), took(1e6)], PLACES["local"]) < 0.07


def test_runs_elsewhere_say_nothing() -> None:
    assert sigma([took(99, "remote")] * 30, PLACES["local"]) == NOISE


def test_predictions_that_rest_on_assumptions_do_not_count() -> None:
    assumed = [took(30, assumed=True)] * 50
    assert residuals(assumed, "local") == []
    assert sigma(assumed, PLACES["local"]) == pytest.approx(NOISE)
    (found,) = accuracy([took(11), *assumed])
    assert (found.runs, found.assumed) == (1, 50)
    assert found.median_error == pytest.approx(0.1)


def test_where_all_was_assumed_that_is_what_there_is() -> None:
    (found,) = accuracy([took(20, assumed=True)] * 2)
    assert (found.runs, found.assumed) == (2, 2)
    assert found.bias == pytest.approx(1)


def test_accuracy_is_of_each_place() -> None:
    runs = [took(8), took(10), took(10.5), took(12), took(9, "remote")]
    here, there = accuracy(runs)
    assert (here.place, here.runs, there.place, there.runs) == ("local", 4, "remote", 1)
    assert here.median_error == pytest.approx(0.125)
    assert here.bias == pytest.approx(0.025)
    assert here.p90_error == pytest.approx(0.2)
    assert here.covered == 0.5
    assert accuracy([]) == []


errors = st.lists(st.floats(-3, 3), max_size=60)
intervals = st.lists(st.floats(0.1, 1e4), min_size=3, max_size=3).map(sorted)


@given(intervals, errors)
def test_an_interval_is_never_narrowed(interval: list[float], seen: list[float]) -> None:
    low, middle, high = interval
    widened_low, widened_high = widened(low, middle, high, seen)
    assert 0 < widened_low <= low
    assert high <= widened_high
    if len(seen) < 20:
        assert (widened_low, widened_high) == (low, high)


@pytest.mark.parametrize(("runs", "reach"), [(19, 0.01), (20, 0.5), (100, 0.5)])
def test_from_twenty_runs_on_an_interval_reaches_as_far_as_they_were_off(
    runs: int, reach: float
) -> None:
    low, high = widened(10 * math.exp(-0.01), 10, 10 * math.exp(0.01), [0.5, -0.5] * (runs // 2))
    assert low == pytest.approx(10 * math.exp(-reach))
    assert high == pytest.approx(10 * math.exp(reach))


def test_nine_of_ten_past_errors_lie_within() -> None:
    _, high = widened(9.9, 10, 10.1, [number / 100 for number in range(1, 100)])
    assert high == pytest.approx(10 * math.exp(0.9))


def test_past_errors_widen_the_intervals_of_their_place_alone() -> None:
    def widths(outcomes: list[Outcome]) -> dict[str, float]:
        advice = advised(local(), remote(), outcomes=outcomes)
        return {o.lane.name: o.high_s / o.low_s for o in advice.options if o.lane.choosable}

    before, after = widths([]), widths(off_by(0.3, 40))
    assert after["local"] > 1.5 * before["local"]
    assert after["remote"] == pytest.approx(before["remote"])
