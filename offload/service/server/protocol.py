"""uvicorn's HTTP protocol, with limits on what may come before a request is whole."""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from offload.service.server.problems import Problem

MAX_HEADER_BYTES = 64 * 2**10

MAX_PIPELINED = 16
"""Requests of one connection that may wait for the one before."""

_TOO_LARGE = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large."


class PatientProtocol(HttpToolsProtocol):
    """Closes connections that get no further or are too many, refuses endless headers, pipelines
    and offers of another protocol.
    """

    patience_s = 20.0
    """How long a connection may take to send its first request, each request its headers, a refused
    body its rest; and how long it may let an answer lie.
    """

    most_connections = 1000
    """Beyond this, one that waits for its sender makes room for the next."""

    _since_s = 0.0
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _requests = 0
    _pending_bytes = 0
    _refusal = Problem(HTTPStatus.BAD_REQUEST, "This is not an HTTP request.")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request."""
        super().connection_made(transport)
        self._cycles: list[RequestResponseCycle] = []
        self._since_s = self.loop.time()
        self._expect()
        if len(self.connections) > self.most_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more. uvicorn tells the last of the requests in progress; we tell all."""
        self._arrived()
        if self._unread is not None:
            self._unread.cancel()
        self.pipeline.clear()
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what leads to nothing is refused when there is too much of it."""
        self._pending_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._pending_bytes > MAX_HEADER_BYTES:
            # A header or trailer that does not end is kept by the parser, which tells nobody.
            self._refuse(*_TOO_LARGE)
            self.send_400_response("")
        elif self._is_idle() and self._deadline is None and self.timeout_keep_alive_task is None:
            self._expect()  # the rest of a refused body, or line ends between requests

    def on_message_begin(self) -> None:
        """A request begins: its headers are expected."""
        self._since_s = self.loop.time()
        super().on_message_begin()
        self._pending_bytes = 0
        self._expect()

    def on_headers_complete(self) -> None:
        """The headers are there. With an offer of another protocol the parser would take a body
        for the next request.
        """
        lines = sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        if len(self.url) + lines > MAX_HEADER_BYTES:  # which came in one piece
            raise self._refuse(*_TOO_LARGE)
        if self.parser.should_upgrade():
            detail = "This server speaks only HTTP/1.1: send no Upgrade and no CONNECT."
            raise self._refuse(HTTPStatus.BAD_REQUEST, detail)
        self._pending_bytes = 0
        self._arrived()
        self._requests += 1
        self.scope["state"]["requests"] = self._requests
        super().on_headers_complete()
        self._cycles = [cycle for cycle in self._cycles if not cycle.response_complete]
        self._cycles.append(self.cycle)
        if len(self.pipeline) > MAX_PIPELINED:
            raise self._refuse(HTTPStatus.BAD_REQUEST, "Too many pipelined requests.")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._pending_bytes = 0
        super().on_body(body)

    def pause_writing(self) -> None:
        """The sender does not read what it gets: wait for it, but not for ever."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.patience_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The sender reads."""
        if self._unread is not None:
            self._unread.cancel()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for long. A plain close would still wait for the last answer to be read."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        del msg
        response = self._refusal.response()
        status = response.status_code
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        lines += [name + b": " + value for name, value in response.raw_headers]
        head = b"\r\n".join([*lines, b"connection: close", b"", b""])
        self.transport.write(head + bytes(response.body))
        self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str) -> Problem:
        self._refusal = Problem(status, detail)
        return self._refusal

    def _make_room(self) -> None:
        """Hang up on who has kept us waiting longest for a request or its rest."""
        ours = (other for other in self.connections if isinstance(other, PatientProtocol))
        waiting = (other for other in ours if other._waits())
        min(waiting, key=lambda other: other._since_s).transport.abort()

    def _waits(self) -> bool:
        """Whether it is the sender's turn."""
        return self.cycle is None or self._is_idle() or self.cycle.more_body

    def _is_idle(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    def _expect(self) -> None:
        self._arrived()
        self._deadline = self.loop.call_later(self.patience_s, self._give_up)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self.cycle is None or self._is_idle():
            self.transport.abort()
        else:
            self._expect()  # it is we who let it wait
