"""What is expected of a study's cells, from lanes that are known."""

from dataclasses import replace

import numpy as np
import pytest

from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.candidates.cells import busy_s, lane_of
from offload.costmodel.makespan import makespan_s
from offload.costmodel.terms import Candidate, given
from offload.domain.studies import Cell
from tests.measured import PLACES
from tests.measured import PLACES as KNOWN

CORES = 2


@pytest.fixture
def known() -> list[Candidate]:
    """Nothing was measured, but for a container that takes 0.1 s an image with two detectors."""
    found = lanes([], [], Overrides(slots=CORES), PLACES)
    fast = {"service_s": given(0.1, "made up"), "startup_s": given(1.5, "made up")}
    return [
        replace(lane.with_terms(**fast), slots=2, in_flight=4, noise=np.ones_like(lane.noise))
        if lane.place == "container"
        else lane
        for lane in found
    ]


def cell(place: str = "container", **settings: object) -> Cell:
    return Cell("0000", 1, KNOWN[place], 100, **settings)  # type: ignore[arg-type] # names of fields


def seconds(lane: Candidate, images: int = 100) -> float:
    return float(np.median(makespan_s(lane, images)))


def test_start_up_is_expected_of_cold_cells_alone(known: list[Candidate]) -> None:
    for place in ("local", "container", "remote"):
        warm = lane_of(cell(place), known, CORES, limited=False)
        cold = lane_of(cell(place, cold=True), known, CORES, limited=False)
        assert warm.startup_s.median == 0 < cold.startup_s.median


def test_half_a_core_takes_four_times_as_long_as_two(known: list[Candidate]) -> None:
    whole = lane_of(cell(), known, CORES, limited=False)
    half = lane_of(cell(cpus=0.5), known, CORES, limited=False)
    assert seconds(half) == pytest.approx(4 * seconds(whole), rel=0.1)
    assert "service_s" in half.assumptions
    assert "service_s" not in whole.assumptions


def test_replicas_help_as_long_as_there_are_cores(known: list[Candidate]) -> None:
    taken_s = [
        seconds(lane_of(cell(cpus=0.5, replicas=replicas), known, CORES, limited=False))
        for replicas in (1, 2, 4, 8)
    ]
    assert taken_s[1] == pytest.approx(taken_s[0] / 2, rel=0.1)
    assert taken_s[2] == pytest.approx(taken_s[0] / 4, rel=0.1)
    assert taken_s[3] == pytest.approx(taken_s[2], rel=0.1)


def test_a_limit_under_which_it_was_measured_changes_nothing(known: list[Candidate]) -> None:
    limited = lane_of(cell(cpus=0.5), known, CORES, limited=True)
    assert limited.service_s.median == 0.1


def test_replicas_under_a_limit_that_was_measured_get_in_each_others_way_beyond_the_cores(
    known: list[Candidate],
) -> None:
    taken_s = [
        lane_of(cell(cpus=0.5, replicas=replicas), one_slot(known), CORES, limited=True)
        for replicas in (1, 4, 8)
    ]
    assert [lane.service_s.median for lane in taken_s] == [0.1, 0.1, 0.2]
    assert [lane.slots for lane in taken_s] == [1, 4, 8]


def one_slot(known: list[Candidate]) -> list[Candidate]:
    return [replace(lane, slots=1, in_flight=3) for lane in known]


def test_a_container_with_nothing_set_is_the_one_that_was_measured(known: list[Candidate]) -> None:
    (measured,) = (replace(lane, in_flight=5) for lane in known if lane.place == "container")
    plain = lane_of(cell(), [measured], CORES, limited=False)
    assert replace(plain, startup_s=measured.startup_s) == measured
    three = lane_of(cell(replicas=3), [measured], CORES, limited=False)
    assert (three.slots, three.in_flight) == (6, 15)


def test_one_request_at_a_time_leaves_slots_idle(known: list[Candidate]) -> None:
    alone = lane_of(cell(concurrency=1), known, CORES, limited=False)
    assert (alone.in_flight, alone.clients) == (1, 1)
    assert seconds(alone) > 1.5 * seconds(lane_of(cell(), known, CORES, limited=False))


def test_a_shaped_link_carries_its_rate_less_the_headers(known: list[Candidate]) -> None:
    lane = lane_of(cell("remote", link_mbit=10.0), known, CORES, limited=False)
    assert lane.goodput.median == pytest.approx(10e6 / 8 * 0.956, rel=0.01)
    assert "goodput" not in lane.assumptions


def test_copies_that_were_never_sent_are_assumed_to_be_lighter(known: list[Candidate]) -> None:
    whole = lane_of(cell("remote"), known, CORES, limited=False)
    copies = lane_of(cell("remote", upload_max_side_px=640), known, CORES, limited=False)
    assert copies.sent_bytes.median <= whole.sent_bytes.median
    assert "sent_bytes" in copies.assumptions
    assert 30e3 < copies.sent_bytes.median < 200e3


def test_a_warm_cell_keeps_busy_for_its_warm_up_too(known: list[Candidate]) -> None:
    lane = next(lane for lane in known if lane.place == "remote")
    assert busy_s(lane, 10.0, cold=True) == 10
    assert busy_s(lane, 10.0, cold=False) > 10
