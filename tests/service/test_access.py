"""What the access log is told of each answer."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from offload.domain.events import Answered, Event
from offload.service import wire
from offload.service.server.access import observed

ASKED = {
    "type": "http",
    "client": ("1.2.3.4", 5),
    "method": "POST",
    "query_string": b"class=secret",
}


def answering(status: int) -> Callable[[Scope, Receive, Send], Any]:
    """An application that reads all that comes, then answers seven letters."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await PlainTextResponse("1234567", status)(scope, receive, send)

    return app


async def without_answer(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """An application whose sender has gone."""


def told(app: Any, path: str = "/") -> list[Event]:
    """What is told of one request that takes 2.5 s."""
    events: list[Event] = []
    pieces = iter([b"x" * 600, b"x" * 400])

    async def receive() -> dict[str, Any]:
        body = next(pieces)
        return {"type": "http.request", "body": body, "more_body": len(body) == 600}

    async def send(_message: Any) -> None:
        pass

    app = observed(app, events.append, iter([1.0, 3.5]).__next__)
    asyncio.run(app(ASKED | {"path": path}, receive, send))
    return events


def test_an_answer_is_told_with_its_status_sizes_and_seconds_and_without_its_query() -> None:
    event = Answered("1.2.3.4", "POST", "/v1/detect", 401, 2.5, 1000, 7)
    assert told(answering(401), "/v1/detect") == [event]


def test_who_looks_whether_all_is_well_fills_no_log_while_it_is() -> None:
    assert told(answering(200), wire.READY) == []
    assert len(told(answering(503), wire.READY)) == 1


def test_a_long_path_is_cut() -> None:
    assert told(answering(404), "/" + "x" * 9000) == told(answering(404), "/" + "x" * 199)


def test_a_sender_who_has_gone_is_told_without_a_status() -> None:
    assert told(without_answer) == [Answered("1.2.3.4", "POST", "/", None, 2.5, 0, 0)]
