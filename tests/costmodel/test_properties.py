import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offload.costmodel import breakeven
from offload.costmodel.advice import document as as_document
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.decide import Goal, Option, options
from offload.costmodel.dollars import Billing, cost_usd
from offload.costmodel.makespan import makespan_s
from offload.costmodel.terms import DRAWS, Candidate, Draws, Term
from offload.domain.measurements import Condition, Measurement, Outcome
from offload.domain.typed import read
from tests.costmodel import worlds
from tests.costmodel.simulation import Pipeline
from tests.costmodel.worlds import Sketch
from tests.measured import HERE, MODEL, PLACES, THERE, advised, container, local, remote
from tests.strategies import made

STATES = ("warm", "cold", "stopped", "new")
SCANNED = 3000
EXACT = 64


def seconds(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high)


remote_pipelines = st.builds(
    Pipeline,
    prepare_s=seconds(0, 0.05),
    sent_bytes=seconds(1e4, 4e6),
    bytes_per_s=seconds(1e5, 1.25e7),
    rtt_s=seconds(0.001, 0.2),
    service_s=seconds(0.005, 1),
    download_s=seconds(0.0002, 0.002),
    clients=st.integers(1, 4),
    slots=st.integers(1, 8),
    in_flight=st.integers(4, 16),
)
local_pipelines = st.builds(
    lambda service_s, slots: replace(
        worlds.LOCAL, service_s=service_s, clients=slots, slots=slots, in_flight=slots
    ),
    seconds(0.005, 1),
    st.integers(1, 8),
)


def sketches(place: str, *, spread: float = 0.2, cv: float = 0.5) -> st.SearchStrategy[Sketch]:
    """Lanes of any terms, whose draws spread and whose images differ by up to so much."""
    return st.builds(
        Sketch,
        remote_pipelines if place == "remote" else local_pipelines,
        st.just(place),
        st.sampled_from(STATES),
        startup_s=seconds(0.1, 30),
        first_s=seconds(0, 1),
        efficiency=seconds(0.9, 1.3),
        cv=seconds(0, cv),
        spread=seconds(0, spread),
        seed=st.integers(0, 99),
    )


numbers = st.integers(0, 10_000)
jobs = st.integers(1, 500)
weights = st.one_of(st.none(), seconds(1e4, 1e7))
remotes, locals_ = sketches("remote"), sketches("local")
certain = {"spread": 0.0, "cv": 0.0}


def scaled(lane: Candidate, name: str, factor: float) -> Candidate:
    term: Term = lane.terms()[name]
    return lane.with_terms(**{name: replace(term, draws=term.draws * factor)})


def constant(lane: Candidate, name: str, value: float) -> Candidate:
    return lane.with_terms(**{name: Term(np.full(DRAWS, value), "given")})


def behind_s(one: Candidate, other: Candidate, images: int, total: float | None = None) -> float:
    """Seconds that one takes longer than the other, in the middle of the worlds."""
    return float(np.median(makespan_s(one, images, total) - makespan_s(other, images, total)))


def weight(images: int, each: float | None) -> float | None:
    return None if each is None else images * each


@given(st.one_of(remotes, locals_), numbers, st.integers(1, 100))
def test_more_images_never_take_less_time(sketch: Sketch, images: int, more: int) -> None:
    lane = sketch.lane()
    assert never_less(makespan_s(lane, images + more), makespan_s(lane, images))


def never_less(more: Draws, less: Draws) -> bool:
    """Whether no draw is smaller, but for rounding."""
    return bool((more >= less * (1 - 1e-12)).all())


@given(remotes, numbers, st.integers(1, 100), seconds(1e3, 1e7))
def test_more_images_of_a_known_weight_never_take_less_time(
    sketch: Sketch, images: int, more: int, each: float
) -> None:
    lane = sketch.lane()
    fewer_s = makespan_s(lane, images, images * each)
    assert never_less(makespan_s(lane, images + more, (images + more) * each), fewer_s)


@given(
    remotes, numbers, seconds(1, 10),
    st.sampled_from(["prepare_s", "sent_bytes", "rtt_s", "service_s", "download_s", "first_s",
                     "startup_s"]),
)  # fmt: skip
def test_less_of_anything_that_takes_time_never_makes_a_place_slower(
    sketch: Sketch, images: int, factor: float, name: str
) -> None:
    lane = sketch.lane()
    assert never_less(makespan_s(scaled(lane, name, factor), images), makespan_s(lane, images))


