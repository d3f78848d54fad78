"""A batch on an engine's workers: its shards, its last ones, how many workers it is worth."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.costmodel import batch
from offload.costmodel.advice import Advice, advise, document
from offload.costmodel.candidates.build import Overrides
from offload.costmodel.candidates.engines import EngineWorkers
from offload.costmodel.decide import Goal
from offload.costmodel.dollars import Billing
from offload.costmodel.fleet import Bounds, Pace
from offload.costmodel.terms import Candidate, Shards
from offload.domain.measurements import Condition, Measurement, Start, Total
from offload.domain.places import PlaceTraits
from tests.costmodel.batches import Pace as Drawn
from tests.costmodel.batches import simulated
from tests.measured import HERE, MODEL, PLACES, TAKEN_AT, local

CLOUD = EngineWorkers(PlaceTraits("cloud", "a cloud", uses_link=False, on_demand=True), usd_per_h=1)
OWN = EngineWorkers(PlaceTraits("own", "a cluster", uses_link=False, rented=False, on_demand=True))


def batch_of(engine: str, image_s: float = 0.05, spread: float = 0.0) -> Measurement:
    """Twenty shards of 1000 images each, on workers that came after 80 s."""
    factors = [1 + spread * (-1) ** number for number in range(20)]
    return Measurement(
        TAKEN_AT,
        "batch",
        Condition(MODEL, engine, HERE, {}, 2),
        in_flight=4,
        starts=(Start(0, 80.0, 0.0),),
        totals=tuple(Total(1000, None, 0.0, 1000 * image_s * factor) for factor in factors),
    )


def found(*measurements: Measurement, engine: EngineWorkers = CLOUD, **goal: object) -> Advice:
    wanted = Goal(**{"images": 1_000_000} | goal)  # type: ignore[arg-type]
    by_hand, known = Overrides(slots=2, may_rent=False), [local(), *measurements]
    return advise(known, [], wanted, by_hand, Billing(), "builtin", PLACES, workers=[engine])


def workers(advice: Advice) -> dict[int, float]:
    """Seconds by the number of workers."""
    lanes = [(o.lane, o.seconds) for o in advice.options if isinstance(o.lane, Candidate)]
    return {lane.shards.workers: seconds for lane, seconds in lanes if lane.shards}


def test_a_batch_takes_its_start_its_share_and_the_last_shards() -> None:
    advice = found(batch_of("cloud"))
    image_s = np.array([0.05])
    for number, seconds in workers(advice).items():
        last_s = float(batch.straggle_s(1_000_000, Shards(number), image_s)[0])
        assert seconds == pytest.approx(80 + 50_000 / number + last_s, rel=0.02)


@pytest.mark.parametrize("number", [3, 40, 300])
@pytest.mark.parametrize("spread", [0.05, 0.3])
def test_the_last_shards_take_about_what_they_take_in_a_simulation(
    number: int, spread: float
) -> None:
    luck = random.Random(3)
    drawn = Drawn(lambda _luck: 0.0, 0.1, 0.0, 0.0, off=0.0)
    rounds = [simulated(500_000, number, drawn, luck, spread).late_s for _ in range(5)]
    [last_s] = batch.straggle_s(500_000, Shards(number, spread), np.array([0.1]))
    longest_s = batch.shard_images(500_000, number, 10.0) * 0.1 * (1 + 4 * spread)
    assert abs(last_s - np.median(rounds)) <= longest_s / 2 + 10


def test_shards_grow_with_what_was_listed_between_the_shortest_and_a_quarter_of_an_hour() -> None:
    assert batch.shard_images(0, 10, 10.0) == 200
    assert batch.shard_images(1_000_000, 10, 10.0) == 5_000
    assert batch.shard_images(10**9, 10, 10.0) == 9_000
    assert batch.shard_images(0, 1000, 0.01) == 1


@given(st.integers(1, 10**8), st.integers(1, 1000), st.floats(0.01, 1000))
def test_a_worker_has_twenty_shards_unless_they_were_too_short(
    listed: int, number: int, images_per_s: float
) -> None:
    images = batch.shard_images(listed, number, images_per_s)
    assert images <= max(1, 900 * images_per_s + 1)
    assert images <= max(1, listed / (20 * number) + 1, 20 * images_per_s + 1)


def test_a_deadline_gets_the_fewest_workers_that_keep_it() -> None:
    advice = found(batch_of("cloud"), deadline_s=3600.0, optimize="cost")
    most = max(workers(advice))
    assert advice.choice.chosen.keeps_limits
    assert workers(advice)[most] <= 3600
    assert 80 + 50_000 / (most - 2) > 0.9 * 3600
    assert advice.choice.chosen.lane.place == "local" or max(workers(advice)) == most


def test_a_budget_is_kept() -> None:
    advice = found(batch_of("cloud"), max_cost_usd=16.0, deadline_s=9000.0)
    engine = [o for o in advice.options if o.lane.place == "cloud"]
    assert engine
    assert all(option.usd <= 16 for option in engine)
    assert advice.choice.chosen.lane.place == "cloud"


def test_without_limits_it_is_the_most_that_are_not_much_dearer_than_one() -> None:
    advice = found(batch_of("cloud"))
    usd = [o.usd for o in advice.options if o.lane.place == "cloud"]
    assert len(usd) > 3
    assert max(usd) <= 1.3 * min(usd)


def test_workers_that_cost_nothing_are_all_asked() -> None:
    assert max(workers(found(batch_of("own"), engine=OWN))) == batch.MOST_WORKERS
    few = replace(OWN, most=7)
    assert max(workers(found(batch_of("own"), engine=few))) == 7
    assert max(workers(found(batch_of("own"), engine=OWN, images=100))) == 1


def test_workers_that_were_never_measured_are_assumed_and_not_chosen() -> None:
    advice = found()
    lanes = [o.lane for o in advice.options if o.lane.place == "cloud"]
    assert lanes
    assert not any(lane.choosable for lane in lanes)
    assert {"startup_s", "service_s"} <= {*lanes[0].assumptions}
    assert advice.choice.chosen.lane.place == "local"


def test_measured_workers_are_chosen_and_say_how_many_they_are() -> None:
    advice = found(batch_of("cloud"))
    chosen = document(advice)["options"][0]
    named = [each for each in document(advice)["options"] if each["place"] == "cloud"]
    assert advice.choice.chosen.lane.place == "cloud"
    assert {"name", "workers"} <= {*named[-1]}
    assert "workers" not in chosen
    assert all(
        low <= each["seconds"] <= high for each in named for low, high in [each["seconds_interval"]]
    )


def test_shards_that_differ_make_the_last_ones_later() -> None:
    even, uneven = found(batch_of("cloud")), found(batch_of("cloud", spread=0.5))
    number = max(workers(even).keys() & workers(uneven).keys())
    assert workers(uneven)[number] > workers(even)[number]


def test_a_deadline_keeps_time_for_the_last_shards() -> None:
    pace = Pace(10.0, 100.0, 0.1)
    number = batch.workers(1_000_000, 1000, pace, Bounds(seconds=1000))
    [last_s] = batch.straggle_s(1_000_000, Shards(number), np.array([0.1]))
    assert 100 + 100_000 / number + last_s <= 1000
