"""What people see of a run: the table, and the account at its end."""

from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO

import pytest

from offload.domain.results import SHOWN_SCORE, Row
from offload.domain.vision import Box, Detection
from offload.render import detections
from offload.render.messages import Messages
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Tally
from offload.usecases.detect.run import DetectRun
from offload.usecases.split.forecast import Limits, View
from offload.usecases.split.work_queue import WorkerStatus
from tests.fakes import FakeSession

HERE = WorkerStatus("local", 70, 0, 5.0, 0.4, is_open=True, is_known=True, is_here=True)
THERE = WorkerStatus("remote", 130, 0, 10.0, 0.6, is_open=True, is_known=True)
VIEW = View(
    now_s=30.0,
    spent_s=25.0,
    left=0,
    free=0,
    places=(HERE, THERE),
    usd={},
    ahead=None,
    limits=Limits(),
)
ROW = Row("a.jpg", "fake", "0" * 64, "local", width=640, height=480)


def row(
    path: str, *found: tuple[str, float], where: str = "local", error: str | None = None
) -> Row:
    box = Box(0.1, 0.1, 0.2, 0.2)
    objects = tuple(Detection(label, 1, score, box) for label, score in found)
    return replace(ROW, path=path, detections=objects, where=where, error=error)


def ran(
    rows: Iterable[Row], total: int | None = None, kept: int = 0, least_score: float = SHOWN_SCORE
) -> DetectRun:
    """A run that took 2 s for what it has done."""
    each = list(rows)
    ticks = iter([0.0, *[2.0] * 3 * len(each)])
    count = len(each) if total is None else total
    run = DetectRun(FakeSession(), "local", count, kept, 1.0, iter(each), ticks.__next__)
    run.tally = Tally(least_score)
    assert list(run) == each
    return run


class Terminal(StringIO):
    """One that nobody sees."""

    def isatty(self) -> bool:
        return True


def table(out: StringIO, rows: Iterable[Row], *, all_rows: bool = False) -> list[str]:
    options = {"as_json": False, "to_folder": False, "all_rows": all_rows}
    with (
        redirect_stdout(out),
        detections.sink(**options, least_score=SHOWN_SCORE) as add,
    ):
        for each in rows:
            add(each)
    return out.getvalue().splitlines()


MANY = [row(f"{number:03}.jpg", ("dog", 0.9)) for number in reversed(range(128))]


def test_a_terminal_gets_twenty_rows_and_the_number_of_the_rest() -> None:
    lines = table(Terminal(), MANY)
    assert [line.split()[0] for line in lines[1:-1]] == [f"{n:03}.jpg" for n in range(20)]
    assert lines[-1] == "… and 108 more images (-v shows all)"
    assert table(Terminal(), MANY[:21])[-1] == "… and 1 more image (-v shows all)"
    assert len(table(Terminal(), MANY[:20])) == 1 + 20
    assert len(table(Terminal(), MANY, all_rows=True)) == 1 + 128


def test_a_pipe_gets_all_rows_and_all_objects() -> None:
    assert len(table(StringIO(), MANY)) == 1 + 128
    assert table(StringIO(), [row("a.jpg", ("dog", 0.3))])[1].endswith("  1 dog 0.30")


def test_a_terminal_gets_the_objects_that_score_a_half_or_more() -> None:
    lines = table(
        Terminal(),
        [
            row("a.jpg", ("dog", 0.8), ("dog", 0.5), ("dog", 0.49), ("cat", 0.3)),
            row("b.jpg", ("cat", 0.3)),
            row("c.jpg", error="no image"),
        ],
    )
    assert [line.split("  ")[-1] for line in lines[1:]] == ["2 dog 0.80", "-", "FAILED: no image"]


def test_who_names_a_score_is_shown_what_has_it() -> None:
    assert Request(("a",)).shown_score == 0.5
    assert Request(("a",), min_score=0.3).shown_score == 0.0


def test_a_run_is_summed_up_in_two_lines() -> None:
    rows = [row("a.jpg", ("dog", 0.8), ("cat", 0.6)), row("b.jpg", ("dog", 0.5))]
    assert detections.summary(ran([*rows, row("c.jpg", error="no image")])) == [
        "3 images, 1 failed, 1.0 images/s at local with fake",
        "3 objects: 2 dog, 1 cat",
    ]
    assert detections.summary(ran([row("a.jpg")]))[1] == "0 objects"


