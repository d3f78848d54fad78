"""The real `offload serve` as a process, and what tests ask of it."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from offload.service import wire
from tests.conftest import PROJECT

PATIENCE_S = 60.0
"""How long anything may take before a test gives up."""

TOKEN = "open-sesame-3141"
BUILTIN = ("--model", "builtin")


@dataclass(frozen=True)
class Server:
    """A server that is up: its process, its address, and the file its standard error goes to."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path
    token: str | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def client(self, *, known: bool = True) -> httpx.Client:
        """Something to ask it with, which knows its token unless not `known`."""
        headers = {}
        if self.token and known:
            headers[b"Authorization"] = f"Bearer {self.token}".encode()
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S, trust_env=False)

    def said(self) -> str:
        """Its standard error so far."""
        return self.log.read_text()

    def tell(self, word: str) -> None:
        """A line on its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()

    def end(self) -> None:
        """Have it end, which it does well or the test fails."""
        self.process.terminate()
        self.ended_well()

    def ended_well(self) -> None:
        """See that it ends as one that was told to."""
        assert self.process.wait(PATIENCE_S) == 0, self.said()
        assert "Traceback" not in self.said(), self.said()


def until(is_true: Callable[[], bool], what: str) -> None:
    """Wait for something that must become true."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline_s, f"never true: {what}"
        time.sleep(0.01)


@contextlib.contextmanager
def started(folder: Path, command: Sequence[str], token: str | None = None) -> Iterator[Server]:
    """A program that says on standard error where it listens, with nobody's settings."""
    ours = ("OFFLOAD_", "AWS_", "XDG_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    env |= {"HOME": str(folder)} | ({"OFFLOAD_TOKEN": token} if token else {})
    log = folder / "stderr.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd=PROJECT,
            env=env,
        ) as process,
    ):
        try:
            yield Server(process, _address(log, process), log, token)
        finally:
            process.kill()


@contextlib.contextmanager
def serving(folder: Path, *arguments: object, token: str | None = None) -> Iterator[Server]:
    """`offload serve` on a free port once it is ready; at the end it must end well."""
    command = ("offload", "serve", "--port", "0", *map(str, arguments))
    with started(folder, command, token) as server:
        with server.client() as client:
            until(lambda: client.get("/readyz").status_code == 200, "ready")
        yield server
        server.end()


@contextlib.contextmanager
def gated(folder: Path, queue: int = 8, drain_s: int = 30) -> Iterator[Server]:
    """A server that does nothing until it is told to."""
    with started(folder, ("tests.service.gated", str(queue), str(drain_s))) as server:
        yield server


def load(server: Server) -> None:
    """Have it load its model."""
    server.tell("load")
    with server.client() as client:
        until(lambda: client.get(wire.READY).status_code == 200, "ready")


def in_progress(server: Server) -> int:
    """How many requests wait or are at work."""
    with server.client() as client:
        text = client.get(wire.METRICS).text
    found = re.search(r"^offload_requests_in_progress (\d+)", text, re.MULTILINE)
    assert found
    return int(found[1])


def _address(log: Path, process: "subprocess.Popen[bytes]") -> str:
    def found() -> re.Match[str] | None:
        return re.search(r"http://127\.0\.0\.1:\d+", log.read_text())

    until(lambda: bool(found()) or process.poll() is not None, "an address")
    address = found()
    assert address, log.read_text()
    return address[0]
