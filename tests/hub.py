"""A model hub on this machine that serves as TF-Hub does, and fails on request."""

import contextlib
import datetime
import hashlib
import io
import ipaddress
import re
import ssl
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

COMPRESSED = "?tf-hub-format=compressed"
LITE = "?lite-format=tflite"


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    path: str
    range: str | None
    if_range: str | None


@dataclass
class ModelHub:
    """What is served, how it fails, and what was asked for."""

    asked: list[Asked] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    url: str = ""
    status: HTTPStatus | None = None
    """Answer everything with this status."""
    hanging: bool = False
    """Take requests and never answer."""
    delay_s: float = 0.0
    """Think this long before each answer."""
    ranges: bool = True
    """Honour Range headers."""
    lengths: bool = True
    """Say how long an answer will be."""
    break_after_bytes: int = 0
    breaks: int = 0
    """So many bodies yet to be cut off after `break_after_bytes`."""
    closing: threading.Event = field(default_factory=threading.Event)

    def put_tflite(self, handle: str, data: bytes) -> str:
        """Serve a `.tflite` behind a redirect; the path of the file itself."""
        path = f"/storage/{handle}/model.tflite"
        self.files[path] = data
        self.redirects[f"/{handle}{LITE}"] = path
        return path

    def put_saved_model(self, handle: str, folder: Path) -> str:
        """Serve a SavedModel folder as an archive; its path."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            archive.add(folder, ".")
        return self.put(f"/{handle}{COMPRESSED}", out.getvalue())

    def put(self, path: str, data: bytes) -> str:
        """Serve bytes; their path."""
        self.files[path] = data
        return path

    def break_off(self, after_bytes: int, times: int) -> None:
        """Cut the next `times` bodies off after so many bytes each."""
        self.break_after_bytes, self.breaks = after_bytes, times

    def ranges_asked(self, path: str) -> list[str | None]:
        """The Range header of each request for a path."""
        return [asked.range for asked in self.asked if asked.path == path]


@contextlib.contextmanager
def serving(certificate: Path | None = None) -> Iterator[ModelHub]:
    """A hub on a free port of the loopback interface, over TLS if it has a certificate."""
    hub = ModelHub()
    server = _Server(hub)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        hub.url = hub.url.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(path: Path) -> Path:
    """A certificate of this machine's for today, with its key: clients that trust it trust us."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, hub: ModelHub) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may leave whenever they like."""


class _Handler(BaseHTTPRequestHandler):
    @property
    def _hub(self) -> ModelHub:
        assert isinstance(self.server, _Server)
        return self.server.hub

    def do_GET(self) -> None:
        hub = self._hub
        asked = Asked(self.path, self.headers["Range"], self.headers["If-Range"])
        hub.asked.append(asked)
        if hub.hanging:
            hub.closing.wait()
            return
        hub.closing.wait(hub.delay_s)
        if hub.status:
            self.send_error(hub.status)
        elif self.path in hub.redirects:
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", hub.redirects[self.path])
            self.end_headers()
        elif self.path in hub.files:
            self._deliver(hub.files[self.path], asked)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _deliver(self, data: bytes, asked: Asked) -> None:
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        start = self._start(asked, etag)
        if start is None:
            self.send_response(HTTPStatus.OK)
            start = 0
        elif start < len(data):
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return
        self.send_header("ETag", etag)
        self.send_header("Accept-Ranges", "bytes")
        if self._hub.lengths:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = len(data)
        hub = self._hub
        if hub.breaks:
            hub.breaks -= 1
            end = start + hub.break_after_bytes
        self.wfile.write(data[start:end])

    def _start(self, asked: Asked, etag: str) -> int | None:
        """The first byte to send; None for the whole file."""
        found = re.fullmatch(r"bytes=(\d+)-", asked.range or "")
        if not self._hub.ranges or found is None or asked.if_range not in {None, etag}:
            return None
        return int(found[1])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Keep standard error clean."""
