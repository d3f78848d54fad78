"""Request bodies: bounded each, bounded together, never waited for forever; the file in them."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from offload.domain.timing import Clock
from offload.service import wire
from offload.service.server.problems import Problem, later

T = TypeVar("T")

_LEAST_BYTES_PER_S = 1000.0
"""Of a body, once `idle_s` are over; less is taken for somebody who holds connections."""

_MOST_FIELDS = 100
"""Of a form, beside its file."""

_SMALL_BYTES = 2**20
"""A body up to this size is read in less time than handing it to a thread would be worth."""


@dataclass(eq=False, slots=True)
class Body:
    """A request's body: its bytes, and the seconds from its headers to its last byte."""

    began_s: float
    patience: asyncio.Timeout
    size_bytes: int = 0
    evicted: bool = False
    data: bytes = b""
    recv_s: float = 0.0

    def taken(self) -> bytes:
        """Its bytes, for somebody who makes something else of them: they are not kept twice."""
        data, self.data = self.data, b""
        return data


@dataclass(slots=True)
class Intake:
    """Receives bodies of at most `max_bytes` each and about `budget_bytes` together, from senders
    that are silent, or slower than any link, for `idle_s` at most.

    When those held become more, whoever has been sending longest without coming to an end makes
    room: senders that dawdle cannot keep the others out.
    """

    max_bytes: int
    budget_bytes: int
    clock: Clock
    idle_s: float = 20.0
    held_bytes: int = 0
    arriving: dict[Body, None] = field(default_factory=dict)

    @asynccontextmanager
    async def body(self, request: Request, *, keep: bool = True) -> AsyncIterator[Body]:
        """The whole body, counted as held until the context ends; only its size if not `keep`.

        Raises:
            Problem: it is compressed, too large, stalls, or had to make room.
            ClientDisconnect: the sender has gone.
        """
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            detail = "This server does not decompress: send the body without a Content-Encoding."
            headers = {"Accept-Encoding": "identity"}
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers=headers)
        # A float, as Python reads no integer of thousands of digits; zeros may lead.
        self._check(int(float(request.headers.get("content-length") or 0)))
        body = Body(self.clock(), asyncio.timeout(self.idle_s))
        if keep:
            self.arriving[body] = None
        try:
            await self._receive(request, body, keep)
            yield body
        finally:
            self.arriving.pop(body, None)
            self.held_bytes -= body.size_bytes if keep else 0

    async def _receive(self, request: Request, body: Body, keep: bool) -> None:
        try:
            async with body.patience:
                body.data = await self._read(request, body, keep)
        except TimeoutError as error:
            if body.evicted:
                detail = "Too much is being sent at once; try again later."
                raise later(HTTPStatus.TOO_MANY_REQUESTS, detail, 1.0) from error
            detail = (
                f"The body stalled for {self.idle_s:g} s, or was slower than "
                f"{_LEAST_BYTES_PER_S:g} bytes/s."
            )
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, detail) from error
        self.arriving.pop(body, None)
        body.recv_s = self.clock() - body.began_s

    async def _read(self, request: Request, body: Body, keep: bool) -> bytes:
        loop = asyncio.get_running_loop()
        received, more, began_s = bytearray(), True, loop.time()
        while more:
            if not body.evicted:
                late_s = began_s + body.size_bytes / _LEAST_BYTES_PER_S
                body.patience.reschedule(min(loop.time(), late_s) + self.idle_s)
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk, more = message.get("body", b""), message.get("more_body", False)
            body.size_bytes += len(chunk)
            if keep:
                received += chunk
                self.held_bytes += len(chunk)
                self._make_room()
            self._check(body.size_bytes)
        return bytes(received)

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self.max_bytes:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"{size_bytes} bytes is more than this server takes: {self.max_bytes}.",
                kind=wire.TOO_MANY_BYTES,
            )

    def _make_room(self) -> None:
        excess_bytes = self.held_bytes - self.budget_bytes
        for body in self.arriving:
            if excess_bytes <= 0:
                return
            if not body.evicted and not body.patience.expired():
                body.evicted = True
                body.patience.reschedule(asyncio.get_running_loop().time())
            excess_bytes -= body.size_bytes


async def worked(size_bytes: int, work: Callable[[], T]) -> T:
    """What `work` makes of that many bytes, in a thread if others would have to wait for it."""
    return work() if size_bytes <= _SMALL_BYTES else await asyncio.to_thread(work)


async def only_file(content_type: str | None, body: Body) -> bytes:
    """The bytes of the file that was sent: the body itself, or the one file of a form, which is its
    only field if none has a file's name.

    Raises:
        Problem: the form is damaged, or holds not exactly one file.
    """
    kind, options = parse_options_header(content_type or "")
    data = body.taken()
    if kind != b"multipart/form-data":
        return data
    boundary = options.get(b"boundary", b"")
    return await worked(len(data), lambda: _file_of(data, boundary))


def _file_of(form: bytes, boundary: bytes) -> bytes:
    files: list[File] = []
    fields: list[Field] = []
    ended: list[bool] = []

    def keep_file(file: File) -> None:
        files.append(file)
        if len(files) > 1:
            raise _not_one("more")  # no need to read on

    def keep_field(field: Field) -> None:
        fields.append(field)
        if len(fields) > _MOST_FIELDS:
            raise _not_one(f"more than {_MOST_FIELDS} fields")

    try:
        if not boundary:
            raise FormParserError("it names no boundary")
        in_memory = {"MAX_MEMORY_FILE_SIZE": math.inf}  # a read-only system has no other room
        parser = FormParser(
            "multipart/form-data",
            keep_field,
            keep_file,
            lambda: ended.append(True),
            boundary,
            config=in_memory,
        )
        parser.write(form)
        parser.finalize()
        if not ended:
            raise FormParserError("it ends too early")
    except FormParserError as error:
        detail = f"The multipart form is damaged: {error}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error
    if files:
        files[0].file_object.seek(0)
        return files[0].file_object.read()
    if len(fields) != 1:
        raise _not_one(f"{len(fields)} fields" if fields else "none")
    return fields[0].value or b""


def _not_one(how_many: str) -> Problem:
    detail = f"The form must hold exactly one file, the image; it holds {how_many}."
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
