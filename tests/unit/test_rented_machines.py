"""Rented machines as people handle them, in clouds of our own making."""

import datetime
import io
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from offload.cli.provisioning import down as command
from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.machines import Machine, Resource, Spec
from offload.drivers import settings
from offload.drivers.folders import machine_files
from offload.drivers.folders.machine_files import MachineFolder, MachineRecord
from offload.drivers.host import machine as this_machine
from offload.drivers.settings import Settings
from offload.providers.ec2 import connection, registry
from offload.providers.ec2.registry import MachineState
from offload.usecases.context import Context
from offload.usecases.provision import machines, teardown
from tests import contexts

SPEC = Spec("big", "us-east-1", "c7i.large", ("192.0.2.1/32",))
BEGAN = "2026-11-21T12:00:00+00:00"
RECORD = MachineRecord(SPEC, "ec2-user", 0.0893, 16, "abc", BEGAN, id="i-1", ready=True)
RUNNING = Machine("i-1", "big", "us-east-1", "running", "c7i.large", BEGAN, "198.18.0.1")


@dataclass
class Account:
    """A cloud with these machines, which `key` lets into; `open` are the addresses it lets in."""

    region: str
    there: list[Machine] = field(default_factory=list)
    key: str | None = None
    open: tuple[str, ...] = ()
    stopped: list[str] = field(default_factory=list)

    def machines(self, name: str | None = None, *, gone: bool = False) -> list[Machine]:
        assert not gone
        return [m for m in self.there if name in {None, m.name}]

    def key_of(self, name: str) -> str | None:
        del name
        return self.key

    def open_to(self, vpc: str | None, name: str, cidrs: tuple[str, ...]) -> str:
        assert (vpc, name) == (None, "big")
        self.open = cidrs
        return "sg-1"

    def stop(self, machine_id: str) -> None:
        self.stopped.append(machine_id)

    def resources(self, name: str | None = None) -> list[Resource]:
        whose = (self.region, "bob-desk")
        return [
            Resource("instance", m.id, m.name, *whose, frozenset(["offload-big"]))
            for m in self.machines(name)
        ]

    def remove(self, resource: Resource) -> None:
        self.there = [m for m in self.there if m.id != resource.id]


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    return settings.load({"OFFLOAD_DATA": str(tmp_path), "OFFLOAD_CACHE": str(tmp_path)})


@pytest.fixture
def folder(tmp_path: Path) -> MachineFolder:
    return machine_files.folder(str(tmp_path / "machines"), "big")


Clouds = dict[tuple[str | None, str | None], Account]


@pytest.fixture
def clouds() -> Clouds:
    """Region and profile -> what is there."""
    return {}


@pytest.fixture
def context(configured: Settings, clouds: Clouds) -> Context:
    def cloud(region: str | None, profile: str | None) -> Account:
        if (region, profile) not in clouds:
            raise UsageError(f"There is no profile {profile}.")
        return clouds[region, profile]

    return contexts.context(configured, clouds=cloud)


def down(context: Context, region: str | None = None, may: str = "") -> list[str]:
    """What went, where `may` may, which is asked about."""
    told: list[str] = []

    def gone(resource: Resource) -> None:
        told.append(resource.id)

    def asked(found: Sequence[Resource]) -> bool:
        return [each.id for each in found] == [may]

    teardown.down(context, "big", region, None, gone, asked)
    return told


def test_machines_of_another_profile_in_the_usual_region_are_listed_once(
    context: Context, folder: MachineFolder, clouds: Clouds
) -> None:
    folder.keep(replace(RECORD, profile="work"))
    mine = replace(RUNNING, id="i-2", name="mine")
    clouds[None, None] = Account("us-east-1", [mine])
    clouds["us-east-1", "work"] = Account("us-east-1", [RUNNING, mine])
    rows = machines.listed(context, (), None)
    assert [(row.name, row.machine and row.machine.state) for row in rows] == [
        ("big", "running"), ("mine", "running"),
    ]  # fmt: skip


