"""A function's environments as AWS Lambda runs them: its Runtime API, served to programs.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html: an environment asks for its next
call and answers it, one at a time. It has an address of its own, so that it can speak for itself
alone. It is frozen between two calls, ended when it takes longer than it may, and kept for the next
call otherwise. What starts its program is handed in: a process here, a container elsewhere.
"""

import json
import queue
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Protocol

_API = "/2018-06-01/runtime/"
_INIT_S = 60.0
_TICK_S = 0.02
_ON_THE_WAY_S = 0.1

Killed = Literal["", "before", "during", "after"]
"""When an environment is killed, if it is: before it can do anything with a call, while it takes
it, or when it has done everything and nobody knows yet.
"""


class Program(Protocol):
    """What runs in an environment."""

    def alive(self) -> bool:
        """Whether it still runs."""

    def freeze(self, *, on: bool) -> None:
        """Have it stand still, or go on."""

    def kill(self) -> None:
        """End it at once."""


Launch = Callable[[Mapping[str, str]], Program]
"""Starts a function's program with these variables."""


@dataclass(frozen=True)
class Outcome:
    """What became of a call: its answer, or with an `error` the document of that."""

    body: bytes
    request_id: str
    error: bool = False
    report: str = ""


class Throttled(Exception):
    """No more calls are taken now; the reason as AWS names it."""


