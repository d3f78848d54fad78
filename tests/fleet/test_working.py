"""What a worker does of a message, whatever happens to it, to AWS, and to the message."""

import itertools
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from offload.domain.errors import OffloadError, PlaceUnavailable, Unanswered
from offload.domain.events import ImageFailed, Noted, Warned
from offload.domain.machines import Backlog, Message
from offload.domain.vision import Image
from offload.service.queued.working import HIDDEN_S, IDLE_S, LONGEST_S, QueueWorker
from tests.fleet.fakes import FakeMember
from tests.fleet.world import ANSWERS, Cut, Lives, World, taken

REASON = "three workers ended on it"


def lived(world: World, *calls: int) -> None:
    """Workers that live for so many calls each, then one that lives on, do all there is to do."""
    lives = [*map(Lives, calls)]
    worker = world.worker()
    for message in taken(world):
        life = lives.pop(0) if lives else None
        world.fails = life or (lambda _call: None)
        with suppress(Cut):
            worker.answer(message)
        if life and life.left < 0:
            worker = world.worker()
        world.fails = lambda _call: None


@pytest.mark.parametrize("before", [(), (4,)])
def test_a_worker_that_is_killed_at_any_point_leaves_one_row_and_an_answer(
    before: tuple[int, ...],
) -> None:
    for calls in itertools.product(range(12), repeat=2):
        world = World()
        world.ask()
        lived(world, *before, *calls)
        rows, said = world.rows(), world.said()
        assert list(rows) == ["a.jpg"]
        assert said
        assert all(answer["row"] == rows["a.jpg"] for answer in said)
        assert rows["a.jpg"]["error"] in {None, *[REASON] * len(before)}
        assert not world.tasks.messages


def test_an_image_that_ends_every_worker_is_given_up_with_its_reason() -> None:
    world = World()

    def deadly(_image: Image) -> None:
        raise Cut

    world.engine.meets = deadly
    task = world.ask()
    lived(world)
    assert len(world.engine.asked) == 3
    assert world.rows()["a.jpg"]["error"] == REASON
    [answer] = world.said()
    assert answer["dead_letter"] is True
    assert answer["row_key"] == task.row_key
    assert [held.notes for held in world.dead.messages] == [{"reason": REASON, "worker": "w"}]
    assert ImageFailed("a.jpg", REASON) in world.told


def test_an_image_that_ends_workers_takes_none_with_it_that_was_at_work_beside_it() -> None:
    world = World()
    world.engine.meets = lambda image: poison(world, image)
    for name in ("poison.jpg", "a.jpg", "b.jpg", "c.jpg"):
        world.ask(name)
    lives = 0
    while messages := together(world):
        lives += 1
        worker = world.worker()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(partial(until_cut, worker.answer), messages))
    assert lives >= 4
    rows = world.rows()
    assert {path for path, row in rows.items() if row["error"]} == {"poison.jpg"}
    assert len(rows) == 4


@pytest.mark.parametrize("seed", range(20))
def test_random_deaths_and_messages_that_come_twice_lose_and_double_no_row(seed: int) -> None:
    chance, world = random.Random(seed), World()
    world.tasks.doubled = lambda _body: chance.random() < 0.3
    for number in range(20):
        world.ask(f"{number}.jpg")
    lives = [Lives(chance.randrange(3, 60)) for _ in range(10)]
    while messages := together(world):
        worker, life = world.worker(), lives.pop() if lives else Lives(10**6)
        while messages and life.left >= 0:
            world.fails = life
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(partial(until_cut, worker.answer), messages))
            messages = together(world)
    rows, said = world.rows(), world.said()
    assert len(rows) == 20
    assert {answer["row"]["path"] for answer in said} == {*rows}
    assert all(answer["row"] == rows[answer["row"]["path"]] for answer in said)


def together(world: World) -> list[Message]:
    """Some messages at once; none once all are done."""
    world.fails = lambda _call: None
    if not world.tasks.backlog().visible:
        world.time.pass_by(world.tasks.visibility_s)
    return world.tasks.receive(4, 0)


def poison(world: World, image: Image) -> None:
    """All threads of a worker end with the one that is at this image."""
    if image.path == "poison.jpg":
        world.fails = Lives(0)
        raise Cut


def until_cut(answer: Callable[[Message], None], message: Message) -> None:
    with suppress(Cut):
        answer(message)


def test_two_workers_with_one_message_leave_one_row_and_answer_alike() -> None:
    world = World()
    world.ask()
    [message] = world.tasks.receive(1, 0)
    other = world.worker()

    def overtaken(_image: Image) -> None:
        world.engine.meets = lambda _image: None
        other.answer(message)

    world.engine.meets = overtaken
    world.worker().answer(message)
    assert len(world.engine.asked) == 2
    first, second = world.said()
    assert first == second
    assert first["row"] == world.rows()["a.jpg"]


