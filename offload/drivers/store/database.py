"""A SQLite file that is made when it is first written, and set aside when it is damaged."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from offload.domain.errors import OffloadError, UsageError
from offload.drivers.folders import files

Connection = sqlite3.Connection
T = TypeVar("T")

_OURS = 0x6F66666C
"""The application_id of a file that we made: "offl"."""
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
}


class _Damaged(OffloadError):
    """The file is not, or no longer, what we wrote; what it `was`, and how it is to be called."""

    def __init__(self, said: str, was: str = "was damaged", suffix: str = "damaged") -> None:
        super().__init__(said)
        self.was, self.suffix = was, suffix


@dataclass(eq=False, slots=True)
class Database:
    """The file at `path`, made by the statements of `schema`, whose `version` it carries.

    A transaction is whole or did not happen, however the process ends: SQLite's rollback journal
    sees to that, and leaves one file. Processes wait for each other, up to `patience_s`. `warn` is
    told when a damaged file is set aside. One that a newer offload made raises UsageError, one that
    cannot be read or written OffloadError.
    """

    path: str
    schema: Sequence[str]
    version: int
    warn: Callable[[str], None]
    patience_s: float
    _connection: Connection | None = field(default=None, init=False)
    _inode: int = field(default=0, init=False)

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return os.path.exists(self.path)

    def read(self, query: str, parameters: Mapping[str, Any]) -> list[Sequence[Any]]:
        """The rows of a query, all of them of one moment."""
        with self._explained("read"):
            try:
                if self.exists:
                    with self._transaction("BEGIN") as db:
                        return db.execute(query, parameters).fetchall() if self._is_made(db) else []
            except _Damaged as error:
                self._set_aside(error)
            return []

    def write(self, work: Callable[[Connection], T]) -> T:
        """Have `work` change the file, wholly or, if it fails, not at all."""
        with self._explained("written"):
            files.private_folder(os.path.dirname(os.path.abspath(self.path)))
            files.private_file(self.path)
            try:
                return self._written(work)
            except _Damaged as error:
                self._set_aside(error)
            return self._written(work)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _written(self, work: Callable[[Connection], T]) -> T:
        with self._transaction("BEGIN IMMEDIATE") as db:
            if not self._is_made(db):
                for statement in self.schema:
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {_OURS}")
                db.execute(f"PRAGMA user_version = {self.version}")
            return work(db)

    def _is_made(self, db: Connection) -> bool:
        """Whether the tables are there; a file without any was just begun."""
        ((owner,),) = db.execute("PRAGMA application_id")
        ((version,),) = db.execute("PRAGMA user_version")
        try:
            found = {statement for (statement,) in db.execute("SELECT sql FROM sqlite_master")}
        except sqlite3.OperationalError as error:
            if _code(error) == sqlite3.SQLITE_ERROR:  # of a format that nobody has written yet
                raise self._damaged(error) from error
            raise
        if not (owner or version or found):
            return False
        if owner == _OURS and version > self.version:
            raise UsageError(
                f"The history {self.path} was made by a newer offload.",
                hint="To read it: pip install --upgrade offload",
            )
        if owner == _OURS and 0 < version < self.version:
            was = "was made by an older offload"
            raise _Damaged(was, was, f"version-{version}")
        if (owner, version) != (_OURS, self.version) or not found.issuperset(self.schema):
            raise self._damaged("it holds something else")
        return True

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        try:
            if self._connection is None:
                self._connection = db = sqlite3.connect(
                    self.path, timeout=self.patience_s, isolation_level=None
                )
                db.text_factory = partial(str, encoding="utf-8", errors="replace")
                self._inode = os.stat(self.path).st_ino
            with self._connection as db:
                db.execute(begin)
                yield db
        except UnicodeDecodeError as error:  # SQLite quotes what it cannot read
            raise self._damaged(error) from error
        except sqlite3.DatabaseError as error:
            if {_code(error), _code(error) & 0xFF} & _DAMAGE:
                raise self._damaged(error) from error
            raise

    def _damaged(self, reason: object) -> _Damaged:
        return _Damaged(f"The history {self.path} is damaged: {reason}.")

    def _set_aside(self, error: _Damaged) -> None:
        """Give the file another name, unless another process just did."""
        self.close()
        failing = self._explained(f"set aside; it {error.was}")
        with failing, contextlib.suppress(FileNotFoundError):
            if os.stat(self.path).st_ino != self._inode:
                return
            aside = f"{self.path}.{error.suffix}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
            # A journal that stayed would be taken for that of the next file.
            for suffix in ("-journal", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(self.path + suffix, aside + suffix)
            os.replace(self.path, aside)
            self.warn(
                f"The history {error.was}: it was moved to {aside}, and a new one was started."
            )

    @contextlib.contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        """Failures that are the machine's, in one sentence."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            if _code(error) == sqlite3.SQLITE_ERROR:
                raise  # a statement of ours is wrong
            busy = _code(error) & 0xFF == sqlite3.SQLITE_BUSY
            why = "another process has locked it" if busy else getattr(error, "strerror", error)
            raise OffloadError(
                f"The history {self.path} cannot be {done}: {why}.",
                hint="To keep it elsewhere: export OFFLOAD_DATA=DIR",
            ) from error


def _code(error: Exception) -> int:
    """SQLite's extended result code; its last byte is the code that is extended."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code
