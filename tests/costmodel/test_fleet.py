"""How many machines a fleet is asked for."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.dollars import Billing, cost_usd
from offload.costmodel.fleet import Bounds, Pace, machine_s, ready_in_s, seconds, wanted
from offload.costmodel.terms import Candidate
from offload.domain.measurements import Measurement, StartPhase
from offload.domain.places import StartState
from tests.measured import PLACES, local, measurement

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
    assert seconds(3000, [100.0] * found) <= 380 < seconds(3000, [100.0] * (found - 1))
    assert wanted(images, [], 5, PACE, Bounds(seconds=400)) == 5


def test_a_deadline_that_none_can_keep_gets_as_many_as_make_a_difference() -> None:
    assert wanted(60_000, [], 1000, PACE, Bounds(seconds=30)) == 300
    assert wanted(3, [], 1000, PACE, Bounds(seconds=30)) == 1


def test_a_budget_gets_the_most_machines_that_it_allows_with_a_tenth_of_it_to_spare() -> None:
    found = wanted(60_000, [], 100, PACE, Bounds(usd=0.50))
    assert PACE.usd(machine_s(3000, [100.0] * found, PACE)) <= 0.45
    assert PACE.usd(machine_s(3000, [100.0] * (found + 1), PACE)) > 0.45
    # Of all of it, not of what is left.
    assert wanted(60_000, [], 100, PACE, Bounds(usd=0.50), 6000, 1000.0) < found
    assert wanted(60_000, [], 100, PACE, Bounds(usd=0.01)) == 0
    assert wanted(60_000, [0.0], 100, PACE, Bounds(usd=0.01)) == 1, "what is there stays"


def test_a_budget_is_not_spent_on_what_makes_no_difference() -> None:
    found = wanted(1000, [], 100, PACE, Bounds(usd=10))
    assert 1.09 * 100 < 100 + 50 / found <= 1.1 * 100


def test_a_job_that_nobody_is_waiting_for_stays_cheap_however_often_it_is_planned() -> None:
    first = wanted(20_000, [], 100, PACE)
    running, spent_s = [0.0] * first, first * 100.0
    for left in range(20_000, 0, -1000):
        assert wanted(left, running, 100, PACE, Bounds(), 20_000 - left, spent_s) == first
        spent_s += 1000 / PACE.images_per_s


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
    slower = Pace(0.96 * PACE.images_per_s, 105.0)
    later = [ready_in_s(10, slower)] * found
    assert wanted(60_000, later, 100, slower, Bounds(seconds=390)) == found
    much_slower = Pace(0.5 * PACE.images_per_s, 105.0)
    assert wanted(60_000, later, 100, much_slower, Bounds(seconds=390)) > found


def test_a_machine_that_is_late_is_expected_as_much_later_again() -> None:
    assert ready_in_s(30, PACE) == 70
    assert ready_in_s(130, PACE) == 30


HOST = {"name": "c7i.large in us-east-1", "cpu": None, "usable_cores": 2, "usd_per_h": 0.09}


def measured(*, machines: int = 3, came_s: float | None = None) -> Measurement:
    """A job at a fleet of so many machines of two cores; its first came so late, if it had none."""
    known = measurement(
        "fleet", slots=2 * machines, in_flight=8 * machines, bytes_per_s=2.5e6, rtt_s=0.02
    )
    known = replace(known, condition=replace(known.condition, host=HOST))
    if came_s is not None:
        phases: dict[str, float] = {StartPhase.MACHINES: came_s}
        starts = [replace(s, first_s=s.first_s + came_s, phases=phases) for s in known.starts]
        known = replace(known, starts=tuple(starts))
    return known


def found(*known: Measurement) -> dict[str, Candidate]:
    """The fleet's lanes by their state."""
    every = lanes([local(), *known], [], Overrides(slots=2), PLACES)
    return {each.state: each for each in every if each.place == "fleet"}


def test_a_fleet_is_spoken_of_once_it_was_measured_and_at_rest_unless_said_otherwise() -> None:
    assert not found()
    there = found(measured())
    assert there.keys() == {StartState.WARM, StartState.COLD}
    assert [state for state, lane in there.items() if lane.choosable] == [StartState.COLD]


def test_the_first_machine_of_a_fleet_is_waited_for_as_long_as_it_took_before() -> None:
    warm, cold = found(measured(came_s=90.0)).values()
    assert cold.startup_s.median - warm.startup_s.median == pytest.approx(90, abs=0.1)
    assert (warm.first_s.median, cold.first_s.median) == pytest.approx((0.1, 0.1), abs=0.2)
    unknown_s = found(measured())[StartState.COLD].startup_s.median
    assert 60 < unknown_s < 180


def test_machines_of_a_fleet_cost_until_they_have_waited_for_more() -> None:
    warm, _ = found(measured(machines=3)).values()
    usd = cost_usd(warm, np.array([600.0]), 100, Billing(0.5, "of another machine"))
    assert usd == pytest.approx(3 * 0.09 * 660 / 3600)