def test_objects_that_are_not_shown_are_counted_and_classes_fill_one_line() -> None:
    found = [(f"class{n:02}", 0.9) for n in range(40)] + [("dog", 0.4)] * 1000
    said = detections.summary(ran([row("a.jpg", *found)]))[1]
    assert said.startswith("40 of 1,040 objects score 0.5 or more: 1 class00, 1 class01, ")
    assert said.endswith(", … and 38 more")
    assert len(said) <= 79
    at_most = detections.summary(ran([row("a.jpg", ("dog", 0.4))], least_score=0.0))[1]
    assert at_most == "1 object: 1 dog"
    assert (
        detections.summary(ran([row("a.jpg", ("dog", 0.4))]))[1]
        == "0 of 1 objects score 0.5 or more"
    )


def test_a_folder_that_is_continued_or_finished_has_its_totals() -> None:
    done = [row(f"{n}.jpg", ("dog", 0.9)) for n in range(6)]
    run = ran(done[:4], kept=2)
    for each in done[4:]:
        run.tally.add(each)  # as the run reads them in the folder
    assert detections.summary(run) == [
        "6 images (2 done before), 0 failed, 2.0 images/s at local with fake",
        "6 objects: 6 dog",
    ]
    finished = ran([], kept=6)
    for each in done:
        finished.tally.add(each)
    first = detections.summary(finished)[0]
    assert first == "6 images, all done before, 0 failed, with fake"


@pytest.mark.parametrize(
    ("request_", "then"),
    [
        (Request(("a",), out="out"), "the same command continues"),
        (
            Request(("a",), out="out", overwrite=True),
            "the same command without --overwrite continues",
        ),
        (Request(("a",)), "to be able to continue, use --out DIR"),
    ],
)
def test_an_interrupted_run_says_how_far_it_came_and_how_it_goes_on(
    request_: Request, then: str
) -> None:
    run = ran(MANY[:41], total=984, kept=40)
    assert detections.left_off(run, request_) == f"81 of 1,024 done; {then}."


def test_the_places_that_did_the_images_are_named() -> None:
    rows = [row("a.jpg"), row("b.jpg", where="remote"), row("c.jpg", where="remote")]
    shared = detections.summary(ran(rows), VIEW)
    assert shared[0] == "3 images, 0 failed, 1.5 images/s at local (1) and remote (2) with fake"
    assert len(shared) == 2
    assert " at remote with " in detections.summary(ran(rows[1:]))[0]


def test_the_rest_is_said_when_it_is_asked_for() -> None:
    run = ran([replace(row("a.jpg"), sent_bytes=2_000_000), row("b.jpg"), row("c.jpg")])
    run.duplicate_uploads = ["b.jpg"]
    assert list(detections.details(run, "out", None)) == [
        "fake (none, SHA-256 000000000000…)",
        "start-up 1.00 s, first inference 0.0 ms",
        "inference mean 0.0 ms, median 0.0 ms, p95 0.0 ms, 2 at a time",
        "detection took 2.00 s",
        "2.0 MB sent",
        "1 duplicate discarded: sent, but answered here first",
        "results in out",
    ]


@pytest.mark.parametrize(
    ("usd", "most_usd", "said"),
    [
        ({"remote": 0.0123}, None, "$0.012 spent"),
        ({"remote": 0.0123}, 0.05, "$0.012 spent of the $0.05 allowed"),
        ({"remote": 0.06}, 0.05, "$0.06 spent, $0.01 more than the $0.05 allowed"),
        ({"remote": 0.01, "other": 0.02}, None, "$0.03 spent (remote $0.01, other $0.02)"),
        ({"remote": 0.0}, None, "$0 spent"),
    ],
)
def test_what_was_spent_is_said_with_what_was_allowed(
    usd: dict[str, float], most_usd: float | None, said: str
) -> None:
    view = replace(VIEW, usd=usd, limits=Limits(max_usd=most_usd))
    assert detections.summary(ran([ROW]), view)[2:] == [said]


@pytest.mark.parametrize(
    ("spent_s", "said"),
    [
        (25.0, "deadline of 30 s kept, 5 s to spare"),
        (30.0, "deadline of 30 s kept, 0 s to spare"),
        (51.2, "deadline of 30 s missed by 21.2 s"),
    ],
)
def test_the_deadline_has_its_verdict(spent_s: float, said: str) -> None:
    view = replace(VIEW, spent_s=spent_s, limits=Limits(deadline_s=30.0))
    assert detections.summary(ran([ROW]), view)[2:] == [said]


def test_a_run_that_was_stopped_kept_no_deadline_and_missed_none() -> None:
    stopped = replace(VIEW, left=10, limits=Limits(deadline_s=30.0))
    assert len(detections.summary(ran([ROW]), stopped)) == 2


def test_the_account_goes_to_standard_error_unless_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = detections.summary(ran([ROW]))
    Messages().lines(told)
    assert capsys.readouterr().err.splitlines() == told
    Messages(quiet=True).lines(told)
    assert capsys.readouterr().err == ""
