"""What the server says to what it cannot use: one clear sentence each."""

import base64
import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from offload.service import wire
from tests.drawing import encoded, scene
from tests.service.conftest import MAX_BYTES
from tests.service.serving import PATIENCE_S, Server

pytestmark = pytest.mark.xdist_group("service")

BATCH, SINGLE = "/api/detect", "/api/object_detection"
BOUNDARY = "multipart/form-data; boundary=x"
TEXT = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n\r\n'
UNKNOWN_FORMAT = "not an image of a known format (JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF"


def sentence(answer: httpx.Response, status: int, kind: str = "about:blank") -> str:
    """The reason that problem details give, after seeing that they are in order."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == wire.PROBLEM_TYPE
    document = answer.json()
    assert set(document) == {"type", "title", "status", "detail"}
    assert document["status"] == status
    assert document["type"] == kind
    assert "\n" not in document["detail"]
    return str(document["detail"])


def text(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


@pytest.fixture(scope="module")
def bad(examples: Path) -> dict[str, tuple[int, str, bytes]]:
    """What is no usable image: its status, the reason, the bytes."""
    photo = (examples / "red-bus.jpg").read_bytes()
    bomb = encoded(Image.new("1", (10_000, 10_000)))
    assert len(bomb) < 20_000
    return {
        "nothing": (422, "empty file", b""),
        "text": (422, UNKNOWN_FORMAT, b"no picture"),
        "truncated": (422, "damaged image", photo[:-20_000]),
        "cut short": (422, "", photo[:20]),
        "bomb": (413, "--max-pixels 80000000", bomb),
    }


def test_a_body_that_is_no_image_is_refused_with_the_reason(
    client: httpx.Client, bad: dict[str, tuple[int, str, bytes]]
) -> None:
    for status, reason, data in bad.values():
        kind = wire.NO_PICTURE if status == 422 else wire.TOO_MANY_PIXELS
        files = {"f": ("f.jpg", data)}
        answers = [
            client.post(wire.DETECT, content=data),
            client.post(wire.DETECT, files=files),
            client.post("/", files=files),
            client.post(SINGLE, json={"image": text(data)}),
            client.post(BATCH, json={"images": [text(data), text(data)]}),
        ]
        for answer in answers:
            assert reason in sentence(answer, status, kind)


def test_a_batch_of_good_and_bad_images_is_answered_for_the_good(
    client: httpx.Client, bad: dict[str, tuple[int, str, bytes]]
) -> None:
    images = [text(data) for _, _, data in bad.values()]
    images += [text(encoded(scene())), "no base64 at all"]
    answer = client.post(BATCH, json={"images": images, "names": [*bad, "good", "wrong"]})
    results = {entry["name"]: entry for entry in answer.raise_for_status().json()["results"]}
    assert results.pop("good")["error"] is None
    assert "not valid base64" in results.pop("wrong")["error"]
    for name, entry in results.items():
        assert bad[name][1] in entry["error"]
        assert (entry["detections"], entry["inference_s"]) == ([], 0)


@pytest.mark.parametrize(
    ("path", "document", "reason"),
    [
        (BATCH, b"", "Invalid JSON: EOF"),
        (BATCH, b"{", "Invalid JSON: EOF"),
        (BATCH, b"\xff\xfe", "Invalid JSON"),
        (BATCH, b'"{', "Unterminated string"),
        (BATCH, json.dumps("no"), "Invalid JSON"),
        (BATCH, json.dumps(json.dumps("no")), "should be an object"),
        (BATCH, b"[" * 100_000, "Invalid JSON: recursion limit"),
        (BATCH, b"[]", "should be an object"),
        (BATCH, b"null", "should be an object"),
        (BATCH, b"{}", "images: Field required"),
        (BATCH, b'{"images": []}', "images: List should have at least 1 item"),
        (BATCH, b'{"images": "abc"}', "images: Input should be a valid array"),
        (BATCH, b'{"images": [1]}', "images.0: Input should be a valid string"),
        (BATCH, b'{"images": [null, {}]}', "images.1: Input should be a valid string"),
        (BATCH, b'{"images": ["", ""], "names": ["a"]}', "names: 1 names for 2 images"),
        (BATCH, b'{"images": [""], "names": []}', "names: 0 names for 1 images"),
        (BATCH, b'{"images": [""], "names": [1]}', "names.0: Input should be a valid string"),
        (BATCH, b'{"images": [' + b"1," * 99 + b"1]}", "and 95 more."),
        (BATCH, b'{"images": [' + b'"",' * 5000 + b'""]}', "images: List should have at most"),
        (BATCH, b"[" + b"0," * 100_000 + b"0]", "too many values"),
        (SINGLE, b"{}", "image: Field required"),
        (SINGLE, b'{"image": 1}', "image: Input should be a valid string"),
        (SINGLE, b'{"image": "", "id": 1.5}', "id.str: Input should be a valid string"),
    ],
)  # fmt: skip
def test_a_document_of_another_kind_is_refused_with_the_place_of_the_fault(
    client: httpx.Client, path: str, document: bytes, reason: str
) -> None:
    detail = sentence(client.post(path, content=document), 422)
    assert reason in detail
    assert detail.endswith(".")
    assert len(detail) < 400


@pytest.mark.parametrize("image", ["§", "abc", "a=bc", "=", "data:image/png;base64,*", "ab cd!"])
def test_what_is_no_base64_is_said_to_be_none(client: httpx.Client, image: str) -> None:
    for answer in (
        client.post(BATCH, json={"images": [image]}),
        client.post(SINGLE, json={"image": image}),
    ):
        assert "not valid base64" in sentence(answer, 422, wire.NO_PICTURE)


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("multipart/form-data", b"x", "it names no boundary"),
        ('multipart/form-data; boundary=""', b"x", "it names no boundary"),
        (f"multipart/form-data; boundary={'x' * 300}", b"x", "exceeds maximum of 256"),
        (BOUNDARY, b"", "it ends too early"),
        (BOUNDARY, b"no form", "is damaged: Expected boundary"),
        (BOUNDARY, b"--x--\r\n", "it holds none"),
        (BOUNDARY, TEXT % b"a" + b"abc", "it ends too early"),
        (BOUNDARY, b"--x\r\n\r\nabc\r\n--x--", "Field name not found"),
        (BOUNDARY, b"--x\r\nname: a", "it ends too early"),
        (BOUNDARY, b"--x\r\nno header\r\n\r\na\r\n--x--", "invalid character"),
        (BOUNDARY, TEXT % b"a" + b"1\r\n" + TEXT % b"b" + b"2\r\n--x--", "it holds 2 fields"),
        (BOUNDARY, TEXT % b'"; filename="' * 3 + b"--x--", "it holds more"),
        (BOUNDARY, TEXT % b"a" * 100_000 + b"--x--", "it holds more than 100 fields"),
    ],
)
def test_a_form_that_holds_not_just_an_image_is_refused(
    client: httpx.Client, content_type: str, body: bytes, reason: str
) -> None:
    for path in (wire.DETECT, "/"):
        headers = {"Content-Type": content_type}
        assert reason in sentence(client.post(path, content=body, headers=headers), 422)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("min_score=high", "min_score: Input should be a valid number"),
        ("min_score=nan", "min_score: Input should be"),
        ("min_score=", "min_score: Input should be a valid number"),
        ("min_score=1.5&iou=-1", "iou: Input should be greater than or equal to 0"),
        ("min_score=0.1&min_score=2", "min_score: Input should be less"),
        ("iou=inf", "iou: Input should be less than or equal to 1"),
        ("max_detections=0", "max_detections: Input should be greater than or equal to 1"),
        ("max_detections=1.5", "max_detections: Input should be a valid integer"),
        (f"max_detections={'9' * 5000}", "max_detections: Unable to parse input string"),
        ("max_pixels=-1", "max_pixels: Input should be greater than or equal to 1"),
        (f"class={'9' * 5000}", "class.0: String should have at most 200 characters"),
        ("min-score=0.5", "min-score: Extra inputs are not permitted"),
        ("class=%00%ff", "The model has no class '\\x00\ufffd'."),
    ],
)
def test_odd_wishes_are_refused_by_name(client: httpx.Client, query: str, reason: str) -> None:
    assert reason in sentence(client.post(f"{wire.DETECT}?{query}", content=b"x"), 422)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", wire.DETECT, "POST"), ("PUT", "/", "GET, HEAD, POST"),
        ("DELETE", wire.INFO, "GET, HEAD"), ("POST", wire.METRICS, "GET, HEAD"),
        ("OPTIONS", BATCH, "POST"), ("TRACE", wire.LIVE, "GET, HEAD"),
        ("PATCH", "/static-offline-docs/favicon.png", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)  # fmt: skip
def test_another_method_is_refused_with_those_there_are(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    assert sentence(answer, 405) == f"{method} {path}: method not allowed."
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1/detect/x", "/v1/", "/static-offline-docs/../x", "/%ff"]
)
def test_an_unknown_path_is_not_found(client: httpx.Client, path: str) -> None:
    assert sentence(client.get(path), 404).endswith(": not found.")


def test_a_body_over_the_limit_is_refused_however_it_comes(strict: Server) -> None:
    def chunks(size_bytes: int) -> Iterator[bytes]:
        for _ in range(0, size_bytes, 10_000):
            yield bytes(10_000)

    with strict.client() as client:
        for path in (wire.DETECT, wire.PROBE, "/", BATCH, SINGLE):
            bodies: list[Any] = [bytes(MAX_BYTES + 1), chunks(2 * MAX_BYTES)]
            for body in bodies:
                detail = sentence(client.post(path, content=body), 413, wire.TOO_MANY_BYTES)
                assert detail.endswith(f"bytes is more than this server takes: {MAX_BYTES}.")
        for body in (bytes(MAX_BYTES), chunks(MAX_BYTES)):
            assert client.post(wire.PROBE, content=body).json()["bytes"] == MAX_BYTES


def test_a_body_announced_as_too_large_is_refused_before_it_comes(strict: Server) -> None:
    request = (
        f"POST {wire.PROBE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {strict.token}\r\n"
        f"Content-Length: {MAX_BYTES + 1}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", strict.port), PATIENCE_S) as connection:
        connection.sendall(request.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", [wire.DETECT, wire.PROBE, "/", BATCH, SINGLE])
def test_a_compressed_body_is_refused_as_such(client: httpx.Client, path: str) -> None:
    body = gzip.compress(encoded(scene()))
    answer = client.post(path, content=body, headers={"Content-Encoding": "gzip"})
    assert sentence(answer, 415).endswith("send the body without a Content-Encoding.")
    assert answer.headers["Accept-Encoding"] == "identity"
    plain = {"Content-Encoding": "Identity"}
    assert client.post(path, content=body, headers=plain).status_code in {200, 422}


def test_what_is_no_http_is_told_so(server: Server) -> None:
    head = "POST /v1/probe HTTP/1.1\r\nHost: localhost\r\n"
    wrong = [
        "\x16\x03\x01 TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", f"{head}Content-Length: -1\r\n",
        f"{head}Content-Length: 1\r\nContent-Length: 2\r\n", f"{head}Content-Length: 1e3\r\n",
        f"{head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /\xff HTTP/1.1\r\n\r\n", "GET /?\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    ]  # fmt: skip
    for request in wrong:
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as connection:
            connection.sendall(request.encode("latin-1"))
            head_of_answer, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
        assert head_of_answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), request
        assert b"content-type: application/problem+json" in head_of_answer
        assert json.loads(body)["detail"] == "This is not an HTTP request."


def test_odd_but_lawful_headers_do_no_harm(server: Server) -> None:
    for headers in ("X: [", f"Host: localhost\r\nContent-Length: {'0' * 5000}3", "X: \xff"):
        request = f"POST /v1/probe HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\nabc"
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as connection:
            connection.sendall(request.encode("latin-1"))
            assert connection.makefile("rb").read().startswith(b"HTTP/1.1 200 OK\r\n"), headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8080"},
        {"Host": "192.168.1.7"},
        {"Host": "["},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("path", [wire.DETECT, "/", "/api/detect"])
def test_what_a_page_from_elsewhere_makes_a_browser_send_is_refused(
    client: httpx.Client, headers: dict[str, str], path: str
) -> None:
    answer = client.post(path, content="x", headers={"Content-Type": "text/plain"} | headers)
    assert answer.status_code in {403, 421}
    assert answer.headers["Content-Type"] == wire.PROBLEM_TYPE


def test_what_a_page_of_our_own_sends_is_taken(client: httpx.Client, server: Server) -> None:
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "127.1.2.3", "[::1]"):
        host = f"{name}:{server.port}"
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert client.post(wire.PROBE, content=b"x", headers=headers).status_code == 200


def test_with_a_token_any_host_is_served_but_no_page_from_elsewhere(strict: Server) -> None:
    with strict.client() as client:
        proxied = {"Host": "detect.example", "Origin": "https://photos.example"}
        assert client.get(wire.INFO, headers=proxied).status_code == 200
        assert client.get(wire.INFO, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