def test_a_machine_that_has_our_name_but_not_our_id_is_not_from_here(
    context: Context, folder: MachineFolder, clouds: Clouds
) -> None:
    folder.keep(RECORD)
    clouds["us-east-1", None] = Account("us-east-1", [replace(RUNNING, id="i-2"), RUNNING])
    rows = machines.listed(context, ["us-east-1"], None)
    assert [row.record for row in rows] == [None, RECORD]


def test_all_regions_are_none_where_no_region_is_known_to_ask_in(
    context: Context, folder: MachineFolder, clouds: Clouds
) -> None:
    folder.keep(RECORD)
    clouds["us-east-1", None] = Account("us-east-1", [RUNNING])
    assert len(machines.listed(context, (), None)) == 1
    with pytest.raises(UsageError):
        machines.listed(context, (), None, everywhere=True)


def test_a_region_that_refuses_hides_no_other_and_is_told_of_at_the_end(
    configured: Settings, folder: MachineFolder
) -> None:
    folder.keep(replace(RECORD, spec=replace(SPEC, region="af-south-1")))
    orphan = Resource("key pair", "offload-mine", "mine", "us-west-2")

    @dataclass
    class Everywhere(Account):
        def regions(self) -> list[str]:
            return ["af-south-1", "eu-south-2", "us-west-2"]

        def machines(self, name: str | None = None, *, gone: bool = False) -> list[Machine]:
            if self.region != "us-west-2":
                raise PlaceUnavailable("These credentials may not ec2:DescribeInstances.")
            return Account.machines(self, name, gone=gone)

        def resources(self, name: str | None = None) -> list[Resource]:
            return [orphan]

    running = [replace(RUNNING, region="us-west-2")]
    said: list[str] = []
    made = contexts.context(
        configured,
        said.append,
        clouds=lambda region, _: Everywhere(region or "eu-south-2", running),
    )
    rows = machines.listed(made, (), None, everywhere=True)
    assert [(row.name, row.region) for row in rows] == [("big", "us-west-2")], "nor called gone"
    refused = "The state of {} is unknown: These credentials may not ec2:DescribeInstances."
    told = [refused.format("af-south-1"), refused.format("eu-south-2")]
    assert said == told
    found = teardown.orphans(made, (), None, everywhere=True)
    assert [(cloud.region, ours) for cloud, ours in found] == [("us-west-2", [orphan])]
    assert said == told, "each once"
    with pytest.raises(PlaceUnavailable, match="may not"):
        machines.listed(made, ("af-south-1", "eu-south-2"), None)


def test_a_damaged_record_hides_no_machine(
    context: Context, folder: MachineFolder, clouds: Clouds
) -> None:
    folder.keep(RECORD)
    (Path(folder.path) / "machine.json").write_text("{")
    clouds[None, None] = Account("us-east-1", [RUNNING])
    [row] = machines.listed(context, (), None)
    assert (row.machine, row.record) == (RUNNING, None)


def test_what_is_not_known_to_be_anywhere_is_not_forgotten_before_it_is_removed(
    context: Context, folder: MachineFolder, clouds: Clouds
) -> None:
    folder.keep(RECORD)
    (Path(folder.path) / "machine.json").write_text("{")
    clouds[None, None] = Account("eu-west-1")
    clouds["us-east-1", None] = Account("us-east-1", [RUNNING])
    with pytest.raises(UsageError, match="does not say where") as caught:
        down(context)
    assert "--region" in str(caught.value.hint)
    assert folder.exists
    assert down(context, "us-east-1") == []
    assert folder.exists
    assert down(context, "us-east-1", may="i-1") == ["i-1"]
    assert not folder.exists


def test_a_machine_that_took_the_name_of_ours_is_removed_only_after_a_yes(
    configured: Settings, folder: MachineFolder
) -> None:
    folder.keep(RECORD)
    local = MachineState(folder, RECORD)
    local.public_key()
    theirs = replace(RUNNING, id="i-2")
    account = Account("us-east-1", [theirs], key="ssh-ed25519 AAAAtheirs")
    warned: list[str] = []
    context = contexts.context(configured, warned.append, clouds=lambda _region, _profile: account)
    with pytest.raises(UsageError, match="The machine big no longer exists"):
        machines.stop(context, "big")
    assert (connection.machines_of(local, cast("Any", account)), account.stopped) == ([], [])
    assert down(context, may="i-2") == [], "what is known here is not asked about"
    assert "instance i-2" in warned.pop()
    assert not folder.exists, "ours is forgotten"
    assert down(context) == [], "without a yes"
    assert down(context, may="i-2") == ["i-2"]


