"""Our container image as it is built, on an engine that only says what a real one does."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from offload.domain.errors import PlaceUnavailable
from offload.domain.events import Built, Event, Reporter, Stepped, Warned
from offload.drivers.docker.own_image import SOURCE
from offload.providers import docker
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from tests.contexts import context

STEPS = ("FROM python:3.11-slim", "COPY . /tmp/build/", "LABEL offload.runtime=$RUNTIME")


@dataclass
class Engine:
    """Image ids with their names and labels; those `in_use` cannot be removed."""

    names: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    in_use: frozenset[str] = frozenset()

    def found(self, name: str) -> str | None:
        wanted = {name, f"{name}:latest"}
        return next((each for each, its in self.names.items() if wanted & {each, *its}), None)

    def build(self, tag: str, labels: dict[str, str]) -> Iterator[str]:
        for number, step in enumerate(STEPS, 1):
            yield f"Step {number}/{len(STEPS)} : {step}"
            yield " ---> 0123456789ab"
        for its in self.names.values():
            its[:] = [each for each in its if each != f"{tag}:latest"]
        self.names["sha256:new"], self.labels["sha256:new"] = [f"{tag}:latest"], labels


class Server(ThreadingHTTPServer):
    daemon_threads = True  # none is waited for


class Handler(BaseHTTPRequestHandler):
    """The few requests of the engine's API that a build takes."""

    engine: ClassVar[Engine]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = re.sub(r"^/v[\d.]+", "", urlsplit(self.path).path)
        if path == "/version":
            return self.answer(200, {"Version": "29", "ApiVersion": "1.44", "Arch": "amd64"})
        if path == "/info":
            return self.answer(200, {"MemTotal": 2**30})
        if path == "/containers/json":
            return self.answer(200, [])
        found = self.engine.found(unquote(path.split("/")[2]))
        if found is None:
            return self.answer(404, {"message": "No such image"})
        names, labels = self.engine.names[found], self.engine.labels.get(found)
        return self.answer(200, {"Id": found, "RepoTags": names, "Config": {"Labels": labels}})

    def do_POST(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while self.rfile.read(int(self.rfile.readline(), 16) + 2) != b"\r\n":
                pass
        else:
            self.rfile.read(int(self.headers["Content-Length"]))
        url = urlsplit(self.path)
        if url.path.endswith("/stop"):
            return self.answer(404, {"message": "No such container"})
        if not url.path.endswith("/build"):
            return self.answer(500, {"message": "that is all I can"})
        asked = parse_qs(url.query)
        said = self.engine.build(asked["t"][0], json.loads(asked["labels"][0]))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in said:
            text = json.dumps({"stream": f"{line}\n"}).encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.write(b"0\r\n\r\n")
        return None

    def do_DELETE(self) -> None:
        path = urlsplit(self.path).path
        if "/containers/" in path:
            return self.answer(404, {"message": "No such container"})
        image = unquote(path.rpartition("/")[2])
        if image in self.engine.in_use:
            return self.answer(409, {"message": "a container uses it"})
        del self.engine.names[image]
        return self.answer(200, [])

    def answer(self, code: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_anything: Any) -> None:
        """Nothing."""


@contextmanager
def running(engine: Engine) -> Iterator[int]:
    handler = type("Its", (Handler,), {"engine": engine})
    with Server(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is heard as a place comes up on an engine, which has an image then and no container."""

    def of(engine: Engine) -> list[Event]:
        events: list[Event] = []
        told = context(reporter=Reporter(events.append))
        request = Request(("photos",), where="container", model="builtin")
        config = places.config(request, told)
        with running(engine) as port:
            monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
            with (
                pytest.raises(PlaceUnavailable, match="that is all I can"),
                docker.open(config, config.resolve("builtin")),
            ):
                pass
        return events

    return of


def test_a_build_tells_its_steps_and_its_end(heard: Any) -> None:
    events = heard(engine := Engine())
    assert [event for event in events if isinstance(event, Built)] == [
        Built(0, 3), Built(1, 3), Built(2, 3), Built(1, 1),
    ]  # fmt: skip
    assert Stepped("Step 2/3 : COPY . /tmp/build/") in events
    assert not [event for event in events if isinstance(event, Warned)]
    assert engine.names == {"sha256:new": ["offload:latest"]}
    assert not [event for event in heard(engine) if isinstance(event, Built)], "it is current"


@pytest.mark.parametrize(
    ("labels", "other_names", "in_use", "stays"),
    [
        ({SOURCE: "of before"}, [], False, False),
        ({SOURCE: "of before"}, [], True, True),
        ({SOURCE: "of before"}, ["mine:1"], False, True),
    ],
)
def test_the_image_before_goes_unless_it_is_used_or_has_another_name(
    heard: Any, labels: dict[str, str], other_names: list[str], *, in_use: bool, stays: bool
) -> None:
    engine = Engine(
        {"sha256:old": ["offload:latest", *other_names], "sha256:other": []},
        {"sha256:old": labels, "sha256:other": labels},
        frozenset({"sha256:old"} if in_use else {}),
    )
    heard(engine)
    assert engine.names["sha256:new"] == ["offload:latest"]
    assert ("sha256:old" in engine.names) == stays
    assert "sha256:other" in engine.names, "not ours to judge"
