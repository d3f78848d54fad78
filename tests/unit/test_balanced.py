"""Images shared out between servers that are alike."""

import threading
from collections import Counter
from dataclasses import dataclass, field

import pytest

from offload.domain.errors import ImageError, OffloadError, PlaceUnavailable, Unanswered
from offload.domain.events import Stop
from offload.domain.vision import Detections, Image
from offload.service.client.balanced import BalancedSession
from offload.service.client.greeting import Address
from offload.service.client.session import Later
from offload.usecases.detect.rows import pull
from tests.fakes import FakeSession


@dataclass
class Gated(FakeSession):
    """Answers when it is let."""

    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def detect(self, image: Image) -> Detections:
        self.seen.append(image.path)
        self.came.release()
        self.gate.acquire()
        return super().detect(Image("", b""))


@dataclass
class Dead(FakeSession):
    """Never answers, but at once."""

    kind: type[OffloadError] = Unanswered

    def detect(self, image: Image) -> Detections:
        self.seen.append(image.path)
        error = self.kind("no answer")
        error.sent_bytes = 10
        raise error


def image(name: object) -> Image:
    return Image(str(name), b"pixels")


def test_an_image_goes_to_the_server_with_the_fewest_in_flight() -> None:
    slow, quick = Gated(), FakeSession()
    balanced = BalancedSession([slow, quick], Address())
    thread = threading.Thread(target=balanced.detect, args=(image("first"),))
    thread.start()
    slow.came.acquire()
    for number in range(5):
        balanced.detect(image(number))
    slow.gate.release()
    thread.join()
    assert slow.seen[0] == "first"
    assert quick.seen == ["0", "1", "2", "3", "4"]


def test_idle_servers_take_turns() -> None:
    sessions = [FakeSession() for _ in range(3)]
    balanced = BalancedSession(sessions, Address())
    for number in range(9):
        balanced.detect(image(number))
    assert [session.seen for session in sessions] == [
        ["0", "3", "6"], ["1", "4", "7"], ["2", "5", "8"]
    ]  # fmt: skip


def test_many_threads_lose_no_image_and_leave_no_server_out() -> None:
    sessions = [FakeSession() for _ in range(3)]
    balanced = BalancedSession(sessions, Address())
    names = [str(number) for number in range(600)]
    found = list(pull(map(image, names), balanced.detect, lambda: 12, Stop()))
    assert len(found) == 600
    assert Counter(name for each in sessions for name in each.seen) == Counter(names)
    assert all(len(each.seen) > 100 for each in sessions)


def test_busy_servers_have_equal_shares_also_of_what_comes_after_one_joined() -> None:
    together = threading.Barrier(12)

    @dataclass
    class Equal(FakeSession):
        """Answers when all twelve threads have an image somewhere."""

        def detect(self, image: Image) -> Detections:
            together.wait(60)
            return super().detect(image)

    sessions = [Equal(concurrency=4), Equal(concurrency=4)]
    balanced = BalancedSession(sessions, Address())
    list(pull(map(image, range(120)), balanced.detect, lambda: 12, Stop()))
    assert [len(each.seen) for each in sessions] == [60, 60]
    sessions.append(Equal(concurrency=4))
    balanced.join(sessions[2])
    assert balanced.concurrency == 12
    list(pull(map(image, range(120)), balanced.detect, lambda: 12, Stop()))
    assert [len(each.seen) for each in sessions] == [100, 100, 40]


def test_a_server_that_was_lost_is_asked_last_until_it_answers() -> None:
    lost, alive = Dead(kind=Later), FakeSession()
    balanced = BalancedSession([lost, alive], Address())
    for number in range(10):
        balanced.detect(image(number))
    assert (lost.seen, len(alive.seen)) == (["0"], 10), "it had half of the images, in vain"


def test_one_that_has_left_gets_nothing_more_and_none_at_all_is_waited_for() -> None:
    sessions = [FakeSession(concurrency=4, slots=2) for _ in range(2)]
    balanced = BalancedSession(sessions, Address(), patience_s=60.0, pause=lambda _s: joins())
    first, _ = balanced.members

    def joins() -> None:
        balanced.join(sessions[0])

    balanced.leave(first)
    assert (balanced.concurrency, balanced.slots) == (4, 2)
    for number in range(4):
        balanced.detect(image(number))
    assert [len(each.seen) for each in sessions] == [0, 4]
    balanced.leave(balanced.members[0])
    assert balanced.concurrency == 4, "a job goes on"
    balanced.detect(image("late"))
    assert sessions[0].seen == ["late"]


@pytest.mark.parametrize("kind", [Unanswered, PlaceUnavailable])
def test_what_one_server_leaves_unanswered_the_others_are_asked_for(
    kind: type[OffloadError],
) -> None:
    dead, alive = Dead(kind=kind), FakeSession()
    balanced = BalancedSession([dead, alive], Address())
    for number in range(10):
        balanced.detect(image(number))
    assert len(alive.seen) == 10


def test_an_image_that_no_server_answers_for_says_how_much_of_it_was_sent() -> None:
    dead = [Dead(), Dead()]
    with pytest.raises(Unanswered) as raised:
        BalancedSession(dead, Address()).detect(image("a"))
    assert [each.seen for each in dead] == [["a"], ["a"]]
    assert raised.value.sent_bytes == 20


def test_an_image_that_cannot_be_used_is_not_tried_elsewhere() -> None:
    sessions = [FakeSession(bad=frozenset({"a"})) for _ in range(2)]
    with pytest.raises(ImageError, match="truncated"):
        BalancedSession(sessions, Address()).detect(image("a"))
    assert sorted(len(each.seen) for each in sessions) == [0, 1]


def test_what_was_sent_in_vain_before_counts_whatever_comes_of_the_image() -> None:
    servers = [Dead(), FakeSession(bad=frozenset({"bad"}))]
    assert BalancedSession(servers, Address()).detect(image("good")).sent_bytes == 10
    with pytest.raises(ImageError, match="truncated") as raised:
        BalancedSession(servers, Address()).detect(image("bad"))
    assert raised.value.sent_bytes == 10


def test_it_works_on_as_many_at_a_time_as_all_of_them_unless_told_otherwise() -> None:
    sessions = [FakeSession(concurrency=4, slots=2), FakeSession(concurrency=4, slots=2)]
    assert BalancedSession(sessions, Address()).concurrency == 8
    assert BalancedSession(sessions, Address(concurrency=3)).concurrency == 3
    assert BalancedSession(sessions, Address(concurrency=3)).slots == 4
