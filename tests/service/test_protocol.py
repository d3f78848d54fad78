"""Connections that get no further, with little patience."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from offload.service.server.protocol import MAX_PIPELINED, PatientProtocol

LONG_S = 60.0
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\n\r\n"

App = Callable[[Any, Any, Any], Awaitable[None]]


class Hasty(PatientProtocol):
    """Waits for nobody."""

    patience_s = 0.05


class Slow(PatientProtocol):
    """Waits as long as it takes."""

    patience_s = LONG_S


async def answer(send: Any, body: bytes = b"ok") -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def prompt(_scope: Any, _receive: Any, send: Any) -> None:
    """An application that reads no body."""
    await answer(send)


@contextlib.asynccontextmanager
async def connected(
    protocol: type[PatientProtocol], app: App = prompt, state: ServerState | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Both ends of a connection to such a server."""
    config = uvicorn.Config(app, log_config=None, log_level="error", date_header=False)
    config.load()

    def connect() -> PatientProtocol:
        return protocol(config=config, server_state=state or ServerState(), app_state={})

    loop = asyncio.get_running_loop()
    async with asyncio.timeout(LONG_S), await loop.create_server(connect, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1024)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server hangs up."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := await reader.read(65536):
            data += piece
    return data


def closed_after(*sent: bytes) -> bytes:
    """What a hasty server answers to such a sender before it hangs up."""

    async def test() -> bytes:
        async with connected(Hasty) as (reader, writer):
            with contextlib.suppress(ConnectionError):
                for data in sent:
                    writer.write(data)
                    await writer.drain()
                    await asyncio.sleep(0)
            return await rest(reader)

    return asyncio.run(test())


def test_who_says_nothing_is_hung_up_on() -> None:
    assert closed_after() == b""


def test_who_never_gets_to_the_end_of_the_headers_is_hung_up_on() -> None:
    assert closed_after(b"GET / HTTP/1.1\r\nHost: x") == b""
    assert closed_after(REQUEST, b"GET / HTTP/1.1\r\nHost: x") == ANSWER


def test_who_sends_line_ends_between_requests_is_hung_up_on() -> None:
    async def test() -> None:
        async with connected(Hasty) as (reader, writer):
            writer.write(REQUEST)
            assert await reader.readexactly(len(ANSWER)) == ANSWER
            writer.write(b"\r\n")
            assert await rest(reader) == b""

    asyncio.run(test())


def test_who_sends_the_rest_of_a_refused_body_for_ever_is_hung_up_on() -> None:
    async def test() -> None:
        async with connected(Hasty) as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
            assert await reader.readexactly(len(ANSWER)) == ANSWER
            with contextlib.suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(bytes(1000))
                    await writer.drain()
                    await asyncio.sleep(0.001)

    asyncio.run(test())


