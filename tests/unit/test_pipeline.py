import threading
import time

import pytest

from offload.domain.events import Stop
from offload.usecases.detect.rows import pull


def test_every_item_is_worked_on_once() -> None:
    assert sorted(pull(range(100), lambda n: n * n, lambda: 4, Stop())) == [
        n * n for n in range(100)
    ]


def test_no_more_is_in_hand_than_there_are_workers() -> None:
    taken: list[int] = []

    def items() -> "list[int]":
        return list(range(1000))

    results = pull(iter(items()), lambda n: taken.append(n) or n, lambda: 3, Stop())  # type: ignore[func-returns-value]
    next(results)
    time.sleep(0.1)
    assert len(taken) <= 1 + 3 + 3 + 3, (
        "one delivered, three waiting, three in progress, three begun"
    )
    results.close()


def test_work_really_overlaps() -> None:
    both = threading.Barrier(2, timeout=5)
    assert len(list(pull([1, 2], lambda _: both.wait(), lambda: 2, Stop()))) == 2


def test_asked_to_stop_it_finishes_what_it_holds_and_takes_no_more() -> None:
    stop = Stop()
    results = []
    for result in pull(range(1000), lambda n: n, lambda: 2, stop):
        results.append(result)
        stop.ask()
    assert 1 <= len(results) <= 6


def test_a_bug_in_the_work_surfaces_and_ends_the_threads() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(pull([1, 0, *range(1, 100)], lambda n: 1 / n, lambda: 2, Stop()))
    for _ in range(100):
        if threading.active_count() == before:
            break
        time.sleep(0.01)
    assert threading.active_count() == before