class _Server(ThreadingHTTPServer):
    """The API of one environment."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self.answers: queue.Queue[tuple[str, str, bytes]] = queue.Queue()
        self.ready = threading.Event()
        self.arn = ""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A program that is killed says no goodbye."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of an environment's program."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def log_message(self, format: str, *_args: Any) -> None:  # noqa: A002 - the base's name
        """Nobody reads it."""

    def do_GET(self) -> None:
        """The next call, once there is one."""
        assert self.path == f"{_API}invocation/next"
        self.server.ready.set()
        request_id, payload, deadline_s = self.server.calls.get()
        self._reply(
            200,
            payload,
            {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(deadline_s * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": self.server.arn,
            },
        )

    def do_POST(self) -> None:
        """An answer to a call, or an error instead."""
        body = self._body()
        _, _, what = self.path.removeprefix(_API).rpartition("/")
        request_id = self.path.removeprefix(_API).split("/")[1]
        self._reply(202, b'{"status":"OK"}')
        self.server.answers.put((request_id, what, body))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class Environment:
    """A program that is up and waits for calls; RuntimeError where it does not come up."""

    def __init__(self, launch: Launch, variables: Mapping[str, str], arn: str) -> None:
        began_s = time.monotonic()
        self._server = _Server()
        self._server.arn = arn
        threading.Thread(target=self._server.serve_forever, args=[_TICK_S], daemon=True).start()
        address = f"127.0.0.1:{self._server.server_port}"
        self._program = launch({**variables, "AWS_LAMBDA_RUNTIME_API": address})
        while not self._server.ready.wait(_TICK_S):
            if not self._program.alive() or time.monotonic() - began_s > _INIT_S:
                why = self._said() or "Runtime exited without providing a reason"
                self.end()
                raise RuntimeError(why)
        self.init_s: float | None = time.monotonic() - began_s
        self._program.freeze(on=True)

    def call(self, payload: bytes, timeout_s: float, killed: Killed = "") -> Outcome:
        """The outcome of a call; afterwards it may have ended, or been killed as asked for."""
        request_id, init_s = str(uuid.uuid4()), self.init_s
        self.init_s = None
        self._program.freeze(on=False)
        began_s = time.monotonic()
        if killed == "before":
            self._program.kill()
        timer = threading.Timer(random.uniform(0, _ON_THE_WAY_S), self._program.kill)
        if killed == "during":
            timer.start()
        self._server.calls.put((request_id, payload, time.time() + timeout_s))
        error, body = self._answered(request_id, began_s + timeout_s, timeout_s)
        took_s = time.monotonic() - began_s
        timer.cancel()
        if timer.ident:
            timer.join()
        if killed == "after" and self.alive:
            self.end()
            error, body = True, _exited(request_id)
        if self.alive:
            self._program.freeze(on=True)
        report = f"REPORT RequestId: {request_id}\tDuration: {took_s * 1e3:.2f} ms\t"
        report += f"Billed Duration: {-(-(took_s + (init_s or 0)) * 1e3 // 1):.0f} ms"
        if init_s is not None:
            report += f"\tInit Duration: {init_s * 1e3:.2f} ms"
        return Outcome(body, request_id, error, report)

    def _answered(self, request_id: str, until_s: float, timeout_s: float) -> tuple[bool, bytes]:
        while True:
            with suppress(queue.Empty):
                of, what, body = self._server.answers.get(timeout=_TICK_S)
                if of == request_id:
                    return what == "error", body
            if time.monotonic() > until_s:
                self.end()
                said = f"Error: Task timed out after {timeout_s:.2f} seconds"
                return True, _document("Sandbox.Timedout", f"RequestId: {request_id} {said}")
            if not self._program.alive():
                self.end()
                return True, _exited(request_id)

    @property
    def alive(self) -> bool:
        """Whether it can take another call."""
        return self._program.alive()

    def end(self) -> None:
        """Let nothing be left of it."""
        with suppress(ProcessLookupError):
            self._program.freeze(on=False)
        self._program.kill()
        self._server.shutdown()
        self._server.server_close()

    def _said(self) -> str:
        with suppress(queue.Empty, ValueError):
            return str(json.loads(self._server.answers.get_nowait()[2])["errorMessage"])
        return ""


def _exited(request_id: str) -> bytes:
    said = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
    return _document("Runtime.ExitError", said)


def _document(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


@dataclass
class Function:
    """A function as it was created: how its program is started, how long a call may take, how many
    may go on at a time (None: as many as the account's limit lets).
    """

    arn: str
    launch: Launch
    variables: Mapping[str, str]
    timeout_s: float
    dead_letters: str = ""
    reserved: int | None = None
    idle: list[Environment] = field(default_factory=list)
    running: int = 0
    started: int = 0


class Service:
    """All functions of an account, which runs at most `most` calls at a time."""

    def __init__(self, most: int = 10) -> None:
        self.most = most
        self.throttled = 0
        self._functions: dict[str, Function] = {}
        self._lock = threading.Lock()

    def function(self, key: str, made: Callable[[], Function]) -> Function:
        """That of a key, made if it is new."""
        with self._lock:
            if key not in self._functions:
                self._functions[key] = made()
            return self._functions[key]

    def call(self, of: Function, payload: bytes, killed: Killed = "") -> Outcome:
        """Have an idle environment of the function take a call, or a new one, which is killed when
        it is said.

        Raises:
            Throttled: too many calls are under way.
        """
        with self._lock:
            running = sum(each.running for each in self._functions.values())
            if of.reserved is not None and of.running >= of.reserved:
                self.throttled += 1
                raise Throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
            if running >= self.most:
                self.throttled += 1
                raise Throttled("ConcurrentInvocationLimitExceeded")
            of.running += 1
            environment = of.idle.pop() if of.idle else None
            of.started += environment is None
        try:
            environment = environment or Environment(of.launch, of.variables, of.arn)
            outcome = environment.call(payload, of.timeout_s, killed)
        except RuntimeError as error:
            return Outcome(_document("Runtime.InitError", str(error)), str(uuid.uuid4()), True)
        finally:
            with self._lock:
                of.running -= 1
        if environment.alive:
            with self._lock:
                of.idle.append(environment)
        else:
            environment.end()
        return outcome

    def forget(self, of: Function) -> None:
        """End the environments of a function that rest: the next calls are cold."""
        with self._lock:
            resting, of.idle = of.idle, []
        for environment in resting:
            environment.end()

    def rest(self) -> None:
        """Nobody calls for long: all environments end."""
        for each in self._functions.values():
            self.forget(each)
