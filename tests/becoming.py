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
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

import offload

IMPORTED = (
    "PIL.Image", "PIL.ImageDraw", "ai_edge_litert.interpreter", "boto3", "fastapi",
    "fastapi_offline", "httptools", "httpx", "numpy", "paramiko", "prometheus_client",
    "python_multipart", "rich.console", "rich.progress", "rich.table", "typer", "uvicorn", "uvloop",
)  # fmt: skip
"""What is imported as it is needed. Our own modules come on top."""
NOT_IMPORTED = ("offload.__main__", "offload.cli", "offload.service.server")
"""But for these: the command looks at the clock as it begins."""
AT_START = ("PYTHON", "LANG", "LC_")
"""Beginnings of the names of variables that count when Python starts, and no more later."""
PATIENCE_S = 300.0

Done = subprocess.CompletedProcess[str]
_NUMBER = struct.Struct("i")


class Begun:
    """A command that runs, with what `subprocess.Popen` has of it; it tells us on `status_fd` its
    pid, and how it ends.
    """

    def __init__(self, words: Sequence[str], status_fd: int, out: IO[str], err: IO[str]) -> None:
        self.args, self.stdout, self.stderr = words, out, err
        self.returncode: int | None = None
        self._status_fd = status_fd
        self.pid = self._read()

    def __enter__(self) -> "Begun":
        return self

    def __exit__(self, *_raised: object) -> None:
        self.stdout.close()
        self.stderr.close()
        self.wait()

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        if self.returncode is None:
            if not select.select([self._status_fd], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = self._read()
            os.close(self._status_fd)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What else it writes until it ends."""
        with ThreadPoolExecutor(2) as readers, self.stdout, self.stderr:
            out, err = readers.submit(self.stdout.read), readers.submit(self.stderr.read)
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)  # with whoever else might write
                raise
            return out.result(), err.result()

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> int:
        return int(_NUMBER.unpack(os.read(self._status_fd, _NUMBER.size))[0])


class Spawner:
    """Becomes `offload` again and again. `paths` are where Python looks for modules first, and the
    children's `PYTHONPATH`; unsaid, it is as it is here.
    """

    def __init__(self, paths: Sequence[str] = ()) -> None:
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        self._paths = {"PYTHONPATH": os.pathsep.join(paths)} if paths else {}
        self._environment = os.environ | self._paths
        # A library's threads would not be there in a child.
        self._process = subprocess.Popen(
            command, env=self._environment | {"OPENBLAS_NUM_THREADS": "1"},
            cwd=paths[0] if paths else None, pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self._socket = ours

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()

    def run(self, *arguments: object, **options: Any) -> Done:
        """As `subprocess.run` with `text` and `capture_output`, unless told otherwise."""
        words = list(map(str, arguments))
        if self._understands(**options):
            timeout_s = options.pop("timeout", PATIENCE_S)
            process = self.begin(words, **options)
            said = process.communicate(timeout_s)
            return subprocess.CompletedProcess(["offload", *words], process.wait(), *said)
        options = {"capture_output": True, "text": True, "timeout": PATIENCE_S} | options
        return subprocess.run([sys.executable, "-m", "offload", *words], check=False, **options)

    def begin(
        self,
        words: Sequence[object],
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        module: str = "offload",
    ) -> Begun:
        """As `subprocess.Popen` with pipes, in a session of its own; of another `module`, too."""
        assert self._understands(env), "Python would have to start anew"
        request = {
            "module": module,
            "arguments": list(map(str, words)),
            "environment": {**(os.environ if env is None else env), **self._paths},
            "folder": os.fspath(cwd or Path.cwd()),
        }
        with tempfile.TemporaryFile("w+", encoding="utf-8") as asked:
            json.dump(request, asked)
            asked.seek(0)
            pipes = [os.pipe() for _ in range(3)]
            theirs = [writing for _, writing in pipes]
            socket.send_fds(self._socket, [b"!"], [asked.fileno(), *theirs])
        for end in theirs:
            os.close(end)
        (out, _), (err, _), (status, _) = pipes
        return Begun([module, *map(str, words)], status, open(out), open(err))

    def _understands(self, env: Mapping[str, str] | None = None, **others: Any) -> bool:
        here, there = (
            {name: value for name, value in each.items() if name.startswith(AT_START)}
            for each in (self._environment, {**(os.environ if env is None else env), **self._paths})
        )
        return here == there and others.keys() <= {"cwd", "timeout"}


@cache
def spawner(*paths: str) -> Spawner:
    """That of this process with these paths; it ends with it."""
    one = Spawner(paths)
    atexit.register(one.close)
    return one


def _import_all() -> None:
    """What any command may want, in one thread: others would not survive in a child."""
    ours = (found.name for found in pkgutil.walk_packages(offload.__path__, "offload."))
    for name in (*IMPORTED, *ours):
        if not name.startswith(NOT_IMPORTED):
            importlib.import_module(name)
    for name in [name for name in sys.modules if name.startswith(NOT_IMPORTED)]:
        del sys.modules[name]
    gc.freeze()
    assert len(os.listdir("/proc/self/task")) == 1


def _serve(requests: socket.socket) -> None:
    """Become what is asked for until nobody asks any more."""
    running: dict[int, int] = {}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks will be interrupted, and end
    while True:
        ready, _, _ = select.select([requests.fileno(), reader], [], [])
        if reader in ready:
            os.read(reader, 512)
            _tell_who_ended(running)
            continue
        word, files, _flags, _address = socket.recv_fds(requests, 1, 4)
        if not word:
            for child in running:
                with suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
            return
        *streams, status = files
        child = os.fork()
        if not child:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.write(status, _NUMBER.pack(os.getpid()))
            requests.close()
            for each in (reader, writer, status, *running.values()):
                os.close(each)
            _turn_into(*streams)
        for stream in streams:
            os.close(stream)
        running[child] = status


def _tell_who_ended(running: dict[int, int]) -> None:
    while running:
        child, ended = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        status = running.pop(child)
        with suppress(BrokenPipeError):  # nobody wants to know any more
            os.write(status, _NUMBER.pack(os.waitstatus_to_exitcode(ended)))
        os.close(status)


def _turn_into(asked: int, out: int, err: int) -> None:
    with open(asked, encoding="utf-8") as file:
        request = json.load(file)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    # As Python begins with, had it begun with these.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _requests:
        _import_all()
        _serve(_requests)
