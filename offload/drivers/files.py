"""Files that are either whole or not there."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def atomic_write(path: str) -> Iterator[TextIO]:
    """A text file that takes `path`'s place when the block ends well; else nothing has changed."""
    temporary = _beside(path)
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        _discard(temporary)
        raise


def atomic_write_bytes(path: str, data: bytes) -> None:
    """`data` as the file `path`, whole or not at all; its folder is made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = _beside(path)
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        _discard(temporary)
        raise


def _beside(path: str) -> str:
    # Short, whatever the length of the name it will get; one a thread.
    name = f".{os.getpid()}-{threading.get_ident()}.tmp"
    return os.path.join(os.path.dirname(path), name)


def _discard(temporary: str) -> None:
    if os.path.exists(temporary):
        os.remove(temporary)
