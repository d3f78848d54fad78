"""The command in a process of its own that need not start Python first.

To start Python and import takes ten times as long as what most commands are asked to do. So one
process imports, and has a child become the command whenever it is asked to: with its own
environment, folder and streams, its own signals and its own end.
"""

import atexit
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
from functools import cache
from pathlib import Path
from typing import Any

import offload

IMPORTED = (
    "PIL.Image", "PIL.ImageDraw", "ai_edge_litert.interpreter", "boto3", "httpx", "numpy",
    "paramiko", "rich.console", "rich.progress", "rich.table", "typer",
)  # fmt: skip
"""What is imported as it is needed. Our own modules come on top."""
NOT_IMPORTED = ("offload.__main__", "offload.cli", "offload.service.server")
"""But for these: the command looks at the clock as it begins."""
AT_START = ("PYTHON", "LANG", "LC_")
"""Beginnings of the names of variables that count when Python starts, and no more later."""
PATIENCE_S = 300.0

Done = subprocess.CompletedProcess[str]
_NUMBER = struct.Struct("i")


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

    def run(self, *arguments: object, **options: Any) -> Done:
        """As `subprocess.run` with `text` and `capture_output`, unless told otherwise."""
        words = list(map(str, arguments))
        if self._understands(**options) and self._busy.acquire(blocking=False):
            try:
                return self._become(words, **options)
            finally:
                self._busy.release()
        options = {"capture_output": True, "text": True, "timeout": PATIENCE_S} | options
        return subprocess.run([sys.executable, "-m", "offload", *words], check=False, **options)

    def _understands(self, env: Mapping[str, str] | None = None, **others: Any) -> bool:
        here, there = (
            {name: value for name, value in each.items() if name.startswith(AT_START)}
            for each in (os.environ, os.environ if env is None else env)
        )
        return here == there and others.keys() <= {"cwd", "timeout"}

    def _become(
        self,
        words: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        timeout: float = PATIENCE_S,
    ) -> Done:
        request = {
            "arguments": words,
            "environment": dict(os.environ if env is None else env),
            "folder": os.fspath(cwd or Path.cwd()),
        }
        with ExitStack() as stack:
            files = [
                stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in "123"
            ]
            json.dump(request, files[0])
            files[0].seek(0)
            socket.send_fds(self._socket, [b"!"], [file.fileno() for file in files])
            pid = self._read(None)
            try:
                status = self._read(timeout)
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self._read(None)
                raise subprocess.TimeoutExpired(["offload", *words], timeout) from None
            for file in files[1:]:
                file.seek(0)
            said = [file.read() for file in files[1:]]
            return subprocess.CompletedProcess(["offload", *words], status, *said)

    def _read(self, timeout_s: float | None) -> int:
        self._socket.settimeout(timeout_s)
        return int(_NUMBER.unpack(self._socket.recv(_NUMBER.size))[0])


@cache
def spawner() -> Spawner:
    """That of this process; it ends with it."""
    one = Spawner()
    atexit.register(one.close)
    return one


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
        requests.send(_NUMBER.pack(child))
        _child, ended = os.waitpid(child, 0)
        requests.send(_NUMBER.pack(os.waitstatus_to_exitcode(ended)))


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
