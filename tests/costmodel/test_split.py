import math
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.costmodel.makespan import makespan_s, one_image_s
from offload.costmodel.split import Contention, Shares, SplitCandidate, ending_together, speed
from offload.costmodel.terms import DRAWS, Candidate, Draws
from offload.costmodel.terms import given as known
from tests.costmodel import worlds
from tests.costmodel.simulation import Pipeline, simulate_split
from tests.costmodel.test_properties import locals_, remotes, weights

CASES = 200


def contention(here: float = 0.0, there: float = 0.0) -> Contention:
    return Contention(known(here, "known"), known(there, "known"))


def line(place: str, start_s: float, each_s: float) -> Candidate:
    """A place that takes `start_s` and `each_s` an image."""
    pipeline = replace(
        worlds.LOCAL, service_s=each_s, sent_bytes=0.0, slots=1, clients=1, in_flight=1
    )
    return worlds.lane(pipeline, place, startup_s=start_s, serial=True)


def expected(
    local: Candidate,
    remote: Candidate,
    images: int,
    phi: Contention | None = None,
    at_most: int | None = None,
    total_bytes: float | None = None,
) -> Shares:
    way = SplitCandidate(local, remote, phi or contention(), at_most)
    return way.shares(images, total_bytes)


def least_s(
    local: Candidate, remote: Candidate, images: int, total_bytes: float | None = None
) -> Draws:
    """The makespan of the best of all fixed splits, in each draw."""

    def seconds(lane: Candidate, count: int) -> Draws:
        total = None if total_bytes is None else total_bytes * count / images
        return makespan_s(lane, count, total) if count else np.zeros(DRAWS)

    every = [
        np.maximum(seconds(local, images - count), seconds(remote, count))
        for count in range(images + 1)
    ]
    best: Draws = np.minimum.reduce(every)
    return best


def parts(shares: Shares) -> tuple[float, float, float]:
    """Seconds, images here and images there, where all draws are alike."""
    return shares.seconds[0], shares.local[0], shares.remote[0]


starts = st.floats(0, 30)
paces = st.floats(0.001, 3)
few = st.integers(1, 40)


@given(starts, paces, starts, paces, few)
def test_the_closed_form_is_the_best_of_all_splits(
    here_s: float, each_here_s: float, there_s: float, each_there_s: float, images: int
) -> None:
    local, remote = line("local", here_s, each_here_s), line("remote", there_s, each_there_s)
    found = expected(local, remote, images)
    assert found.seconds == pytest.approx(least_s(local, remote, images))
    assert (found.local + found.remote == images).all()


@given(locals_, remotes, few, weights)
def test_where_places_work_in_rounds_it_is_no_more_than_an_image_s_way_from_the_best(
    here: worlds.Sketch, there: worlds.Sketch, images: int, each: float | None
) -> None:
    local, remote = replace(here, cv=0.0).lane(), replace(there, cv=0.0).lane()
    total = None if each is None else images * each
    found = expected(local, remote, images, total_bytes=total).seconds
    best = least_s(local, remote, images, total)
    latency_s = np.maximum(one_image_s(local, each), one_image_s(remote, each))
    assert (found >= best * (1 - 1e-9)).all()
    assert (found <= (best + latency_s) * (1 + 1e-9)).all()


