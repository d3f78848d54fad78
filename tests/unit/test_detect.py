import hashlib

from offload.domain.errors import ImageError
from offload.domain.events import Stop
from offload.domain.results import Row
from offload.domain.vision import Detections, Image
from offload.drivers.images.image_files import FileImage
from offload.usecases.detect.rows import Job, detect
from offload.usecases.detect.run import DetectRun
from tests.fakes import FakeSession


def read(path: str) -> FileImage:
    if path == "gone":
        raise ImageError("no such file")
    return FileImage(Image(path, path.encode()), mtime_ns=7)


def job(paths: list[str], **rest: object) -> Job:
    return Job(paths, read, **rest)  # type: ignore[arg-type]


def run(wanted: Job, session: FakeSession, stop: Stop | None = None) -> dict[str, Row]:
    ticks = iter(range(10_000))
    rows = detect(wanted, session, "local", lambda: float(next(ticks)), stop or Stop())
    return {row.path: row for row in rows}


def test_every_image_has_a_row_that_says_what_where_and_how_long() -> None:
    row = run(job(["a"]), FakeSession())["a"]
    assert [d.label for d in row.detections] == ["dog"]
    assert (row.width, row.height, row.bytes, row.mtime_ns) == (640, 480, 1, 7)
    assert (row.where, row.model, row.sha256) == ("local", "fake", hashlib.sha256(b"a").hexdigest())
    assert row.durations.read_s == 1
    assert row.durations.infer_s == 0.01


def test_an_image_that_cannot_be_used_is_a_row_and_the_run_goes_on() -> None:
    rows = run(job(["a", "gone", "bad", "b"]), FakeSession(bad=frozenset({"bad"})))
    assert {path: row.error for path, row in rows.items()} == {
        "a": None,
        "b": None,
        "gone": "no such file",
        "bad": "damaged image: truncated",
    }
    assert rows["bad"].bytes == 3, "what is known of it is kept"


def test_problems_found_while_listing_are_rows_too() -> None:
    rows = run(job(["a"], problems=[("loop", "a link in a circle")]), FakeSession())
    assert rows["loop"].error == "a link in a circle"


def test_too_many_failures_end_the_run_early() -> None:
    paths = [f"bad{n}" for n in range(100)]
    rows = run(job(paths, max_failures=lambda: 3), FakeSession(bad=frozenset(paths)))
    assert 4 <= len(rows) <= 4 + 4, "four failures, and at most what was in progress or waiting"


def test_failures_within_the_limit_do_not() -> None:
    paths = [f"bad{n}" for n in range(3)] + [f"good{n}" for n in range(50)]
    rows = run(job(paths, max_failures=lambda: 3), FakeSession(bad=frozenset(paths[:3])))
    assert len(rows) == 53


def test_a_picture_that_cannot_be_drawn_on_costs_its_row_nothing() -> None:
    def keep(_image: Image, _found: Detections) -> None:
        raise ImageError("damaged image: cannot be written")

    row = run(job(["a"], keep=keep), FakeSession())["a"]
    assert row.error is None
    assert row.note == "not drawn: damaged image: cannot be written"
    assert row.detections


def test_the_summary_reports_the_first_inference_apart() -> None:
    session = FakeSession(concurrency=1)
    rows = run(job(["a", "b", "gone"]), session).values()
    ticks = iter(range(100))
    made = DetectRun(session, "local", 3, 0, 0.5, iter(rows), lambda: next(ticks) * 2 / 7)
    assert list(made) == list(rows)
    summary = made.summary()
    assert (summary.images, summary.failed, summary.objects) == (3, 1, 2)
    assert summary.first_infer_s == 0.01
    assert summary.infer is not None
    assert summary.images_per_s == 1.0
    assert summary.objects_by_label == {"dog": 2}
