"""Files that are either whole or not there."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def atomic_write(path: str) -> Iterator[TextIO]:
    """A text file that takes `path`'s place when the block ends well; else nothing has changed."""
    with (
        _replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        yield file


def atomic_write_bytes(path: str, data: bytes) -> None:
    """`data` as the file `path`, whole or not at all; its folder is made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with _replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


@contextmanager
def _replacing(path: str) -> Iterator[str]:
    """A name beside `path` for a file that takes its place if the block ends well."""
    # Short, whatever the length of the name it will get; one a thread.
    name = f".{os.getpid()}-{threading.get_ident()}.tmp"
    temporary = os.path.join(os.path.dirname(path), name)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise
