"""A function in the cost model: calls are billed, and environments start with them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from offload.costmodel.advice import advise, document
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.decide import Goal
from offload.costmodel.dollars import Billing, cost_usd
from offload.costmodel.makespan import makespan_s
from offload.costmodel.terms import Candidate, given
from offload.domain.measurements import Measurement, Start, StartPhase
from offload.domain.places import StartState
from offload.domain.prices import CALL_USD, CALL_USD_PER_GB_S, CallPrice
from tests.measured import PLACES, local, measurement, remote

INIT_S, SERVICE_S, SLOTS = 2.0, 0.05, 10
GB = 1769 / 1024
PER_GB_S = CALL_USD_PER_GB_S["x86_64"]
CALLS = CallPrice(CALL_USD, GB * PER_GB_S, "1769 MB", "2025-10-28")
BILLING = Billing(0.09, "c7i.large", calls=CALLS)


def function(*, cold_starts: int = 1, **known: Any) -> Measurement:
    """A function behind 20 Mbit/s, of whose starts so many were cold."""
    usual = {"slots": SLOTS, "in_flight": SLOTS, "bytes_per_s": 2.5e6, "rtt_s": 0.02}
    warm = measurement("lambda", **usual | {"service_s": SERVICE_S, "jitter": 0.0} | known)
    phases: dict[str, float] = {StartPhase.INIT: INIT_S}
    starts = [
        Start(1, s.startup_s + INIT_S, s.first_s, s.sent_bytes, phases) if n < cold_starts else s
        for n, s in enumerate(warm.starts)
    ]
    return replace(warm, starts=tuple(starts))


def found(*measurements: Measurement) -> dict[str, Candidate]:
    """The function's lanes by their state."""
    every = lanes(measurements, [], Overrides(slots=2), PLACES)
    return {each.state: each for each in every if each.place == "lambda"}


def test_one_that_was_never_measured_is_assumed_and_not_chosen() -> None:
    there = found(local())
    assert there.keys() == found(local(), function()).keys() == {StartState.WARM, StartState.COLD}
    assert not any(lane.choosable for lane in there.values())
    cold = there[StartState.COLD]
    assert (cold.slots, cold.in_flight) == (10, 10), "as many as a new account may run"
    assert {"startup_s", "service_s", "goodput"} <= {*cold.assumptions}
    assert cold.service_s.how == "half to twice that of local"


def test_figures_of_one_that_was_never_measured_are_those_by_hand() -> None:
    by_hand = Overrides(slots=2, uplink_bytes_per_s=1e6, rtt_s=0.02, image_bytes=100e3)
    every = lanes([local(service_s=SERVICE_S, jitter=0.0)], [], by_hand, PLACES)
    warm, cold = (x for x in every if x.place == "lambda")
    # base64 makes 4 bytes of 3, and 1.05 is what pipelines lose beyond their slowest stage
    uplink_s = 199 * 0.1 * 4 / 3 * 1.05
    assert np.median(makespan_s(warm, 200)) == pytest.approx(0.7 + uplink_s, rel=0.1)
    init_s = 2.2  # the middle of 0.8 to 6: once before the first image, once with it
    more_s = np.median(makespan_s(cold, 200)) - np.median(makespan_s(warm, 200))
    assert more_s == pytest.approx(2 * init_s, rel=0.2)
    usd = np.median(cost_usd(cold, makespan_s(cold, 200), 200, BILLING))
    busy_s = 200 * (SERVICE_S + 0.0005) + 10 * init_s
    assert usd == pytest.approx(200 * CALL_USD + busy_s * GB * PER_GB_S, rel=0.2)


def test_its_uplink_is_that_of_a_place_that_was_measured_less_what_base64_takes() -> None:
    known = found(local(), remote(bytes_per_s=2.5e6))[StartState.COLD].goodput
    assert known.median == pytest.approx(0.75 * 2.5e6, rel=0.05)
    assert (known.origin, known.how) == ("assumed", "as that of remote")


