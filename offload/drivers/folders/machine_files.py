"""What this computer knows of a rented machine: a folder with its keys, its token, its record."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import Kind, Machine, Spec
from offload.drivers.folders.files import atomic_write

_LOOK_S = 0.5
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class MachineRecord:
    """A machine as it was asked for, and what came of it.

    `profile` is that of AWS' configuration. `attempt`, and `asked_at` in UTC and ISO 8601, are part
    of what makes two requests one; `id` and `address` are None until there is a machine. `model`
    is what it was equipped with, as the user named it; `cidrs_by_hand` says that the user named who
    is let in, too; `ready` that bringing it up came to its end.
    """

    spec: Spec
    login: str
    usd_per_h: float
    disk_gb: int
    attempt: str
    asked_at: str
    profile: str | None = None
    image_way: str = "auto"
    model: str | None = None
    labels: str | None = None
    cidrs_by_hand: bool = False
    id: str | None = None
    address: str | None = None
    ready: bool = False

    @property
    def label(self) -> str:
        """What measurements at machines of its kind have in common."""
        return Kind(self.spec.instance_type, self.spec.region).label

    def seen(self, machine: Machine) -> "MachineRecord":
        """With what the cloud says of it now."""
        return replace(self, id=machine.id, address=machine.address)


@dataclass(frozen=True, slots=True)
class MachineFolder:
    """The folder of one machine, readable by its owner only."""

    path: str
    name: str

    @property
    def key(self) -> str:
        """The file of the private key that the machine lets in."""
        return os.path.join(self.path, "key")

    @property
    def known_hosts(self) -> str:
        """The file of the host keys that the machine may show."""
        return os.path.join(self.path, "known_hosts")

    @property
    def exists(self) -> bool:
        """Whether anything is known of the machine."""
        return os.path.isdir(self.path)

    @property
    def alias(self) -> str:
        """What the machine is called in `known_hosts`, whatever its address."""
        return f"offload-{self.name}"

    def record(self) -> MachineRecord | None:
        """What is known of it; None if nothing is.

        Raises:
            OffloadError: the record cannot be read.
        """
        try:
            with open(os.path.join(self.path, "machine.json"), encoding="utf-8") as file:
                document = json.load(file)
            return MachineRecord(**document | {"spec": _spec(document["spec"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OffloadError(
                f"What is known of the machine {self.name} cannot be read: {error}.",
                hint=f"To remove the machine: offload down {self.name}",
            ) from error

    def keep(self, record: MachineRecord) -> None:
        """Write the record.

        Raises:
            OffloadError: it cannot be written.
        """
        with _writing(self.path):
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            with atomic_write(os.path.join(self.path, "machine.json")) as file:
                json.dump(asdict(record), file, indent=1)

    def read(self, name: str) -> str:
        """The text of a file of it.

        Raises:
            OffloadError: it is not there, or cannot be read.
        """
        try:
            with open(os.path.join(self.path, name), encoding="utf-8") as file:
                return file.read()
        except OSError as error:
            raise OffloadError(
                f"What belongs to the machine {self.name} is missing here: {error}.",
                hint=f"To remove the machine: offload down {self.name}",
            ) from error

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return os.path.exists(os.path.join(self.path, name))

    def write(self, name: str, text: str) -> None:
        """Write a file that nobody else may read.

        Raises:
            OffloadError: it cannot be written.
        """
        part = os.path.join(self.path, f".{name}")
        with _writing(self.path):
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.remove(part)
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
            os.replace(part, os.path.join(self.path, name))

    def pin(self, *public_keys: str) -> None:
        """The host keys that the machine may show from now on."""
        self.write("known_hosts", "".join(f"{self.alias} {key}\n" for key in public_keys))

    def drop(self, name: str) -> None:
        """Remove a file of it."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(self.path, name))

    def remove(self) -> None:
        """Forget the machine."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def locked(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Meanwhile no other process of this computer changes the machine. While another one does,
        `waiting` is called now and then; it may raise.

        Raises:
            OffloadError: the folder cannot be written.
        """
        from filelock import FileLock, Timeout

        with _writing(self.path):
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        lock = FileLock(f"{self.path}.lock", timeout=_LOOK_S)
        while not lock.is_locked:
            try:
                with _writing(self.path):
                    lock.acquire()
            except Timeout:
                waiting()
        try:
            yield
        finally:
            lock.release()

    @property
    def is_locked(self) -> bool:
        """Whether some process is at work on it."""
        from filelock import FileLock, Timeout

        if not os.path.exists(f"{self.path}.lock"):  # else it would be made, with its folder
            return False
        try:
            with FileLock(f"{self.path}.lock", timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False


def folder(root: str, name: str) -> MachineFolder:
    """The folder of the machine called `name`, below `root`.

    Raises:
        UsageError: it cannot be called that.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A machine cannot be called {name!r}: small letters, digits and hyphens, 40 at most.",
            hint="For instance: offload provision ec2 --name big",
        )
    return MachineFolder(os.path.join(root, name), name)


def folders(root: str) -> list[MachineFolder]:
    """Every machine that something is known of, by name."""
    with contextlib.suppress(OSError):
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        return [
            MachineFolder(os.path.join(root, name), name) for name in names if _NAME.fullmatch(name)
        ]
    return []


@contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:  # of a lock
        raise
    except OSError as error:
        raise OffloadError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="To keep what is known of machines elsewhere: export OFFLOAD_DATA=FOLDER",
        ) from error


def _spec(document: Mapping[str, Any]) -> Spec:
    return Spec(**{**document, "allow_cidrs": tuple(document["allow_cidrs"])})
