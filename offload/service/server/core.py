"""What the routes share: the file in a body, the slots, the model that answers, its answer."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi.responses import Response
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from offload.domain import typed
from offload.domain.timing import Clock
from offload.service.server.intake import Intake
from offload.service.server.metrics import Metrics
from offload.service.server.problems import Problem, later
from offload.service.server.slots import Slots

T = TypeVar("T")

_SMALL_BYTES = 2**20
"""A body up to this size is read in less time than handing it to a thread would be worth."""

FILE = {"schema": {"type": "string", "format": "binary"}}
FORM = {
    "schema": {
        "type": "object",
        "properties": {"myfile": {"type": "string", "format": "binary"}},
        "required": ["myfile"],
        "additionalProperties": False,
    }
}
"""A body that is a file, and a form that holds one, as OpenAPI describes them."""


@dataclass(slots=True)
class Service:
    """`slots` are there once the model is loaded and warm."""

    intake: Intake
    token: str | None = field(repr=False)
    clock: Clock
    metrics: Metrics = field(default_factory=Metrics)
    slots: Slots | None = None

    def ready(self) -> Slots:
        """What answers.

        Raises:
            Problem: the model is still loading.
        """
        if self.slots is None:
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, "The model is still loading.", 1.0)
        return self.slots


async def worked(size_bytes: int, work: Callable[[], T]) -> T:
    """What `work` makes of that many bytes, in a thread if others would have to wait for it."""
    return work() if size_bytes <= _SMALL_BYTES else await asyncio.to_thread(work)


def taken(content: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    """What a route takes, by media type, as OpenAPI describes it."""
    return {"requestBody": {"required": required, "content": content}}


def sent(document: object, server_timing: str = "") -> Response:
    """A document as it is sent."""
    headers = {"Server-Timing": server_timing} if server_timing else {}
    return Response(typed.encoded(document), media_type="application/json", headers=headers)


async def only_file(content_type: str | None, body: bytes) -> bytes:
    """The bytes of the file that was sent: the body itself, or the one field of a form.

    Raises:
        Problem: the form is damaged, or holds not exactly one field.
    """
    kind, options = parse_options_header(content_type or "")
    if kind != b"multipart/form-data":
        return body
    boundary = options.get(b"boundary", b"")
    return await worked(len(body), lambda: _only_field(body, boundary))


def _only_field(body: bytes, boundary: bytes) -> bytes:
    """The field's content, in memory: a read-only file system has no room for spooled files."""
    fields: list[list[bytes]] = []
    ended: list[bool] = []

    def begin() -> None:
        if fields:
            raise _not_one("more")  # no need to read on
        fields.append([])

    try:
        if not boundary:
            raise FormParserError("it names no boundary")
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": begin,
                "on_part_data": lambda data, start, end: fields[-1].append(data[start:end]),
                "on_end": lambda: ended.append(True),
            },
        )
        parser.write(body)
        parser.finalize()
        if not ended:
            raise FormParserError("it ends too early")
    except FormParserError as error:
        detail = f"The multipart form is damaged: {error}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error
    if not fields:
        raise _not_one("none")
    return b"".join(fields[0])


def _not_one(how_many: str) -> Problem:
    detail = f"The form must hold exactly one field, the image; it holds {how_many}."
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
