import itertools
import resource
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from offload.costmodel.split import Speed
from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, Refused, Unanswered
from offload.domain.events import Event, Reporter, Stop
from offload.domain.results import Row
from offload.domain.vision import Detections, Image
from offload.usecases.split.events import PlaceReleased
from offload.usecases.split.monitor import SplitMonitor
from offload.usecases.split.work_queue import WorkItem
from offload.usecases.split.workers import SplitJob
from tests.fakes import FakeSession
from tests.unit.test_detect import job


@dataclass
class Slow(FakeSession):
    """A place that takes a while, and may give up after some images."""

    takes_s: float = 0.001
    answers: int = 10**9
    failure: Callable[[], OffloadError] = lambda: Unanswered("no answer: gone")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def detect(self, image: Image) -> Detections:
        with self.lock:
            self.answers -= 1
            gone = self.answers < 0
        time.sleep(self.takes_s)
        if gone:
            raise self.failure()
        return replace(super().detect(image), sent_bytes=3)


class Hanging(FakeSession):
    """A place that takes an image and never answers."""

    def detect(self, image: Image) -> Detections:
        self.seen.append(image.path)
        threading.Event().wait(20)
        raise AssertionError("nobody waits so long")


def items(count: int, stays: int = 0) -> list[WorkItem]:
    return [WorkItem(f"{n:05}", n, n < stays) for n in range(count)]


def split(wanted: list[WorkItem], **rest: object) -> SplitJob:
    work = job([each.path for each in wanted])
    given = {"clock": time.perf_counter, "stop": Stop()} | rest
    return SplitJob(work, wanted, **given)  # type: ignore[arg-type]


def assert_each_once(rows: list[Row], wanted: list[WorkItem]) -> None:
    assert sorted(row.path for row in rows) == [each.path for each in wanted]


def test_two_places_share_the_images_and_each_has_one_row() -> None:
    wanted = items(300)
    here, there = Slow(), Slow()
    work = split(wanted)
    work.join("local", here, here=True)
    work.join("remote", there, here=False)
    rows = list(work.rows())
    assert_each_once(rows, wanted)
    by_place = {name: sum(row.where == name for row in rows) for name in ("local", "remote")}
    assert min(by_place.values()) > 75, by_place
    assert not [row for row in rows if row.error]


def test_a_place_may_join_late() -> None:
    wanted = items(200)
    work = split(wanted)
    work.join("local", Slow(takes_s=0.005), here=True)
    rows = work.rows()
    first = [next(rows) for _ in range(20)]
    assert {row.where for row in first} == {"local"}
    work.join("remote", Slow(), here=False)
    rest = list(rows)
    assert_each_once([*first, *rest], wanted)
    assert "remote" in {row.where for row in rest}


def test_a_place_that_failed_may_join_again_and_goes_on_counting() -> None:
    wanted = items(400)
    work = split(wanted)
    work.join("local", Slow(takes_s=0.005), here=True)
    work.join("remote", Slow(answers=5), here=False)
    rows = work.rows()
    first = [next(rows) for _ in range(40)]
    assert work.has_failed("remote")
    assert work.has_left("remote")
    work.join("remote", Slow(), here=False)
    assert not work.has_failed("remote")
    rest = list(rows)
    assert_each_once([*first, *rest], wanted)
    there = sum(row.where == "remote" for row in [*first, *rest])
    assert there > 5
    _, _, places = work.standing()
    assert [(place.name, place.done) for place in places] == [
        ("local", len(wanted) - there),
        ("remote", there),
    ]


@pytest.mark.parametrize(
    "failure",
    [
        lambda: Unanswered("no answer: gone"),
        lambda: PlaceUnavailable("it wants another token"),
        lambda: OffloadError("it is another machine"),
    ],
)
def test_what_a_place_that_fails_had_in_hand_is_done_elsewhere(
    failure: Callable[[], OffloadError],
) -> None:
    wanted = items(100)
    lost: list[tuple[str, str]] = []
    work = split(wanted)
    work.lost = lambda *told: lost.append(told)
    work.join("local", Slow(takes_s=0.003), here=True)
    work.join("remote", Slow(answers=10, failure=failure, concurrency=4), here=False)
    rows = list(work.rows())
    assert_each_once(rows, wanted)
    assert not [row for row in rows if row.error]
    assert sum(row.where == "remote" for row in rows) == 10
    assert lost == [("remote", str(failure()))], "told of once"
    assert work.has_failed("remote") == isinstance(failure(), Unanswered), "else it is out"