@given(remotes, numbers, seconds(1, 10), weights)
def test_a_faster_uplink_never_makes_a_place_slower(
    sketch: Sketch, images: int, factor: float, each: float | None
) -> None:
    lane, total = sketch.lane(), weight(images, each)
    faster_s = makespan_s(scaled(lane, "goodput", factor), images, total)
    assert never_less(makespan_s(lane, images, total), faster_s)


@given(sketches("remote", cv=0), numbers, st.integers(1, 8))
def test_more_room_never_makes_a_place_slower(sketch: Sketch, images: int, more: int) -> None:
    lane = sketch.lane()
    for name in ("slots", "clients", "in_flight"):
        room: dict[str, Any] = {name: getattr(lane, name) + more}
        assert never_less(makespan_s(lane, images), makespan_s(replace(lane, **room), images))


@given(remotes, numbers, seconds(0, 10), seconds(0, 10), seconds(0, 3600))
def test_a_lower_price_never_makes_a_place_dearer(
    sketch: Sketch, images: int, usd_per_h: float, more: float, idle_s: float
) -> None:
    lane = sketch.lane()
    job_s = makespan_s(lane, images)
    cheap = cost_usd(lane, job_s, images, Billing(usd_per_h, idle_s=idle_s))
    dear = cost_usd(lane, job_s, images, Billing(usd_per_h + more, idle_s=idle_s))
    assert (cheap >= 0).all()
    assert never_less(dear, cheap)


@settings(deadline=None, max_examples=15)
@given(sketches("local", **certain), sketches("remote", **certain), weights)
def test_the_break_even_of_images_is_where_the_order_changes(
    here: Sketch, there: Sketch, each: float | None
) -> None:
    base, other = here.lane(), there.lane()

    def ahead(images: int) -> bool:
        total = weight(images, each)
        return bool(makespan_s(other, images, total)[0] < makespan_s(base, images, total)[0])

    at_first = ahead(1)
    found = breakeven.first_crossing(base, other, each)
    scanned = (n for n in range(2, SCANNED + 1) if ahead(n) != at_first)
    first = next(scanned, None)
    if found is not None:
        assert ahead(found) != at_first
        assert ahead(found - 1) == at_first
    if first is None:
        assert found is None or found > SCANNED
    elif first <= EXACT:
        assert found == first
    else:  # the two may change places several times, by less than one image's way
        steps_s = makespan_s(base, 1, each)[0] + makespan_s(other, 1, each)[0]
        assert abs(behind_s(other, base, first, weight(first, each))) < steps_s
        assert found is None or found >= first


@settings(deadline=None)
@given(locals_, remotes, jobs, weights)
def test_at_the_break_even_uplink_the_order_changes(
    here: Sketch, there: Sketch, images: int, each: float | None
) -> None:
    base, other, total = here.lane(), there.lane(), weight(images, each)
    rate = breakeven.along("uplink", base, other, Goal(images, total)).value
    if rate is not None:
        faster, slower = (constant(other, "goodput", r) for r in (rate * 1.01, rate / 1.01))
        assert behind_s(faster, base, images, total) < 0 < behind_s(slower, base, images, total)


@settings(deadline=None)
@given(locals_, remotes, jobs)
def test_at_the_break_even_size_of_an_image_the_order_changes(
    here: Sketch, there: Sketch, images: int
) -> None:
    base, other = here.lane(), there.lane()
    size = breakeven.along("image size", base, other, Goal(images)).value
    if size is not None:
        lighter, heavier = (constant(other, "sent_bytes", s) for s in (size / 1.01, size * 1.01))
        assert behind_s(lighter, base, images) < 0 < behind_s(heavier, base, images)


@settings(deadline=None)
@given(locals_, remotes, jobs, seconds(0.01, 10))
def test_at_the_value_of_an_hour_both_options_cost_the_same(
    here: Sketch, there: Sketch, images: int, usd_per_h: float
) -> None:
    base, other = priced(here, images, usd_per_h), priced(there, images, usd_per_h)
    worth = breakeven.value_of_hour(base, other).value
    if worth is not None:
        assert paid_usd(base, worth) == pytest.approx(paid_usd(other, worth))


@settings(deadline=None)
@given(sketches("local", **certain), sketches("remote", **certain), jobs, seconds(0.01, 100))
def test_at_the_break_even_price_both_options_cost_the_same(
    here: Sketch, there: Sketch, images: int, worth: float
) -> None:
    base, other = priced(here, images, 1), priced(there, images, 1)
    limit = breakeven.price(base, other, Billing(1), worth).value
    if limit is not None:
        dearer = priced(there, images, limit)
        assert paid_usd(base, worth) == pytest.approx(paid_usd(dearer, worth))


