"""From the first connection a server takes to the last answer it gives."""

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from offload.domain import typed
from offload.service import wire
from offload.service.server.app import create
from offload.service.server.core import Service, Slots
from tests.becoming import spawner
from tests.conftest import Offload
from tests.service.conftest import MAX_BYTES, MAX_REQUESTS
from tests.service.gated import Gated, info
from tests.service.serving import (
    BUILTIN,
    TOKEN,
    Server,
    gated,
    in_progress,
    load,
    serving,
    started,
    until,
)

pytestmark = pytest.mark.xdist_group("service")


def ask(server: Server, picture: bytes = b"x") -> httpx.Response:
    """What one picture is answered, on a connection of its own."""
    with server.client() as client:
        return client.post(wire.DETECT, content=picture)


def refused(server: Server) -> bool:
    """Whether it takes no more connections."""
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port)).close()
        return False
    return True


def is_dog(answer: httpx.Response) -> bool:
    return [d["label"] for d in answer.raise_for_status().json()["detections"]] == ["dog"]


def test_a_server_whose_model_loads_lives_but_is_not_ready(tmp_path: Path) -> None:
    with gated(tmp_path) as server, server.client() as client:
        assert client.get(wire.LIVE).status_code == 200
        asked = [client.get(path) for path in (wire.READY, wire.INFO)]
        paths = (wire.DETECT, "/", "/api/detect", "/api/object_detection")
        asked += [client.post(path, content=b"x") for path in paths]
        for answer in asked:
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.headers["Content-Type"] == wire.PROBLEM_TYPE
            assert answer.json()["detail"] == "The model is still loading."
        assert client.get("/").status_code == 200
        assert client.post(wire.PROBE, content=b"x").json()["bytes"] == 1
        load(server)
        server.tell("go")
        assert client.get(wire.READY).text == "ready\n"
        assert is_dog(ask(server))
        server.end()


def test_a_server_that_ends_while_its_model_loads_ends_well(tmp_path: Path) -> None:
    with gated(tmp_path) as server:
        until(lambda: not refused(server), "listening")
        with server.client() as client:
            assert client.get(wire.LIVE).status_code == 200
        server.end()
        assert "ready" not in server.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_server_told_to_end_answers_what_it_has_and_takes_nothing_more(
    number: signal.Signals, tmp_path: Path
) -> None:
    with gated(tmp_path) as server, ThreadPoolExecutor(3) as threads:
        load(server)
        with server.client() as idle:
            idle.get(wire.LIVE)  # and the connection stays, of no use to anybody
            answers = [threads.submit(ask, server) for _ in range(3)]
            until(lambda: in_progress(server) == 3, "three in progress")
            server.process.send_signal(number)
            until(lambda: refused(server), "connections refused")
            assert not any(answer.done() for answer in answers)
            server.tell("go")
            assert all(is_dog(answer.result()) for answer in answers)
            server.ended_well()


def test_what_cannot_be_answered_before_the_end_is_refused_without_a_traceback(
    tmp_path: Path,
) -> None:
    with gated(tmp_path, drain_s=1) as server, ThreadPoolExecutor(1) as threads:
        load(server)
        answer = threads.submit(ask, server)
        until(lambda: "begun" in server.said(), "begun")
        server.process.terminate()
        assert answer.result().status_code == 503
        assert answer.result().json()["detail"] == "The server is shutting down."
        server.ended_well()  # though the picture is not done, and never will be


def test_a_picture_whose_sender_has_gone_leaves_the_queue(tmp_path: Path) -> None:
    with gated(tmp_path) as server, ThreadPoolExecutor(1) as threads:
        load(server)
        first = threads.submit(ask, server)
        until(lambda: "begun" in server.said(), "begun")
        for _ in range(5):
            with server.client() as client, contextlib.suppress(httpx.ReadTimeout):
                client.post(wire.DETECT, content=b"x", timeout=0.2)
        until(lambda: in_progress(server) == 1, "forgotten")
        server.tell("go")
        assert is_dog(first.result())
        assert is_dog(ask(server))
        server.end()
        assert server.said().count("begun") == 2


