"""What a server may answer, and what of it is believed."""

import copy
import gzip
import json
import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from offload import detect
from offload.domain.errors import PlaceUnavailable, Refused, Unanswered
from offload.domain.typed import encoded
from offload.domain.vision import Detections
from offload.drivers.http.web import Unreachable
from offload.service import wire
from offload.service.client.greeting import Address
from tests.becoming import spawner
from tests.drawing import saved
from tests.paced import Pace
from tests.remote.flaky import (
    DOG,
    DURATIONS,
    IDENTITY,
    Act,
    Flaky,
    answers,
    info,
    refuses,
    says,
    sends,
)
from tests.remote.rows import rows
from tests.remote.sessions import PHOTO, Visit, visit
from tests.remote.test_greeting import OURS
from tests.remote.test_split import wait_for

FOUND = Detections((DOG,), 640, 480, DURATIONS)
BODY = encoded(wire.Answer.of(FOUND, 0.001, IDENTITY.sha256))
GONE = object()
TOO_LARGE = "1e999"


def but(*way: Any) -> bytes:
    """The answer with the last of `way` at the end of the way there, or with nothing there."""
    document = copy.deepcopy(json.loads(BODY))
    *steps, name, value = way
    at = document
    for step in steps:
        at = at[step]
    if value is GONE:
        del at[name]
    else:
        at[name] = value
    return json.dumps(document).encode().replace(b'"1e999"', b"1e999")


NO_NUMBER: tuple[Any, ...] = (
    None,
    "1",
    True,
    [],
    {},
    math.nan,
    math.inf,
    -math.inf,
    TOO_LARGE,
    10**30,
    GONE,
)
NO_SHARE = (*NO_NUMBER, -0.001, 1.001, -1)
NO_SIZE = (*NO_NUMBER, 0, -1, 1.5, 2**53 + 1)
DOG_AT = ("detections", 0)

FIELDS: dict[tuple[Any, ...], tuple[Any, ...]] = {
    ("schema",): (*NO_NUMBER, 1, 3),
    ("model_sha256",): (None, 5, [], GONE, "f" * 2000),
    ("width",): NO_SIZE,
    ("height",): NO_SIZE,
    ("durations",): (None, 5, [], {}, GONE),
    ("durations", "recv_s"): (*NO_NUMBER, -0.001),
    ("durations", "infer_s"): (*NO_NUMBER, -0.001),
    ("detections",): (None, 5, {}, "x", [None], [[]], [{}], GONE, [{"label": "dog"}] * 90_000),
    (*DOG_AT, "label"): (None, 5, [], GONE, "x" * 100_000, "\ud800"),
    (*DOG_AT, "id"): (*NO_NUMBER, 1.5),
    (*DOG_AT, "score"): NO_SHARE,
    (*DOG_AT, "box"): (None, {}, [0, 0, 1], [0] * 5, [1, 0, 0, 1], [0, 1, 1, 0], GONE),
    (*DOG_AT, "box", 2): (*NO_SHARE[:-4], -0.001, 1.001),
}
CRAFTED = {
    "nothing": b"",
    "a page": b"<html>It works!</html>",
    "a list": b"[]",
    "null": b"null",
    "half of it": BODY[:100],
    "more than it": BODY + b"x",
    "no UTF-8": b"\xff" + BODY,
    "UTF-16": BODY.decode().encode("utf-16"),
    "packed": gzip.compress(BODY),
    "lists in lists": b"[" * 100_000,
    "deep in what nobody reads": BODY[:-1] + b', "x": ' + b"[" * 100_000,
    "a number of 5,000 digits": BODY.replace(b"640", b"6" * 5000),
    "301 dogs": but("detections", json.loads(BODY)["detections"] * 301),
}
UNUSABLE = {
    f"{'.'.join(map(str, path))} {str(value)[:20]}": but(*path, value)
    for path, values in FIELDS.items()
    for value in values
} | CRAFTED


@pytest.fixture(scope="module")
def server() -> Iterator[Flaky]:
    with Flaky() as server:
        yield server


@pytest.fixture(scope="module")
def here(server: Flaky) -> Iterator[Visit]:
    with visit(server, max_retries=0) as here:
        yield here