@given(locals_, remotes, st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_contention_never_speeds_up_and_costs_no_more_than_its_share(
    here: worlds.Sketch, there: worlds.Sketch, images: int, phi_here: float, phi_there: float
) -> None:
    local, remote = here.lane(), there.lane()
    free = expected(local, remote, images).seconds
    held = expected(local, remote, images, contention(phi_here, phi_there)).seconds
    latency_s = np.maximum(one_image_s(local), one_image_s(remote))
    most = 1 + max(phi_here, phi_there)
    assert (held >= free * (1 - 1e-9) - latency_s).all()
    assert (held <= (free + latency_s) * most * (1 + 1e-9)).all()


@given(st.lists(st.tuples(starts, paces), min_size=1, max_size=5), st.integers(1, 1000))
def test_any_number_of_places_end_together_and_whoever_would_start_later_gets_none(
    places: Sequence[tuple[float, float]], images: int
) -> None:
    start_s, each_s = (np.array(column)[:, None] for column in zip(*places, strict=True))
    shares = ending_together(start_s, each_s, images)
    ends_s = start_s + shares * each_s
    works = shares > 0
    assert shares.sum() == pytest.approx(images)
    assert (shares >= 0).all()
    assert ends_s[works] == pytest.approx(ends_s[works][0])
    assert (start_s[~works] >= ends_s[works][0] * (1 - 1e-9)).all()


def test_equal_places_halve_a_job() -> None:
    local, remote = line("local", 0, 0.1), line("remote", 0, 0.1)
    assert parts(expected(local, remote, 100)) == pytest.approx((5, 50, 50))
    assert expected(local, remote, 101).seconds[0] == pytest.approx(5.1)


@pytest.mark.parametrize(("start_s", "here", "seconds"), [(0.05, 0, 0.15), (0.2, 1, 0.2)])
def test_one_image_goes_where_it_is_done_sooner(start_s: float, here: int, seconds: float) -> None:
    local, remote = line("local", 0.1, 0.1), line("remote", start_s, 0.1)
    found = parts(expected(local, remote, 1, contention(1, 1)))
    assert found == pytest.approx((seconds, here, 1 - here))


@pytest.mark.parametrize("remote", [line("remote", 1, 1e4), line("remote", 100, 0.001)])
def test_a_place_that_is_hopeless_or_comes_too_late_gets_none_and_holds_nothing_up(
    remote: Candidate,
) -> None:
    local = worlds.Sketch(worlds.LOCAL, "local", spread=0.1).lane()
    found = expected(local, remote, 200, contention(0.5, 0.5))
    assert (found.remote == 0).all()
    assert (found.remote_s == 0).all()
    assert np.array_equal(found.seconds, makespan_s(local, 200))


def test_a_slow_start_here_leaves_all_to_a_remote_place() -> None:
    found = expected(line("local", 60, 1), line("remote", 1, 0.1), 100, contention(1, 1))
    assert parts(found) == pytest.approx((11, 0, 100))


def test_places_hold_each_other_up_from_when_both_work() -> None:
    local, remote = line("local", 0, 0.1), line("remote", 10, 0.1)
    assert parts(expected(local, remote, 200)) == pytest.approx((15, 150, 50))
    held_up = expected(local, remote, 200, contention(here=1))
    assert parts(held_up) == pytest.approx((10 + 100 / 15, 133, 67), abs=0.1)
    both = expected(line("local", 0, 0.1), line("remote", 0, 0.1), 100, contention(0.2, 0.2))
    assert parts(both) == pytest.approx((6, 50, 50))


@pytest.mark.parametrize("images", [1, 10, 200])
def test_a_share_that_is_capped_is_kept_and_the_rest_is_done_here(images: int) -> None:
    local, remote = line("local", 0, 0.1), line("remote", 0, 0.05)
    found = parts(expected(local, remote, images, at_most=10))
    there = min(10, round(images * 2 / 3))
    assert found == pytest.approx(
        (max(there * 0.05, (images - there) * 0.1), images - there, there)
    )


def test_a_capped_place_holds_nothing_up_once_it_is_done() -> None:
    local, remote = line("local", 0, 0.1), line("remote", 0, 0.1)
    found = expected(local, remote, 110, contention(here=1), at_most=10)
    assert found.remote_s[0] == pytest.approx(1)
    assert found.seconds[0] == pytest.approx(10.5)
    nothing = expected(local, remote, 110, contention(here=1), at_most=0)
    assert parts(nothing) == pytest.approx((11, 110, 0))


def test_counts_add_up_to_all_images() -> None:
    local = worlds.Sketch(worlds.LOCAL, "local", spread=0.3).lane()
    remote = worlds.Sketch(spread=0.3, seed=1).lane()
    here, there = expected(local, remote, 201).counts
    assert here.images + there.images == 201
    assert here.low + there.high == here.high + there.low == 201
    assert here.low < here.images < here.high


def test_what_is_expected_of_a_place_is_its_rate_and_what_an_image_takes_under_load() -> None:
    here = speed(worlds.lane(worlds.LOCAL, "local"))
    assert (here.images_per_s, here.latency_s) == pytest.approx((50, 0.04))
    there = speed(worlds.lane(), 340_000)
    assert (there.images_per_s, there.latency_s) == pytest.approx((1 / 0.136, 1.36))
    held_up = speed(worlds.lane(worlds.LOCAL, "local"), slowed=known(0.25, ""))
    assert (held_up.images_per_s, held_up.latency_s) == pytest.approx((40, 0.05))


@pytest.mark.parametrize(("cv", "percent", "at_worst"), [(0, 1, 5), (0.3, 3, 10)])
def test_it_is_about_what_pulling_from_one_queue_takes(
    cv: float, percent: float, at_worst: float
) -> None:
    errors = []
    for number, (here, there, starts_s, images) in enumerate(_cases()):
        simulated_s = simulate_split((here, there), starts_s, images, cv, number)
        local = worlds.lane(here, "local", startup_s=starts_s[0])
        remote = worlds.lane(there, startup_s=starts_s[1])
        errors.append(abs(expected(local, remote, images).seconds[0] / simulated_s - 1))
    assert 100 * float(np.median(errors)) <= percent
    assert 100 * float(np.quantile(errors, 0.9)) <= at_worst


@cache
def _cases() -> list[tuple[Pipeline, Pipeline, tuple[float, float], int]]:
    luck = random.Random(7)

    def between(low: float, high: float) -> float:
        return math.exp(luck.uniform(math.log(low), math.log(high)))

    def case() -> Any:
        slots, in_flight = luck.randint(1, 4), luck.randint(4, 16)
        here = replace(
            worlds.LOCAL, service_s=between(0.02, 1), clients=slots, slots=slots, in_flight=slots
        )
        there = Pipeline(
            prepare_s=between(0.001, 0.02),
            sent_bytes=between(0.1e6, 1e6),
            bytes_per_s=between(5e6 / 8, 100e6 / 8),
            rtt_s=between(0.001, 0.2),
            service_s=between(0.02, 1),
            download_s=between(0.0002, 0.002),
            clients=2,
            slots=luck.randint(1, 8),
            in_flight=in_flight,
        )
        return here, there, (between(0.1, 5), between(0.1, 30)), luck.randint(20, 400)

    return [case() for _ in range(CASES)]
