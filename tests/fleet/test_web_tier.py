"""`offload serve --via`: others' images, whose answers come from elsewhere."""

import base64
import contextlib
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import uvicorn

from offload.domain.errors import ImageError, PlaceUnavailable, Refused, Unanswered
from offload.domain.machines import FleetInfo
from offload.domain.vision import Detections, Image, Selection
from offload.service import wire
from offload.service.server import run
from offload.service.server.app import create
from offload.service.server.core import Service, Slots
from tests.becoming import Begun, spawner
from tests.conftest import Offload
from tests.fakes import FakeSession
from tests.fleet.made import made
from tests.functions.aws import Account, account
from tests.service.gated import info
from tests.service.serving import PATIENCE_S, until

THREADS = 100
UNUSED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without it each request would read all certificates there are."""


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
    files = {"myfile": ("a.jpg", picture)}
    return httpx.post(url, files=files, timeout=60, trust_env=False, verify=UNUSED)


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


@pytest.fixture(scope="module")
def fleet() -> Iterator[tuple[Account, FleetInfo]]:
    """A fleet at moto's AWS."""
    with account() as aws:
        yield aws, made(aws, "web")


@pytest.fixture
def asked(
    fleet: tuple[Account, FleetInfo], home: Path, monkeypatch: pytest.MonkeyPatch
) -> FleetInfo:
    """The same, which everything here asks."""
    aws, info = fleet
    for name, value in {**aws.settings, "OFFLOAD_FLEET": info.name}.items():
        monkeypatch.setenv(name, value)
    return info


@contextlib.contextmanager
def begun(*words: str) -> Iterator[Begun]:
    """A command, which is told to end at the end, and ends well."""
    with spawner().begin(words) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0, process.stderr.read()
        finally:
            process.kill()


def test_every_thread_of_a_generator_gets_its_answer_from_a_fleets_workers(
    fleet: tuple[Account, FleetInfo], asked: FleetInfo, examples: Path
) -> None:
    urls = ("--queue", asked.queue_url, "--dead", asked.dead_url)
    work = ("work", *urls, "--out", f"s3://{asked.bucket}/rows", "--model", "builtin", "--stay")
    web = ("serve", "--via", "fleet", "--port", "0", "--yes")
    photos = [path.read_bytes() for path in sorted(examples.glob("*.jpg"))]
    with begun(*work), begun(*web) as server:
        said = server.stderr.readline()
        assert "Serving builtin" in said
        assert "the fleet" in said
        url = said.split(" at ")[1].split(",")[0]
        known = httpx.get(url + wire.INFO, verify=UNUSED).raise_for_status().json()
        assert known["model"]["sha256"] == asked.model.sha256
        assert known["machine"]["region"] == asked.region
        with ThreadPoolExecutor(THREADS) as threads:
            answers = list(
                threads.map(
                    lambda n: post(url + wire.DETECT, photos[n % len(photos)]), range(THREADS)
                )
            )
        assert post(url, b"no picture").status_code == 422
    aws, _ = fleet
    left = aws.client("sqs").list_queues(QueueNamePrefix="offload-fleet-web-answers")
    assert "QueueUrls" not in left
    found = [answer.raise_for_status().json()["detections"] for answer in answers]
    assert all(found)
    assert found == [found[n % len(photos)] for n in range(THREADS)]


def test_a_server_says_which_places_it_may_ask_and_ends_where_there_is_none(
    asked: FleetInfo, offload: Offload
) -> None:
    refused = offload("serve", "--via", "local")
    assert refused.returncode == 2
    assert "Available: fleet" in refused.stderr
    idle = offload("serve", "--via", "fleet", "--workers", "2", "--yes")
    assert idle.returncode == 2
    assert "--workers has no effect" in idle.stderr
    del asked
    nowhere = offload("serve", "--via", "fleet", "--yes", env={**os.environ, "OFFLOAD_FLEET": "no"})
    assert nowhere.returncode == 4
    assert "offload provision fleet" in nowhere.stderr
