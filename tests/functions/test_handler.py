"""What a function answers, in this process."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import offload
from offload.domain import typed
from offload.domain.prices import CORE_MB
from offload.domain.results import Row
from offload.drivers import settings
from offload.service import wire
from offload.service.function.call import UNFETCHED, Call, Reply
from offload.usecases import function
from tests import bombs
from tests.contexts import context

PICTURE = "child-waving-on-lawn.jpg"


@dataclass
class Called:
    """What AWS hands over with an event."""

    aws_request_id: str = "request-1"


Handler = Callable[..., Reply]


@pytest.fixture
def here(examples: Path) -> Row:
    """What this process says of the picture."""
    [row] = offload.detect(str(examples / PICTURE), model="builtin")
    return row


def came_up(memory_mb: int = 1769) -> Handler:
    """A handler that came up just now: a call's fields, or its event, to the reply."""
    configured = settings.load({"OFFLOAD_MODEL": "builtin", "OFFLOAD_CACHE": "/nowhere"})
    answers = function.opened(context(configured), memory_mb)

    def ask(event: Any = None, **call: Any) -> Reply:
        event = typed.loads(typed.encoded(Call(**call))) if event is None else event
        return typed.parse(Reply, json.dumps(answers(event, Called())).encode())

    return ask


@pytest.fixture(scope="module")
def handler() -> Handler:
    """One that has come up."""
    return came_up()


def found(reply: Reply) -> list[Any]:
    """The detections of a reply."""
    assert reply.answer is not None, reply.problem
    return [(d.label, d.id, d.score, d.box) for d in reply.answer.detections]


def test_a_picture_is_answered_as_in_this_process_with_durations_and_the_request(
    handler: Handler, examples: Path, here: Row
) -> None:
    reply = handler(picture=(examples / PICTURE).read_bytes())
    assert found(reply) == [(d.label, d.class_id, d.score, d.box) for d in here.detections]
    assert reply.request_id == "request-1"
    assert reply.answer is not None
    assert (reply.answer.width, reply.answer.height) == (here.width, here.height)
    assert reply.answer.durations.decode_s > 0
    assert reply.answer.durations.infer_s > 0


def test_the_first_call_alone_says_how_long_the_environment_took_to_start() -> None:
    handler = came_up()
    first, second = handler({}), handler({})
    assert first.init_s
    assert second.init_s is None
    assert first.info == second.info


def test_it_says_which_model_it_has_and_that_it_takes_one_picture_at_a_time(
    handler: Handler,
) -> None:
    info = handler({}).info
    assert info is not None
    assert (info.model.name, info.workers, info.threads) == ("builtin", 1, 1)


def test_more_memory_is_more_threads() -> None:
    info = came_up(3 * CORE_MB)({}).info
    assert info is not None
    assert info.threads == 3


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", wire.NO_PICTURE),
        (b"no picture", wire.NO_PICTURE),
        (bombs.png(20_000), wire.TOO_MANY_PIXELS),
        (bombs.webp(16_000), wire.TOO_MANY_PIXELS),
    ],
    ids=["empty", "text", "png", "webp"],
)
def test_a_hostile_picture_is_a_problem_and_the_next_one_is_answered(
    handler: Handler, examples: Path, here: Row, data: bytes, kind: str
) -> None:
    refused = handler(picture=data)
    assert refused.problem is not None
    assert (refused.problem.type, refused.answer) == (kind, None)
    assert refused.problem.detail
    after = handler(picture=(examples / PICTURE).read_bytes())
    assert [label for label, *_ in found(after)] == [d.label for d in here.detections]


@pytest.mark.parametrize(
    "event",
    [3, [], {"picture": 3}, {"picture": "not base64!"}, {"picture": "", "min_score": 7},
     {"Records": [{"s3": {}}], "classes": "cat"}, {"answer_bytes": -1}],
    ids=str,
)  # fmt: skip
def test_what_is_no_call_is_a_problem(handler: Handler, event: Any) -> None:
    reply = handler(event)
    assert reply.problem is not None
    assert "no call of offload's" in reply.problem.detail


def test_a_class_that_the_model_lacks_is_a_problem_that_says_so(
    handler: Handler, examples: Path
) -> None:
    reply = handler(picture=(examples / PICTURE).read_bytes(), classes=("unicorn",))
    assert reply.problem is not None
    assert "'unicorn'" in reply.problem.detail


def test_nothing_of_one_call_is_in_the_next(handler: Handler, examples: Path) -> None:
    data = (examples / PICTURE).read_bytes()
    everything = found(handler(picture=data))
    assert everything
    assert not found(handler(picture=data, classes=("motorcycle",)))
    assert not found(handler(picture=data, min_score=1.0))
    too_large = handler(picture=data, max_pixels=1)
    assert too_large.problem is not None
    assert too_large.problem.type == wire.TOO_MANY_PIXELS
    assert found(handler(picture=data)) == everything


def test_so_many_bytes_as_are_asked_for_come_back(handler: Handler) -> None:
    reply = handler(padding=b"sent", answer_bytes=1000)
    assert len(reply.padding) == 1000
    assert reply.info is None


@pytest.fixture
def shelf(examples: Path) -> Iterator[str]:
    """The address of a server of files."""

    class Quiet(SimpleHTTPRequestHandler):
        """Says nothing."""

        def log_message(self, format: str, *_args: Any) -> None:  # noqa: A002
            """Nobody reads it."""

    server = HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(examples)))
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_picture_at_an_address_is_fetched_and_one_that_is_not_there_is_a_problem(
    handler: Handler, shelf: str, here: Row
) -> None:
    fetched = handler(url=f"{shelf}/{PICTURE}")
    assert [label for label, *_ in found(fetched)] == [d.label for d in here.detections]
    assert fetched.answer is not None
    assert fetched.answer.durations.recv_s > 0
    missing = handler(url=f"{shelf}/none.jpg?secret=1")
    assert missing.problem is not None
    assert missing.problem.type == UNFETCHED
    assert "secret" not in missing.problem.detail
