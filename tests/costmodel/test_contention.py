from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.split import Contention, contention
from offload.costmodel.terms import Candidate
from offload.domain.measurements import Condition, Measurement
from offload.domain.typed import read
from tests.costmodel.test_bringups import day
from tests.measured import HERE, MODEL, PLACES, THERE, URL, advised, local, remote

BY_HAND = Overrides(slots=2)


def beside(place: str, measurement: Measurement) -> Measurement:
    """What was measured while `place` worked on the same job."""
    return replace(measurement, condition=replace(measurement.condition, beside=place))


def here(service_s: float, **known: Any) -> Measurement:
    return beside("remote", local(service_s=service_s, **known))


def there(bytes_per_s: float, **known: Any) -> Measurement:
    return beside("local", remote(bytes_per_s=bytes_per_s, **known))


def found(*measurements: Measurement) -> Contention:
    known: list[Measurement] = [local(), remote(), *measurements]
    ways = {lane.name: lane for lane in lanes(known, [], BY_HAND, PLACES)}
    return contention(known, ways["local"], ways["remote"])


def test_it_is_how_much_longer_an_image_took_beside_the_other_place_than_alone() -> None:
    measured = found(here(0.03), there(2e6))
    assert measured.local.median == pytest.approx(0.5, rel=0.1)
    assert measured.remote.median == pytest.approx(0.25, rel=0.15)
    for term in (measured.local, measured.remote):
        assert (term.origin, term.samples) == ("measured", 100)


def test_images_of_another_size_are_compared_with_such_images() -> None:
    assert found(there(2.5e6, image_bytes=85_000)).remote.median == pytest.approx(0, abs=0.05)


def test_nobody_is_faster_for_being_held_up() -> None:
    measured = found(here(0.01), there(1e8))
    assert not measured.local.draws.any()
    assert not measured.remote.draws.any()


def test_only_the_newest_few_count() -> None:
    old = [here(0.06, taken_at=day(number)) for number in range(1, 9)]
    new = [here(0.022, taken_at=day(number)) for number in range(10, 15)]
    assert found(*old, *new).local.interval[1] < 0.2


@pytest.mark.parametrize(
    "other",
    [
        local(service_s=0.06),
        beside("local", local(service_s=0.06)),
        here(0.06, slots=1),
        here(0.06, images=3),
        here(0.06, images=0),
    ],
)
def test_what_is_no_such_measurement_leaves_it_assumed(other: Measurement) -> None:
    assert found(other).local.origin == "assumed"


def test_without_any_it_is_assumed_by_what_sending_takes_of_a_core() -> None:
    one, eight = (
        contention([], replace(lane, slots=slots), lane).local
        for lane in lanes([], [], BY_HAND, PLACES)[:1]
        for slots in (1, 8)
    )
    assert one.interval == pytest.approx((0.02, 0.35), rel=0.25)
    assert eight.draws == pytest.approx(one.draws / 8)
    assert "sending takes 2 to 35 % of a core" in one.how
    assert 0 < found().remote.interval[0] < found().remote.interval[1] < 0.15


def terms(ways: Sequence[Candidate]) -> list[tuple[str, str, list[float]]]:
    return [(lane.name, lane.key, [t.draws.sum() for t in lane.terms().values()]) for lane in ways]


def test_what_was_measured_beside_another_place_makes_no_lane() -> None:
    plain = [local(), remote()]
    both = [here(0.2, taken_at=day(25)), there(1e5, taken_at=day(25))]
    assert terms(lanes([*plain, *both], [], BY_HAND, PLACES)) == terms(
        lanes(plain, [], BY_HAND, PLACES)
    )
    assert terms(lanes(both, [], BY_HAND, PLACES)) == terms(lanes([], [], BY_HAND, PLACES))
    assert [o.seconds for o in advised(*plain, *both).options] == [
        o.seconds for o in advised(*plain).options
    ]


def test_keys_of_conditions_are_what_they_were_before_jobs_were_split() -> None:
    alone = Condition(MODEL, "local", HERE, HERE, 2)
    sent = Condition(
        MODEL, "remote", HERE, THERE, 8, url=URL, network="home", upload_max_side_px=640,
        strip_metadata=True,
    )  # fmt: skip
    assert (alone.key, sent.key) == ("91ca447f3ebf68c1", "137ec6b3bbf07bb1")
    assert len({alone.key, *(replace(alone, beside=p).key for p in ("local", "remote"))}) == 3


def test_a_condition_without_the_field_is_of_a_place_alone() -> None:
    document = asdict(here(0.02))
    assert read(Measurement, document) == here(0.02)
    assert not here(0.02).is_of_a_place
    del document["condition"]["beside"]
    assert read(Measurement, document) == local()
    assert local().is_of_a_place


def test_its_draws_are_finite_and_many() -> None:
    for each in (found(), found(here(0.03), there(2e6))):
        assert np.isfinite([each.local.draws, each.remote.draws]).all()
