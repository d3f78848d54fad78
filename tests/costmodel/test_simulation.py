import math
import random
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from offload.costmodel.makespan import makespan_s
from tests.costmodel.simulation import Pipeline, simulate
from tests.costmodel.worlds import REMOTE, lane

CASES = 300


@pytest.mark.parametrize("shared", [False, True])
def test_one_image_takes_its_way(shared: bool) -> None:
    (image,) = simulate(REMOTE, 1, shared=shared)
    assert image.finished_s == pytest.approx(0.002 + 0.068 + 0.03 + 0.05 + 0.001)


def test_uploads_go_one_at_a_time_or_share_the_link() -> None:
    alone, _ = simulate(REMOTE, 2)
    first, last = simulate(REMOTE, 2, shared=True)
    assert alone.finished_s == pytest.approx(0.151)
    assert first.finished_s == pytest.approx(0.151 + 0.068)
    assert last.finished_s == pytest.approx(first.finished_s + 0.001)


def test_the_same_work_crosses_a_shared_link_in_the_same_time() -> None:
    link = Pipeline(0, 1e6, 1e6, 0, 0, 0, clients=99, slots=99, in_flight=99)
    for shared in (False, True):
        assert simulate(link, 99, shared=shared)[-1].finished_s == pytest.approx(99)


@pytest.mark.parametrize("images", [1, 5, 37, 40])
@pytest.mark.parametrize(
    "slow",
    [{}, {"prepare_s": 0.3}, {"bytes_per_s": 0.2e6}, {"service_s": 1.0}, {"download_s": 0.2},
     {"rtt_s": 1.5}],
)  # fmt: skip
def test_the_closed_form_is_close_where_one_stage_is_much_slower(
    slow: dict[str, float], images: int
) -> None:
    pipeline = replace(REMOTE, **slow)  # type: ignore[arg-type] # names of numbers
    simulated_s = simulate(pipeline, images)[-1].finished_s
    assert _closed_form_s(pipeline, images) == pytest.approx(simulated_s, rel=0.1)


@pytest.mark.parametrize(
    ("shared", "cv", "percent"),
    [(False, 0, 0.1), (False, 0.1, 1.5), (False, 0.3, 4), (True, 0, 1), (True, 0.1, 1.5),
     (True, 0.3, 4)],
)  # fmt: skip
def test_the_closed_form_is_about_what_a_simulation_takes(
    shared: bool, cv: float, percent: float
) -> None:
    errors = []
    for number, (pipeline, images) in enumerate(_cases()):
        simulated_s = simulate(pipeline, images, cv, number, shared=shared)[-1].finished_s
        errors.append(abs(_closed_form_s(pipeline, images) / simulated_s - 1))
    assert 100 * float(np.median(errors)) <= percent


def _closed_form_s(pipeline: Pipeline, images: int) -> float:
    return float(makespan_s(lane(pipeline), images)[0])


@cache
def _cases() -> list[tuple[Pipeline, int]]:
    luck = random.Random(1)

    def between(low: float, high: float) -> float:
        return math.exp(luck.uniform(math.log(low), math.log(high)))

    def case() -> tuple[Pipeline, int]:
        in_flight = luck.randint(1, 16)
        pipeline = Pipeline(
            prepare_s=between(0.001, 0.05),
            sent_bytes=between(0.1e6, 4e6),
            bytes_per_s=between(1e6 / 8, 100e6 / 8),
            rtt_s=between(0.001, 0.2),
            service_s=between(0.01, 1),
            download_s=between(0.0002, 0.002),
            clients=min(in_flight, luck.randint(1, 4)),
            slots=luck.randint(1, 8),
            in_flight=in_flight,
        )
        return pipeline, luck.randint(1, 200)

    return [case() for _ in range(CASES)]
