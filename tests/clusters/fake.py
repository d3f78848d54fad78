"""An API server by hand: it answers like Kubernetes, and its pods fare as a test says."""

import base64
import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]

NOW = "2026-11-30T12:00:{:02d}Z"
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def running(started: int = 3, ready: int = 5) -> Json:
    """The status of a pod that serves; when it began to, in seconds after it was created."""
    return {
        "phase": "Running",
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": NOW.format(1)},
            {"type": "Ready", "status": "True", "lastTransitionTime": NOW.format(ready)},
        ],
        "containerStatuses": [{
            "name": "server", "image": "i", "ready": True,
            "state": {"running": {"startedAt": NOW.format(started)}}, "lastState": {},
        }],
    }  # fmt: skip


def waiting(reason: str, message: str = "", last: Json | None = None) -> Json:
    """The status of a pod whose container waits."""
    return {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{
            "name": "server", "image": "r.example/offload:1", "ready": False,
            "state": {"waiting": {"reason": reason, "message": message}},
            "lastState": {"terminated": last} if last else {},
        }],
    }  # fmt: skip


def unschedulable(message: str) -> Json:
    """The status of a pod that no node takes."""
    placed = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {"phase": "Pending", "conditions": [placed | {"message": message}]}


@dataclass
class FakeCluster:
    """What is in the cluster. `fate` gives the status of a deployment's pod by its number; `quota`
    is why no pod is let in; `forbidden` are kinds that may not be changed; `port` is where the
    port of every pod leads; `old` has the versions of 1.20 only.
    """

    objects: dict[str, Json] = field(default_factory=dict)
    fate: Callable[[int], Json] = lambda _number: running()
    events: list[Json] = field(default_factory=list)
    log: str = ""
    quota: str = ""
    forbidden: tuple[str, ...] = ()
    expired: bool = False
    old: bool = False
    port: int = 0
    ending: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    authorizations: set[str | None] = field(default_factory=set)
    url: str = ""

    def kubeconfig(self, folder: Path) -> Path:
        """A file that leads there."""
        path = folder / "kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "kind-test",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "secret-of-the-user"}}],
            "contexts": [{"name": "kind-test", "context": {"cluster": "c", "user": "u"}}],
        }))  # fmt: skip
        return path

    def of(self, kind: str) -> list[Json]:
        """The objects of a kind."""
        return [each for each in self.objects.values() if each["kind"] == kind]

    def answer(self, method: str, path: str, query: Json, body: Json | None) -> tuple[int, Any]:
        """The status and the document of an answer."""
        self.asked.append((method, path))
        if self.expired:
            return 401, _status("Unauthorized")
        if path.count("/") > 2:  # whatever the version in which it is asked for
            path = re.sub("^/apis/([^/]+)/[^/]+", r"/apis/\1", path)
        elif path.startswith("/apis/"):
            versions = ["v1beta1", "v2beta2"] if self.old else ["v1", "v2"]
            return 200, {"versions": [{"version": each} for each in versions]}
        if method == "GET":
            return self._read(path, query)
        if (kind := path.split("/")[-2]) in self.forbidden:
            about = f'cannot {method.lower()} resource "{kind}" in the namespace "offload"'
            return 403, _status(f'{kind} "offload" is forbidden: User "bob" {about}')
        return self._written(method, path, body)

    def _read(self, path: str, query: Json) -> tuple[int, Any]:
        if path.endswith("/log"):
            return 200, self.log
        return (200, self._seen(path)) if path in self.objects else self._listed(path, query)

    def _written(self, method: str, path: str, body: Json | None) -> tuple[int, Any]:
        if method == "DELETE":
            return (200, {}) if self.objects.pop(path, None) else (404, {})
        assert body is not None
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                return 409, _status("already exists")
        self.objects[path] = self._merged(self.objects.get(path) or {}, body)
        return 200, self._seen(path)

    def _listed(self, path: str, query: Json) -> tuple[int, Any]:
        kind = path.rpartition("/")[2]
        if kind == "pods":
            found = list(self.pods())
        elif kind == "events":
            found = self.events
        elif kind == "nodes":
            found = [{"metadata": {"labels": {}}, "status": {
                "nodeInfo": {"kubeletVersion": "v1.29.0"},
                "addresses": [{"type": "InternalIP", "address": "172.18.0.2"}],
            }}]  # fmt: skip
        else:
            found = [o for at, o in self.objects.items() if at.rpartition("/")[0] == path]
            if not found and path.count("/") > 3 and kind not in _LISTS:
                return 404, _status("not found")
        wanted = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
        fit = [o for o in found if wanted.items() <= (o["metadata"].get("labels") or {}).items()]
        return (404, _status("not found")) if kind not in _LISTS else (200, {"items": fit})

    def pods(self) -> Iterator[Json]:
        """Those of each deployment."""
        for deployment in self.of("Deployment"):
            template, about = deployment["spec"]["template"], deployment["metadata"]
            text = json.dumps(template, sort_keys=True).encode()
            digest = hashlib.sha256(text).hexdigest()[:8]
            for number in range(0 if self.quota else deployment["spec"].get("replicas", 1)):
                name = f"{about['name']}-{digest}-{number}"
                labels = template["metadata"]["labels"] | {"pod-template-hash": digest}
                gone = {"deletionTimestamp": NOW.format(9)} if name in self.ending else {}
                yield {
                    "metadata": {
                        "name": name, "labels": labels, "creationTimestamp": NOW.format(0), **gone,
                    },
                    "spec": template["spec"], "status": self.fate(number),
                }  # fmt: skip

    def _merged(self, there: Json, wanted: Json) -> Json:
        found: Json = _over(there, wanted)
        found["metadata"].setdefault("generation", 1)
        return found

    def _seen(self, path: str) -> Json:
        found = self.objects[path]
        if found["kind"] == "Deployment":
            found["spec"].setdefault("replicas", 1)
            ready = sum(
                any(
                    c["type"] == "Ready" and c["status"] == "True"
                    for c in pod["status"]["conditions"]
                )
                for pod in self.pods()
            )
            found["status"] = {
                "observedGeneration": 1, "replicas": ready, "updatedReplicas": ready,
                "availableReplicas": ready,
            }  # fmt: skip
            if self.quota:
                found["status"]["conditions"] = [
                    {"type": "ReplicaFailure", "status": "True", "message": self.quota}
                ]
        if found["kind"] == "Service" and found["spec"]["type"] == "NodePort":
            found["spec"]["ports"][0].setdefault("nodePort", 31234)
        return found


