"""Why a rented machine does not answer, as the cloud has it."""

from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast

import pytest

from offload.domain.errors import PlaceUnavailable
from offload.domain.machines import Machine, Spec
from offload.drivers import settings
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineRecord
from offload.drivers.settings import Settings
from offload.drivers.ssh.login import HostKeyChanged, SshUnreachable
from offload.providers.ec2 import connection
from offload.providers.ec2.registry import MachineState

SPEC = Spec("big", "us-east-1", "c7i.large", ("192.0.2.1/32",))
BEGAN = "2026-11-21T12:00:00+00:00"
RECORD = MachineRecord(
    SPEC, "ec2-user", 0.0893, 16, "abc", BEGAN, id="i-1", address="198.18.0.1", ready=True
)
RUNNING = Machine("i-1", "big", "us-east-1", "running", "c7i.large", BEGAN, "198.18.0.1")
ANOTHER = HostKeyChanged("Whoever answers is another.")
SILENT = SshUnreachable("It does not answer.")


@dataclass
class World:
    """A cloud and the addresses in it: what happens at each."""

    there: list[Machine] = field(default_factory=lambda: [RUNNING])
    let_in: tuple[str, ...] = ("192.0.2.1/32",)
    at: dict[str | None, Any] = field(default_factory=dict)

    def machines(self, name: str) -> list[Machine]:
        assert name == "big"
        return self.there

    def key_of(self, name: str) -> str:
        assert name == "big"
        return "ssh-ed25519 AAAAtheirs"

    def cidrs(self, name: str) -> tuple[str, ...]:
        assert name == "big"
        return self.let_in


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()

    def connect(local: MachineState, timeout_s: float) -> Any:
        assert timeout_s > 0
        found = world.at[local.record.address]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(MachineState, "connect", connect)
    monkeypatch.setattr(connection, "caller_cidr", lambda _configured: "192.0.2.1/32")
    return world


@pytest.fixture
def local(tmp_path: Path) -> MachineState:
    folder = machine_files.folder(str(tmp_path / "machines"), "big")
    folder.keep(RECORD)
    return MachineState(folder, RECORD)


CONFIGURED: Settings = settings.load({})


def reached(world: World, local: MachineState) -> Any:
    return connection.connected(local, CONFIGURED, lambda _region, _profile: cast("Any", world))


def test_a_machine_whose_address_is_another_hosts_by_now_is_found_at_its_new_one(
    world: World, local: MachineState
) -> None:
    world.there = [replace(RUNNING, address="198.18.0.2")]
    world.at = {"198.18.0.1": ANOTHER, "198.18.0.2": "a shell"}
    assert reached(world, local) == "a shell"


def test_a_machine_that_is_gone_is_told_of_even_if_somebody_else_has_its_address(
    world: World, local: MachineState
) -> None:
    world.there, world.at = [], {"198.18.0.1": ANOTHER}
    with pytest.raises(PlaceUnavailable, match="big is gone"):
        reached(world, local)


@pytest.mark.parametrize("there", [[], [replace(RUNNING, state="stopped", address=None)]])
def test_a_machine_that_is_not_up_is_remembered_so(
    world: World, local: MachineState, there: list[Machine]
) -> None:
    wider = replace(RECORD, spec=replace(SPEC, allow_cidrs=("0.0.0.0/0",)))
    local.folder.keep(wider)  # meanwhile
    world.there, world.at = there, {"198.18.0.1": SILENT}
    with pytest.raises(PlaceUnavailable, match=r"is gone|is stopped"):
        reached(world, local)
    assert local.folder.record() == replace(wider, address=None)


def test_a_machine_of_another_computer_that_has_its_name_by_now_is_not_taken_for_it(
    world: World, local: MachineState
) -> None:
    world.there = [replace(RUNNING, id="i-2", address="198.18.0.2")]
    world.at = {"198.18.0.1": SILENT, "198.18.0.2": "a shell of theirs"}
    with pytest.raises(PlaceUnavailable, match="is gone"):
        reached(world, local)
    assert local.folder.record() == replace(RECORD, address=None), "its id is not ours"


def test_a_machine_that_was_removed_meanwhile_is_not_remembered_again(
    world: World, local: MachineState
) -> None:
    local.folder.remove()
    world.there, world.at = [], {"198.18.0.1": SILENT}
    with pytest.raises(PlaceUnavailable, match="is gone"):
        reached(world, local)
    assert not local.folder.exists


def test_a_machine_with_another_host_key_than_ours_is_refused(
    world: World, local: MachineState
) -> None:
    world.at = {"198.18.0.1": ANOTHER}
    with pytest.raises(HostKeyChanged):
        reached(world, local)


@pytest.mark.parametrize(
    ("let_in", "said"),
    [
        (("198.51.100.0/24", "2001:db8::/32"), r"198\.51\.100\.0/24, 2001:db8::/32 only"),
        ((), "nobody only"),
        (("192.0.2.0/24", "::/0"), "refuses SSH"),
    ],
)
def test_who_is_locked_out_hears_who_is_let_in(
    world: World, local: MachineState, let_in: tuple[str, ...], said: str
) -> None:
    world.let_in, world.at = let_in, {"198.18.0.1": SILENT}
    with pytest.raises(PlaceUnavailable, match=said):
        reached(world, local)


class CheckIp(BaseHTTPRequestHandler):
    """Says which address a computer is seen at."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"203.0.113.5\n")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_the_address_is_asked_for_past_a_proxy_which_ssh_does_not_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with ThreadingHTTPServer(("127.0.0.1", 0), CheckIp) as server:
        Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert connection.caller_cidr(settings.load({"OFFLOAD_CHECKIP": url})) == "203.0.113.5/32"
        server.shutdown()
    with pytest.raises(PlaceUnavailable, match="past the proxy, which SSH does not use") as caught:
        connection.caller_cidr(settings.load({"OFFLOAD_CHECKIP": url}))
    assert "--allow-cidr" in caught.value.hint
