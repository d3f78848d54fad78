"""Images asked for at a fleet in memory, and what becomes of each."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from offload.domain import typed
from offload.domain.errors import ImageError, PlaceUnavailable, Refused, Unanswered
from offload.domain.results import Row
from offload.domain.vision import Detections, Image
from offload.service.queued.message import Task
from tests.fleet.obliging import DOG, Clock, World, found


def asked(world: World) -> list[Task]:
    """What workers are told, in order."""
    return [typed.parse(Task, held.body.encode()) for held in world.tasks.messages]


def until(true: Callable[[], object]) -> None:
    """Wait for it."""
    give_up_s = time.monotonic() + 20
    while not true():
        assert time.monotonic() < give_up_s
        time.sleep(0.002)


def test_every_image_gets_its_own_answer_and_nothing_of_it_is_left() -> None:
    world = World()

    def rows(task: Task) -> Row:
        return replace(found(task), width=int(task.path))

    with world.session() as session, world.workers(rows, 4), ThreadPoolExecutor(16) as threads:
        widths = [
            one.width
            for one in threads.map(
                lambda n: session.detect(Image(str(n), b"%d" % n)), range(1, 201)
            )
        ]
        assert widths == list(range(1, 201))
    assert not [key for key in world.store.objects if key.startswith("in/")]
    assert list(world.queues.by_url) == ["memory:tasks"], "its queue is gone"
    assert not world.tasks.messages


def test_an_answer_that_comes_twice_counts_once() -> None:
    world = World()
    world.tasks.doubled = lambda _body: True
    with world.session() as session, world.workers(count=2), ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda n: session.detect(Image(str(n), b"x")), range(50)))
        assert [one.found for one in done] == [(DOG,)] * 50
        [answers] = [q for url, q in world.queues.by_url.items() if "answers" in url]
        until(lambda: not answers.messages and not world.tasks.messages)


def test_two_jobs_at_once_get_the_answers_to_their_own_images() -> None:
    world = World()

    def rows(task: Task) -> Row:
        return replace(found(task), width=int(task.path))

    with (
        world.session() as one, world.session() as other,
        world.workers(rows, 3), ThreadPoolExecutor(16) as threads,
    ):  # fmt: skip
        numbers = range(1, 101)
        ours = threads.map(lambda n: one.detect(Image(str(n), b"x")).width, numbers)
        theirs = threads.map(lambda n: other.detect(Image(str(1000 + n), b"x")).width, numbers)
        assert list(ours) == list(numbers)
        assert list(theirs) == [1000 + n for n in numbers]


def test_a_row_whose_answer_was_lost_is_looked_for() -> None:
    world, clock = World(), Clock()
    with world.session(clock=clock) as session:
        answer = session.ask(Image("x", b"x"))
        [task] = asked(world)
        world.store.put(task.row_key, typed.encoded(found(task).to_dict()))
        session._asker.look()
        time.sleep(0.05)
        assert not answer.done(), "not yet"
        clock.now_s += 16
        session._asker.look()
        assert answer.result(20).found == (DOG,)


def test_a_row_that_cannot_be_used_is_a_failure_of_its_image() -> None:
    world, clock = World(), Clock()
    with world.session(clock=clock) as session:
        for number, damaged in enumerate([b"no JSON", b"[1]", b'{"path": "x"}']):
            answer = session.ask(Image("x", b"x"))
            world.store.put(asked(world)[number].row_key, damaged)
            clock.now_s += 16
            session._asker.look()
            with pytest.raises(Refused, match="answers what we cannot use"):
                answer.result(20)


def test_a_row_too_large_for_a_message_comes_from_the_bucket() -> None:
    world = World()
    with world.session() as session:
        answer = session.ask(Image("x", b"x"))
        [task] = asked(world)
        world.answer(task, found(task), row=None)
        assert answer.result(20).found == (DOG,)


def test_a_failed_row_is_an_error_with_its_reason() -> None:
    world = World()

    def rows(task: Task) -> Row:
        return replace(found(task), error="no picture", detections=())

    with world.session() as session:
        with world.workers(rows), pytest.raises(ImageError, match="no picture") as caught:
            session.detect(Image("x", b"xyz"))
        assert not isinstance(caught.value, Unanswered)
        assert caught.value.sent_bytes == 3
        answer = session.ask(Image("y", b"y"))
        [task] = asked(world)
        world.answer(task, rows(task), dead_letter=True)
        with pytest.raises(Refused):
            answer.result(20)


def test_answers_of_another_model_end_the_job() -> None:
    world = World()

    def rows(task: Task) -> Row:
        return replace(found(task), model_sha256="1" * 64)

    with (
        world.session() as session, world.workers(rows),
        pytest.raises(PlaceUnavailable, match="another model"),
    ):  # fmt: skip
        session.detect(Image("x", b"x"))


def test_a_fleet_that_is_gone_is_a_sentence_for_who_waits_and_who_comes_until_it_is_back() -> None:
    world = World()
    with world.session() as session:
        answer = session.ask(Image("x", b"x"))
        [answers] = [queue for queue in world.queues.by_url.values() if queue is not world.tasks]
        world.tasks.gone = True
        world.queues.remove(answers)
        with pytest.raises(PlaceUnavailable, match="no queue"):
            answer.result(20)
        with pytest.raises(PlaceUnavailable, match="no queue"):
            session.detect(Image("y", b"y"))
        world.tasks.gone = False
        until(lambda: answers.url in world.queues.by_url)
        until(lambda: session._asker._refused is None)
        with world.workers():
            assert session.detect(Image("z", b"z")).found == (DOG,)
    assert list(world.queues.by_url) == [world.tasks.url]


def test_who_still_waits_at_the_end_gets_no_answer_and_leaves_nothing() -> None:
    world, answers = World(), list[Future[Detections]]()
    with world.session() as session:
        answers.append(session.ask(Image("x", b"x")))
        before = threading.active_count()
        assert list(world.store.objects.values()) == [b"x"]
    with pytest.raises(Unanswered):
        answers[0].result(20)
    assert threading.active_count() < before
    assert not world.store.objects


def test_what_nobody_waits_for_any_more_is_told_to_nobody() -> None:
    world = World()
    with world.session() as session:
        answer = session.ask(Image("x", b"x"))
        answer.cancel()
        with world.workers():
            assert session.detect(Image("y", b"y")).found == (DOG,)