def test_what_a_place_refuses_others_do_and_it_goes_on() -> None:
    class Strict(Slow):
        def detect(self, image: Image) -> Detections:
            if int(image.path) < 20:
                raise Refused("too large")
            return super().detect(image)

    wanted = items(100)
    lost: list[tuple[str, str]] = []
    work = split(wanted)
    work.lost = lambda *told: lost.append(told)
    work.join("local", Slow(takes_s=0.003), here=True)
    work.join("remote", Strict(), here=False)
    rows = list(work.rows())
    assert_each_once(rows, wanted)
    assert not [row for row in rows if row.error]
    assert {row.where for row in rows if int(row.path) < 20} == {"local"}
    assert "remote" in {row.where for row in rows}
    assert lost == []


def test_a_place_that_was_expected_to_be_fast_and_never_answers_holds_up_nobody() -> None:
    wanted = items(100)
    work = split(wanted)
    hanging = Hanging(concurrency=4)
    work.join("remote", hanging, here=False, expected=Speed(1000.0, 0.1))
    work.join("local", Slow(takes_s=0.002), here=True)
    began_s = time.perf_counter()
    assert_each_once(list(work.rows()), wanted)
    assert time.perf_counter() - began_s < 10, "it hangs for twenty"


def test_a_run_that_is_to_end_does_not_wait_for_a_place_that_hangs() -> None:
    wanted, stop = items(1000), Stop()
    work = split(wanted, stop=stop)
    work.join("local", Slow(takes_s=0.005), here=True)
    work.join("remote", Hanging(concurrency=3), here=False)
    rows = work.rows()
    done = [next(rows) for _ in range(10)]
    stop.ask()
    began_s = time.perf_counter()
    done += rows
    assert time.perf_counter() - began_s < 10, "it hangs for twenty"
    assert len(done) < 100
    assert len(work.job.duplicate_uploads) == 3, "they may have left"


def test_of_an_image_that_two_places_did_only_what_counts_is_kept() -> None:
    wanted, kept = items(60), list[str]()

    def keep(image: Image, _found: Detections) -> None:
        kept.append(image.path)

    work = SplitJob(
        job([each.path for each in wanted], keep=keep), wanted, time.perf_counter, Stop()
    )
    work.join("local", Slow(takes_s=0.01), here=True)
    work.join("remote", Slow(takes_s=0.03, concurrency=6), here=False)
    assert_each_once(list(work.rows()), wanted)
    time.sleep(0.1)
    assert sorted(kept) == [each.path for each in wanted]


def test_where_no_place_is_left_the_run_says_so() -> None:
    work = split(items(50))
    work.join("remote", Slow(answers=10, failure=lambda: PlaceUnavailable("gone")), here=False)
    with pytest.raises(PlaceUnavailable, match="gone"):
        list(work.rows())


def test_the_only_place_that_gives_no_answer_fails_rows_as_ever() -> None:
    wanted = items(12)
    work = split(wanted)
    work.join("remote", Slow(answers=10), here=False)
    rows = list(work.rows())
    assert_each_once(rows, wanted)
    assert [row.error for row in rows].count("no answer: gone") == 2


def test_a_place_that_hangs_holds_nothing_up() -> None:
    wanted = items(60)
    there = Hanging(concurrency=4)
    work = split(wanted)
    work.join("local", Slow(), here=True)
    work.join("remote", there, here=False)
    rows = list(work.rows())
    assert_each_once(rows, wanted)
    assert {row.where for row in rows} == {"local"}
    assert sorted(work.job.duplicate_uploads) == sorted(there.seen), "they left all the same"


def test_images_that_stay_are_seen_here_only() -> None:
    wanted = items(100, stays=40)
    here, there = Slow(takes_s=0.004), Slow()
    work = split(wanted)
    work.join("remote", there, here=False)
    work.join("local", here, here=True)
    rows = list(work.rows())
    assert_each_once(rows, wanted)
    staying = {each.path for each in wanted if each.stays}
    assert not staying & set(there.seen)
    assert {row.where for row in rows if row.path in staying} == {"local"}


def test_an_image_that_another_machine_refuses_has_a_try_here() -> None:
    wanted = items(20)
    everything = frozenset(each.path for each in wanted)
    work = split(wanted)
    work.join("local", Slow(bad=frozenset({"00003"})), here=True)
    work.join("remote", Slow(bad=everything), here=False)
    rows = list(work.rows())
    assert_each_once(rows, wanted)
    assert {row.path: row.error for row in rows if row.error} == {
        "00003": "damaged image: truncated"
    }


