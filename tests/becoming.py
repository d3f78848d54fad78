"""The command in a process of its own that need not start Python first.

To start Python and import takes ten times as long as what most commands are asked to do. So one
process imports, and has a child become the command whenever it is asked to: with its own
environment, folder and streams, its own signals and its own end.
"""

import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import offload

IMPORTED = (
    "PIL.Image", "PIL.ImageDraw", "ai_edge_litert.interpreter", "httpx", "numpy", "typer",
    "rich.console", "rich.progress", "rich.table",
)  # fmt: skip
"""What is imported as it is needed. Our own modules come on top."""
NOT_IMPORTED = ("offload.__main__", "offload.cli", "offload.service.server")
"""But for these: the command looks at the clock as it begins."""
AT_START = ("PYTHON", "LANG", "LC_")
"""Beginnings of the names of variables that count when Python starts, and no more later."""
UNDERSTOOD = {"capture_output", "cwd", "env", "text", "timeout"}
_STATUS = struct.Struct("i")


class Spawner:
    """Becomes `offload` again and again, in one child at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        # A library's threads would not be there in a child.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self._socket, self._busy = ours, threading.Lock()

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()

    def run(
        self, arguments: Sequence[str], timeout: float, **options: Any
    ) -> "subprocess.CompletedProcess[str]":
        """As `subprocess.run` with `text` and `capture_output`, where that is the same."""
        if self._is_the_same(options) and self._busy.acquire(blocking=False):
            try:
                return self._become(arguments, timeout, options.get("env"), options.get("cwd"))
            finally:
                self._busy.release()
        command = [sys.executable, "-m", "offload", *arguments]
        options = {"capture_output": True, "text": True} | options
        return subprocess.run(command, check=False, timeout=timeout, **options)

    def _is_the_same(self, options: Mapping[str, Any]) -> bool:
        wanted = options.get("env") or os.environ
        here = {name: value for name, value in os.environ.items() if name.startswith(AT_START)}
        there = {name: value for name, value in wanted.items() if name.startswith(AT_START)}
        captured = options.get("capture_output", True) and options.get("text", True)
        return bool(captured) and here == there and options.keys() <= UNDERSTOOD

    def _become(
        self, arguments: Sequence[str], timeout_s: float, environment: Any, folder: Any
    ) -> "subprocess.CompletedProcess[str]":
        request = {
            "arguments": arguments,
            "environment": dict(environment or os.environ),
            "folder": os.fspath(folder or os.getcwd()),
        }
        with ExitStack() as stack:
            files = [
                stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in "123"
            ]
            json.dump(request, files[0])
            files[0].seek(0)
            socket.send_fds(self._socket, [b"!"], [file.fileno() for file in files])
            [pid], status = self._read(None), None
            try:
                [status] = self._read(timeout_s)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self._read(None)
                raise subprocess.TimeoutExpired("offload", timeout_s) from None
            for file in files[1:]:
                file.seek(0)
            said = [file.read() for file in files[1:]]
            return subprocess.CompletedProcess(["offload", *arguments], status, *said)

    def _read(self, timeout_s: float | None) -> tuple[int]:
        self._socket.settimeout(timeout_s)
        found: tuple[int] = _STATUS.unpack(self._socket.recv(_STATUS.size))
        return found


def _serve(requests: socket.socket) -> None:
    """Become what is asked for until nobody asks any more."""
    ours = (found.name for found in pkgutil.walk_packages(offload.__path__, "offload."))
    for name in (*IMPORTED, *ours):
        if not name.startswith(NOT_IMPORTED):
            importlib.import_module(name)
    for name in [name for name in sys.modules if name.startswith(NOT_IMPORTED)]:
        del sys.modules[name]
    gc.freeze()
    alone = len(os.listdir("/proc/self/task")) == 1
    assert alone, "threads do not survive in a child"
    while True:
        word, files, _flags, _address = socket.recv_fds(requests, 1, 3)
        if not word:
            return
        child = os.fork()
        if not child:
            requests.close()
            _turn_into(*files)
        for file in files:
            os.close(file)
        requests.send(_STATUS.pack(child))
        _child, ended = os.waitpid(child, 0)
        requests.send(_STATUS.pack(os.waitstatus_to_exitcode(ended)))


def _turn_into(asked: int, out: int, err: int) -> None:
    with open(asked, encoding="utf-8") as file:
        request = json.load(file)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]
    runpy.run_module("offload", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _requests:
        _serve(_requests)
