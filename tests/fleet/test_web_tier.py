"""`offload serve --via`: others' images, whose answers come from elsewhere."""

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn

from offload.domain.errors import ImageError, PlaceUnavailable, Refused, Unanswered
from offload.domain.vision import Detections, Image, Selection
from offload.service import wire
from offload.service.server import run
from offload.service.server.app import create
from offload.service.server.core import Service, Slots
from tests.fakes import FakeSession
from tests.service.gated import info
from tests.service.serving import until

THREADS = 100


@dataclass
class Far(FakeSession):
    """Answers when a test says so."""

    asked: list[tuple[Image, Selection | None, int | None, Future[Detections]]] = field(
        default_factory=list
    )
    down: bool = False

    def ask(
        self, image: Image, selection: Selection | None = None, max_pixels: int | None = None
    ) -> Future[Detections]:
        """Whatever becomes of it."""
        if self.down:
            raise PlaceUnavailable("There is no queue.")
        answer: Future[Detections] = Future()
        self.asked.append((image, selection, max_pixels, answer))
        return answer

    def await_asked(self, images: int) -> None:
        """So many are asked for."""
        until(lambda: len(self.asked) >= images, f"{images} are asked for")

    def answer(self, number: int) -> None:
        """A dog in the image that was asked for so late."""
        image, *_, answer = self.asked[number]
        answer.set_result(self.detect(image))


@contextlib.contextmanager
def serving(far: Far, queue: int = 256, patience_s: float = 300.0) -> Iterator[tuple[str, Slots]]:
    """A server that asks there; its address."""
    service = Service(lambda: contextlib.nullcontext(far), info(queue), b"", time.perf_counter)
    slots = Slots(far, service.info, service.metrics, service.clock, patience_s)
    service.slots = slots
    listener = run.listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create(service), log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, args=[[listener]])
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", slots
    finally:
        server.should_exit = True
        thread.join()


def post(url: str, picture: bytes = b"x") -> httpx.Response:
    """As the generator does: a form's field `myfile`."""
    return httpx.post(url, files={"myfile": ("a.jpg", picture)}, timeout=60, trust_env=False)


def test_a_hundred_requests_wait_elsewhere_at_once_though_two_threads_send_them() -> None:
    far = Far(concurrency=2)
    with serving(far) as (url, _), ThreadPoolExecutor(THREADS) as threads:
        pictures = [b"%d" % number for number in range(THREADS)]
        answers = [threads.submit(post, url + wire.DETECT, picture) for picture in pictures]
        far.await_asked(THREADS)
        for number in reversed(range(THREADS)):
            far.answer(number)
        for answer in answers:
            found = answer.result().raise_for_status().json()
            assert [each["label"] for each in found["detections"]] == ["dog"]
    assert {image.data for image, *_ in far.asked} == set(pictures)


def test_every_format_of_a_server_is_answered_from_elsewhere() -> None:
    text = base64.b64encode(b"x").decode()
    with serving(Far()) as (url, slots), httpx.Client(base_url=url, trust_env=False) as client:
        assert isinstance(slots.engine, Far)
        far, files = slots.engine, {"myfile": b"x"}
        posts: dict[str, Callable[[], httpx.Response]] = {
            "raw": lambda: client.post(wire.DETECT, content=b"x"),
            "form": lambda: client.post(wire.DETECT, files=files),
            "label": lambda: client.post("/", files=files),
            "batch": lambda: client.post("/api/detect", json={"images": [text]}),
            "single": lambda: client.post("/api/object_detection", json={"image": text}),
        }
        with ThreadPoolExecutor(1) as thread:
            for number, (name, ask) in enumerate(posts.items()):
                answer = thread.submit(ask)
                far.await_asked(number + 1)
                far.answer(number)
                assert "dog" in answer.result().raise_for_status().text, name


def test_what_a_request_wishes_goes_with_its_image() -> None:
    far = Far()
    with serving(far) as (url, _), ThreadPoolExecutor(1) as thread:
        query = "?min_score=0.5&class=dog&max_pixels=99"
        answer = thread.submit(post, url + wire.DETECT + query)
        far.await_asked(1)
        far.answer(0)
        assert answer.result().status_code == 200
    _, selection, max_pixels, _ = far.asked[0]
    assert selection is not None
    assert selection == Selection(min_score=0.5, classes=frozenset({"dog"}))
    assert max_pixels == 99


def test_a_sender_who_has_gone_is_waited_for_no_more() -> None:
    far = Far()
    with serving(far, queue=0) as (url, slots):
        for number in range(5):
            address = url.removeprefix("http://").split(":")
            with socket.create_connection((address[0], int(address[1]))) as gone:
                gone.sendall(
                    b"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"
                )
                far.await_asked(number + 1)
            until(far.asked[number][3].cancelled, "given up")
            until(lambda: slots.in_progress == 0, "its place is free")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ImageError("it is no picture"), 422),
        (Refused("three workers ended on it"), 422),
        (Unanswered("no machine came up"), 503),
        (PlaceUnavailable("The bucket is gone."), 503),
    ],
)
def test_why_there_is_no_answer_is_told(error: Exception, status: int) -> None:
    far = Far()
    with serving(far) as (url, _), ThreadPoolExecutor(1) as thread:
        answer = thread.submit(post, url + wire.DETECT)
        far.await_asked(1)
        far.asked[0][3].set_exception(error)
        told = answer.result()
    assert (told.status_code, told.json()["detail"]) == (status, str(error))
    assert ("Retry-After" in told.headers) == (status == 503)


def test_who_cannot_be_asked_for_or_waits_too_long_shall_come_again() -> None:
    far = Far(down=True)
    with serving(far, patience_s=0.2) as (url, _):
        told = [post(url + wire.DETECT)]
        far.down = False
        told.append(post(url + wire.DETECT))
    assert [each.status_code for each in told] == [503, 503]
    assert [each.json()["detail"] for each in told] == [
        "There is no queue.", "No answer came for 0.2 s.",
    ]  # fmt: skip
    assert all(int(each.headers["Retry-After"]) > 1 for each in told)
    assert far.asked[0][3].cancelled()