def priced(sketch: Sketch, images: int, usd_per_h: float) -> Option:
    (option,) = options([sketch.lane()], Goal(images), Billing(usd_per_h))
    return option


def paid_usd(option: Option, worth_usd_per_h: float) -> float:
    return option.usd + worth_usd_per_h * option.seconds / 3600


@settings(deadline=None, max_examples=50)
@given(locals_, remotes, jobs)
def test_break_evens_lie_within_their_intervals(here: Sketch, there: Sketch, images: int) -> None:
    base, other = here.lane(), there.lane()
    for flip in (
        breakeven.images(base, other, None),
        breakeven.along("uplink", base, other, Goal(images)),
        breakeven.along("image size", base, other, Goal(images)),
    ):
        assert 0 <= flip.never <= 1
        if flip.value is not None and flip.low is not None and flip.high is not None:
            assert flip.low <= flip.value <= flip.high


def test_a_number_of_images_that_is_not_true_of_the_job_is_not_told() -> None:
    here = constant(
        constant(Sketch(place="local", spread=0.0, cv=0.0).lane(), "startup_s", 1), "first_s", 0
    )
    there = constant(constant(here, "startup_s", 2.1), "first_s", 0)
    slow, fast = constant(here, "service_s", 1.0), constant(there, "service_s", 0.4)
    flip = breakeven.images(slow, fast, None)
    assert flip.value is not None
    number = int(flip.value)
    for images in (1, number - 1, number, 10 * number):
        told = breakeven.is_true_of(flip, slow, fast, images, None)
        assert told == ((behind_s(fast, slow, images) < 0) == (images >= number))
        turned = replace(flip, faster="below")
        assert not breakeven.is_true_of(turned, slow, fast, images, None)


@settings(max_examples=50)
@given(made(Measurement))
def test_a_measurement_survives_being_written_down(measurement: Measurement) -> None:
    found = read(Measurement, json.loads(json.dumps(asdict(measurement))))
    assert found == measurement
    assert found.condition.key == measurement.condition.key


@settings(max_examples=50)
@given(made(Outcome))
def test_an_outcome_survives_being_written_down(outcome: Outcome) -> None:
    assert read(Outcome, json.loads(json.dumps(asdict(outcome)))) == outcome


def test_hardware_alone_tells_machines_apart() -> None:
    one = Condition(MODEL, "remote", HERE, THERE, 4)
    assert one.key == replace(one, client={**HERE, "load": 0.3}, model=replace(MODEL, name="x")).key
    others: list[dict[str, Any]] = [
        {"slots": 5}, {"network": "home"}, {"client": {**HERE, "usable_cores": 1}},
        {"upload_max_side_px": 640}, {"model": replace(MODEL, sha256="1" * 64)},
    ]  # fmt: skip
    assert len({one.key, *(replace(one, **other).key for other in others)}) == len(others) + 1


@pytest.mark.parametrize(
    "measured",
    [(), (local(),), (remote(),), (local(), remote()), (local(), container(), remote()),
     (local(images=1), remote(images=2)), (local(images=0), remote(images=0))],
)  # fmt: skip
@pytest.mark.parametrize("goal", [{}, {"images": 1}, {"value_of_time_usd_per_h": 5.0}])
def test_advice_is_plain_json_whose_numbers_keep_their_units(
    measured: tuple[Measurement, ...], goal: dict[str, Any]
) -> None:
    advice = advised(*measured, **goal)
    document = json.loads(json.dumps(as_document(advice), allow_nan=False))
    for option in document["options"]:
        for quantity in ("seconds", "usd"):
            low, high = option[f"{quantity}_interval"]
            assert 0 <= low <= option[quantity] <= high
        for term in option["terms"].values():
            if term["value"] is not None:
                assert term["interval"][0] <= term["value"] <= term["interval"][1]
    for flip in document["break_evens"]:
        values = flip["low"], flip["value"], flip["high"]
        assert None in values or sorted(values) == list(values)
    names = [option["name"] for option in document["options"]]
    assert document["choice"]["where"] in names
    assert len(set(names)) == len(names)


def test_many_different_images_average_out() -> None:
    lane = replace(
        lanes([local()], [], Overrides(), PLACES)[0], service_cv=0.5, noise=np.ones(DRAWS)
    )
    widths = []
    for images in (10, 1000, 100_000):
        low, high = np.quantile(makespan_s(lane, images), (0.05, 0.95))
        widths.append((high - low) / np.median(makespan_s(lane, images)))
    assert widths[2] < 0.1
    assert widths[2] < widths[0] / 2
