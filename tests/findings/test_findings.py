import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.domain.errors import UsageError
from offload.findings import (
    crossing,
    environment,
    estimates,
    headline,
    link,
    money,
    phases,
    predictions,
    scaling,
)
from offload.findings.study import (
    COLD,
    TOTAL,
    MeasuredRun,
    Study,
    TransferPoint,
    Variant,
    of_tables,
    plain,
)
from tests.measured import PLACES as KNOWN
from tests.studies import RUNS

LOCAL, REMOTE = Variant("local"), Variant("remote")
SECONDS = st.floats(1e-3, 1e4)
FEW = st.lists(SECONDS, min_size=1, max_size=6)


def runs(lane: Variant, images: int, *seconds: float, **numbers: float) -> list[MeasuredRun]:
    return [MeasuredRun("", lane, images, {"makespan_s": s, **numbers}) for s in seconds]


def lines(*laws: tuple[Variant, float, float], images: tuple[int, ...] = (1, 10, 100)) -> Study:
    """A study of lanes that take `a + b N`, each three times within 2 %."""
    found = []
    for lane, a, b in laws:
        for number in images:
            found += runs(lane, number, *((a + b * number) * luck for luck in (0.99, 1.0, 1.01)))
    return Study(tuple(found), places=KNOWN)


@given(FEW)
def test_a_median_lies_within_its_interval_and_that_within_the_values(values: list[float]) -> None:
    found = estimates.estimate(values)
    assert found is not None
    assert min(values) <= found.low <= found.value <= found.high <= max(values)
    assert found.value == np.median(values)
    assert (found.interval is None) == (len(values) == 1)


