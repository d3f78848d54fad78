"""Talking to a rented machine by hand: its server's log, a shell."""

import shutil
import subprocess
from collections.abc import Sequence
from contextlib import closing

from offload.domain.errors import OffloadError
from offload.providers.ec2 import connection, registry
from offload.providers.ec2.machine_state import SSH_PORT
from offload.usecases.context import Context
from offload.usecases.provision.deploy import log_command


def logs(context: Context, name: str | None, lines: int) -> str:
    """The last that the server on a machine said.

    Raises:
        PlaceUnavailable: the machine does not answer, and why.
    """
    local = registry.connected(context.settings, name)
    with closing(connection.connected(local, context.settings, context.clouds)) as shell:
        return shell.run(log_command(lines))


def shell(context: Context, name: str | None, command: Sequence[str]) -> int:
    """A shell on the machine, or one command there; its exit code.

    Raises:
        OffloadError: there is no `ssh` here, or the machine has no address.
    """
    program = shutil.which("ssh")
    if program is None:
        raise OffloadError("There is no ssh here.", hint="sudo apt-get install openssh-client")
    local = registry.connected(context.settings, name)
    connection.connected(
        local, context.settings, context.clouds
    ).close()  # says why, where it does not answer
    folder = local.folder
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f'"{_plain(folder.known_hosts)}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "HostKeyAlias": folder.alias,
        "HostKeyAlgorithms": "ssh-ed25519",
    }
    words = [program, "-F", "/dev/null", "-i", _plain(folder.key), "-p", str(SSH_PORT)]
    words += [f"-o{option}={value}" for option, value in options.items()]
    words += ["-l", local.record.login, str(local.record.address), *command]
    return subprocess.run(words, check=False).returncode  # noqa: S603 - the user's own command


def _plain(path: str) -> str:
    """A path of which ssh replaces nothing."""
    return path.replace("%", "%%")
