"""What this computer knows of its machines."""

import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from offload.domain.errors import OffloadError, UsageError
from offload.domain.machines import Machine, Spec
from offload.domain.measurements import Outcome
from offload.drivers.folders import files, machine_files
from offload.drivers.folders.machine_files import MachineFolder, MachineRecord
from offload.drivers.store.store import Store
from offload.providers.ec2.registry import MachineState

SPEC = Spec(
    "big", "us-east-1", "c7i.large", ("192.0.2.1/32", "192.0.2.2/32"), lifetime_s=None,
    tags={"colour": "red"},
)  # fmt: skip
RECORD = MachineRecord(
    SPEC, "ec2-user", 0.0893, 16, "abc", "2026-11-21T12:00:00+00:00", profile="work"
)

OUTCOME = Outcome("2026-11-21T09:00:00+00:00", "key", "local", "builtin", 9, 99, 2, 1, 3, 2.5)


@pytest.fixture
def folder(tmp_path: Path) -> MachineFolder:
    return machine_files.folder(str(tmp_path / "machines"), "big")


def modes(folder: MachineFolder) -> dict[str, int]:
    home = Path(folder.path)
    return {file.name: file.stat().st_mode & 0o777 for file in (home, *home.iterdir())}


def test_a_record_is_read_as_it_was_written(folder: MachineFolder) -> None:
    assert folder.record() is None
    assert not folder.exists
    folder.keep(RECORD)
    assert folder.record() == RECORD
    there = Machine("i-1", "big", "us-east-1", "running", "c7i.large", "then", "198.18.0.1")
    folder.keep(RECORD.seen(there))
    assert folder.record() == replace(RECORD, id="i-1", address="198.18.0.1")
    assert RECORD.kind.label == "ec2:c7i.large@us-east-1"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"spec": {}}', '{"spec": null}', "null", "\x00"])
def test_a_damaged_record_says_how_to_be_rid_of_the_machine(
    folder: MachineFolder, text: str
) -> None:
    folder.keep(RECORD)
    (Path(folder.path) / "machine.json").write_text(text)
    with pytest.raises(OffloadError, match="cannot be read") as caught:
        folder.record()
    assert caught.value.hint == "To remove the machine: offload down big"


def test_a_record_of_another_version_is_told_of_too(folder: MachineFolder) -> None:
    folder.keep(RECORD)
    file = Path(folder.path) / "machine.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"colour": "red"}))
    with pytest.raises(OffloadError, match="cannot be read"):
        folder.record()


def test_a_record_from_before_addresses_were_remembered_is_read(folder: MachineFolder) -> None:
    folder.keep(RECORD)
    file = Path(folder.path) / "machine.json"
    document = json.loads(file.read_text())
    del document["cidrs_by_hand"]
    file.write_text(json.dumps(document))
    assert folder.record() == RECORD


def test_what_is_written_is_for_its_owner_alone(folder: MachineFolder) -> None:
    folder.write("key", "private\n")
    folder.write("key", "another\n")
    assert folder.read("key") == "another\n"
    assert modes(folder) == {"big": 0o700, "key": 0o600}


def test_data_is_its_owners_alone_whatever_was_there_before(tmp_path: Path) -> None:
    data = tmp_path / "share" / "offload"
    folder = machine_files.folder(str(data / "machines"), "big")
    made = {"": 0o700, "offload": 0o700, "machines": 0o700, "big": 0o700}
    made |= {"big.lock": 0o600, "key": 0o600, "history.sqlite3": 0o600}
    before = os.umask(0)
    try:
        for _ in range(2):
            with folder.locked():
                folder.write("key", "private")
            with Store.opened(str(data / "history.sqlite3"), pytest.fail) as store:
                store.note(OUTCOME)
            found = [path for path in data.rglob("*") if path.name in made]
            assert {path.name: path.stat().st_mode & 0o777 for path in found} | {
                "": (tmp_path / "share").stat().st_mode & 0o777,
                "offload": data.stat().st_mode & 0o777,
            } == made
            for path in (data, *found):
                path.chmod(path.stat().st_mode | 0o077)
    finally:
        os.umask(before)


def test_a_folder_that_is_everybodys_stays_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    files.private_folder(str(tmp_path))
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def test_a_file_that_is_missing_is_said_to_be(folder: MachineFolder) -> None:
    with pytest.raises(OffloadError, match=r"A file of the machine big is missing here"):
        folder.read("key")


def test_a_token_is_made_once(folder: MachineFolder) -> None:
    token = MachineState(folder, RECORD).token
    assert len(token) == 32
    assert MachineState(folder, RECORD).token == token


def test_what_a_killed_process_left_half_written_is_in_nobodys_way(folder: MachineFolder) -> None:
    folder.write("key", "private\n")
    (Path(folder.path) / ".token").write_text("half")
    (Path(folder.path) / ".token").chmod(0o444)
    assert len(MachineState(folder, RECORD).token) == 32


def test_host_keys_are_pinned_by_the_name_of_the_machine(folder: MachineFolder) -> None:
    folder.pin("ssh-ed25519 AAAAold", "ssh-ed25519 AAAAnew")
    assert Path(folder.file("known_hosts")).read_text() == (
        "offload-big ssh-ed25519 AAAAold\noffload-big ssh-ed25519 AAAAnew\n"
    )
    folder.pin("ssh-ed25519 AAAAnew")
    assert Path(folder.file("known_hosts")).read_text() == "offload-big ssh-ed25519 AAAAnew\n"
    folder.drop("known_hosts")
    folder.drop("known_hosts")
    assert not folder.has("known_hosts")


def test_nothing_stays_of_a_machine_that_is_forgotten(folder: MachineFolder) -> None:
    folder.keep(RECORD)
    folder.write("token", "text")
    folder.remove()
    folder.remove()
    assert not folder.exists
    assert folder.record() is None


@pytest.mark.parametrize(
    "name", ["", "Big", "-big", "../up", "a/b", "a" * 41, "big\n", "größe", "."]
)
def test_a_machine_cannot_be_called_what_is_no_name_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        machine_files.folder(str(tmp_path), name)


def test_all_machines_are_found_and_nothing_else(tmp_path: Path) -> None:
    root = str(tmp_path / "machines")
    assert machine_files.folders(root) == []
    for name in ("two", "one"):
        with machine_files.folder(root, name).locked():
            machine_files.folder(root, name).keep(RECORD)
    (tmp_path / "machines" / "Not A Name").mkdir()
    (tmp_path / "machines" / "file").write_text("")
    assert [each.name for each in machine_files.folders(root)] == ["one", "two"]


def _hold(
    folder: MachineFolder,
    held: "multiprocessing.synchronize.Event",
    done: "multiprocessing.synchronize.Event",
) -> None:
    with folder.locked():
        held.set()
        done.wait(30)


def test_while_one_process_changes_a_machine_others_see_that(folder: MachineFolder) -> None:
    assert not folder.is_locked
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(folder, held, done))
    process.start()
    assert held.wait(30)
    assert folder.is_locked
    done.set()
    process.join(30)
    assert not folder.is_locked


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "machines").write_text("a file")
    folder = machine_files.folder(str(tmp_path / "machines"), "big")
    told = r"machines/big cannot be written: .*\.$"
    with pytest.raises(OffloadError, match=told) as caught, folder.locked():
        raise AssertionError("there is no lock")
    assert "OFFLOAD_DATA" in str(caught.value.hint)
    with pytest.raises(OffloadError, match=told):
        folder.keep(RECORD)
    with pytest.raises(OffloadError, match=told):
        folder.write("key", "secret")