@given(FEW, st.randoms())
def test_the_order_of_repeats_changes_nothing(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # a random.Random
    assert estimates.estimate(shuffled) == estimates.estimate(values)


def test_three_repeats_have_their_range_for_an_interval() -> None:
    found = estimates.estimate([3.0, 1.0, 2.0])
    assert found == estimates.Estimate(2.0, 1.0, 3.0, 3)


def test_nothing_has_no_median() -> None:
    assert estimates.estimate([]) is None


@given(FEW, FEW)
def test_one_is_surely_less_than_other_but_never_both(one: list[float], other: list[float]) -> None:
    assert not (estimates.surely_less(one, other) and estimates.surely_less(other, one))
    if max(one) < min(other):
        assert estimates.surely_less(one, other)


def test_a_single_run_says_nothing_of_chance() -> None:
    assert estimates.chance_less([1.0], [2.0, 3.0]) is None
    assert estimates.surely_less([1.0], [2.0, 3.0])
    assert not estimates.surely_less([2.5], [2.0, 4.0])
    assert not estimates.surely_less([], [2.0])


@given(a=st.floats(0.5, 5), b=st.floats(0.01, 0.1), gain=st.floats(0.2, 0.8), at=st.floats(1.5, 90))
def test_lanes_cross_where_their_laws_do(a: float, b: float, gain: float, at: float) -> None:
    # The other one takes less for each image, and as much in all for `at` images.
    slower_start = a + b * (1 - gain) * at
    study = lines((LOCAL, a, b), (REMOTE, slower_start, b * gain), images=(1, 2, 5, 20, 100))
    found = crossing.between(study, LOCAL, REMOTE)
    assert found is not None
    assert (found.slow, found.fast) in {(LOCAL, REMOTE), (REMOTE, LOCAL)}
    if found.images is not None:
        assert found.fast == REMOTE
        assert found.images.value <= found.after
        assert found.images.low <= found.images.value <= found.images.high


def test_a_crossing_is_found_from_either_side() -> None:
    study = lines((LOCAL, 0.1, 0.06), (REMOTE, 1.0, 0.02))
    one = crossing.between(study, LOCAL, REMOTE)
    other = crossing.between(study, REMOTE, LOCAL)
    assert one is not None
    assert one == other
    assert one.fast == REMOTE
    assert one.images is not None
    assert one.images.value == pytest.approx(22.5, rel=0.25)
    assert one.after == 100


def test_who_is_ahead_throughout_never_crosses() -> None:
    found = crossing.between(lines((LOCAL, 1, 1), (REMOTE, 2, 2)), LOCAL, REMOTE)
    assert found is not None
    assert (found.fast, found.images, found.clear_from) == (LOCAL, None, 1)


def test_lanes_that_are_alike_cannot_be_told_apart() -> None:
    study = lines((LOCAL, 1, 0.1), (REMOTE, 1, 0.1))
    found = crossing.between(study, LOCAL, REMOTE)
    assert found is not None
    assert (found.images, found.clear_from) == (None, None)


def test_where_the_largest_job_is_a_tie_the_last_that_is_none_is_known() -> None:
    study = Study((
        *runs(LOCAL, 1, 1.0, 1.1), *runs(REMOTE, 1, 2.0, 2.1),
        *runs(LOCAL, 9, 5.0, 7.0), *runs(REMOTE, 9, 5.5, 6.5),
    ), places=KNOWN)  # fmt: skip
    found = crossing.between(study, LOCAL, REMOTE)
    assert found is not None
    assert (found.clear_from, found.images) == (None, None)
    assert (found.unclear, found.ahead) == (9, (1, LOCAL))


def test_a_tie_between_two_leads_of_one_lane_is_no_crossing() -> None:
    seconds = {1: (2.0, 1.0), 5: (3.0, 3.0), 9: (6.0, 4.0)}
    study = Study(tuple(
        run
        for images, pair in seconds.items()
        for lane, middle in zip((LOCAL, REMOTE), pair, strict=True)
        for run in runs(lane, images, middle - 0.1, middle + 0.1)
    ), places=KNOWN)  # fmt: skip
    found = crossing.between(study, LOCAL, REMOTE)
    assert found is not None
    assert (found.fast, found.images, found.clear_from, found.unclear) == (REMOTE, None, 9, 5)


def test_lanes_cross_by_the_seconds_that_are_asked_for() -> None:
    runs_of = [
        MeasuredRun("", lane, images, {"makespan_s": s, COLD: s + start_s})
        for lane, start_s, each_s in ((LOCAL, 0.4, 0.03), (REMOTE, 2.1, 0.02))
        for images in (1, 20)
        for s in (each_s * images, 1.01 * each_s * images)
    ]
    study = Study(tuple(runs_of), places=KNOWN)
    warm, cold = (crossing.between(study, LOCAL, REMOTE, column) for column in (TOTAL, COLD))
    assert warm is not None
    assert cold is not None
    assert (warm.fast, warm.clear_from) == (REMOTE, 1)
    assert (cold.fast, cold.clear_from) == (LOCAL, 1)
    assert headline.base(study, REMOTE, study.lanes, COLD) == LOCAL


def test_one_number_of_images_has_no_crossing() -> None:
    study = lines((LOCAL, 1, 1), (REMOTE, 2, 2), images=(10,))
    assert crossing.between(study, LOCAL, REMOTE) is None


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=8))
def test_the_pareto_front_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    lanes = {REMOTE.but(link_mbit=1.0 + number): point for number, point in enumerate(points)}
    each = [run for lane, (s, usd) in lanes.items() for run in runs(lane, 5, s, usd=usd)]
    bills = money.bills(Study(tuple(each), places=KNOWN), [*lanes], 5)
    assert len(bills) == len(points)
    for bill in bills:
        one = lanes[bill.lane]
        beaten = any(o != one and o[0] <= one[0] and o[1] <= one[1] for o in points)
        assert bill.best != beaten


def test_an_hour_is_worth_what_the_time_it_saves_costs() -> None:
    groups = [*runs(LOCAL, 5, 20.0, usd=0.0), *runs(REMOTE, 5, 10.0, usd=0.01)]
    fast, cheap = money.bills(Study(tuple(groups), places=KNOWN), [LOCAL, REMOTE], 5)
    assert money.worth_usd_per_h(fast, cheap) == pytest.approx(3.6)
    assert money.worth_usd_per_h(cheap, fast) is None


def test_where_nothing_is_billed_there_are_no_bills() -> None:
    study = Study(tuple(runs(LOCAL, 5, 20.0, usd=0.0)), places=KNOWN)
    assert money.bills(study, [LOCAL], 5) == []


