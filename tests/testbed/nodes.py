"""Computers of a cluster, as namespaces: each with an address and a cable to one switch.

The switch is in a namespace of its own, so that neither rules nor devices of this machine matter.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_NETWORK = "10.253.0"
_HOLDS = ["unshare", "--net", "sh", "-c", "echo up; exec sleep infinity"]


@dataclass
class Node:
    """One of them, and what runs there."""

    name: str
    address: str
    holder: "subprocess.Popen[str]"
    runs: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def inside(self, *command: str) -> list[str]:
        """The command, to be started there."""
        return ["nsenter", "--net", "--target", str(self.holder.pid), *command]

    def start(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a program there; what it says is added to a file."""
        with log.open("ab") as said:
            process = subprocess.Popen(
                self.inside(*command), stdout=said, stderr=said, start_new_session=True,
                stdin=subprocess.DEVNULL, env=os.environ | dict(environment or {}),
            )  # fmt: skip
        self.runs.append(process)
        return process

    def kill(self) -> None:
        """End all that runs there at once, as when its power fails."""
        for each in self.runs:
            if each.poll() is None:
                os.killpg(each.pid, signal.SIGKILL)
            each.wait()
        self.runs.clear()


@contextmanager
def nodes(names: Sequence[str]) -> Iterator[list[Node]]:
    """So many of them, which reach each other."""
    switch = _held("switch", 254)
    made = [switch]
    try:
        _does(switch, "ip link add sw0 type bridge; ip link set sw0 up; ip link set lo up")
        _does(switch, f"ip addr add {switch.address}/24 dev sw0")
        for number, name in enumerate(names, start=1):
            node = _held(name, number)
            made.append(node)
            cable = f"ip link add c{number} type veth peer name eth0 netns {node.holder.pid}"
            _does(switch, f"{cable}; ip link set c{number} master sw0 up")
            _does(node, f"ip addr add {node.address}/24 dev eth0; ip link set eth0 up")
            _does(node, "ip link set lo up")
        yield made[1:]
    finally:
        for each in made:
            each.kill()
            each.holder.kill()
            each.holder.communicate()


def why_not() -> str | None:
    """Why there can be none here; None if there can."""
    if missing := [each for each in ("ip", "nsenter", "unshare") if not shutil.which(each)]:
        return f"{missing[0]} is not installed"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return "this user may make no network namespaces"
    return None


def _held(name: str, number: int) -> Node:
    """A namespace that lasts as long as its process."""
    holder = subprocess.Popen(_HOLDS, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"
    return Node(name, f"{_NETWORK}.{number}", holder)


def _does(node: Node, script: str) -> None:
    subprocess.run(node.inside("sh", "-ec", script), check=True, capture_output=True)
