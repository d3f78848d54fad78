import dataclasses
import string
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.costmodel.runs_table import TableRun, read
from offload.costmodel.statistics import LineFit
from offload.costmodel.statistics import line_through as fit
from offload.domain.errors import UsageError
from offload.domain.measurements import Total

BY_HAND = Path(__file__).with_name("runs_by_hand.csv")
HEADINGS = (
    "Date,Total Images,Payload Size,Transfer Speed,Total Execution time on server (s),"
    "Avg Inference Time (s),Location"
)
REMOTE = "3 Nov,50,14MB,1.4MB/s,17.5,0.3,AWS"
LOCAL = "3 Nov,50,,,33,,local"


def table(*lines: str, headings: str = HEADINGS) -> str:
    return "\n".join((headings, *lines))


def run(images: int, execution_s: float, payload_bytes: float = 0, speed: float = 1e6) -> Total:
    return Total(images, payload_bytes, payload_bytes / speed, execution_s)


def line(
    rng: np.random.Generator, *, count: int = 12, noise: float = 0.0, spread: float = 0.3
) -> list[Total]:
    """Runs of 3 s, 0.25 s an image and 1.2 MB/s, whose images are 200 kB give or take `spread`."""
    runs = []
    for _ in range(count):
        images = int(rng.integers(5, 400))
        payload = images * 200e3 * rng.uniform(1 - spread, 1 + spread)
        off = rng.normal(1, noise, 2)
        runs.append(run(images, (3 + 0.25 * images) * off[0], payload, 1.2e6 / off[1]))
    return runs


def test_a_table_kept_by_hand_is_read() -> None:
    runs = read(BY_HAND.read_text(encoding="utf-8"))
    assert [r.place for r in runs] == ["remote"] * 5 + ["local"] * 4
    assert runs[0] == TableRun("03/11/2026", "remote", None, Total(10, 2_710_000, 2.71 / 1.2, 4.9))
    assert runs[4].url == "http://203.0.113.7:5000/api/detect"
    assert runs[4].job.total_s == pytest.approx(43.57 / 1.25 + 52.1)
    assert runs[5] == TableRun("05/11/2026", "local", None, Total(10, 2_710_000, 0.0, 7.6))


def test_the_lines_through_it_tell_its_places_apart() -> None:
    runs = read(BY_HAND.read_text(encoding="utf-8"))
    remote, local = (
        fit([r.job for r in runs if r.place == place]) for place in ("remote", "local")
    )
    assert remote.per_image_s == pytest.approx(0.31, rel=0.05)
    assert 1 / remote.per_byte_s == pytest.approx(1.2e6, rel=0.05)
    assert local.per_image_s == pytest.approx(0.64, rel=0.05)
    assert local.per_byte_s == 0
    assert all(
        each.median_error is not None and each.median_error < 0.1 for each in (remote, local)
    )


def test_a_remote_run_took_its_transfer_and_the_execution_and_a_local_one_the_latter() -> None:
    remote, local = read(table(REMOTE, "3 Nov,50,14MB,1.4MB/s,17.5,0.3,localhost"))
    assert (remote.job.transfer_s, remote.job.total_s) == pytest.approx((10, 27.5))
    assert (local.job.transfer_s, local.job.total_s) == (0, 17.5)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_table_reads_the_same_however_it_was_saved(delimiter: str, newline: str) -> None:
    text = "\ufeff" + table("", REMOTE, "", LOCAL, ",,,,,,", "")
    assert read(text.replace(",", delimiter).replace("\n", newline)) == read(table(REMOTE, LOCAL))


def test_columns_may_come_in_any_order_and_case_among_others() -> None:
    headings = "LOCATION, notes ,total   images,total execution TIME on server"
    assert read(table('local,"warm, loud",50,33', headings=headings)) == [
        dataclasses.replace(read(table(LOCAL))[0], taken_at="")
    ]


def test_between_semicolons_a_comma_is_the_decimal_point() -> None:
    text = table("3 Nov;50;14,5 MB;1,4 MB/s;17,5;0,3;AWS", headings=HEADINGS.replace(",", ";"))
    (found,) = read(text)
    assert found.job == Total(50, 14_500_000, 14.5 / 1.4, 17.5)