def test_the_line_through_transfers_is_the_link() -> None:
    photos = [
        TransferPoint(REMOTE, size, size, 0.02 + size / 1.25e6) for size in range(1000, 90_000, 500)
    ]
    found = link.line(photos)
    assert found is not None
    assert found.bytes_per_s == pytest.approx(1.25e6)
    assert found.start_s == pytest.approx(0.02)
    assert link.line(photos[:1]) is None


def test_transfers_in_which_size_drowns_name_no_rate() -> None:
    luck = np.random.default_rng(1)
    sizes = luck.integers(10_000, 50_000, 100)
    photos = [
        TransferPoint(REMOTE, n, n, 0.01 + n / 1e9 + luck.exponential(0.005))
        for n in sizes.tolist()
    ]
    found = link.line(photos)
    assert found is not None
    assert found.bytes_per_s is None
    assert 0.01 < found.median_s < 0.02


def test_a_link_between_two_that_were_measured_is_interpolated_in_seconds_per_byte() -> None:
    lanes = [Variant("remote", link_mbit=10.0), Variant("remote", link_mbit=100.0)]
    # 1.25 MB at 10 Mbit/s take 1 s; what is not the link takes 0.5 s.
    took = [*runs(lanes[0], 9, 1.5), *runs(lanes[1], 9, 0.6), *runs(LOCAL, 9, 1.0)]
    study = Study(tuple(took), places=KNOWN)
    found = link.needed(study, lanes[0], study.groups[LOCAL, 9], None)
    assert found is not None
    assert found.swept
    assert found.bytes_per_s == pytest.approx(2 * 1.25e6)


def test_one_link_is_taken_out_of_the_job_where_it_binds() -> None:
    numbers = {"sent_bytes": 1e6, "upload_s": 0.9, "infer_s": 0.1}
    study = Study((*runs(REMOTE, 9, 1.5, **numbers), *runs(LOCAL, 9, 1.0)), places=KNOWN)
    found = link.needed(study, REMOTE, study.groups[LOCAL, 9], 1e6)
    assert found is not None
    assert found.bytes_per_s == pytest.approx(2e6)
    study = Study((*runs(REMOTE, 9, 1.5, **numbers), *runs(LOCAL, 9, 0.4)), places=KNOWN)
    found = link.needed(study, REMOTE, study.groups[LOCAL, 9], 1e6)
    assert found is not None
    assert found.bytes_per_s is None
    assert found.rest_s == pytest.approx(0.5)


def test_no_link_is_fast_enough_where_the_work_alone_takes_longer() -> None:
    numbers = {"sent_bytes": 1e6, "upload_s": 0.9, "decode_s": 0.1, "infer_s": 0.1}
    study = Study((*runs(REMOTE, 9, 1.5, **numbers), *runs(LOCAL, 9, 0.8)), places=KNOWN)
    base = study.groups[LOCAL, 9]
    four, two = (link.needed(study, REMOTE, base, 1e6, cores) for cores in (4, 2))
    assert four is not None
    assert four.bytes_per_s == pytest.approx(1e6 / 0.3)
    assert two is not None
    assert two.bytes_per_s is None
    assert two.rest_s == pytest.approx(0.9)


def test_links_between_which_nothing_surely_flips_name_no_rate() -> None:
    slow, fast = (Variant("remote", link_mbit=mbit) for mbit in (10.0, 100.0))
    took = [*runs(slow, 9, 2.0, 2.1), *runs(fast, 9, 0.8, 1.1), *runs(LOCAL, 9, 0.9, 1.2)]
    study = Study(tuple(took), places=KNOWN)
    assert link.needed(study, slow, study.groups[LOCAL, 9], None) is None


def test_no_link_is_named_where_the_detector_binds() -> None:
    numbers = {"sent_bytes": 1e6, "upload_s": 0.1, "infer_s": 0.9}
    study = Study((*runs(REMOTE, 9, 1.5, **numbers), *runs(LOCAL, 9, 1.0)), places=KNOWN)
    assert link.needed(study, REMOTE, study.groups[LOCAL, 9], 1e6) is None


