"""A real registry of container images, Debian's `docker-registry`, and an ECR that hands it out.

It listens on loopback, which engines take without TLS.
"""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

PROGRAM = "docker-registry"
LOGIN = ("AWS", "123456789012-auth-token")
"""What moto's ECR tells of who pushes."""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_ECR = "AmazonEC2ContainerRegistry_V20150921."
_AWS = re.compile(rb"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com")
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")


@dataclass
class Registry:
    """One that runs, at `address`, with its files in `folder`; `login` is who may push and pull."""

    folder: Path
    process: subprocess.Popen[str]
    address: str
    login: tuple[str, str]

    def manifest(self, name: str, tag: str) -> str | None:
        """That of an image, if it has that."""
        connection = HTTPConnection(self.address)
        known = b64encode(":".join(self.login).encode()).decode()
        headers = {"Accept": MANIFEST, "Authorization": f"Basic {known}"}
        connection.request("GET", f"/v2/{name}/manifests/{tag}", headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return body if answer.status == 200 else None

    def forget(self, name: str) -> None:
        """Remove a repository."""
        shutil.rmtree(self.folder / "docker/registry/v2/repositories" / name, ignore_errors=True)


@contextmanager
def registry(folder: Path, login: tuple[str, str] = LOGIN) -> Iterator[Registry]:
    """One with its files in a folder, meanwhile."""
    import bcrypt

    folder.mkdir(exist_ok=True)
    secret = bcrypt.hashpw(login[1].encode(), bcrypt.gensalt(4)).decode()
    (folder / "users").write_text(f"{login[0]}:{secret}\n")
    said = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder)}},
        "http": {"addr": "127.0.0.1:0"},
        "auth": {"htpasswd": {"realm": "registry", "path": str(folder / "users")}},
    }
    (folder / "config.yml").write_text(json.dumps(said))
    log = folder / "log"
    with log.open("w") as lines:
        process = subprocess.Popen(
            [PROGRAM, "serve", folder / "config.yml"], stdout=lines, stderr=lines, text=True
        )
    try:
        while not (found := _LISTENING.search(log.read_text())):
            assert process.poll() is None, log.read_text()
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        yield Registry(folder, process, found[1], login)
    finally:
        process.kill()
        process.wait()


class Relay:
    """In front of a registry: lets so many bytes through to it, then none until it is released."""

    def __init__(self, to: str, most_bytes: int) -> None:
        host, _, port = to.partition(":")
        self._to, self._left = (host, int(port)), most_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self.full, self.released = threading.Event(), threading.Event()
        threading.Thread(target=self._take, daemon=True).start()

    def close(self) -> None:
        """Take no more connections, and let those that wait go on."""
        self.released.set()
        self._listener.close()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket) -> None:
        inwards = to.getpeername() == self._to
        with suppress(OSError), source, to:
            while data := source.recv(65536):
                if inwards:
                    self._left -= len(data)
                    if self._left < 0:
                        self.full.set()
                        self.released.wait()
                to.sendall(data)


@dataclass
class Registered:
    """A WSGI application in front of moto's `app`: what its ECR speaks of is in the registry, which
    is at `address`.
    """

    app: Callable[..., Any]
    registry: Registry
    address: str = ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        _, ours, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(_ECR)
        if not ours:
            answered: Iterable[bytes] = self.app(environ, start_response)
            return answered
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        asked = json.loads(body)
        if operation == "DescribeImages":
            self._learn(asked["repositoryName"], environ, asked["imageIds"])
        if operation == "DeleteRepository":
            self.registry.forget(asked["repositoryName"])
        said: list[Any] = []
        answer = b"".join(self.app(environ, lambda *head: said.extend(head)))
        answer = _AWS.sub((self.address or self.registry.address).encode(), answer)
        headers = dict(said[1]) | {"Content-Length": str(len(answer))}
        start_response(said[0], list(headers.items()))
        return [answer]

    def _learn(self, name: str, environ: dict[str, Any], wanted: Iterable[Any]) -> None:
        """Have moto know the images that were pushed."""
        from moto.ecr.exceptions import ImageAlreadyExistsException
        from moto.ecr.models import ecr_backends

        region = environ["HTTP_AUTHORIZATION"].split("/")[2]
        known = ecr_backends["123456789012"][region]
        for each in wanted:
            manifest = self.registry.manifest(name, each["imageTag"])
            if manifest and name in known.repositories:
                with suppress(ImageAlreadyExistsException):
                    known.put_image(name, manifest, each["imageTag"])


def small_image(engine: Any, name: str, size_bytes: int, *said: str) -> None:
    """Have a Docker engine hold an image of random bytes; `said` are Dockerfile's words for it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("data")
        entry.size = size_bytes
        archive.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    where, _, tag = name.partition(":")
    engine.api.import_image_from_data(
        stream.getvalue(), repository=where, tag=tag, changes=list(said)
    )
