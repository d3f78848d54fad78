"""A real OpenSSH server on this machine's loopback, which lets in one key of its own."""

import getpass
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from offload.drivers.ssh.connection import Shell
from offload.drivers.ssh.login import KeyPair, new_key
from offload.drivers.ssh.tunnel import Tunnel

PROGRAM = Path("/usr/sbin/sshd")
ALIAS = "offload-mine"
_PATIENCE_S = 10.0


@dataclass
class Sshd:
    """It listens on `port`; `folder` holds the key that it lets in and the host key it shows."""

    port: int
    folder: Path
    log: Path
    login: str = getpass.getuser()

    @property
    def key(self) -> str:
        return str(self.folder / "key")

    @property
    def known_hosts(self) -> str:
        return str(self.folder / "known_hosts")

    def shell(self, port: int | None = None, timeout_s: float = 10.0, **other: str) -> Shell:
        """A login, by way of another port if one is given, or with `other` files."""
        files = {"private_key": self.key, "known_hosts": self.known_hosts, "alias": ALIAS} | other
        port = port or self.port
        return Shell.connected("127.0.0.1", port, self.login, timeout_s=timeout_s, **files)

    def tunnel(self, to: int, port: int | None = None, patience_s: float = 30.0) -> Tunnel:
        """A way to port `to`, by way of another port if one is given."""

        def connect(timeout_s: float) -> Shell:
            return self.shell(port, timeout_s)

        return Tunnel(connect, to, lambda: None, patience_s=patience_s)


def saved(key: KeyPair, path: Path) -> str:
    """The path of its private part."""
    path.write_text(key.private)
    path.chmod(0o600)
    return str(path)


def known(path: Path, *keys: KeyPair) -> str:
    """The path of a file of known hosts with a line for each key."""
    path.write_text("".join(f"{ALIAS} {key.public}\n" for key in keys))
    return str(path)


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Sshd]:
    """A server with `options` such as `RekeyLimit=1M`."""
    if not PROGRAM.exists():
        pytest.skip("no OpenSSH server here; to install it: apt-get install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it locks itself in
    host_key, key = new_key(), new_key()
    saved(host_key, folder / "host_key")
    saved(key, folder / "key")
    known(folder / "known_hosts", host_key)
    (folder / "authorized_keys").write_text(f"{key.public}\n")
    port = _free_port()
    settings = [
        f"Port={port}", "ListenAddress=127.0.0.1", f"HostKey={folder}/host_key", "PidFile=none",
        f"AuthorizedKeysFile={folder}/authorized_keys", "StrictModes=no", "UsePAM=no",
        "PermitRootLogin=yes", "PasswordAuthentication=no", "KbdInteractiveAuthentication=no",
        "LogLevel=VERBOSE", "MaxStartups=100",
        f"SetEnv=HOME={folder}",  # what the login's own .bashrc does and says is not to count
        *options,
    ]  # fmt: skip
    log = folder / "log"
    command = [str(PROGRAM), "-f", "/dev/null"]
    command += [word for setting in settings for word in ("-o", setting)]
    forgiving = ["-o", "PerSourcePenalties=no"]  # since OpenSSH 9.8
    if (
        subprocess.run([*command, *forgiving, "-t"], capture_output=True, check=False).returncode
        == 0
    ):
        command += forgiving
    with subprocess.Popen([*command, "-D", "-E", str(log)]) as process:
        try:
            _await(port, process, log)
            yield Sshd(port, folder, log)
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, log.read_text()
            time.sleep(0.01)