def test_what_came_before_and_has_its_row_is_answered_with_it_unread() -> None:
    world = World()
    task = world.ask()
    [message] = world.tasks.receive(1, 0)
    world.worker().answer(message)
    del world.store.objects[task.image_key]
    world.worker().answer(Message(message.body, "again", receives=9))
    assert len(world.engine.asked) == 1
    first, second = world.said()
    assert first == second
    world.worker().answer(Message(message.body, "as new"))  # as SQS may say of a copy
    assert world.said()[-1] == first
    assert list(world.rows()) == ["a.jpg"]


@pytest.mark.parametrize(
    ("body", "reason", "has_row", "is_answered"),
    [
        ("not JSON", "it is no task: JSON is malformed", False, False),
        ("[1]", "it is no task: Expected `object`, got `array`", False, False),
        ('{"version": 2, "path": "a", "row_key": "rows/a.json", "reply_to": "%s", "new": 1}',
         "it is of version 2, and this worker's is 1", True, True),
        ('{"version": 1, "path": "a", "row_key": "rows/a.json", "reply_to": "%s"}',
         "it is no task: Object missing required field `image_key`", True, True),
        ('{"version": 1, "path": "", "row_key": "a.json", "reply_to": "%s", "image_key": "in/a"}',
         "its key 'a.json' is not in rows/", False, True),
        ('{"version": 1, "path": "a", "row_key": "rows/a.json", "image_key": "fleet.json"}',
         "its key 'fleet.json' is not in in/", True, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("receives", [1, 2])
def test_a_message_that_is_no_task_of_ours_goes_where_its_reason_is_read(
    body: str, reason: str, has_row: bool, is_answered: bool, receives: int
) -> None:
    world, body = World(), body.replace("%s", ANSWERS)
    world.worker().answer(Message(body, "1", receives))
    assert world.dead.bodies == [body]
    [held] = world.dead.messages
    assert held.notes["reason"].startswith(reason)
    assert [row["error"][:20] for row in world.rows().values()] == [reason[:20]] * has_row
    assert [answer["dead_letter"] for answer in world.said()] == [True] * is_answered
    assert not world.engine.asked


@pytest.mark.parametrize(
    ("data", "said"), [(None, "it was removed before a worker came to it"), (b"1234567890", "10 b")]
)
def test_an_image_that_is_gone_or_too_large_is_a_failed_row_and_no_dead_letter(
    data: bytes | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("offload.service.queued.answering.MAX_FILE_BYTES", 9)
    world = World()
    task = world.ask()
    if data is None:
        world.store.delete(task.image_key)
    else:
        world.store.put(task.image_key, data)
    lived(world)
    assert said in world.rows()["a.jpg"]["error"]
    assert world.said()[0]["dead_letter"] is False
    assert not world.dead.messages


def test_a_task_says_what_to_keep_and_what_the_model_does_not_have_is_a_failed_row() -> None:
    world = World()
    world.ask(min_score=0.7, classes=(" Brightness",), max_detections=5, max_iou=0.2)
    world.ask("b.jpg", classes=("unicorn",))
    lived(world)
    [selection] = world.engine.asked
    assert selection is not None
    assert (selection.min_score, selection.classes) == (0.7, frozenset({"brightness"}))
    assert (selection.max_detections, selection.max_iou) == (5, 0.2)
    assert world.rows()["b.jpg"]["error"] == "The model has no class 'unicorn'."


def test_an_answer_that_is_too_large_says_where_the_row_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("offload.service.queued.answering.MOST_BYTES", 100)
    world = World()
    task = world.ask()
    lived(world)
    [answer] = world.said()
    assert (answer["row"], answer["row_key"]) == (None, task.row_key)
    assert world.rows()


def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    world = World()
    world.ask()
    [message] = world.tasks.receive(1, 0)
    world.fails = refusing("send", PlaceUnavailable("There is no queue answers."))
    world.worker(patience_s=60).answer(message)
    assert not world.tasks.messages
    assert not world.paused
    assert Warned("An answer is not sent: There is no queue answers.") in world.told


def refusing(call: str, error: OffloadError, times: int = 1000) -> Callable[[str], None]:
    """Such calls fail so many times."""
    left = [times]

    def fails(made: str) -> None:
        if made == call and left[0]:
            left[0] -= 1
            raise error

    return fails


@pytest.mark.parametrize("call", ["receive", "get", "put_new", "send", "delete"])
def test_what_gives_no_answer_is_asked_again_without_giving_the_message_back(call: str) -> None:
    world = World()
    world.ask()
    world.fails = refusing(call, Unanswered("AWS does not answer"), 8)
    work(world)
    assert world.rows()["a.jpg"]["error"] is None
    assert len(world.engine.asked) == 1
    assert 0 not in world.tasks.extended
    assert not world.tasks.messages
    assert world.told.count(Warned("AWS does not answer")) == 1


def work(world: World, patience_s: float = 0.0, **more: object) -> QueueWorker:
    """A worker from its start to its end."""
    one = QueueWorker(world.worker(patience_s), more.get("member"), bool(more.get("stay")))  # type: ignore[arg-type]
    one.run()
    return one


@pytest.mark.parametrize("call", ["receive", "get", "put_new", "delete"])
def test_what_is_refused_ends_a_worker_with_its_sentence_and_the_message_goes_back(
    call: str,
) -> None:
    world = World()
    worker = QueueWorker(world.worker(), None)
    worker.answering.check()
    world.ask()
    world.fails = refusing(call, PlaceUnavailable("These credentials may not."))
    with pytest.raises(PlaceUnavailable, match="These credentials may not"):
        worker.run()
    assert world.tasks.backlog() == Backlog(1, 0)


@pytest.mark.parametrize("call", ["get", "put_new"])
def test_who_may_not_read_or_write_takes_no_message(call: str) -> None:
    world = World()
    world.ask()
    world.fails = refusing(call, PlaceUnavailable("These credentials may not."))
    with pytest.raises(PlaceUnavailable):
        work(world)
    assert world.tasks.messages[0].receives == 0


def test_a_machine_that_is_refused_for_a_minute_leaves_and_one_that_is_for_less_stays() -> None:
    world, member = World(), FakeMember()
    world.ask()
    world.fails = refusing("get", PlaceUnavailable("not yet"), 5)
    work(world, IDLE_S, member=member)
    assert world.rows()
    assert member.left
    member.left = False
    world.fails = refusing("get", PlaceUnavailable("never"))
    with pytest.raises(PlaceUnavailable, match="never"):
        work(world, IDLE_S, member=member)
    assert member.left


def test_a_machine_for_which_nothing_comes_for_a_minute_leaves() -> None:
    world, member = World(), FakeMember()
    for number in range(20):
        world.ask(f"{number}.jpg")
    work(world, member=member)
    assert len(world.rows()) == 20
    assert world.time() >= IDLE_S
    assert member.left
    assert [event.text for event in world.told if isinstance(event, Noted)] == [
        "Ends: no image came for 60 s", "i-1 leaves its group",
    ]  # fmt: skip


def test_what_comes_while_a_machine_is_about_to_leave_is_done_and_it_stays_a_minute() -> None:
    world, member, came = World(), FakeMember(), list[float]()

    def late(call: str) -> None:
        """Of the two threads the first waits for a message until the other found none for long."""
        if call == "receive" and not came:
            came.append(0.0)
            while not any(isinstance(event, Noted) for event in list(world.told)):
                time.sleep(0.001)
            came[0] = world.time()
            world.ask("late.jpg")

    world.fails = late
    work(world, member=member)
    assert list(world.rows()) == ["late.jpg"]
    assert member.left
    assert world.time() >= came[0] + IDLE_S


def test_a_worker_that_is_to_stay_waits_until_it_is_told_to_end() -> None:
    world = World()

    def told(_call: str) -> None:
        if world.time() > 5 * IDLE_S:
            world.stop.ask()

    world.fails = told
    work(world, stay=True)
    assert world.time() > 5 * IDLE_S


@pytest.mark.parametrize("how", ["notice", "signal"])
def test_notice_and_signal_let_it_finish_what_it_has_and_take_nothing_more(how: str) -> None:
    world, member = World(), FakeMember()
    for number in range(9):
        world.ask(f"{number}.jpg")
    both = threading.Barrier(3)

    def ending(_image: Image) -> None:
        both.wait(60)
        while not world.stop:
            time.sleep(0.001)

    world.engine.meets = ending
    worker = QueueWorker(world.worker(), member)
    worker.ask.pause = lambda _s: time.sleep(0.001)  # no time passes
    thread = threading.Thread(target=worker.run)
    thread.start()
    both.wait(60)
    if how == "notice":
        member.said = "spot: terminate at noon"
    else:
        world.stop.ask()
    thread.join()
    assert len(world.rows()) == 2
    assert world.tasks.backlog() == Backlog(7, 0)
    assert not member.left
    noted = [event.text for event in world.told if isinstance(event, Noted)]
    assert noted == ["Ends with what is in progress: spot: terminate at noon"] * (how == "notice")


def test_what_comes_after_the_end_was_asked_for_goes_back_at_once() -> None:
    world = World()

    def too_late(call: str) -> None:
        if call == "receive" and not world.stop:
            world.stop.ask()
            world.ask()

    world.fails = too_late
    work(world)
    assert world.tasks.backlog() == Backlog(1, 0)
    assert world.tasks.messages[0].receives == 1
    assert not world.rows()


def test_what_is_long_in_hand_stays_hidden_and_what_is_too_long_is_given_up() -> None:
    world, member = World(), FakeMember()
    world.ask()
    end = threading.Event()

    def hangs(_image: Image) -> None:
        end.wait(60)

    world.engine.meets = hangs
    worker = QueueWorker(world.worker(), member)
    worker.ask.pause = lambda _s: world.time.pass_by(5)
    with pytest.raises(OffloadError, match="not done after 900 s"):
        worker.run()
    *beats, last = world.tasks.extended
    assert LONGEST_S / HIDDEN_S < len(beats) <= LONGEST_S / 20
    assert {*beats} == {HIDDEN_S}
    assert last == 0
    assert world.tasks.backlog() == Backlog(1, 0)
    assert member.left
    end.set()