def test_a_unit_in_a_heading_is_that_of_cells_without_one() -> None:
    headings = (
        "Location (of the model),Total Images,Payload Size (MB),Transfer Speed (Mbit/s),"
        "Total Execution time on server (ms),Avg Inference Time ( ms )"
    )
    (found,) = read(table("http://203.0.113.7,50.0,14.5,12,1.5 min,310", headings=headings))
    assert found.job == Total(50, 14_500_000, 14.5 / 1.5, 90)
    assert found.url == "http://203.0.113.7"


@pytest.mark.parametrize(
    ("location", "place", "url"),
    [
        ("AWS", "remote", None), ("aws eu-west-1", "remote", None),
        ("https://far.example:8000/x", "remote", "https://far.example:8000/x"),
        ("Local", "local", None), ("LOCALHOST:5000", "local", None), ("127.0.0.1", "local", None),
        ("http://127.0.0.1:5000/api", "local", None), ("http://[::1]:80", "local", None),
        ("::1", "local", None), ("container", "container", None),
    ],
)  # fmt: skip
def test_a_location_is_this_machine_or_far(location: str, place: str, url: str | None) -> None:
    (found,) = read(table(f"3 Nov,50,14MB,1.4MB/s,17.5,0.3,{location}"))
    assert (found.place, found.url) == (place, url)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("14MB", "14 apples", "Line 3, column 'Payload Size', takes a size, not '14 apples'."),
        ("14MB", "", "Line 3, column 'Payload Size', is empty."),
        ("1.4MB/s", "-", "Line 3, column 'Transfer Speed', is empty."),
        ("1.4MB/s", "1.4", "Line 3, column 'Transfer Speed', has no unit: '1.4' may be"),
        ("1.4MB/s", "0MB/s", "Line 3, column 'Transfer Speed', takes a transfer rate, and"),
        ("17.5", "0", "Line 3, column 'Total Execution time on server', takes a duration, and"),
        ("17.5", "-3", "Line 3, column 'Total Execution time on server', takes a duration, not"),
        ("0.3", "fast", "Line 3, column 'Avg Inference Time', takes a duration, not 'fast'."),
        (",50,", ",0,", "Line 3, column 'Total Images', takes a number of images, not '0'."),
        (",50,", ",5.5,", "Line 3, column 'Total Images', takes a number of images, not '5.5'."),
        (",50,", ',"1,000",', "Line 3, column 'Total Images', takes a number of images, not '1,0"),
        ("AWS", "Mars", "Line 3, column 'Location', takes a place, not 'Mars'."),
        ("AWS", "http://[", "Line 3, column 'Location', takes a place, not 'http://['."),
        ("AWS", "", "Line 3, column 'Location', is empty."),
        ("14MB", "14,5MB", "Line 3 has 8 cells under 7 headings."),
        ("14MB", '"14MB', "Line 3 is not valid CSV: unexpected end of data."),
    ],
)  # fmt: skip
def test_the_first_fault_is_named_by_line_and_column(old: str, new: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(table(LOCAL, REMOTE.replace(old, new)))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Line 1 has no column 'Total Images'."),
        ("\n \nDate,Location\n", "Line 3 has no column 'Total Images'."),
        (table(headings=HEADINGS + ",location"), "Line 1 has column 'Location' twice."),
        (table(headings=HEADINGS.replace("(s)", "")), "The table has no runs."),
    ],
)
def test_a_table_without_its_headings_or_runs_is_refused_with_what_it_holds(
    text: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(text)
    assert str(caught.value) == said
    assert "Payload Size" in caught.value.hint


CELLS = st.sampled_from(
    ["", "-", "AWS", "local", "http://[", "50", "0", "1.5MB", "2MB/s", "1e9", '"', "x,y", "٣", "\0"]
)


@given(st.lists(st.lists(CELLS, min_size=5, max_size=8), max_size=3), st.sampled_from(",;\t"))
def test_no_table_raises_anything_but_a_usage_error(rows: list[list[str]], between: str) -> None:
    with suppress(UsageError):
        read(table(*map(between.join, rows), headings=HEADINGS.replace(",", between)))


@given(st.text(string.printable))
def test_no_text_raises_anything_but_a_usage_error(text: str) -> None:
    for each in (text, table(text)):
        with suppress(UsageError):
            read(each)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_the_line_that_runs_lie_on_is_found_even_where_all_images_are_as_large(
    spread: float,
) -> None:
    found = fit(line(np.random.default_rng(1), spread=spread))
    assert found.startup_s == pytest.approx(3, rel=1e-5)
    assert found.per_image_s == pytest.approx(0.25, rel=1e-5)
    assert found.per_byte_s == pytest.approx(1 / 1.2e6, rel=1e-5)
    assert found.total_s(100, 2.4e7) == pytest.approx(3 + 25 + 20)
    assert np.abs(found.errors).max() < 1e-5


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_runs_are_missed_by_about_as_much_as_they_are_noisy(noise: float) -> None:
    errors = [
        fit(line(np.random.default_rng(seed), count=30, noise=noise)).median_error
        for seed in range(10)
    ]
    # Half of a normal distribution lies within 0.67 of its deviations, and a total is a sum of two.
    assert 0.4 * noise < np.mean([e for e in errors if e is not None]) < noise


def test_an_error_is_positive_where_the_line_says_too_much() -> None:
    found = fit([run(10, 10), run(20, 20), run(30, 30), run(40, 20)])
    assert found.errors[3] == pytest.approx(1)
    assert found.errors[2] < 0


def test_errors_count_relative_to_each_run() -> None:
    found = fit([run(1, 1), run(2, 2), run(3, 3), run(1000, 1500)])
    assert found.total_s(1) == pytest.approx(1, rel=0.3)


def test_a_slope_that_would_be_negative_is_none() -> None:
    assert fit([run(10, 9), run(20, 7), run(30, 5)]).per_image_s == 0
    assert fit([run(10, 1), run(20, 12), run(30, 23)]).startup_s == 0


def test_where_images_do_not_vary_the_execution_is_put_down_to_them() -> None:
    found = fit([run(50, 10, 1e7), run(50, 10, 1e7), run(50, 10, 1e7)])
    assert (found.startup_s, found.per_image_s) == pytest.approx((0, 0.2))
    assert found.per_byte_s == pytest.approx(1e-6)
    assert found.median_error == pytest.approx(0, abs=1e-9)


def test_what_no_run_says_of_the_transfer_is_none() -> None:
    runs = read(table("3 Nov,10,,,5,,local", "3 Nov,20,5MB,,10,,local"))
    assert fit([run.job for run in runs]).per_byte_s == 0


def test_a_single_run_has_a_line_but_nothing_to_judge_it_by() -> None:
    found = fit([run(50, 10, 1e7)])
    assert found.total_s(100, 2e7) == pytest.approx(40)
    assert (found.errors, found.median_error) == ((), None)
    with pytest.raises(UsageError, match="no run"):
        fit([])


lengths = st.floats(1e-9, 1e15)
runs_of_any_kind = st.builds(
    run, st.integers(1, 10**9), lengths, st.floats(0, 1e15), st.floats(1e-9, 1e15)
)


@given(st.lists(runs_of_any_kind, min_size=1, max_size=6))
def test_no_coefficient_is_ever_negative_and_every_error_is_a_number(runs: list[Total]) -> None:
    found = fit(runs)
    assert min(found.startup_s, found.per_image_s, found.per_byte_s) >= 0
    assert np.isfinite([found.startup_s, found.per_image_s, found.per_byte_s, *found.errors]).all()
    assert len(found.errors) == (len(runs) if len(runs) > 1 else 0)


@given(
    st.lists(st.tuples(st.integers(1, 500), st.floats(0.1, 500)), min_size=1, max_size=8),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_no_line_without_negative_coefficients_is_nearer(
    points: list[tuple[int, float]], startup_s: float, per_image_s: float
) -> None:
    def missed(other: LineFit) -> float:
        return sum((other.total_s(images) / seconds - 1) ** 2 for images, seconds in points)

    found = fit([run(images, seconds) for images, seconds in points])
    assert missed(found) <= missed(LineFit(startup_s, per_image_s, 0)) + 1e-6
