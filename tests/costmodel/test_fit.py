import math
import random
from dataclasses import replace

import numpy as np
import pytest

from offload.costmodel.accuracy import sigma
from offload.costmodel.candidates.build import Overrides, lanes
from offload.costmodel.makespan import makespan_s
from offload.costmodel.terms import DRAWS, HIGH, LOW, Candidate, Term
from offload.domain.measurements import Measurement, Probe
from tests.costmodel.simulation import Pipeline, simulate
from tests.costmodel.worlds import LOCAL, REMOTE, profile
from tests.measured import PLACES, PROBED_BYTES

BOUND_BY = {
    "uplink": REMOTE,
    "server": replace(REMOTE, service_s=0.5),
    "latency": replace(REMOTE, in_flight=2, rtt_s=0.1),
    "client": replace(REMOTE, prepare_s=0.2),
}


def fitted(*measurements: Measurement) -> Candidate:
    """The lane of measurements of one condition."""
    key = measurements[0].condition.key
    return next(lane for lane in lanes(measurements, [], Overrides(), PLACES) if lane.key == key)


def width(term: Term) -> float:
    low, high = term.interval
    return high - low


def day(number: int) -> str:
    return f"2026-11-{number:02}T09:00:00+00:00"


@pytest.mark.parametrize("cv", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("pipeline", BOUND_BY.values(), ids=list(BOUND_BY))
def test_what_was_put_in_comes_out(pipeline: Pipeline, cv: float) -> None:
    lane = fitted(
        profile(pipeline, images=100, cv=cv, starts=20, first_s=1.0, probed_bytes=PROBED_BYTES * 8)
    )
    assert lane.service_s.median == pytest.approx(pipeline.service_s, rel=0.08)
    assert lane.prepare_s.median == pytest.approx(pipeline.prepare_s, rel=0.08)
    assert lane.sent_bytes.median == pytest.approx(pipeline.sent_bytes, rel=0.08)
    assert lane.rtt_s.median == pytest.approx(pipeline.rtt_s, rel=cv)
    assert lane.goodput.median == pytest.approx(pipeline.bytes_per_s, rel=cv)
    assert lane.startup_s.median == pytest.approx(0.5, rel=0.08)
    assert lane.first_s.median == pytest.approx(1, rel=0.1)
    assert lane.efficiency.median == pytest.approx(1, rel=max(0.1, cv))
    assert lane.service_cv == pytest.approx(cv, rel=0.4)
    assert not lane.assumptions


def test_without_noise_it_comes_out_exactly() -> None:
    lane = fitted(profile(cv=0))
    assert lane.service_s.interval == pytest.approx((0.05, 0.05))
    assert lane.goodput.interval == pytest.approx((2.5e6, 2.5e6))
    assert lane.efficiency.interval == pytest.approx((1, 1))
    assert lane.first_s.interval == pytest.approx((0.1, 0.1))
    assert makespan_s(replace(lane, noise=np.ones(DRAWS)), 77) == pytest.approx(
        0.5 + 0.1 + simulate(REMOTE, 77)[-1].finished_s
    )


def test_building_an_image_is_no_start_up() -> None:
    usual = profile()
    built = [replace(s, startup_s=s.startup_s + 60, phases={"build": 60}) for s in usual.starts]
    found = fitted(replace(usual, starts=tuple(built))).startup_s
    assert found.median == pytest.approx(fitted(usual).startup_s.median)


def test_what_slows_the_whole_pipeline_is_its_efficiency() -> None:
    smooth = profile(LOCAL, "local")
    rough = replace(
        smooth, images=tuple(replace(i, finished_s=1.3 * i.finished_s) for i in smooth.images)
    )
    assert fitted(rough).efficiency.median / fitted(smooth).efficiency.median == pytest.approx(1.3)
    assert fitted(rough).service_s.median == fitted(smooth).service_s.median


def test_images_that_fill_the_pipeline_are_not_averaged_in() -> None:
    usual = profile(REMOTE)
    lazy = [
        replace(i, durations=replace(i.durations, infer_s=9)) if i.number <= 10 else i
        for i in usual.images
    ]
    late = [replace(i, finished_s=i.finished_s + 9) for i in lazy]
    strange = fitted(replace(usual, images=tuple(late)))
    assert strange.service_s.median == fitted(usual).service_s.median
    assert strange.efficiency.median == fitted(usual).efficiency.median


def test_one_bad_probe_does_not_move_the_goodput() -> None:
    usual = profile(cv=0.05)
    *others, last = usual.probes
    bad = replace(usual, probes=(*others, replace(last, seconds=20 * last.seconds)))
    assert fitted(bad).goodput.median == pytest.approx(fitted(usual).goodput.median, rel=0.1)
    assert fitted(bad).goodput.median == pytest.approx(REMOTE.bytes_per_s, rel=0.1)


def test_without_probes_a_job_that_waits_for_the_uplink_tells_its_goodput() -> None:
    job = replace(profile(cv=0.1), probes=())
    assert fitted(job).goodput.median == pytest.approx(REMOTE.bytes_per_s, rel=0.1)
    idle = replace(profile(replace(REMOTE, service_s=0.5), cv=0.1), probes=())
    assert fitted(idle).goodput.origin == "assumed"


def test_probes_of_two_sizes_are_no_line() -> None:
    probes = tuple(Probe("up", size, 0.03 + size / 2.5e6) for size in (1000, 2000) * 5)
    assert fitted(replace(profile(images=3), probes=probes)).goodput.origin == "assumed"


def occasions(*rates: float) -> list[Measurement]:
    """One a day, at these bytes per second."""
    return [
        profile(replace(REMOTE, bytes_per_s=rate), taken_at=day(number), seed=number, cv=0.05)
        for number, rate in enumerate(rates, start=1)
    ]


USUAL, SLOW = 2.5e6, 0.5e6


def test_occasions_are_pooled() -> None:
    measured = occasions(USUAL, USUAL, USUAL)
    assert fitted(*measured).goodput.samples == sum(
        p.kind == "up" for m in measured for p in m.probes
    )
    assert fitted(*measured).goodput.taken_at == day(3)


def test_one_odd_occasion_forgets_nothing() -> None:
    lane = fitted(*occasions(USUAL, USUAL, USUAL, USUAL, SLOW))
    assert lane.goodput.samples == 50
    assert lane.goodput.interval[1] > 1.5e6


@pytest.mark.parametrize("since", [2, 3])
def test_what_was_before_a_change_of_the_link_is_forgotten(since: int) -> None:
    lane = fitted(*occasions(*[USUAL] * (5 - since), *[SLOW] * since))
    assert lane.goodput.median == pytest.approx(SLOW, rel=0.1)
    assert lane.goodput.interval[1] < 1.2 * SLOW
    assert lane.goodput.samples == 10 * since


def test_a_resample_of_probes_of_one_size_is_no_reason_to_warn() -> None:
    few = profile(probed_bytes=(16_000, 128_000, 512_000), cv=0.02)
    assert fitted(few).goodput.median == pytest.approx(REMOTE.bytes_per_s, rel=0.1)


def test_more_samples_make_every_term_surer() -> None:
    few, many = _typical_widths(30, 5), _typical_widths(240, 30)
    for name in ("service_s", "sent_bytes", "goodput", "rtt_s", "startup_s"):
        assert many[name] < 0.6 * few[name], name


def _typical_widths(images: int, probes: int) -> dict[str, float]:
    """Medians over a few profiles."""
    fits = []
    for seed in range(7):
        usual = profile(
            images=images, cv=0.2, seed=seed, starts=probes, round_trips=probes,
            probed_bytes=PROBED_BYTES * probes,
        )  # fmt: skip
        fits.append(fitted(usual).terms())
    return {name: float(np.median([width(terms[name]) for terms in fits])) for name in fits[0]}


def test_nine_of_ten_jobs_take_what_is_said() -> None:
    covered = [_covered(number) for number in range(200)]
    assert 0.8 <= float(np.mean(covered)) <= 0.97


def _covered(number: int) -> bool:
    """Whether a job in a world of its own took as long as was predicted from a profile."""
    luck = random.Random(number)
    place = luck.choice(["local", "remote"])
    pipeline = replace(
        REMOTE if place == "remote" else LOCAL,
        bytes_per_s=luck.uniform(0.5e6, 10e6) if place == "remote" else math.inf,
        rtt_s=luck.uniform(0.005, 0.15) if place == "remote" else 0.0,
        service_s=luck.uniform(0.02, 0.4),
        slots=luck.randint(1, 4),
    )
    cv, images = luck.choice([0.05, 0.1, 0.2]), luck.randint(1, 200)
    lane = fitted(profile(pipeline, place, images=50, cv=cv, seed=number))
    low, high = np.quantile(makespan_s(lane, images), (LOW, HIGH))
    job_s = 0.5 + 0.1 + simulate(pipeline, images, cv, 1000 + number)[-1].finished_s
    return bool(low <= job_s * math.exp(luck.gauss(0, sigma([], PLACES[place]))) <= high)