@pytest.mark.parametrize("body", UNUSABLE.values(), ids=UNUSABLE)
def test_an_answer_with_anything_that_cannot_be_is_none(
    server: Flaky, here: Visit, body: bytes
) -> None:
    server.then = says(body)
    with pytest.raises(Refused, match=f"^{server.url} sends an unusable answer: .") as failure:
        here.detect()
    assert failure.value.sent_bytes == len(PHOTO.data)
    assert len(str(failure.value)) < 300
    server.then = answers
    assert here.detect().found == (DOG,), "one is no reason to give it up"


def test_what_is_merely_odd_is_believed(server: Flaky, here: Visit) -> None:
    for body in (but("detections", []), but(*DOG_AT, "id", -1), but("x", 1), but("width", 1)):
        server.then = says(body)
        here.detect()


def head(lines: str, body: bytes = BODY) -> bytes:
    """An answer with these lines in its head."""
    return f"HTTP/1.1 200 OK\r\nConnection: close\r\n{lines}\r\n\r\n".encode() + body


LENGTH = len(BODY)
TRANSFERS: dict[str, Act] = {
    "more was announced": sends(head(f"Content-Length: {LENGTH + 1}")),
    "less was announced": sends(head(f"Content-Length: {LENGTH - 1}")),
    "a length below zero": sends(head("Content-Length: -1")),
    "a length in words": sends(head("Content-Length: many")),
    "two lengths": sends(head(f"Content-Length: {LENGTH}\r\nContent-Length: 1")),
    "a length of 5,000 digits": sends(head(f"Content-Length: {'9' * 5000}")),
    "chunks that are none": sends(head("Transfer-Encoding: chunked")),
    "a chunk below zero": sends(head("Transfer-Encoding: chunked", b"-5\r\nhello\r\n0\r\n\r\n")),
    "a coding that nobody knows": sends(head("Transfer-Encoding: magic")),
    "packed, it says": sends(head(f"Content-Encoding: gzip\r\nContent-Length: {LENGTH}", b"x")),
    "no content": says(b"", 204),
    "a part": says(BODY, 206),
    "not modified": says(b"", 304),
    "another protocol": sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
    "a status that is none": sends(b"HTTP/1.1 abc OK\r\n\r\n"),
    "no protocol": sends(BODY),
    "HTTP/2": sends(b"\0\0\x12\x04\0\0\0\0\0"),
    "a name with a space": sends(head("a b: c")),
    "an endless head": sends(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 2000),
    "an endless line": sends(b"HTTP/1.1 200 OK\r\nx: ", b"y" * 10_000),
    "an endless body": sends(head("Content-Type: video/x"), bytes(2**18)),
    "endless chunks": sends(
        head("Transfer-Encoding: chunked", b""), b"40000\r\n%s\r\n" % bytes(2**18)
    ),
}


