"""Files that are either whole or not there, and locks between processes."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TextIO

from offload.domain.errors import OffloadError

_LOOK_S = 0.5


@contextmanager
def atomic_write(path: str, mode: int = 0o666) -> Iterator[TextIO]:
    """A text file that takes `path`'s place when the block ends well; else nothing has changed."""
    with (
        _replacing(path) as temporary,
        open(
            temporary, "w", encoding="utf-8", newline="", opener=partial(os.open, mode=mode)
        ) as file,
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
    finally:
        with suppress(OSError):  # unless it was replaced
            os.remove(temporary)


@contextmanager
def locked(path: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`, whose folder is made. While another process does, `waiting` is
    called now and then; it may raise.
    """
    from filelock import FileLock, Timeout

    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    lock = FileLock(path, timeout=0)
    while not lock.is_locked:
        try:
            lock.acquire()
        except Timeout:
            waiting()
            lock.timeout = _LOOK_S
    try:
        yield
    finally:
        lock.release()


def is_locked(path: str) -> bool:
    """Whether some process holds the lock file `path`."""
    from filelock import FileLock, Timeout

    if not os.path.exists(path):  # else it would be made
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


@contextmanager
def folder_locked(folder: str, what: str) -> Iterator[None]:
    """Hold the lock of `folder`, which is made and where each `what` writes alone.

    Raises:
        OffloadError: another one does.
    """

    def refuse() -> None:
        raise OffloadError(
            f"Another {what} is writing to {folder}.",
            hint="Wait for it, or choose another --out.",
        )

    os.makedirs(folder, exist_ok=True)
    with locked(os.path.join(folder, ".lock"), refuse):
        yield


@contextmanager
def explained(said: str, hint: str, kind: type[OffloadError] = OffloadError) -> Iterator[None]:
    """Failures of the operating system in one sentence, which begins with what is `said`.

    Raises:
        OffloadError: of the `kind`.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{said}: {error.strerror or error}.", hint=hint) from error
