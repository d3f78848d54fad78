"""Two hundred clients that mean harm or know no better, and one that does."""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from offload.service import wire
from tests.service.serving import PATIENCE_S, Server, until

pytestmark = pytest.mark.xdist_group("service")

CLIENTS = 200
ROUNDS = 3
GROWTH_BYTES = 150 * 2**20
"""How much more memory the server may hold while they are there."""

STEADY_BYTES = 40 * 2**20
"""How much a round may leave behind when rounds like it went before."""

_HEAD = b"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def half_a_header(connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"Content-Le")


def half_a_body(connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"Content-Length: 200000\r\n\r\n" + bytes(100_000))


def half_a_chunk(connection: socket.socket) -> None:
    connection.sendall(_CHUNKED + b"fffff\r\n" + bytes(50_000))


def a_body_longer_than_announced(connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"Content-Length: 10\r\n\r\n" + b"x" * 10_000)


def requests_whose_answers_nobody_reads(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\n\r\n" * 10)


def garbage_after_a_request(connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"Content-Length: 1\r\n\r\nx" + bytes(range(256)) * 20)


def requests_without_end(connection: socket.socket) -> None:
    connection.sendall(b"GET /livez HTTP/1.1\r\n\r\n" * 2000)


def nothing_and_gone(connection: socket.socket) -> None:
    connection.close()


def half_a_body_and_gone(connection: socket.socket) -> None:
    half_a_body(connection)
    connection.close()


def endless_headers(connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"".join(b"x-%d: y\r\n" % number for number in range(30_000)))


def an_endless_header(connection: socket.socket) -> None:
    connection.sendall(_HEAD + b"x: " + b"y" * 500_000)


def an_endless_trailer(connection: socket.socket) -> None:
    connection.sendall(_CHUNKED + b"1\r\nx\r\n0\r\nx: " + b"y" * 500_000)


def an_endless_chunk_extension(connection: socket.socket) -> None:
    connection.sendall(_CHUNKED + b"1;" + b"y" * 500_000)


def a_form_of_nothing_but_boundaries(connection: socket.socket) -> None:
    form = b"--x\r\n\r\n\r\n" * 20_000
    kind = b"Content-Type: multipart/form-data; boundary=x\r\n"
    connection.sendall(_HEAD + kind + b"Content-Length: %d\r\n\r\n" % len(form) + form)


def json_of_nothing_but_commas(connection: socket.socket) -> None:
    body = b'{"images": [' + b"0," * 100_000
    head = b"POST /api/detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    connection.sendall(head % len(body) + body)


MANNERS: list[Callable[[socket.socket], None]] = [
    half_a_header, half_a_body, half_a_chunk, a_body_longer_than_announced,
    requests_whose_answers_nobody_reads, garbage_after_a_request, requests_without_end,
    nothing_and_gone, half_a_body_and_gone, endless_headers, an_endless_header, an_endless_trailer,
    an_endless_chunk_extension, a_form_of_nothing_but_boundaries, json_of_nothing_but_commas,
]  # fmt: skip


@contextlib.contextmanager
def crowd(server: Server) -> Iterator[None]:
    """All of them at once; they stay until the context ends."""
    with contextlib.ExitStack() as stack:
        for number in range(CLIENTS):
            address = ("127.0.0.1", server.port)
            connection = stack.enter_context(socket.create_connection(address, PATIENCE_S))
            with contextlib.suppress(ConnectionError):  # the server may well hang up on them
                MANNERS[number % len(MANNERS)](connection)
        yield


class WellBehaved:
    """A client that sends one picture after the other and expects the same answer each time."""

    def __init__(self, server: Server, picture: bytes) -> None:
        self.answers = 0
        self._server = server
        self._picture = picture
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        with server.client() as client:
            self._expected = self._ask(client)
        assert json.loads(self._expected)
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> "WellBehaved":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._failures:
            raise self._failures[0]

    def wait_for(self, answers: int) -> None:
        """Return when there are so many more."""
        wanted = self.answers + answers
        until(lambda: self.answers >= wanted or bool(self._failures), "answers")

    def _ask(self, client: httpx.Client) -> str:
        answer = client.post(wire.DETECT, content=self._picture).raise_for_status()
        return json.dumps(answer.json()["detections"])

    def _go_on(self) -> None:
        try:
            with self._server.client() as client:
                while not self._stop.is_set():
                    assert self._ask(client) == self._expected
                    self.answers += 1
        except BaseException as failure:  # noqa: BLE001 - raised again in the test's thread
            self._failures.append(failure)


def gauge(client: httpx.Client, name: str) -> float:
    found = re.search(rf"^{name} (\S+)", client.get(wire.METRICS).text, re.MULTILINE)
    assert found
    return float(found[1])


def test_a_hostile_crowd_neither_keeps_others_out_nor_fills_the_memory(
    server: Server, client: httpx.Client, examples: Path
) -> None:
    process = psutil.Process(server.process.pid)
    held_bytes = [process.memory_info().rss]
    with WellBehaved(server, (examples / "red-bus.jpg").read_bytes()) as well_behaved:
        for _ in range(ROUNDS):
            with crowd(server):
                well_behaved.wait_for(3)
                held_bytes.append(process.memory_info().rss)
            until(lambda: gauge(client, "offload_held_bytes") == 0, "bodies let go")
    assert well_behaved.answers >= 3 * ROUNDS
    assert max(held_bytes) - held_bytes[0] < GROWTH_BYTES
    assert held_bytes[-1] - held_bytes[-2] < STEADY_BYTES
    until(lambda: process.num_fds() < CLIENTS / 2, "connections closed")
    until(lambda: gauge(client, "offload_requests_in_progress") == 0, "nothing in progress")
    assert client.get(wire.READY).status_code == 200
    assert "Traceback" not in server.said()
    assert server.said().count("\n") == 2, "senders' faults are told to the senders"


@pytest.mark.parametrize("manners", MANNERS)
def test_each_of_them_alone_does_no_harm(
    server: Server, client: httpx.Client, manners: Callable[[socket.socket], None]
) -> None:
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, PATIENCE_S) as connection:
        with contextlib.suppress(ConnectionError):
            manners(connection)
        assert client.get(wire.READY).status_code == 200
    assert server.process.poll() is None