DRIPS: dict[str, Act] = {
    "a head": sends(b"HTTP/1.1 200 OK\r\nx: ", b"y", 0.05),
    "a body": sends(head("Content-Length: 200", b""), b" ", 0.05),
    "promises": sends(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
}


@pytest.mark.parametrize("act", DRIPS.values(), ids=DRIPS)
def test_an_answer_that_comes_drop_by_drop_is_not_waited_for(server: Flaky, act: Act) -> None:
    server.then = act
    with (
        closing(Address(server.url, timeout_s=0.3).connect(time.perf_counter)) as client,
        pytest.raises(Unreachable, match=r"too slowly|timed out"),
    ):
        client.request("GET", wire.DETECT)


@pytest.mark.parametrize("act", TRANSFERS.values(), ids=TRANSFERS)
def test_an_answer_that_breaks_http_or_does_not_come_to_its_end_is_none(
    server: Flaky, here: Visit, act: Act
) -> None:
    server.then = act
    with pytest.raises(Unanswered, match=server.url):
        here.detect()
    server.then = answers
    assert here.detect().found == (DOG,)


def test_what_says_to_be_something_else_and_is_an_answer_is_one(server: Flaky, here: Visit) -> None:
    for kind in ("text/html", "image/jpeg", "application/json; charset=utf-16", ""):
        server.then = sends(head(f"Content-Type: {kind}\r\nContent-Length: {LENGTH}"))
        assert here.detect().found == (DOG,)


def test_a_server_is_asked_no_more_after_three_answers_in_a_row_that_cannot_be_used() -> None:
    with Flaky(then=says(b"{}")) as server, visit(server) as here:
        for kind in (Refused, Refused, PlaceUnavailable, PlaceUnavailable):
            with pytest.raises(kind, match="sends an unusable answer"):
                here.detect()
    assert len(server.images) == 3


@pytest.mark.parametrize(
    "strange",
    [
        {"startup": {}},
        {"startup": {"load_s": 0, "warm_up_s": 0, "service_s": math.nan}},
        {"startup": {"load_s": 0, "warm_up_s": -1, "service_s": 1}},
        {"workers": "two"}, {"workers": 0}, {"workers": -1}, {"workers": 10**30},
        {"queue": -1}, {"max_bytes": 0}, {"max_pixels": 1.5},
        {"labels": []}, {"labels": {"x": "dog"}}, {"labels": {"1": 1}},
        {"min_score": None}, {"min_score": math.nan}, {"min_score": 2},
        {"model": {"name": "x"}}, {"model": {"name": "x", "runtime": "y", "sha256": None}},
        {"machine": {"cores": math.nan}}, {"machine": {"cores": {"a": 1}}}, {"machine": []},
    ],
)  # fmt: skip
def test_a_server_that_says_what_cannot_be_of_itself_is_none_of_ours(
    strange: dict[str, Any],
) -> None:
    document = json.dumps(asdict(info()) | strange).encode()
    assert_no_server(document)


def test_a_server_that_says_it_in_too_many_brackets_is_none_of_ours() -> None:
    for document in (b"[" * 100_000, encoded(info())[:-1] + b', "x": ' + b"[" * 100_000):
        assert_no_server(document)


def assert_no_server(document: bytes) -> None:
    with (
        Flaky(greetings=[says(document)]) as server,
        pytest.raises(PlaceUnavailable, match="is not an offload server"),
        visit(server),
    ):
        pass


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(12):
        saved(tmp_path / "photos" / f"{number}.jpg")
    return tmp_path / "photos"


BAD = but(*DOG_AT, "score", math.nan)


def test_without_another_place_the_run_ends_at_one_that_is_given_up(photos: Path) -> None:
    with Flaky(then=says(BAD), info=OURS) as server:
        wishes: dict[str, Any] = {"where": "remote", "url": server.url, "concurrency": 1}
        found = detect(str(photos), **wishes)
        failed = [next(found), next(found)]
        with pytest.raises(PlaceUnavailable, match=r"malformed.+gets no more requests"):
            next(found)
    assert all("sends an unusable answer" in (row.error or "") for row in failed)
    assert len(server.images) == 3


def test_with_a_fallback_it_is_asked_three_times_and_every_image_has_its_row(photos: Path) -> None:
    with Flaky(then=says(BAD), info=OURS) as server:
        wishes: dict[str, Any] = {"where": "remote", "url": server.url, "concurrency": 1}
        found = list(detect(str(photos), **wishes, fallback="local", model="builtin"))
    assert sorted(row.path for row in found) == sorted(path.name for path in photos.iterdir())
    assert {(row.where, row.error) for row in found} == {("local", None)}
    assert all("sends an unusable answer" in (row.fallback or "") for row in found)
    assert len(server.images) == 3
    assert sum(row.sent_bytes for row in found) == sum(len(seen.body) for seen in server.images)


@pytest.mark.parametrize("how", [says(BAD), refuses(401)])
def test_in_a_split_it_is_left_for_good_and_every_image_has_its_row(
    pace: Pace, photos: Path, how: Act
) -> None:
    pace(0.5)
    where = ("--where", "split", "--model", "builtin", "--workers", 1, "--concurrency", 2)
    with Flaky(then=how, info=OURS) as server:
        words = ("detect", photos, "--json", "--url", server.url, *where)
        with spawner(*pace.paths).begin(words) as process:
            wait_for(lambda: server.images)
            pace(0)
            written, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    found = rows(written)
    assert found.keys() == {path.name for path in photos.iterdir()}
    assert {(row["where"], row["error"]) for row in found.values()} == {("local", None)}
    assert len(server.images) <= 4, "three, and what was in progress"
    assert "Traceback" not in said