@pytest.mark.parametrize(
    ("numbers", "stage"),
    [
        ({"upload_wait_s": 2.0, "upload_s": 0.5, "infer_s": 1.0}, "link"),
        ({"queue_s": 2.0, "upload_s": 0.5, "infer_s": 1.0}, "detector"),
        ({"prepare_s": 2.0, "upload_s": 0.5, "infer_s": 1.0}, "client"),
    ],
)
def test_what_images_queue_for_binds(numbers: dict[str, float], stage: str) -> None:
    (group,) = Study(tuple(runs(REMOTE, 9, 5.0, **numbers)), places=KNOWN).groups.values()
    found = phases.bottleneck(group)
    assert found is not None
    assert found[0] == stage
    assert sum(phases.of(group).values()) == pytest.approx(sum(numbers.values()))


def test_start_up_binds_where_it_is_most_of_a_cold_job() -> None:
    numbers = {"startup_s": 4.0, "infer_s": 1.0}
    (group,) = Study(
        tuple(runs(REMOTE.but(cold=True), 9, 5.0, **numbers)), places=KNOWN
    ).groups.values()
    assert phases.bottleneck(group) == ("start-up", 0.8)


def test_replicas_speed_up_by_their_rates() -> None:
    found = []
    for replicas in (1, 2, 3):
        for in_flight in (1, 4, 16):
            lane = Variant("container", replicas=replicas, concurrency=in_flight)
            rate = float(min(in_flight, 4 * replicas))
            found += runs(lane, 50, 50 / rate, 50 / rate, images_per_s=rate)
    (sweep,) = scaling.sweeps(Study(tuple(found), places=KNOWN))
    assert (sweep.replicas, sweep.concurrencies) == ([1, 2, 3], [1, 4, 16])
    gain = sweep.speed_up(16)
    assert gain is not None
    assert gain.value == 3.0
    assert sweep.saturated_from(1) == 4
    assert sweep.saturated_from(3) == 16


def test_replicas_are_a_sweep_where_requests_in_flight_are_left_to_the_place() -> None:
    lanes = [Variant("container", replicas=number) for number in (1, 2)]
    study = Study(
        tuple(run for lane in lanes for run in runs(lane, 5, 1.0, images_per_s=5.0)), places=KNOWN
    )
    (sweep,) = scaling.sweeps(study)
    assert (sweep.replicas, sweep.concurrencies) == ([1, 2], [0])


def test_predictions_are_as_good_as_they_came_out() -> None:
    def said(took_s: float, predicted_s: float, assumed: bool = False) -> MeasuredRun:
        numbers = {"predicted_low_s": 0.9 * predicted_s, "predicted_high_s": 1.1 * predicted_s}
        numbers |= {"makespan_s": took_s, "predicted_s": predicted_s}
        return MeasuredRun("", LOCAL, 5, numbers, assumed)

    all_of_them = [said(10, 10), said(10, 11), said(10, 15, assumed=True)]
    (found,) = predictions.by_place(Study(tuple(all_of_them), places=KNOWN))
    assert (found.place, found.runs) == ("local", 3)
    assert found.median_error == pytest.approx(0.1)
    assert found.within == pytest.approx(2 / 3)
    assert found.assumed == pytest.approx(1 / 3)
    assert predictions.by_place(Study(tuple(runs(LOCAL, 5, 1.0)), places=KNOWN)) == []


def test_choices_are_between_places_over_the_same_link() -> None:
    slow, fast = (Variant("remote", link_mbit=mbit) for mbit in (10.0, 100.0))
    study = Study((
        *runs(LOCAL, 5, 2.0, predicted_s=2.0),
        *runs(slow, 5, 3.0, predicted_s=1.0),
        *runs(fast, 5, 1.0, predicted_s=1.0),
    ), places=KNOWN)  # fmt: skip
    assert predictions.choices(study, study.lanes) == predictions.Choices(2, 1, 0.25)


def test_knobs_are_set_the_way_that_was_fastest() -> None:
    lanes = [Variant("container", replicas=number) for number in (1, 2)]
    study = Study(
        (*runs(lanes[0], 5, 2.0), *runs(lanes[1], 5, 1.0), *runs(LOCAL, 5, 3.0)), places=KNOWN
    )
    assert headline.lanes(study) == [LOCAL, lanes[1]]


