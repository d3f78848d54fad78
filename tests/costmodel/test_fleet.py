"""How many machines a fleet is asked for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.costmodel.fleet import Bounds, Pace, machine_s, ready_in_s, seconds, wanted

PACE = Pace(images_per_s=20.0, start_s=100.0, usd_per_h=0.36)
WAITS = st.lists(st.floats(0, 500), min_size=1, max_size=30)


def simulated_s(work_s: float, ready_s: list[float], step_s: float = 0.05) -> float:
    """When machines that each do a second's work a second are done."""
    now_s = 0.0
    while work_s > 0:
        work_s -= step_s * sum(each_s <= now_s for each_s in ready_s)
        now_s += step_s
    return now_s


def test_machines_that_start_together_take_their_start_and_their_share() -> None:
    assert seconds(600, [100.0] * 4) == 100 + 600 / 4
    assert machine_s(600, [100.0] * 4, PACE) == 600 + 4 * (100 + 60)
    assert seconds(600, []) == math.inf


@given(st.floats(1, 2000), WAITS)
def test_machines_that_come_one_after_the_other_take_what_a_simulation_takes(
    work_s: float, ready_s: list[float]
) -> None:
    assert seconds(work_s, ready_s) == pytest.approx(simulated_s(work_s, ready_s), abs=0.2)


@given(st.floats(1, 20000), WAITS)
def test_one_machine_more_is_never_slower_and_never_cheaper(
    work_s: float, ready_s: list[float]
) -> None:
    more = [*ready_s, 100.0]
    assert seconds(work_s, more) <= seconds(work_s, ready_s) + 1e-9
    assert machine_s(work_s, more, PACE) >= machine_s(work_s, ready_s, PACE)


def test_a_deadline_gets_the_fewest_machines_that_keep_it() -> None:
    images = 60_000  # 3000 machine-seconds
    found = wanted(images, [], 100, PACE, Bounds(seconds=400))
    assert seconds(3000, [100.0] * found) <= 360 < seconds(3000, [100.0] * (found - 1))
    assert wanted(images, [], 5, PACE, Bounds(seconds=400)) == 5


def test_a_deadline_that_none_can_keep_gets_as_many_as_make_a_difference() -> None:
    assert wanted(60_000, [], 1000, PACE, Bounds(seconds=30)) == 300
    assert wanted(3, [], 1000, PACE, Bounds(seconds=30)) == 1


def test_a_budget_gets_the_most_machines_that_it_allows() -> None:
    found = wanted(60_000, [], 100, PACE, Bounds(usd=0.50))
    assert PACE.usd(machine_s(3000, [100.0] * found, PACE)) <= 0.50
    assert PACE.usd(machine_s(3000, [100.0] * (found + 1), PACE)) > 0.50
    assert wanted(60_000, [], 100, PACE, Bounds(usd=0.01)) == 0
    assert wanted(60_000, [0.0], 100, PACE, Bounds(usd=0.01)) == 1, "what is there stays"


def test_a_budget_bounds_what_a_deadline_gets() -> None:
    most = wanted(60_000, [], 100, PACE, Bounds(usd=0.40))
    assert wanted(60_000, [], 100, PACE, Bounds(seconds=130, usd=0.40)) == most


def test_without_a_limit_a_few_dollars_more_buy_time() -> None:
    assert wanted(10, [], 100, PACE) == 1
    found = wanted(600_000, [], 100, PACE)
    one = machine_s(30_000, [100.0], PACE)
    assert machine_s(30_000, [100.0] * found, PACE) <= 1.25 * one
    assert machine_s(30_000, [100.0] * (found + 1), PACE) > 1.25 * one


@given(st.integers(1, 10**6), WAITS, st.integers(1, 40), st.floats(1, 5000))
def test_a_plan_never_shrinks_nor_goes_beyond_the_most(
    images: int, ready_s: list[float], most: int, deadline_s: float
) -> None:
    for limits in (Bounds(), Bounds(seconds=deadline_s), Bounds(usd=deadline_s / 1000)):
        found = wanted(images, ready_s, most, PACE, limits)
        assert len(ready_s) <= found <= max(len(ready_s), most, 1)
        assert found <= max(images, len(ready_s))


def test_rates_that_are_a_little_off_change_no_plan() -> None:
    found = wanted(60_000, [], 100, PACE, Bounds(seconds=400))
    slower = Pace(0.92 * PACE.images_per_s, 105.0)
    later = [ready_in_s(10, slower)] * found
    assert wanted(60_000, later, 100, slower, Bounds(seconds=390)) == found
    much_slower = Pace(0.5 * PACE.images_per_s, 105.0)
    assert wanted(60_000, later, 100, much_slower, Bounds(seconds=390)) > found


def test_a_machine_that_is_late_is_expected_as_much_later_again() -> None:
    assert ready_in_s(30, PACE) == 70
    assert ready_in_s(130, PACE) == 30
