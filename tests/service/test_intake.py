"""Bodies on their way in, with small limits and hand-written senders."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from offload.service import wire
from offload.service.server.intake import Intake
from offload.service.server.problems import Problem

LONG_S = 60.0


class Sender:
    """Someone who sends pieces of a body as the test says."""

    def __init__(self, length_bytes: int | None = None) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        headers = [] if length_bytes is None else [(b"content-length", b"%d" % length_bytes)]
        self.request = Request({"type": "http", "headers": headers}, self._messages.get)

    def send(self, data: bytes, *, last: bool = False) -> None:
        self._messages.put_nowait({"type": "http.request", "body": data, "more_body": not last})

    def leave(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})


def intake(max_bytes: int = 100, budget_bytes: int = 100, idle_s: float = LONG_S) -> Intake:
    return Intake(max_bytes, budget_bytes, time.perf_counter, idle_s)


async def received(intake: Intake, sender: Sender, *, keep: bool = True) -> tuple[bytes, int]:
    """The body's bytes, and its size."""
    async with intake.body(sender.request, keep=keep) as body:
        assert body.recv_s > 0
        assert intake.held_bytes >= len(body.data)
        return body.data, body.size_bytes


async def refused(receiving: Awaitable[object]) -> Problem:
    """The problem that a sender is told."""
    with pytest.raises(Problem) as caught:
        await receiving
    return caught.value


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(LONG_S):
            await test()

    asyncio.run(bounded())


def test_a_body_is_the_pieces_it_came_in() -> None:
    async def test() -> None:
        ours, sender = intake(), Sender()
        for piece in (b"one ", b"", b"two "):
            sender.send(piece)
        sender.send(b"three", last=True)
        assert await received(ours, sender) == (b"one two three", 13)
        assert ours.held_bytes == 0

    run(test)


def test_a_body_that_is_only_counted_is_not_held() -> None:
    async def test() -> None:
        ours, sender = intake(budget_bytes=1), Sender()
        sender.send(bytes(60))
        sender.send(bytes(40), last=True)
        assert await received(ours, sender, keep=False) == (b"", 100)
        assert ours.held_bytes == 0

    run(test)


@pytest.mark.parametrize("keep", [True, False])
def test_a_body_over_the_limit_is_refused_announced_or_not(*, keep: bool) -> None:
    async def test() -> None:
        ours, quiet = intake(), Sender()
        quiet.send(bytes(60))
        quiet.send(bytes(41))
        for sender, size_bytes in ((Sender(10**9), 10**9), (quiet, 101)):
            problem = await refused(received(ours, sender, keep=keep))
            assert (problem.status_code, problem.kind) == (413, wire.TOO_MANY_BYTES)
            assert problem.detail == f"{size_bytes} bytes is more than this server takes: 100."
        assert ours.held_bytes == 0

    run(test)


def test_a_sender_that_falls_silent_is_not_waited_for() -> None:
    async def test() -> None:
        ours, sender = intake(idle_s=0.01), Sender()
        sender.send(bytes(50))
        problem = await refused(received(ours, sender))
        assert problem.status_code == 408
        assert problem.detail.startswith("The body stalled for 0.01 s, or")
        assert ours.held_bytes == 0

    run(test)


def test_a_sender_that_drips_is_not_waited_for() -> None:
    async def test() -> None:
        ours, sender = intake(max_bytes=10**6, idle_s=0.2), Sender()

        async def drip() -> None:
            while True:
                sender.send(b"x")
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        problem = await refused(received(ours, sender))
        dripping.cancel()
        assert problem.status_code == 408
        assert "slower than 1000 bytes/s" in problem.detail

    run(test)


def test_a_sender_that_leaves_is_forgotten() -> None:
    async def test() -> None:
        ours, sender = intake(), Sender()
        sender.send(bytes(50))
        sender.leave()
        with pytest.raises(ClientDisconnect):
            await received(ours, sender)
        assert ours.held_bytes == 0

    run(test)


def test_whoever_has_been_sending_longest_makes_room() -> None:
    async def test() -> None:
        ours = intake()
        dawdlers = [Sender() for _ in range(3)]
        tasks = [asyncio.create_task(received(ours, sender)) for sender in dawdlers]
        for sender in dawdlers:
            sender.send(bytes(30))
            await asyncio.sleep(0)
        await until(lambda: ours.held_bytes == 90)
        swift = Sender()
        swift.send(bytes(40), last=True)
        assert await received(ours, swift) == (bytes(40), 40)
        problem = await refused(tasks[0])
        assert problem.status_code == 429
        assert problem.detail == "Too much is being sent at once; try again later."
        assert int((problem.headers or {})["Retry-After"]) >= 1
        for sender, task in zip(dawdlers[1:], tasks[1:], strict=True):
            sender.send(b"", last=True)
            assert await task == (bytes(30), 30)
        assert ours.held_bytes == 0

    run(test)


def test_as_many_make_room_as_it_takes_and_whole_bodies_stay() -> None:
    async def test() -> None:
        ours = intake()
        whole = Sender()
        whole.send(bytes(40), last=True)
        async with ours.body(whole.request) as body:
            dawdlers = [Sender() for _ in range(3)]
            tasks = [asyncio.create_task(received(ours, sender)) for sender in dawdlers]
            for sender in dawdlers:
                sender.send(bytes(20))
            await until(lambda: ours.held_bytes == 100)
            swift = Sender()
            swift.send(bytes(35), last=True)
            assert await received(ours, swift) == (bytes(35), 35)
            assert [(await refused(task)).status_code for task in tasks[:2]] == [429, 429]
            dawdlers[2].send(bytes(20), last=True)
            assert await tasks[2] == (bytes(40), 40)
            assert body.data == bytes(40)

    run(test)


def test_who_is_given_up_already_is_not_asked_to_make_room() -> None:
    async def test() -> None:
        ours = intake(budget_bytes=50)
        silent, swift = Sender(), Sender()
        tasks = [asyncio.create_task(received(ours, sender)) for sender in (silent, swift)]
        silent.send(bytes(40))
        await until(lambda: ours.held_bytes == 40)
        # Its patience ends and more comes from elsewhere in one and the same turn of the loop.
        next(iter(ours.arriving)).patience.reschedule(0)
        swift.send(bytes(40))
        swift.send(b"", last=True)
        assert (await refused(tasks[0])).status_code == 408
        assert await tasks[1] == (bytes(40), 40)

    run(test)


async def until(is_true: Callable[[], bool]) -> None:
    while not is_true():
        await asyncio.sleep(0)