def test_bytes_that_were_sent_in_vain_count() -> None:
    class Vain(FakeSession):
        def detect(self, image: Image) -> Detections:
            error = Unanswered("no answer")
            error.sent_bytes = 7
            raise error

    wanted = items(10)
    work = split(wanted)
    work.join("local", Slow(takes_s=0.01), here=True)
    work.join("remote", Vain(concurrency=1), here=False)
    rows = list(work.rows())
    assert sorted(row.sent_bytes for row in rows) == [3] * 9 + [10]


def test_asked_to_stop_it_finishes_what_is_in_hand() -> None:
    stop = Stop()
    work = split(items(500), stop=stop)
    here, there = Slow(), Slow()
    work.join("local", here, here=True)
    work.join("remote", there, here=False)
    rows = []
    for row in work.rows():
        rows.append(row)
        if len(rows) == 10:
            stop.ask()
    taken = set(here.seen) | set(there.seen)
    assert sorted(row.path for row in rows) == sorted(taken)
    assert len(rows) < 100


def test_a_drained_place_takes_nothing_more() -> None:
    wanted = items(200)
    there = Slow()
    work = split(wanted)
    work.join("local", Slow(), here=True)
    work.join("remote", there, here=False)
    rows = work.rows()
    first = [next(rows) for _ in range(20)]
    work.drain("remote")
    seen = len(there.seen)
    assert_each_once([*first, *rows], wanted)
    assert len(there.seen) <= seen + there.concurrency


def test_a_bug_in_a_place_is_raised() -> None:
    class Buggy(FakeSession):
        def detect(self, image: Image) -> Detections:
            raise ZeroDivisionError

    work = split(items(5))
    work.join("local", Buggy(), here=True)
    with pytest.raises(ZeroDivisionError):
        list(work.rows())


def test_how_places_stand_can_be_seen_on_the_way() -> None:
    work = split(items(300))
    work.join("local", Slow(), here=True)
    work.join("remote", Slow(takes_s=0.01), here=False)
    for number, _row in enumerate(work.rows()):
        if number == 200:
            left, staying, standing = work.standing()
            assert staying == 0
            assert left < 100
            here, there = standing
            assert (here.name, there.name) == ("local", "remote")
            assert here.is_known
            assert here.done + there.done >= 200
            assert (here.images_per_s or 0) > (there.images_per_s or 0)
            assert (there.latency_s or 0) >= 0.01


def test_an_image_that_cannot_be_read_fails_once() -> None:
    def read(path: str) -> object:
        raise ImageError("no such file")

    wanted = items(30)
    work = SplitJob(
        replace(job([each.path for each in wanted]), read=read),  # type: ignore[arg-type]
        wanted,
        time.perf_counter,
        Stop(),
    )
    work.join("local", Slow(), here=True)
    work.join("remote", Slow(), here=False)
    rows = list(work.rows())
    assert_each_once(rows, wanted)
    assert {row.error for row in rows} == {"no such file"}


def test_a_place_is_let_go_long_before_the_end_if_most_images_are_to_stay() -> None:
    wanted, heard = items(400, stays=380), list[Event]()
    work = split(wanted)
    monitor = SplitMonitor(work, time.perf_counter, 0.0, Reporter(heard.append))
    work.join("local", Slow(takes_s=0.005), here=True)
    work.join("remote", Slow(takes_s=0.005), here=False)
    left = None
    for number, _row in enumerate(work.rows(monitor.watch)):
        if left is None and work.has_left("remote"):
            left = number
    assert left is not None
    assert left < 300
    assert heard[0] == PlaceReleased("remote")


@pytest.mark.parametrize("number", [30_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_many_images_need_no_more_memory_as_they_are_done(number: int) -> None:
    """Items are paths; what a place has in progress is all that is ever read."""
    work = split(items(number))
    work.join("local", FakeSession(seen=deque(maxlen=1)), here=True)  # type: ignore[arg-type]
    work.join("remote", FakeSession(seen=deque(maxlen=1), concurrency=4), here=False)  # type: ignore[arg-type]
    rows = work.rows()
    seen = sum(1 for _ in itertools.islice(rows, number // 10))
    before_bytes = resident_bytes()
    seen += sum(1 for _ in rows)
    assert seen == number
    assert resident_bytes() < before_bytes + 100 * number


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