_LISTS = {
    "pods", "events", "nodes", "deployments", "services", "secrets", "poddisruptionbudgets",
    "horizontalpodautoscalers",
}  # fmt: skip


def _over(there: Any, wanted: Any) -> Any:
    """Objects merged; lists by the names of what they hold."""
    if isinstance(there, dict) and isinstance(wanted, dict):
        return there | {key: _over(there.get(key), value) for key, value in wanted.items()}
    if isinstance(there, list) and there and isinstance(there[0], dict) and "name" in there[0]:
        known = {each["name"]: each for each in there}
        return [_over(known.get(each["name"]), each) for each in wanted]
    return wanted


def _status(message: str) -> Json:
    return {"kind": "Status", "message": message}


def _handler(cluster: FakeCluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def _any(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            cluster.authorizations.add(self.headers.get("Authorization"))
            if parts.path.endswith("/portforward"):
                _forward(self, parts.path.split("/")[-2], cluster)
                return
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            status, document = cluster.answer(self.command, parts.path, query, body)
            data = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PATCH = do_DELETE = do_POST = _any  # noqa: N815 - as http.server has them

    return Handler


def _forward(asked: BaseHTTPRequestHandler, pod: str, cluster: FakeCluster) -> None:
    """A WebSocket to the port that all pods are."""
    if pod not in [each["metadata"]["name"] for each in cluster.pods()]:
        asked.send_error(404)
        return
    key = asked.headers["Sec-WebSocket-Key"] + _MAGIC
    asked.send_response(101)
    asked.send_header("Upgrade", "websocket")
    asked.send_header("Connection", "Upgrade")
    asked.send_header(
        "Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    )
    asked.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
    asked.end_headers()
    asked.close_connection = True
    with suppress(OSError, EOFError, struct.error):
        there = socket.create_connection(("127.0.0.1", cluster.port))
        for channel in (b"\0", b"\1"):
            asked.wfile.write(_frame(channel + struct.pack("<H", 8080)))

        def back() -> None:
            with suppress(OSError, ValueError):
                while data := there.recv(65536):
                    asked.wfile.write(_frame(b"\0" + data))
                asked.connection.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=back, daemon=True)
        thread.start()
        while (data := _read_frame(asked.rfile)) is not None:
            there.sendall(data[1:])
        there.close()
        thread.join(1)


def _frame(data: bytes) -> bytes:
    size = len(data)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)
    if size > 65535:
        length = b"\x7f" + struct.pack(">Q", size)
    return b"\x82" + length + data


def _read_frame(file: Any) -> bytes | None:
    head = file.read(2)
    if len(head) < 2 or head[0] & 15 == 8:
        return None
    size = head[1] & 127
    if size > 125:
        size = int.from_bytes(file.read(2 if size == 126 else 8), "big")
    mask, data = file.read(4), file.read(size)
    whole = mask * (size // 4 + 1)
    return (int.from_bytes(data, "big") ^ int.from_bytes(whole[:size], "big")).to_bytes(size, "big")


@contextmanager
def cluster() -> Iterator[FakeCluster]:
    """One that is up."""
    one = FakeCluster()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(one))
    server.daemon_threads = True
    one.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield one
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