def test_a_place_is_compared_with_the_simplest_one_here() -> None:
    box = Variant("container")
    study = lines((LOCAL, 1, 1), (box, 1, 1), (REMOTE, 1, 1))
    assert headline.base(study, REMOTE, study.lanes) == LOCAL
    assert headline.base(study, box, study.lanes) == LOCAL
    assert headline.base(study, LOCAL, study.lanes) is None


def test_a_place_is_compared_with_the_fastest_one_here_if_that_is_sure() -> None:
    box = Variant("container")
    study = lines((LOCAL, 1, 1), (box, 1, 0.5), (REMOTE, 1, 1))
    assert headline.base(study, REMOTE, study.lanes) == box


def row(**cells: object) -> dict[str, str]:
    known = {"cell": "1", "place": "local", "images": 5, "makespan_s": 2.5} | cells
    return dict.fromkeys(RUNS, "") | {name: str(value) for name, value in known.items()}


def test_a_failed_run_has_no_numbers() -> None:
    study = of_tables([row(), row(cell="2", error="It broke.")], [], {}, {}, KNOWN)
    assert [run.numbers for run in study.runs] == [{"makespan_s": 2.5}, {}]
    assert len(study.failed) == 1


def test_start_up_and_the_rest_are_the_cold_total() -> None:
    (cold,) = of_tables([row(startup_s=0.5, detect_s=2.5)], [], {}, {}, KNOWN).runs
    assert cold.numbers[COLD] == 3.0


@pytest.mark.parametrize(("start_s", "cold_s"), [(2.12, 2.5), ("soon", 0.41), (float("inf"), 0.41)])
def test_a_warm_container_has_the_start_of_the_one_that_was_brought_up(
    start_s: object, cold_s: float
) -> None:
    environment = {"places": {"container": {"cold_start_s": start_s}, "local": 3}}
    warm = row(place="container", startup_s=0.03, detect_s=0.38, makespan_s=0.38)
    cold = row(place="container", startup_s=2.4, detect_s=0.38, makespan_s=2.78, cold="true")
    study = of_tables([warm, cold], [], {}, environment, KNOWN)
    assert [run.numbers[COLD] for run in study.runs] == pytest.approx([cold_s, 2.78])


@pytest.mark.parametrize("makespan_s", ["", "0"])
def test_a_run_without_a_makespan_has_failed(makespan_s: str) -> None:
    study = of_tables([row(), row(makespan_s=makespan_s)], [], {}, {}, KNOWN)
    assert [run.error for run in study.runs] == ["", "It has no total time."]
    assert len(study.failed) == 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "This study has no run yet."),
        ([{"cell": "1"}], "Line 2 of runs.csv has no column 'place'."),
        ([row(), row(infer_s="soon")], "Line 3 of runs.csv has 'soon' in 'infer_s', not a number."),
        ([row(upload_s="nan")], "Line 2 of runs.csv has 'nan' in 'upload_s', not a number."),
        ([row(images="")], "Line 2 of runs.csv has no number of images."),
        ([row(place="the moon")], "Line 2 of runs.csv has an unknown place 'the moon'."),
    ],
)
def test_what_is_no_study_is_refused(rows: list[dict[str, str]], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        of_tables(rows, [], {}, {}, KNOWN)
    assert str(caught.value) == said
    assert "offload experiment" in caught.value.hint


def test_what_data_says_is_one_line_without_code() -> None:
    assert plain(" a`b\n\u202ec ") == "a'b\\n\\u202ec"


ENDLESS = {"rtt_s": float("inf"), "usd_per_h": 10**999}


@pytest.mark.parametrize(
    "places", [None, [], {"remote": 3}, {"remote": {"rtt_s": "slow"}}, {"remote": ENDLESS}]
)
def test_an_environment_that_says_nothing_is_no_obstacle(places: object) -> None:
    study = Study((), environment={"places": places, "client": [1]}, places=KNOWN)
    site = environment.site(study, REMOTE)
    assert [site.number(name) for name in ("rtt_s", "usd_per_h", "goodput_bytes_per_s")] == [
        None
    ] * 3
    assert site.text("host", "cpu") == ""
    assert not environment.of(study).part("client")
    assert environment.Facts({"cores": float("inf")}).number("cores") is None