def test_heavy_pictures_do_not_keep_the_others_waiting(tmp_path: Path) -> None:
    with gated(tmp_path) as server, ThreadPoolExecutor(3) as threads:
        load(server)
        for _ in range(3):
            threads.submit(ask, server, b"heavy")
        until(lambda: in_progress(server) == 3, "in progress")
        until(lambda: "begun" in server.said(), "begun")
        with server.client() as client, pytest.raises(httpx.ReadTimeout):
            client.post(wire.DETECT, content=b"x", timeout=0.2)
        until(lambda: server.said().count("begun") == 2, "the fourth at work beside the first")
        server.tell("go")
        server.end()


def test_two_hundred_clients_of_a_server_that_ends_are_all_answered(tmp_path: Path) -> None:
    with gated(tmp_path, queue=200) as server, ThreadPoolExecutor(200) as threads:
        load(server)
        server.tell("go")

        def last_status() -> int:
            with contextlib.closing(HTTPConnection("127.0.0.1", server.port)) as connection:
                while True:
                    connection.request("POST", wire.DETECT, bytes(100_000))
                    answer = connection.getresponse()
                    if json.loads(answer.read()).get("status", 200) != 200:
                        return answer.status

        clients = [threads.submit(last_status) for _ in range(200)]
        until(lambda: server.said().count("begun") > 200, "all busy")
        server.process.terminate()
        assert {client.result() for client in clients} == {503}, "88 to 134 of them were reset"
        server.ended_well()


def test_who_keeps_a_connection_to_a_server_that_ends_is_answered_and_sent_elsewhere(
    tmp_path: Path,
) -> None:
    with gated(tmp_path, queue=200) as server, ThreadPoolExecutor(20) as threads:
        load(server)
        server.tell("go")

        def last() -> tuple[int, bool]:
            """The last answer on a connection, and whether the server was ready then."""
            with contextlib.closing(HTTPConnection("127.0.0.1", server.port)) as connection:
                while True:
                    connection.request("POST", wire.DETECT, b"x")
                    answer = connection.getresponse()
                    answer.read()
                    if answer.headers["Connection"] == "close":
                        with server.client() as client, contextlib.suppress(httpx.ConnectError):
                            return answer.status, client.get(wire.READY).status_code == 200
                        return answer.status, False

        clients = [threads.submit(last) for _ in range(20)]
        until(lambda: server.said().count("begun") > 20, "all busy")
        server.process.terminate()
        found = [client.result() for client in clients]
        assert (200, False) in found, "all were refused"
        assert set(found) <= {(200, False), (503, False)}
        server.ended_well()


