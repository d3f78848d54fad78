"""Files that are either whole or not there, what is in them, and locks between processes."""

import errno
import hashlib
import json
import os
import re
import stat
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import IO, TextIO

from offload.domain.errors import OffloadError

_TEMPORARY = re.compile(r"\.\d+-\d+\.tmp")
_LOOK_S = 0.5
_CHUNK_BYTES = 2**18
_REASONS = {
    errno.ENOENT: "it does not exist",
    errno.EEXIST: "it is a file; name a folder",
    errno.ENOTDIR: "part of its path is a file; name a folder",
    **dict.fromkeys(
        (errno.ENOLCK, errno.EOPNOTSUPP), "its file system has no locks, as some network drives"
    ),
}
"""Where the system's own words do not help."""


def plain(path: str, flags: int, mode: int = 0o666) -> int:
    """For `open`: what whoever made the folder may have laid there, a link or a pipe, is an OSError
    that says so.
    """
    try:
        number = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, mode)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENXIO}:
            raise
    else:
        if stat.S_ISREG(os.fstat(number).st_mode):
            return number
        os.close(number)
    raise OSError(errno.EINVAL, f"{os.path.basename(path)} is a link or a special file")


@contextmanager
def atomic_write(path: str, mode: int = 0o666, *, sync: bool = True) -> Iterator[TextIO]:
    """A text file that takes `path`'s place when the block ends well; else nothing has changed,
    also where the power fails, unless there are too many of them to `sync` each.
    """
    # Short, whatever the length of the name it will get; one a thread.
    name = f".{os.getpid()}-{threading.get_ident()}.tmp"
    temporary = os.path.join(os.path.dirname(path), name)
    opener = partial(plain, mode=mode)
    escaping = "backslashreplace"  # half a surrogate becomes what JSON has for it
    try:
        with open(temporary, "w", -1, "utf-8", escaping, newline="", opener=opener) as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # unless it was replaced
            os.remove(temporary)


def atomic_write_bytes(path: str, data: bytes) -> None:
    """`data` as the file `path`, whole or not at all; its folder is made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with atomic_write(path, sync=False) as file:
        file.buffer.write(data)


def sweep(folder: str) -> None:
    """Remove what killed processes were writing to `folder`, where nobody else writes now."""
    for name in filter(_TEMPORARY.fullmatch, os.listdir(folder)):
        os.remove(os.path.join(folder, name))


def private_folder(folder: str) -> None:
    """Make `folder`, and those above it that are missing, for their owner alone; one that is there
    becomes so too, unless it is somebody else's or, as /tmp, everybody's.
    """
    parent = os.path.dirname(folder)
    if parent and not os.path.isdir(parent):
        private_folder(parent)
    if not os.path.isdir(folder):
        with suppress(FileExistsError):  # by now
            os.mkdir(folder, 0o700)
    _close_to_others(folder)


def private_file(path: str) -> None:
    """Make the file, or the one that is there, its owner's alone."""
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT, 0o600))
    _close_to_others(path)


def _close_to_others(path: str) -> None:
    mode = os.stat(path).st_mode
    if mode & 0o077 and not mode & stat.S_ISVTX:
        with suppress(PermissionError):
            os.chmod(path, mode & 0o700)


def write_json(path: str, document: Mapping[str, object]) -> None:
    """`document` as the file `path`, whole or not at all."""
    with atomic_write(path) as file:
        json.dump(document, file, indent=1, ensure_ascii=False)


def sha256_of(path: str) -> str:
    """SHA-256 of a file; of a folder, that of all that is in it."""
    if os.path.isfile(path):
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return sha256_of_all({name: os.path.join(path, name) for name in _files_below(path)})


def sha256_of_all(files: Mapping[str, str]) -> str:
    """SHA-256 of files, name -> path: of «length of the name, name, SHA-256» in order of names."""
    whole = hashlib.sha256()
    for name in sorted(files):
        # A name may hold anything, so where it ends must be said before.
        encoded = os.fsencode(name)
        whole.update(b"%d %b%b" % (len(encoded), encoded, sha256_of(files[name]).encode()))
    return whole.hexdigest()


def size_bytes(path: str) -> int:
    """What a file, or all that is in a folder, weighs."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(path, name)) for name in _files_below(path))


def _files_below(folder: str) -> list[str]:
    """Names of the files, and of links to folders, which are folders of their own."""
    return sorted(
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, folders, names in os.walk(folder)
        for name in (*names, *(f for f in folders if os.path.islink(os.path.join(parent, f))))
    )


def packed(files: Mapping[str, str]) -> Iterator[bytes]:
    """Files and folders, name there -> path here, as a tar stream."""
    with tempfile.TemporaryFile() as stream:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, path in files.items():
                archive.add(os.path.realpath(path), name)
        stream.seek(0)
        yield from chunks(stream)


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """What a stream holds, piece by piece."""
    return iter(partial(stream.read, _CHUNK_BYTES), b"")


@contextmanager
def locked(path: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`, whose folder is made. While another process does, `waiting` is
    called now and then; it may raise. The file says who holds it.
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
        _sign(path)
        yield
    finally:
        lock.release()


def _sign(path: str) -> None:
    import platform

    with suppress(OSError), open(path, "w", encoding="utf-8", opener=plain) as file:
        file.write(f"process {os.getpid()} on {platform.node()}")


def _holder(path: str) -> str:
    """Who holds a lock, in brackets; empty where that is not known."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace", opener=plain) as file:
        if who := file.read(100):
            return f" ({who})"
    return ""


def is_locked(path: str) -> bool:
    """Whether some process holds the lock file `path`."""
    from filelock import FileLock, Timeout

    if not os.path.exists(path):  # else it would be made
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except OSError as error:
        return isinstance(error, Timeout)


@contextmanager
def folder_locked(folder: str, what: str) -> Iterator[None]:
    """Hold the lock of `folder`, which is made, swept, and where each `what` writes alone.

    Raises:
        OffloadError: another one does.
    """
    lock = os.path.join(folder, ".lock")

    def refuse() -> None:
        raise OffloadError(
            f"Another {what} is writing to {folder}{_holder(lock)}.",
            hint="Wait for it, or choose another --out.",
        )

    os.makedirs(folder, exist_ok=True)
    with locked(lock, refuse):
        sweep(folder)
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
        raise kind(f"{said}: {why(error)}.", hint=hint) from error


def why(error: Exception) -> str:
    """Why a file cannot be used, as the end of a sentence without its full stop."""
    known = _REASONS.get(getattr(error, "errno", None) or 0)
    return known or getattr(error, "strerror", None) or str(error)


def writing(
    what: str, folder: str, kind: type[OffloadError] = OffloadError
) -> AbstractContextManager[None]:
    """`explained`, while `what` is written to the folder that the user names with `--out`."""
    hint = "All rows written so far are complete. Choose another --out."
    return explained(f"Cannot write {what} to {folder}", hint, kind)