def test_a_machine_is_ours_by_its_key_too(
    context: Context, folder: MachineFolder, clouds: Clouds
) -> None:
    folder.keep(replace(RECORD, id=None))
    key = MachineState(folder, RECORD).public_key()
    clouds["us-east-1", None] = Account("us-east-1", [RUNNING], key=" ".join(key.split()[:2]))
    assert down(context) == ["i-1"]


def test_a_machine_without_a_name_is_the_only_one_else_called_like_its_user_and_computer(
    configured: Settings, folder: MachineFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "Ana_B")
    monkeypatch.setattr(platform, "node", lambda: "Laptop-7.example.org")
    assert registry.meant(configured, None) == "ana-b-laptop-7" == this_machine.owner()
    old = machine_files.folder(configured.machines_path, "main")
    old.keep(RECORD)
    assert registry.meant(configured, None) == "main", "as it was called before"
    assert registry.meant(configured, "bee") == "bee"
    folder.keep(RECORD)
    with pytest.raises(UsageError, match="Which machine: big, main"):
        registry.meant(configured, None)


def test_stopping_and_letting_in_change_nothing_else_that_is_known(
    context: Context, folder: MachineFolder, clouds: Clouds
) -> None:
    folder.keep(RECORD)
    account = clouds["us-east-1", None] = Account("us-east-1", [RUNNING])
    assert machines.allow(context, "big", ["192.0.2.0/24"]) == ("192.0.2.0/24",)
    assert account.open == ("192.0.2.0/24",)
    wider = replace(SPEC, allow_cidrs=("192.0.2.0/24",))
    assert folder.record() == replace(RECORD, spec=wider, cidrs_by_hand=True)
    machines.stop(context, "big")
    assert account.stopped == ["i-1"]
    assert folder.record() == replace(RECORD, spec=wider, cidrs_by_hand=True, address=None)


def test_a_spot_machine_is_one_that_the_cloud_calls_so(
    context: Context, folder: MachineFolder, clouds: Clouds
) -> None:
    folder.keep(RECORD)
    clouds["us-east-1", None] = Account("us-east-1", [replace(RUNNING, spot=True)])
    with pytest.raises(UsageError, match="spot instance"):
        machines.stop(context, "big")


def test_what_may_be_somebody_elses_is_listed_and_asked_about(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    found = [Resource("volume", "vol-1", "big", "us-east-1", "bob-desk")]
    with pytest.raises(UsageError, match="Removing what may be somebody else's needs --yes"):
        command._agreed(found, yes=False)
    assert capsys.readouterr().out == "us-east-1: volume vol-1 of big, made by bob-desk\n"
    assert command._agreed(found, yes=True)


def test_of_several_machines_the_others_go_where_one_does_not() -> None:
    gone: list[str] = []
    warned: list[str] = []
    reporter = contexts.context(warn=warned.append).reporter

    def remove(name: str) -> None:
        if name != "good":
            raise OffloadError(f"{name} does not go.")
        gone.append(name)

    with pytest.raises(OffloadError, match="worse does not go"):
        command._each([partial(remove, name) for name in ("bad", "good", "worse")], reporter)
    assert (gone, warned) == (["good"], ["bad does not go."])


@pytest.mark.parametrize(("age_s", "made"), [(5.0, "i-1"), (3600.0, None)])
def test_a_machine_is_just_made_for_minutes(
    folder: MachineFolder, age_s: float, made: str | None
) -> None:
    asked_at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age_s)
    record = replace(RECORD, asked_at=asked_at.isoformat(timespec="seconds"))
    assert MachineState(folder, record).just_made() == made
