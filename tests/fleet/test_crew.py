"""How a client has a fleet grow, on a clock of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from offload.domain.errors import PlaceUnavailable, Unanswered
from offload.domain.events import MachinesAtWork, MachinesWanted, Warned
from offload.domain.vision import Detections, Image
from offload.places.fleet import FleetSession
from tests.fleet.obliging import Clock, World, found
from tests.fleet.test_asking import asked, until

if TYPE_CHECKING:
    from concurrent.futures import Future


class Bench:
    """A session at a fleet whose machines and answers a test makes."""

    def __init__(self, world: World, session: FleetSession, clock: Clock) -> None:
        self.world, self.session, self.clock = world, session, clock
        self.waiting: list[Future[Detections]] = []
        self.answered = 0

    def ask(self, images: int) -> None:
        """Send so many."""
        self.waiting += [self.session.ask(Image("x", b"x")) for _ in range(images)]

    def answer(self, images: int, worker: str = "i-1") -> None:
        """So many are answered by one machine."""
        for task in asked(self.world)[self.answered :][:images]:
            self.world.answer(task, found(task), worker)
        self.answered += images
        until(lambda: self.session._asker.answered == self.answered)

    def look(self, after_s: float = 3.0) -> None:
        """So much later it is looked again."""
        self.clock.now_s += after_s
        self.session._crew.look()


@contextmanager
def bench(images: int, world: World | None = None, **limits: object) -> Iterator[Bench]:
    """A job of so many images."""
    world, clock = world or World(), Clock()
    with world.session(images, clock=clock, **limits) as session:
        yield Bench(world, session, clock)


def test_a_job_without_a_limit_begins_with_what_is_cheap_and_says_what_is_expected() -> None:
    with bench(10) as at:
        assert at.world.group.asked == [1]
        [told] = at.world.told
        assert isinstance(told, MachinesWanted)
        assert (told.fleet, told.machines) == ("offload", 1)
        assert told.seconds == pytest.approx(100 + 10 * 0.1 / 2)


def test_machines_that_are_there_are_not_asked_for_again() -> None:
    world = World()
    world.group.desired = world.group.running = 2
    with bench(10, world) as at:
        assert not at.world.group.asked
        at.look()
        assert not at.world.group.asked
        assert not at.session.phases


def test_a_rate_that_is_slower_than_was_thought_gets_more_machines_once() -> None:
    with bench(4000, deadline_s=600.0) as at:
        before = at.world.group.desired
        at.world.group.come()
        at.ask(200)
        at.look(60)
        at.answer(1)
        at.look()
        for _ in range(4):
            at.answer(20)
            at.look(5)  # a fifth of what was assumed of a machine
        assert at.session.phases["machines"] == pytest.approx(60, abs=1)
        assert before < at.world.group.desired <= at.world.group.most
        told = [e for e in at.world.told if isinstance(e, MachinesWanted)]
        assert len(told) == len(at.world.group.asked)
        assert MachinesAtWork("offload", 1, before) in at.world.told


def test_a_client_that_has_nothing_more_to_ask_asks_for_no_machine() -> None:
    with bench(4000, deadline_s=600.0) as at:
        at.world.group.come()
        asked_before = list(at.world.group.asked)
        for _ in range(30):  # one image at a time: the client is slow, not the fleet
            at.ask(1)
            at.answer(1)
            at.look(1)
        assert at.session._crew.pace.images_per_s == 20
        assert at.world.group.asked == asked_before


def test_machines_that_left_too_early_are_asked_for_again() -> None:
    with bench(100) as at:
        at.world.group.come()
        at.ask(5)
        at.answer(2)
        at.look()
        at.world.group.go()
        at.look(120)
        assert at.world.group.desired == 1


def test_images_that_come_after_a_long_rest_get_a_machine_again() -> None:
    with bench(0) as at:
        assert not at.world.group.asked
        for _ in range(3):
            at.ask(5)
            at.look()
            assert at.world.group.desired == 1
            at.world.group.come()
            at.answer(5)
            for _ in range(10):
                at.look(1000)
            at.world.group.go()


def test_a_budget_that_allows_no_machine_is_one_sentence() -> None:
    with (
        pytest.raises(PlaceUnavailable, match=r"costs about \$0.00\d+ for these images") as caught,
        bench(10, max_cost_usd=0.001),
    ):
        pass
    assert "--max-cost" in caught.value.hint


def test_a_budget_that_is_spent_ends_the_job() -> None:
    with bench(1000, max_cost_usd=0.02) as at:
        assert at.world.group.desired >= 1
        at.ask(1)
        at.world.group.come()
        at.look(60)
        assert not at.waiting[0].done()
        at.look(2000)
        with pytest.raises(PlaceUnavailable, match=r"has cost \$0.02, which is --max-cost"):
            at.waiting[0].result(20)


def test_a_machine_that_aws_does_not_have_is_told_once_and_why() -> None:
    with bench(10) as at:
        at.world.group.why = PlaceUnavailable("AWS has no such machine.", hint="To wait: later")
        at.ask(1)
        for _ in range(3):
            at.look(20)
        warned = [event for event in at.world.told if isinstance(event, Warned)]
        assert warned == [Warned("No machine comes: AWS has no such machine. To wait: later")]
        at.world.group.come()
        at.look(20)


def test_no_machine_in_ten_minutes_is_no_answer() -> None:
    with bench(10) as at:
        at.ask(1)
        at.look(599)
        assert not at.waiting[0].done()
        at.look(3)
        with pytest.raises(Unanswered, match="no machine of the fleet came up in 10 min"):
            at.waiting[0].result(20)


def test_machines_that_answer_nothing_for_long_are_given_up_and_one_answer_is_enough() -> None:
    with bench(10) as at:
        at.world.group.come()
        at.ask(3)
        at.look(200)
        at.answer(1)
        at.look(200)
        assert not at.waiting[1].done()
        at.look(50)
        with pytest.raises(Unanswered, match="no machine of the fleet answered for 4 min"):
            at.waiting[1].result(20)


def test_as_many_images_are_in_flight_as_machines_need_and_never_more_than_threads() -> None:
    with bench(10) as at:
        assert at.session.concurrency == 16
    with bench(100_000, World(), deadline_s=120.0) as at:
        assert at.session.concurrency == 4 * 2 * 5
    from offload.service.client.greeting import Address

    with bench(10, link=Address(concurrency=3)) as at:
        assert at.session.concurrency == 3
    with bench(10, link=Address(concurrency=1000)) as at:
        assert at.session.concurrency == 256