def test_a_server_that_ends_says_that_it_is_not_ready_and_answers_all_else_once_more() -> None:
    service = Service(Gated().opened, info(queue=8), b"", time.monotonic)
    service.slots = Slots(Gated(), service.info, service.metrics, service.clock)

    async def statuses() -> list[tuple[int, str | None]]:
        transport = httpx.ASGITransport(create(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answers = [
                await client.get(wire.READY),
                await client.get(wire.INFO),
                await client.post(wire.PROBE, content=b"x"),
            ]
        return [(each.status_code, each.headers.get("connection")) for each in answers]

    assert asyncio.run(statuses()) == [(200, None)] * 3
    service.ending = True
    assert asyncio.run(statuses()) == [(503, "close"), (503, "close"), (200, "close")]
    service.closed = True
    assert asyncio.run(statuses()) == [(503, "close")] * 3


def test_a_connection_is_closed_after_as_many_requests_as_it_may_have(strict: Server) -> None:
    for _ in range(2):
        with contextlib.closing(HTTPConnection("127.0.0.1", strict.port)) as connection:
            said = []
            for _ in range(MAX_REQUESTS):
                connection.request("GET", wire.LIVE)
                answer = connection.getresponse()
                answer.read()
                said.append(answer.headers["Connection"])
        assert said == [None] * (MAX_REQUESTS - 1) + ["close"]


def test_who_keeps_connections_notices_nothing_of_their_limit(
    offload: Offload, strict: Server, examples: Path
) -> None:
    with strict.client() as client:
        assert {client.get(wire.INFO).status_code for _ in range(4 * MAX_REQUESTS)} == {200}
    env = os.environ | {"OFFLOAD_TOKEN": TOKEN}
    remote = ("--where", "remote", "--url", strict.url, "--max-retries", 0, "--concurrency", 1)
    done = offload("detect", examples / "dog-on-lawn.webp", *remote, "--json", env=env)
    assert done.returncode == 0, done.stderr


def test_with_few_descriptors_a_crowd_that_drips_keeps_nobody_out(tmp_path: Path) -> None:
    few = ("tests.service.gated", "8", "30", "64")
    with started(tmp_path, few) as server, contextlib.ExitStack() as crowd:
        load(server)
        server.tell("go")
        for _ in range(100):
            one = crowd.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            one.sendall(b"POST /v1/detect HTTP/1.1\r\nContent-Length: 100\r\n\r\nx")
        with server.client() as client:
            assert client.get(wire.LIVE).status_code == 200
        assert is_dog(ask(server))
        server.end()


def test_a_full_queue_turns_requests_away_and_loses_none(tmp_path: Path) -> None:
    with gated(tmp_path, queue=1) as server, ThreadPoolExecutor(2) as threads:
        load(server)
        taken = [threads.submit(ask, server) for _ in range(2)]
        until(lambda: in_progress(server) == 2, "full")
        for _ in range(3):
            answer = ask(server)
            assert answer.status_code == 429
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.headers["Content-Type"] == wire.PROBLEM_TYPE
            assert answer.json()["detail"] == "All workers are busy and the queue of 1 is full."
        server.tell("go")
        assert all(is_dog(answer.result()) for answer in taken)
        assert is_dog(ask(server))
        assert in_progress(server) == 0
        server.end()


def test_a_crowd_before_a_short_queue_gets_right_answers_or_is_told_to_wait(
    strict: Server, examples: Path
) -> None:
    picture = (examples / "red-bus.jpg").read_bytes()
    statuses: list[int] = []
    with strict.client() as client, ThreadPoolExecutor(16) as threads:
        expected = client.post(wire.DETECT, content=picture).json()["detections"]

        def volley() -> bool:
            futures: list[Future[httpx.Response]] = [
                threads.submit(client.post, wire.DETECT, content=picture) for _ in range(16)
            ]
            answers = [future.result() for future in futures]
            for answer in answers:
                if answer.status_code == 429:
                    assert int(answer.headers["Retry-After"]) >= 1
                else:
                    assert answer.raise_for_status().json()["detections"] == expected
            statuses.extend(answer.status_code for answer in answers)
            return 429 in statuses

        until(volley, "somebody turned away")
        assert 200 in statuses
        assert client.get(wire.INFO).json()["queue"] == 1


def test_the_token_is_asked_for_wherever_something_is_to_be_had(strict: Server) -> None:
    guarded = [
        ("GET", wire.INFO), ("GET", wire.METRICS), ("POST", wire.DETECT), ("POST", wire.PROBE),
        ("GET", wire.PROBE), ("POST", "/"), ("POST", "/api/detect"),
        ("POST", "/api/object_detection"),
    ]  # fmt: skip
    wrong = {
        None: "This server needs a token.",
        "Bearer": "This server needs a token.",
        f"Basic {TOKEN}": "This server needs a token.",
        "Bearer wrong": "The token is wrong.",
        f"Bearer {TOKEN}x": "The token is wrong.",
        "Bearer tök€n": "The token is wrong.",
    }
    with strict.client(known=False) as client:
        for method, path in guarded:
            for sent, detail in wrong.items():
                headers = {} if sent is None else {b"Authorization": sent.encode()}
                answer = client.request(method, path, headers=headers)
                assert answer.status_code == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert answer.headers["Content-Type"] == wire.PROBLEM_TYPE
                assert answer.json()["detail"] == detail
        for path in (wire.LIVE, wire.READY, "/", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200
    with strict.client() as client:
        info = typed.parse(wire.Info, client.get(wire.INFO).raise_for_status().content)
        assert info.max_bytes == MAX_BYTES


def test_the_token_is_said_nowhere(strict: Server) -> None:
    with strict.client() as client:
        paths = (wire.INFO, wire.METRICS, "/openapi.json", "/docs", "/", wire.READY)
        said = [client.get(path).raise_for_status().text for path in paths]
        said += [client.get(f"/{TOKEN[:5]}").text, client.post(wire.DETECT).text, strict.said()]
    assert not any(TOKEN in text for text in said)


def test_a_token_of_any_letters_is_known_again(tmp_path: Path) -> None:
    token = "schlüssel €"
    with serving(tmp_path, *BUILTIN, token=token) as server, server.client() as client:
        assert client.get(wire.INFO).status_code == 200


def test_a_port_that_is_taken_is_explained(offload: Offload, server: Server) -> None:
    done = offload("serve", "--port", server.port, *BUILTIN)
    assert done.returncode == 4
    assert done.stderr == (
        f"error: Cannot listen on 127.0.0.1:{server.port}: address already in use.\n"
        "  For any free port: offload serve --port 0\n"
    )


@pytest.mark.parametrize("host", ["nosuch.invalid", "..", "a" * 70, ""])
def test_a_host_that_does_not_exist_is_explained(offload: Offload, host: str) -> None:
    done = offload("serve", "--port", "0", "--host", host, "--token", TOKEN, *BUILTIN)
    assert done.returncode == 4
    assert done.stderr == (
        f"error: Cannot listen on {host}: there is no such host.\n"
        "  For this machine only: offload serve --host 127.0.0.1\n"
    )


def test_an_address_of_another_machine_is_explained(offload: Offload) -> None:
    done = offload("serve", "--port", "0", "--host", "192.0.2.1", "--token", TOKEN, *BUILTIN)
    assert done.returncode == 4
    assert done.stderr == (
        "error: Cannot listen on 192.0.2.1:0: cannot assign requested address.\n"
        "  For this machine only: offload serve --host 127.0.0.1\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_line_that_a_server_prints_for_others_works_as_it_is(
    offload: Offload, examples: Path, host: str
) -> None:
    command = ["serve", "--host", host, "--port", 0, "--access-log", *BUILTIN]
    with spawner().begin(command) as server:
        said = [server.stderr.readline() for _ in range(3)]
        assert not {"0.0.0.0", "::"} & {*re.split(r"http://|:\d+|\s", "".join(said))}
        token, *words = shlex.split(said[2])
        assert words[:3] == ["offload", "detect", "./photos"]
        picture = examples / "dog-on-lawn.webp"
        env = os.environ | dict([token.split("=")])
        done = offload("detect", picture, *words[3:], "--json", env=env)
        assert [d["label"] for d in json.loads(done.stdout)["detections"]] == ["dog"]
        server.send_signal(signal.SIGTERM)
        log = server.communicate(60)[1]
    assert f"POST {wire.DETECT} 200" in log
    assert token.split("=")[1] not in log


def test_a_server_for_this_computer_says_so_and_how_to_open_it(tmp_path: Path) -> None:
    with serving(tmp_path, *BUILTIN, "--token", TOKEN) as server:
        opens = f"offload serve --port 0 {' '.join(BUILTIN)} --token '…' --host 0.0.0.0"
        assert f"Only this computer can connect. To let others connect: {opens}\n" in server.said()
        assert TOKEN not in server.said()