def test_who_sends_the_rest_of_a_refused_body_may_ask_again() -> None:
    async def test() -> None:
        async with connected(Slow) as (reader, writer):
            for _ in range(3):
                writer.write(b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
                assert await reader.readexactly(len(ANSWER)) == ANSWER
                writer.write(bytes(100_000))

    asyncio.run(test())


def test_who_never_reads_the_answer_is_hung_up_on() -> None:
    gone = asyncio.Event()

    async def generous(_scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        await answer(send, bytes(50_000_000))
        gone.set()

    async def test() -> None:
        lost = asyncio.Event()

        class Watched(Hasty):
            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                lost.set()

        async with connected(Watched, generous) as (_, writer):
            writer.write(REQUEST)
            await gone.wait()
            await lost.wait()

    asyncio.run(test())


def test_who_reads_slowly_gets_it_all() -> None:
    async def generous(_scope: Any, _receive: Any, send: Any) -> None:
        await answer(send, bytes(5_000_000))

    async def test() -> None:
        async with connected(Slow, generous) as (reader, writer):
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(5_000_000) == bytes(5_000_000)

    asyncio.run(test())


def test_who_waits_for_an_answer_is_waited_for() -> None:
    async def test() -> None:
        free = asyncio.Event()

        async def slow(_scope: Any, _receive: Any, send: Any) -> None:
            await free.wait()
            await answer(send)

        async with connected(Hasty, slow) as (reader, writer):
            writer.write(REQUEST + b"GET / HTTP/1.1\r\nHost:")  # and half of the next request
            await asyncio.sleep(3 * Hasty.patience_s)
            free.set()
            assert await reader.readexactly(len(ANSWER)) == ANSWER

    asyncio.run(test())


def test_a_few_requests_may_follow_without_waiting_but_not_many() -> None:
    async def test() -> None:
        async with connected(Slow) as (reader, writer):
            writer.write(REQUEST * (MAX_PIPELINED + 1))
            for _ in range(MAX_PIPELINED + 1):
                assert await reader.readexactly(len(ANSWER)) == ANSWER
            writer.write(REQUEST * (MAX_PIPELINED + 2))
            assert b"Too many pipelined requests." in await rest(reader)

    asyncio.run(test())


def test_who_leaves_with_requests_in_hand_is_forgotten() -> None:
    ended: list[str] = []

    async def listening(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        ended.append((await receive())["type"])
        await answer(send)

    async def test() -> None:
        async with connected(Slow, listening) as (_, writer):
            writer.write(REQUEST * 3)
            await writer.drain()
            writer.transport.abort()
            while not ended:
                await asyncio.sleep(0)

    asyncio.run(test())
    assert ended == ["http.disconnect"]


def test_headers_without_end_are_refused() -> None:
    many = [b"x-%d: y\r\n" % number for number in range(10_000)]
    for endless in (
        (b"GET /", *[b"x" * 1000] * 100),
        (b"GET / HTTP/1.1\r\n", *many),
        (b"GET / HTTP/1.1\r\n", b"".join(many)),
        (b"GET / HTTP/1.1\r\nx: ", *[b"y" * 1000] * 100),
    ):
        said = closed_after(*endless)
        assert not said or said.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
OFFER = b"Connection: upgrade\r\n%b: %b\r\nContent-Length: %d\r\n\r\n"
OFFERS = [
    b"POST /mine HTTP/1.1\r\n" + OFFER % (word, what, len(SMUGGLED))
    for word in (b"upgrade", b"Upgrade")
    for what in (b"h2c", b"websocket")
] + [b"CONNECT x:1 HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED)]


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("manner", ["whole", "in two reads", "behind a busy one"])
def test_a_body_behind_an_offer_of_another_protocol_is_never_taken_for_a_request(
    offer: bytes, manner: str
) -> None:
    asked: list[str] = []

    async def test() -> None:
        free = asyncio.Event()

        async def noting(scope: Any, _receive: Any, send: Any) -> None:
            asked.append(scope["path"])
            await free.wait()
            await answer(send)

        async with connected(Slow, noting) as (reader, writer):
            at = {"whole": 0, "in two reads": offer.index(b"\r\n") + 25}.get(manner, 0)
            for piece in (
                REQUEST if manner == "behind a busy one" else b"", offer[:at], offer[at:], SMUGGLED
            ):  # fmt: skip
                writer.write(piece)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                await asyncio.sleep(0.01)
            free.set()
            assert b"send no Upgrade and no CONNECT." in await rest(reader)

    asyncio.run(test())
    assert asked == (["/"] if manner == "behind a busy one" else [])


def test_the_oldest_that_sends_nothing_makes_room_for_the_next() -> None:
    class Few(Slow):
        most_connections = 2

    async def test() -> None:
        free = asyncio.Event()

        async def slow(_scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await free.wait()
            await answer(send)

        state = ServerState()
        async with (
            connected(Few, slow, state) as (reader, writer),
            connected(Few, slow, state) as (half, sending),
        ):
            writer.write(REQUEST)
            sending.write(b"GET / HTTP/1.1\r\n")
            await asyncio.sleep(0.01)
            async with connected(Few, slow, state) as (third, asking):
                assert await rest(half) == b""
                asking.write(REQUEST)
                free.set()
                assert await third.readexactly(len(ANSWER)) == ANSWER
                assert await reader.readexactly(len(ANSWER)) == ANSWER

    asyncio.run(test())