def test_confidence_is_not_high_while_a_start_that_was_never_seen_decides() -> None:
    slow = local(service_s=5.0, jitter=0.0)

    def confidence(cold_starts: int) -> str:
        known = [slow, function(cold_starts=cold_starts)]
        answer = advise(known, [], Goal(200), Overrides(slots=2), BILLING, "builtin", PLACES)
        assert answer.choice.chosen.lane.state == StartState.COLD
        return answer.confidence

    assert (confidence(3), confidence(0)) == ("high", "medium")


def test_a_cold_one_waits_for_an_environment_before_the_first_image_and_with_it() -> None:
    there = found(local(), function())
    warm, cold = there[StartState.WARM], there[StartState.COLD]
    assert warm.startup_s.median == pytest.approx(0.5, rel=0.05)
    assert cold.startup_s.median - warm.startup_s.median == pytest.approx(INIT_S, rel=0.05)
    assert cold.first_s.median - warm.first_s.median == pytest.approx(INIT_S, rel=0.05)
    assert cold.startup_s.origin == "measured"
    alone = found(local(), function(slots=1, in_flight=1))
    assert alone[StartState.COLD].first_s.median == alone[StartState.WARM].first_s.median


def test_cold_is_what_is_assumed_of_one_that_nobody_called_for_a_while() -> None:
    there = found(local(), function())
    assert (there[StartState.COLD].choosable, there[StartState.WARM].choosable) == (True, False)


def test_one_whose_start_was_never_seen_has_an_assumed_one() -> None:
    cold = found(local(), function(cold_starts=0))[StartState.COLD]
    assert cold.startup_s.origin == "assumed"
    assert cold.init_s is not None
    assert 0.5 < np.median(cold.init_s) < 6


def test_the_bill_is_requests_and_the_seconds_of_calls_and_starts() -> None:
    there = found(local(), function())
    seconds = makespan_s(there[StartState.WARM], 1000)
    warm_usd = np.median(cost_usd(there[StartState.WARM], seconds, 1000, BILLING))
    busy_s = 1000 * (SERVICE_S + 0.0005)
    assert warm_usd == pytest.approx(1000 * CALL_USD + busy_s * GB * PER_GB_S, rel=0.01)
    cold_usd = np.median(cost_usd(there[StartState.COLD], seconds, 1000, BILLING))
    assert cold_usd - warm_usd == pytest.approx(SLOTS * INIT_S * GB * PER_GB_S, rel=0.05)


def test_no_hour_of_a_machine_adds_to_the_bill_and_few_images_start_few_environments() -> None:
    cold = found(local(), function())[StartState.COLD]
    one = np.median(cost_usd(cold, np.full(500, 3600.0), 1, BILLING))
    assert one == pytest.approx(CALL_USD + (INIT_S + SERVICE_S) * GB * PER_GB_S, rel=0.05)


def test_images_too_large_for_a_call_pay_for_s3_too() -> None:
    warm = found(local(), function())[StartState.WARM]
    large = warm.with_terms(sent_bytes=given(5e6, ""))
    usd = [np.median(cost_usd(lane, np.ones(500), 1000, BILLING)) for lane in (warm, large)]
    assert usd[1] - usd[0] == pytest.approx(0.0054, rel=1e-6)


def test_concurrency_is_a_term_of_the_makespan_until_the_uplink_is_the_bottleneck() -> None:
    def warm_s(slots: int) -> float:
        lane = found(local(), function(slots=slots, in_flight=slots, bytes_per_s=1e9))["warm"]
        return float(np.median(makespan_s(lane, 1000)))

    assert warm_s(1) / warm_s(10) > 5
    slow = found(local(), function())[StartState.WARM]
    assert np.median(makespan_s(slow, 1000)) > 1000 * 170_000 / 2.5e6


def test_an_advice_has_a_row_for_it_with_dollars_per_thousand_images() -> None:
    answer = advise(
        [local(), function()], [], Goal(200), Overrides(slots=2), BILLING, "builtin", PLACES
    )
    rows = {(o["place"], o["state"]): o for o in document(answer)["options"]}
    warm, cold = rows["lambda", "warm"], rows["lambda", "cold"]
    assert warm["usd_per_1000_images"] == pytest.approx(5 * warm["usd"])
    assert 0 < warm["usd"] < cold["usd"] < rows["remote", "new"]["usd"]
    assert cold["choosable"]
