from hypothesis import given
from hypothesis import strategies as st

from offload.costmodel.split import Speed
from offload.usecases.split.work_queue import ThroughputEstimator, Worker, WorkItem, WorkQueue


def item(size: int, *, stays: bool = False) -> WorkItem:
    return WorkItem(f"{size}.jpg", size, stays)


def a_worker(work_queue: WorkQueue, name: str, *, here: bool, concurrency: int = 2) -> Worker:
    return work_queue.add(name, concurrency, 0.0, here=here)


def two_workers(work_queue: WorkQueue) -> tuple[Worker, Worker]:
    """One here and one elsewhere."""
    here = a_worker(work_queue, "local", here=True)
    return here, a_worker(work_queue, "remote", here=False)


def paced(worker: Worker, images_per_s: float, latency_s: float, until_s: float) -> None:
    """It has done twenty images at this rate, the last one just now."""
    for number in range(20):
        ended_s = until_s - (19 - number) / images_per_s
        worker.estimator.add(ended_s - latency_s, ended_s)


def sizes(found: list[WorkItem | None]) -> list[int]:
    return [each.bytes for each in found if each]


def test_a_place_here_takes_the_largest_image_and_another_the_smallest() -> None:
    work_queue = WorkQueue([item(n) for n in (3, 1, 4, 2, 5)])
    here, there = two_workers(work_queue)
    assert sizes([work_queue.take(here, 0.0), work_queue.take(here, 0.0)]) == [5, 4]
    assert sizes([work_queue.take(there, 0.0), work_queue.take(there, 0.0)]) == [1, 2]


def test_images_that_stay_are_taken_here_first_and_nowhere_else() -> None:
    work_queue = WorkQueue([item(9), item(1, stays=True), item(2, stays=True)])
    here, there = two_workers(work_queue)
    assert sizes([work_queue.take(there, 0.0), work_queue.take(there, 0.0)]) == [9]
    assert sizes([work_queue.take(here, 0.0), work_queue.take(here, 0.0)]) == [2, 1]
    paced(there, 100.0, 0.01, 5.0)
    assert work_queue.take(there, 60.0) is None, "however long the others take"


def test_an_image_is_answered_once() -> None:
    work_queue = WorkQueue([item(1)])
    here, there = two_workers(work_queue)
    paced(here, 10.0, 0.1, 0.0)
    [taken] = [work_queue.take(there, 0.0)]
    assert taken is not None
    assert work_queue.take(here, 5.0) is taken, "it is long overdue"
    assert work_queue.answered(here, taken, 5.1) == [there]
    assert work_queue.over
    assert work_queue.answered(there, taken, 5.2) is None
    assert (here.done, there.done) == (1, 0)


def test_a_slow_place_leaves_the_last_images_to_a_fast_one() -> None:
    work_queue = WorkQueue([item(n) for n in range(1, 11)])
    here, there = two_workers(work_queue)
    paced(here, 10.0, 0.1, 0.0)
    paced(there, 1.0, 2.0, 0.0)
    assert work_queue.take(there, 0.0) is None, (
        "ten images take a second here and one takes two there"
    )
    more = WorkQueue([item(n) for n in range(1, 31)])
    more.workers = work_queue.workers
    assert more.take(there, 0.0) is not None


def test_a_place_nobody_knows_takes_no_more_than_its_share() -> None:
    work_queue = WorkQueue([item(n) for n in range(1, 11)])
    a_worker(work_queue, "local", here=True)
    there = a_worker(work_queue, "remote", here=False, concurrency=8)
    taken = [work_queue.take(there, 0.0) for _ in range(8)]
    assert sizes(taken) == [1, 2, 3, 4, 5]


@given(
    latencies_s=st.tuples(st.floats(0.01, 10), st.floats(0.01, 10)),
    concurrency=st.tuples(st.integers(1, 32), st.integers(1, 32)),
    left=st.integers(1, 50),
)
def test_no_image_lies_about_while_nobody_does_anything(
    latencies_s: tuple[float, float], concurrency: tuple[int, int], left: int
) -> None:
    work_queue = WorkQueue([item(n) for n in range(left)])
    for latency_s, count, here in zip(latencies_s, concurrency, (True, False), strict=True):
        worker = a_worker(work_queue, str(here), here=here, concurrency=count)
        paced(worker, count / latency_s, latency_s, 0.0)
    assert any(work_queue.take(worker, 0.0) for worker in work_queue.workers.values())


def test_the_last_image_is_done_twice_where_it_would_take_long() -> None:
    work_queue = WorkQueue([item(1)])
    here, there = two_workers(work_queue)
    taken = work_queue.take(there, 0.0)
    paced(here, 10.0, 0.2, 0.0)
    paced(there, 10.0, 1.0, 0.0)
    assert work_queue.take(here, 0.1) is taken, "0.9 s there against 0.2 s here"
    assert work_queue.take(here, 0.1) is None, "not three times"


def test_an_image_that_is_nearly_done_is_not_done_twice() -> None:
    work_queue = WorkQueue([item(1)])
    here, there = two_workers(work_queue)
    work_queue.take(there, 0.0)
    paced(here, 10.0, 0.2, 0.0)
    paced(there, 10.0, 1.0, 0.0)
    assert work_queue.take(here, 0.9) is None
    assert work_queue.take(here, 1.3) is not None, "late by more than it takes here"


def test_what_got_no_answer_is_anybodys_again_but_once_only() -> None:
    work_queue = WorkQueue([item(1)])
    here, there = two_workers(work_queue)
    taken = work_queue.take(there, 0.0)
    assert taken is not None
    work_queue.give_back(there, taken)
    work_queue.give_back(there, taken)
    assert work_queue.left == 1
    again = work_queue.take(here, 0.0)
    assert again is not None
    assert work_queue.answered(here, again, 1.0) == []
    assert work_queue.over


def test_what_another_machine_cannot_use_is_for_places_here_from_then_on() -> None:
    work_queue = WorkQueue([item(1)])
    here, there = two_workers(work_queue)
    taken = work_queue.take(there, 0.0)
    assert taken is not None
    work_queue.give_back(there, taken, stays=True)
    assert work_queue.take(there, 0.0) is None
    assert work_queue.take(here, 0.0) is not None


def test_a_closed_place_takes_nothing() -> None:
    work_queue = WorkQueue([item(1)])
    there = a_worker(work_queue, "remote", here=False)
    there.open = False
    assert work_queue.take(there, 0.0) is None
    assert work_queue.left == 1


def test_a_rate_is_that_of_the_last_images_and_sinks_while_nothing_comes() -> None:
    estimator = ThroughputEstimator(2, 0.0, Speed(3.0, 0.5))
    assert (estimator.images_per_s(0.9), estimator.latency_s) == (3.0, 0.5)
    assert estimator.images_per_s(10.0) == 0.1, "what is expected does not come"
    for number in range(1, 101):
        estimator.add(number - 2.0, float(number))
    assert estimator.images_per_s(100.0) == 1.0
    assert estimator.images_per_s(100.9) == 1.0, "the next is not late yet"
    assert estimator.images_per_s(108.0) == 8 / 15
    assert estimator.latency_s == 2.0
    for number in range(1, 9):
        estimator.add(100.0 + number / 2 - 2.0, 100.0 + number / 2)
    assert estimator.images_per_s(104.0) == 2.0
