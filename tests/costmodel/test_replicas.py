"""Pods in the cost model: as many servers as are asked for, and how long they take to come up."""

from dataclasses import replace
from typing import Any

import pytest

from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.makespan import makespan_s
from offload.costmodel.terms import Candidate
from offload.domain.measurements import Measurement, Start, StartPhase
from offload.domain.places import StartState
from tests.measured import PLACES, local, measurement

SERVICE_S = 0.4
COLD_S: dict[str, float] = {StartPhase.APPLIED: 0.5, StartPhase.PULLED: 6.0, StartPhase.READY: 3.0}


def pods(number: int) -> Measurement:
    """A deployment of so many pods of one core each."""
    usual: dict[str, Any] = {"bytes_per_s": 100e6, "rtt_s": 0.001, "jitter": 0.0}
    found = measurement(
        "kubernetes", slots=number, in_flight=number + 2, service_s=SERVICE_S, **usual
    )
    host = dict(found.condition.host) | {"usable_cores": 1}
    return replace(found, condition=replace(found.condition, host=host, url="kubernetes:a/b@c"))


def lane(*measurements: Measurement, state: str = "warm", **by_hand: Any) -> Candidate:
    found = lanes([local(), *measurements], [], Overrides(slots=2, **by_hand), PLACES)
    return next(each for each in found if each.place == "kubernetes" and each.state == state)


def test_before_one_is_measured_nobody_is_told_of_clusters() -> None:
    found = lanes([local()], [], Overrides(slots=2), PLACES)
    assert "kubernetes" not in {each.place for each in found}


def test_three_times_the_pods_take_a_third_of_the_time() -> None:
    one, three = lane(pods(1)), lane(pods(1), replicas=3)
    seconds = [float(makespan_s(each, 300).mean()) for each in (one, three)]
    assert seconds[0] / seconds[1] == pytest.approx(3, rel=0.1)
    assert three.slots == 3
    assert three.assumptions.count("service_s") == 1
    assert lane(pods(3), replicas=3).slots == lane(pods(3)).slots == 3


def test_a_cold_start_is_as_its_phases_were_measured() -> None:
    start = Start(0, sum(COLD_S.values()), 0.0, phases=dict(COLD_S))
    brought_up = replace(
        pods(1), source="provision", images=(), probes=(), starts=(start,) ,
        facts={"from": StartState.COLD, "image": "present"},
    )  # fmt: skip
    ups = [replace(brought_up, taken_at=f"2026-11-0{day}T00:00:00+00:00") for day in (1, 2, 3)]
    warm, cold = (lane(pods(1), *ups, state=state) for state in ("warm", "cold"))
    more_s = cold.startup_s.median - warm.startup_s.median
    assert more_s == pytest.approx(sum(COLD_S.values()), rel=0.05)
