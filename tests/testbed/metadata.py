"""The metadata service of an instance: IMDSv2 at 169.254.169.254 within its network namespace.

The firewall keeps it from containers, as a hop limit of 1 does; see host.py.
"""

import ctypes
import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ADDRESS = "169.254.169.254"
CREDENTIALS_FOR = timedelta(hours=6)
_ROLE = "iam/security-credentials/"
_NEW_NETWORK = 0x40000000

Answers = Callable[[str], str | None]
"""What is under a path below /latest/meta-data/; None if nothing."""

issued: dict[str, str] = {}
"""The role of each key that was given."""
_running: dict[str, "_Server"] = {}


def serve(namespace: str, answers: Answers) -> None:
    """Answer in a network namespace, which has the address, until `end`."""
    server = _Server(_listening(namespace), answers)
    _running[namespace] = server
    threading.Thread(target=server.serve_forever, daemon=True).start()


def end(namespace: str) -> None:
    """Answer there no more, if that was so."""
    if server := _running.pop(namespace, None):
        server.shutdown()
        server.server_close()


def about(
    instance: Mapping[str, Any], notice: Path, role: Callable[[], str | None]
) -> Callable[[str], str | None]:
    """What the service says of an instance; `notice` is a file that is there once it is about to
    be taken away, `role` the name of its role, if it has one.
    """

    def answer(path: str) -> str | None:
        if path == "spot/instance-action":
            return notice.read_text() if notice.exists() else None
        if path.startswith(_ROLE) and (name := role()):
            made = _credentials(datetime.now(UTC), name) if path == _ROLE + name else None
            return name if path == _ROLE else made
        zone = instance["Placement"]["AvailabilityZone"]
        fixed = {
            "instance-id": instance["InstanceId"],
            "instance-type": instance["InstanceType"],
            "placement/availability-zone": zone,
            "placement/region": zone[:-1],
        }
        return fixed.get(path)

    return answer


def _credentials(now: datetime, role: str) -> str:
    """Of a role, as the service words them."""
    key_id = f"ASIA{secrets.token_hex(8).upper()}"
    issued[key_id] = role
    fields = {
        "Code": "Success",
        "LastUpdated": _stamp(now),
        "Type": "AWS-HMAC",
        "AccessKeyId": key_id,
        "SecretAccessKey": secrets.token_urlsafe(30),
        "Token": secrets.token_urlsafe(60),
        "Expiration": _stamp(now + CREDENTIALS_FOR),
    }
    return json.dumps(fields, indent=2)


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, answers: Answers) -> None:
        super().__init__((ADDRESS, 80), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.answers, self.tokens = listening, answers, set[str]()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_PUT(self) -> None:
        lifetime = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or not lifetime.isdigit():
            return self._say(400)
        token = secrets.token_urlsafe(40)
        self.server.tokens.add(token)
        return self._say(200, token)

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") not in self.server.tokens:
            return self._say(401)
        answer = self.server.answers(self.path.removeprefix("/latest/meta-data/"))
        return self._say(404 if answer is None else 200, answer or "")

    def _say(self, status: int, body: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *words: Any) -> None:  # noqa: A002 - the base class' name
        del format, words


def _listening(namespace: str) -> socket.socket:
    """A socket of that namespace: it stays there, and this thread comes back."""
    libc = ctypes.CDLL(None, use_errno=True)
    with closing(os.fdopen(os.open("/proc/thread-self/ns/net", os.O_RDONLY))) as home:
        with open(f"/run/netns/{namespace}") as there:
            if libc.setns(there.fileno(), _NEW_NETWORK):
                raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            return socket.create_server((ADDRESS, 80))
        finally:
            libc.setns(home.fileno(), _NEW_NETWORK)
