"""`offload serve` in a process of its own."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.becoming import Begun, spawner


@dataclass
class Served:
    """A server that is ready."""

    process: Begun
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """As a power failure would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def served(
    *options: object, port: int = 0, token: str = "", paths: tuple[str, ...] = ()
) -> Iterator[Served]:
    """A server with the embedded model, unless `options` say another; its Python looks for modules
    in `paths` first.
    """
    words = ("serve", "--port", port, "--model", "builtin", *options)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OFFLOAD_")}
    environment["OFFLOAD_TOKEN"] = token
    with spawner(*paths).begin(words, environment) as process:
        said = process.stderr.readline()  # it says where it is once it is ready
        address = re.search(r" at (http://\S+?),", said)
        try:
            assert address is not None, said + process.stderr.read()
            yield Served(process, address[1])
        finally:
            process.kill()
