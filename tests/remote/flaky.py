"""A server that speaks our wire as a script tells it to, misbehaviour included."""

import contextlib
import json
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from offload.domain.ports import ModelIdentity
from offload.domain.timing import Durations
from offload.domain.typed import encoded
from offload.domain.vision import Box, Detection, Detections
from offload.service import wire
from offload.version import __version__

IDENTITY = ModelIdentity("flaky", "none", "f" * 64)
DOG = Detection("dog", 18, 0.9, Box(0.1, 0.2, 0.3, 0.4))
DURATIONS = Durations(queue_s=0.0003, decode_s=0.0002, infer_s=0.0001)


def info(**changes: Any) -> wire.Info:
    """What the server says of itself: 2 slots of 10 ms an image, unless `changes` say else."""
    facts: dict[str, Any] = {
        "service": "offload", "version": __version__, "model": IDENTITY, "labels": {18: "dog"},
        "min_score": 0.25,
        "workers": 2, "threads": 1, "queue": 64, "max_bytes": 2**25, "max_pixels": 80_000_000,
        "machine": {"name": "flaky"},
        "startup": wire.Startup(load_s=0.1, warm_up_s=0.1, service_s=0.01),
    }  # fmt: skip
    return wire.Info(**facts | changes)


@dataclass
class Seen:
    """A request: what it was, when the first and the last of its body came (monotonic seconds), and
    how many bytes of each other body were still to come when it began.
    """

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    missing_bytes: int
    began_s: float = 0.0
    ended_s: float = 0.0
    overlaps_bytes: Sequence[int] = ()
    body: bytearray = field(default_factory=bytearray)


@dataclass
class Exchange:
    """One request and the means to answer it, or not to."""

    seen: Seen
    handler: BaseHTTPRequestHandler
    flaky: "Flaky"

    def take(self, leave_bytes: int = 0) -> None:
        """Receive the body, but for its last `leave_bytes`."""
        while self.seen.missing_bytes > leave_bytes:
            chunk = self.handler.rfile.read1(min(2**16, self.seen.missing_bytes - leave_bytes))
            if not chunk:
                raise ConnectionResetError
            self.flaky.count(self.seen, chunk)

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer."""
        self.begin(status, {"Content-Length": str(len(body))} | dict(headers or {}))
        self.handler.wfile.write(body)

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of an answer."""
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()

    def hang_up(self) -> None:
        """Reset the connection."""
        linger = struct.pack("ii", 1, 0)
        self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.handler.connection.close()
        self.handler.close_connection = True


Act = Callable[[Exchange], None]


def answers(exchange: Exchange) -> None:
    """One dog."""
    exchange.take()
    found = Detections((DOG,), 640, 480, DURATIONS)
    answer = wire.Answer.of(found, 0.001, exchange.flaky.info.model.sha256)
    exchange.answer(200, encoded(answer))


def refuses(status: int, detail: str = "for a reason", **headers: str) -> Act:
    """A problem; underscores in the names of headers stand for hyphens."""

    def act(exchange: Exchange) -> None:
        exchange.take()
        body = json.dumps({"detail": detail}).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        exchange.answer(status, body, named)

    return act


def says(body: bytes, status: int = 200) -> Act:
    """Whatever the bytes are."""

    def act(exchange: Exchange) -> None:
        exchange.take()
        exchange.answer(status, body)

    return act


def sends(head: bytes, again: bytes = b"", wait_s: float = 0.0) -> Act:
    """These bytes, whatever they are of HTTP; then, for ever, `again`, and a wait."""

    def act(exchange: Exchange) -> None:
        exchange.take()
        exchange.handler.wfile.write(head)
        while again and not exchange.flaky.stopped.wait(wait_s):
            exchange.handler.wfile.write(again)
        exchange.handler.close_connection = True

    return act


def hangs_up(exchange: Exchange) -> None:
    """No word, though the whole request was heard."""
    exchange.take()
    exchange.hang_up()


def hangs_up_halfway(exchange: Exchange) -> None:
    """The connection breaks in the middle of the upload."""
    exchange.take(exchange.seen.missing_bytes // 2)
    exchange.hang_up()


def breaks_off(exchange: Exchange) -> None:
    """The connection breaks in the middle of the answer."""
    exchange.take()
    exchange.begin(200, {"Content-Length": "1000"})
    exchange.handler.wfile.write(b'{"schema": 1, ')
    exchange.hang_up()


def never_ends(exchange: Exchange) -> None:
    """As a camera answers: with a film."""
    exchange.take()
    exchange.begin(200, {"Content-Type": "multipart/x-mixed-replace", "Connection": "close"})
    while True:
        exchange.handler.wfile.write(bytes(2**20))


def stalls(exchange: Exchange) -> None:
    """No word, until the client gives up."""
    exchange.take()
    exchange.handler.connection.recv(1)
    exchange.handler.close_connection = True


def ignores(exchange: Exchange) -> None:
    """The body is not even received."""
    exchange.flaky.stopped.wait()
    exchange.hang_up()


def after(wait: Callable[[], object], act: Act = answers) -> Act:
    """The request is received whole, then waited with, then acted upon."""

    def waiting(exchange: Exchange) -> None:
        exchange.take()
        wait()
        act(exchange)

    return waiting


@dataclass
class Flaky:
    """Acts through `script` as images come, one act each, and ever after as `then` says.

    `greetings` are acts for the first questions who it is. Used as a context, it listens.
    """

    script: Sequence[Act] = ()
    then: Act = answers
    greetings: Sequence[Act] = ()
    info: wire.Info = field(default_factory=info)
    seen: list[Seen] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._script, self._greetings = deque(self.script), deque(self.greetings)

    def __enter__(self) -> "Flaky":
        self.stopped = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        if not self.stopped.is_set():
            self.stop()
        assert not self.errors, self.errors

    def stop(self) -> None:
        """Nobody listens any more, and nobody is listened to."""
        self.stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    @property
    def images(self) -> list[Seen]:
        """The requests that brought an image."""
        return [seen for seen in self.seen if seen.path == wire.DETECT]

    def serve(self, exchange: Exchange) -> None:
        """Act as the script says."""
        path = exchange.seen.path
        with self._lock:
            self.seen.append(exchange.seen)
            script = {wire.DETECT: self._script, wire.INFO: self._greetings}.get(path, deque())
            act = script.popleft() if script else {wire.DETECT: self.then}.get(path, _usual)
        act(exchange)

    def count(self, seen: Seen, chunk: bytes) -> None:
        """A piece of a body has come."""
        with self._lock:
            if not seen.body:
                seen.began_s = time.monotonic()
                others = [other for other in self.seen if other.began_s and other is not seen]
                seen.overlaps_bytes = [other.missing_bytes for other in others]
            seen.body += chunk
            seen.missing_bytes -= len(chunk)
            seen.ended_s = time.monotonic()


def _usual(exchange: Exchange) -> None:
    """What a server in good health says to anything but an image."""
    exchange.take()
    wanted_bytes = int(exchange.seen.query.get("bytes", ["0"])[0])
    is_info = exchange.seen.path == wire.INFO
    exchange.answer(200, encoded(exchange.flaky.info) if is_info else bytes(wanted_bytes))


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, flaky: Flaky) -> None:
        self.flaky = flaky
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        # So little that what a client has sent is what was received, or nearly.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**14)
        super().server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """Let nobody wait for a client that keeps its connection."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, ConnectionError):
            self.flaky.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        size_bytes = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, url.path, parse_qs(url.query), headers, size_bytes)
        self.server.flaky.serve(Exchange(seen, self, self.server.flaky))

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass
