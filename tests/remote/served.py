"""`offload serve` in a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Served:
    """A server that is ready."""

    process: "subprocess.Popen[str]"
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """As a power failure would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def served(*options: object, port: int = 0, token: str = "") -> Iterator[Served]:
    """A server with the embedded model, unless `options` say another."""
    command = [sys.executable, "-m", "offload", "serve", "--port", str(port), "--model", "builtin"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OFFLOAD_")}
    with subprocess.Popen(
        [*command, *map(str, options)],
        env=environment | {"OFFLOAD_TOKEN": token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()  # it says where it is once it is ready
        address = re.search(r" at (http://\S+?),", said)
        try:
            assert address is not None, said + process.stderr.read()
            yield Served(process, address[1])
        finally:
            process.kill()
