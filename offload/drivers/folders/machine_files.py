"""What this computer knows of a rented machine: a folder with its keys, its token, its record."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace

from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import Kind, Machine, Spec
from offload.domain.prices import DISK_USD_PER_GB_MONTH
from offload.domain.typed import loads, read
from offload.drivers.folders import files

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
    disk_usd_per_gb_month: float = DISK_USD_PER_GB_MONTH

    @property
    def kind(self) -> Kind:
        """What it has in common with other machines."""
        return Kind(self.spec.instance_type, self.spec.region)

    def seen(self, machine: Machine) -> "MachineRecord":
        """With what the cloud says of it now."""
        return replace(self, id=machine.id, address=machine.address)


@dataclass(frozen=True, slots=True)
class MachineFolder:
    """The folder of one machine, readable by its owner only.

    What cannot be read or written raises OffloadError.
    """

    path: str
    name: str

    def file(self, name: str) -> str:
        """The path of a file: `key` is who it lets in, `known_hosts` the host keys it may show."""
        return os.path.join(self.path, name)

    @property
    def exists(self) -> bool:
        """Whether anything is known of the machine."""
        return os.path.isdir(self.path)

    @property
    def alias(self) -> str:
        """What the machine is called in `known_hosts`, whatever its address."""
        return f"offload-{self.name}"

    def record(self) -> MachineRecord | None:
        """What is known of it; None if nothing is."""
        try:
            with open(self.file("machine.json"), "rb") as file:
                document = loads(file.read())
            record = read(MachineRecord, document)
            if unknown := document.keys() - asdict(record).keys():
                raise ValueError(f"it has {', '.join(sorted(unknown))}")
            return record
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise OffloadError(
                f"The record of the machine {self.name} cannot be read: {error}.",
                hint=f"To remove the machine: offload down {self.name}",
            ) from error

    def keep(self, record: MachineRecord) -> None:
        """Write the record."""
        self.write("machine.json", json.dumps(asdict(record), indent=1, ensure_ascii=False))

    def read(self, name: str) -> str:
        """The text of a file of it."""
        try:
            with open(self.file(name), encoding="utf-8") as file:
                return file.read()
        except OSError as error:
            raise OffloadError(
                f"A file of the machine {self.name} is missing here: {error}.",
                hint=f"To remove the machine: offload down {self.name}",
            ) from error

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return os.path.exists(self.file(name))

    def write(self, name: str, text: str) -> None:
        """Write a file that nobody else may read."""
        with _writing(self.path):
            self._keep_root_private()
            files.private_folder(self.path)
            with files.atomic_write(self.file(name), mode=0o600) as file:
                file.write(text)

    def pin(self, *public_keys: str) -> None:
        """The host keys that the machine may show from now on."""
        self.write("known_hosts", "".join(f"{self.alias} {key}\n" for key in public_keys))

    def drop(self, name: str) -> None:
        """Remove a file of it."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.file(name))

    def remove(self) -> None:
        """Forget the machine."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def locked(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Keep other processes here from changing the machine; `waiting` as in `files.locked`."""
        with ExitStack() as stack:
            with _writing(self.path):
                self._keep_root_private()
                files.private_file(f"{self.path}.lock")
                stack.enter_context(files.locked(f"{self.path}.lock", waiting))
            yield

    def _keep_root_private(self) -> None:
        root = os.path.dirname(self.path)
        files.private_folder(os.path.dirname(root))  # all our data
        files.private_folder(root)

    @property
    def is_locked(self) -> bool:
        """Whether some process is at work on it."""
        return files.is_locked(f"{self.path}.lock")


def folder(root: str, name: str) -> MachineFolder:
    """The folder of the machine called `name`, below `root`.

    Raises:
        UsageError: it cannot be called that.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A machine cannot be called {name!r}: use at most 40 small letters, digits and "
            "hyphens.",
            hint="For instance: offload provision ec2 --name big",
        )
    return MachineFolder(os.path.join(root, name), name)


def folders(root: str) -> list[MachineFolder]:
    """Every machine that something is known of, by name."""
    with contextlib.suppress(OSError):
        names = sorted(filter(_NAME.fullmatch, os.listdir(root)))
        found = (MachineFolder(os.path.join(root, name), name) for name in names)
        return [each for each in found if each.exists]
    return []


def _writing(path: str) -> AbstractContextManager[None]:
    hint = "To keep machine records elsewhere: export OFFLOAD_DATA=FOLDER"
    return files.explained(f"{path} cannot be written", hint)
