"""A server that speaks as much of S3 as is used here, and that can be in trouble."""

import bisect
import hashlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

Trouble = Callable[[str, str, int], str | None]
"""From method, key (`?` for a listing) and how many times that was asked before, to what goes
wrong: a status, `reset` (in the middle of the answer) or `hang`.
"""


class Keys(Sequence[str]):
    """As many keys as are wanted, none of which is kept: `prefix`00000000.jpg, …"""

    def __init__(self, count: int, prefix: str = "") -> None:
        self.number, self.prefix = count, prefix

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(self.number))]
        if number >= self.number:
            raise IndexError(number)
        return f"{self.prefix}{number:08}.jpg"


@dataclass
class Bucket:
    """Objects by key. `keys` are listed where they are more than there are objects, each of which
    then holds `every`. `hidden` are listed, but not there.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    keys: Sequence[str] | None = None
    every: bytes = b""
    hidden: set[str] = field(default_factory=set)
    etags: dict[str, str] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def get(self, key: str) -> bytes | None:
        """What there is at a key."""
        if key in self.hidden:
            return None
        return self.every if self.keys is not None else self.objects.get(key)

    def etag(self, key: str) -> str:
        """Which version that is."""
        if key in self.etags:
            return self.etags[key]
        return f'"{hashlib.md5(self.get(key) or b"").hexdigest()}"'

    def listed(self) -> Sequence[str]:
        """All keys in order."""
        if self.keys is not None:
            return self.keys
        with self.lock:
            return sorted(self.objects.keys() | self.hidden, key=str.encode)


class Server(ThreadingHTTPServer):
    """At `endpoint`. `asked` counts requests by method and key; `latency_s` delays each."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.buckets = {"bucket": Bucket()}
        self.trouble: Trouble = lambda _method, _key, _before: None
        self.asked: Counter[tuple[str, str]] = Counter()
        self.signed: set[bool] = set()
        self.accounts: set[str] = set()
        self.latency_s = 0.0
        self.closing = threading.Event()

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def bucket(self) -> Bucket:
        """The one that is there from the start."""
        return self.buckets["bucket"]

    def handle_error(self, _request: Any, _address: Any) -> None:
        """Clients that leave are nobody's concern."""

    @contextmanager
    def running(self) -> Iterator["Server"]:
        """It answers until the context ends."""
        thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self.shutdown()
            self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        parts = urlsplit(self.path)
        name, _, key = unquote(parts.path.lstrip("/")).partition("/")
        query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        asked = self.command, "?" if "list-type" in query else key
        before = self.server.asked[asked]
        self.server.asked[asked] += 1
        signature = self.headers.get("Authorization", "")
        self.server.signed.add(bool(signature))
        if "Credential=" in signature:
            self.server.accounts.add(signature.split("Credential=")[1].split("/")[0])
        if self.server.latency_s:
            time.sleep(self.server.latency_s)
        wrong = self.server.trouble(*asked, before)
        if wrong == "hang":
            self.server.closing.wait()
            self.close_connection = True
        elif wrong and wrong != "reset":
            code, _, named = wrong.partition(" ")
            self._refuse(int(code), named or {"403": "AccessDenied"}.get(code, "SlowDown"))
        elif (bucket := self.server.buckets.get(name)) is None:
            self._refuse(404, "NoSuchBucket")
        else:
            answer = getattr(self, f"_{self.command.lower()}")
            answer(bucket, key, query, body, is_cut=wrong == "reset")
        with suppress(OSError):
            self.wfile.flush()

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _serve  # noqa: N815

    def _get(
        self, bucket: Bucket, key: str, query: dict[str, str], _body: bytes, *, is_cut: bool
    ) -> None:
        if "list-type" in query:
            self._send(200, _listing(bucket, query), is_cut=is_cut)
            return
        data = bucket.get(key)
        if data is None:
            self._refuse(404, "NoSuchKey")
            return
        etag, code, headers = bucket.etag(key), 200, {}
        if (wanted := self.headers.get("If-Match")) and wanted != etag:
            self._refuse(412, "PreconditionFailed")
            return
        if named := self.headers.get("Range"):
            first, _, last = named.removeprefix("bytes=").partition("-")
            end = min(int(last), len(data) - 1) if last else len(data) - 1
            headers["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
            data, code = data[int(first) : end + 1], 206
        self._send(code, data, headers | _of_object(etag), is_cut=is_cut)

    _head = _get

    def _put(
        self, bucket: Bucket, key: str, query: dict[str, str], body: bytes, *, is_cut: bool
    ) -> None:
        del is_cut
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            raise NotImplementedError
        with bucket.lock:
            if "uploadId" in query:
                bucket.uploads[query["uploadId"]][int(query["partNumber"])] = body
                self._send(200, b"", {"ETag": f'"{len(body)}"'})
                return
            if self.headers.get("If-None-Match") == "*" and key in bucket.objects:
                self._refuse(412, "PreconditionFailed")
                return
            bucket.objects[key] = body
        self._send(200, b"", {"ETag": bucket.etag(key)})

    def _delete(
        self, bucket: Bucket, key: str, _query: dict[str, str], _body: bytes, *, is_cut: bool
    ) -> None:
        del is_cut
        with bucket.lock:
            bucket.objects.pop(key, None)
        self._send(204, b"")

    def _post(
        self, bucket: Bucket, key: str, query: dict[str, str], body: bytes, *, is_cut: bool
    ) -> None:
        del is_cut
        if "uploads" in query:
            number = f"upload-{len(bucket.uploads)}"
            bucket.uploads[number] = {}
            said = f"<UploadId>{number}</UploadId><Bucket>bucket</Bucket><Key>{escape(key)}</Key>"
            self._send(200, _xml("InitiateMultipartUploadResult", said))
        elif "uploadId" in query:
            parts = bucket.uploads.pop(query["uploadId"])
            with bucket.lock:
                bucket.objects[key] = b"".join(parts[number] for number in sorted(parts))
            said = f"<Key>{escape(key)}</Key><ETag>{escape(bucket.etag(key))}</ETag>"
            self._send(200, _xml("CompleteMultipartUploadResult", said))
        else:
            gone = [each.split("</Key>")[0] for each in body.decode().split("<Key>")[1:]]
            with bucket.lock:
                for each in gone:
                    bucket.objects.pop(each, None)
            said = "".join(f"<Deleted><Key>{each}</Key></Deleted>" for each in gone)
            self._send(200, _xml("DeleteResult", said))

    def _refuse(self, code: int, named: str) -> None:
        said = f"<Code>{named}</Code><Message>This is {named}.</Message>"
        headers = {"x-amz-bucket-region": "eu-north-1"} if code == 301 else {}
        self._send(code, _xml("Error", said), headers)

    def _send(
        self,
        code: int,
        data: bytes,
        headers: dict[str, str] | None = None,
        *,
        is_cut: bool = False,
    ) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if code != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(data[: len(data) // 2] if is_cut else data)
        if is_cut:
            self.wfile.flush()
            # Not a polite end: the other side reads "connection reset".
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True


def _of_object(etag: str) -> dict[str, str]:
    return {"ETag": etag, "Last-Modified": "Tue, 01 Jul 2025 10:00:00 GMT"}


def _listing(bucket: Bucket, query: dict[str, str]) -> bytes:
    keys, prefix = bucket.listed(), query.get("prefix", "")
    after = query.get("continuation-token") or query.get("start-after") or ""
    begin = bisect.bisect_left(keys, prefix)
    if after:
        begin = max(begin, bisect.bisect_right(keys, after))
    page = [
        k for k in keys[begin : begin + int(query.get("max-keys", 1000))] if k.startswith(prefix)
    ]
    more = begin + len(page) < len(keys) and keys[begin + len(page)].startswith(prefix)
    each = "".join(
        f"<Contents><Key>{quote(key) if 'encoding-type' in query else escape(key)}</Key>"
        f"<LastModified>2025-07-01T10:00:00.000Z</LastModified><ETag>{_tag(bucket, key)}</ETag>"
        f"<Size>{len(bucket.get(key) or b'')}</Size></Contents>"
        for key in page
    )
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
    if "encoding-type" in query:
        each += "<EncodingType>url</EncodingType>"
    truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    return _xml("ListBucketResult", f"{truncated}{token}<KeyCount>{len(page)}</KeyCount>{each}")


def _tag(bucket: Bucket, key: str) -> str:
    return "&quot;0&quot;" if bucket.keys is not None else escape(bucket.etag(key))


def _xml(name: str, said: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}>{said}</{name}>'.encode()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, which AWS' variables name."""
    with Server().running() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        monkeypatch.setenv("AWS_REGION", "eu-north-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-a-test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield server
