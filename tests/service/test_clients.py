"""Programs of other people's: they send from many threads and never a second time."""

import asyncio
import base64
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from offload.service.server.core import Metrics, Slots
from offload.service.server.intake import Body
from offload.service.server.problems import Problem
from offload.usecases.serve import Options
from tests.drawing import encoded, scene
from tests.service.gated import Gated, info
from tests.service.serving import PATIENCE_S, Server, gated, in_progress, load, until

pytestmark = pytest.mark.xdist_group("service")


def sent(server: Server, path: str, **what: Any) -> int:
    """The status of one request, on a connection of its own."""
    request = httpx.Request("POST", server.url + path, **what)
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("POST", path, request.read(), dict(request.headers))
    status = connection.getresponse().status
    connection.close()
    return status


def form(server: Server, picture: bytes) -> int:
    """As a workload generator of a course sends it."""
    return sent(server, "/", files={"myfile": ("test_0.JPEG", picture)})


def document(server: Server, picture: bytes) -> int:
    """As the client of another sends it: JSON in JSON."""
    text = json.dumps({"id": "a-uuid", "image": base64.b64encode(picture).decode()})
    return sent(server, "/api/object_detection", json=text)


def test_crowds_of_100_and_128_threads_are_answered_whole(tmp_path: Path) -> None:
    picture = encoded(scene())
    clients = [form] * 100 + [document] * 128
    with (
        gated(tmp_path, queue=Options().queue) as server,
        ThreadPoolExecutor(len(clients)) as threads,
    ):
        load(server)
        answers = [threads.submit(client, server, picture) for client in clients * 2]

        def all_came() -> bool:
            done = sum(answer.done() for answer in answers)
            return done + in_progress(server) >= len(clients)

        until(all_came, "all came")
        server.tell("go")
        statuses = Counter(answer.result() for answer in answers)
        server.end()
    assert statuses == {200: 456}, "a queue of 64 turned 391 away"


def test_who_has_waited_too_long_for_a_slot_is_told_so() -> None:
    times_s = iter((0.0, 301.0))
    slots = Slots(Gated(), info(queue=8), Metrics(), lambda: next(times_s))

    async def ask() -> None:
        await slots.detect(Body(0.0, asyncio.timeout(None)), lambda: b"x")

    with pytest.raises(Problem, match="No worker was free for 300 s") as caught:
        asyncio.run(ask())
    assert caught.value.status_code == 429
    assert int((caught.value.headers or {})["Retry-After"]) >= 1
