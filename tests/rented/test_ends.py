"""Clients and machines that end in the middle of what they do."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.rented.pictures import MANY, assert_each_once, in_the_middle, slow
from tests.rented.renter import WITHOUT_IMAGE, Rented, Renter, called, give_back

pytestmark = pytest.mark.xdist_group("rented machines that end")

REMOTE = ("--where", "remote", "--model", "builtin")
DOCKER = "sudo docker"
KILLED = (
    ("api", 0.0), ("pending", 0.0), ("boot", 0.3), ("engine", 0.0), ("image", 0.7),
    ("container", 0.3),
)  # fmt: skip
"""Phases, and how many seconds into them the client is killed."""


@pytest.fixture(scope="module")
def survivor(
    region: str, tmp_path_factory: pytest.TempPathFactory, checkip: str
) -> Iterator[Rented]:
    """A machine that came up though its client was killed in each phase; the tests here end it."""
    one = Rented(Renter(tmp_path_factory.mktemp("renter"), checkip, region), called("survivor"))
    try:
        for phase, after_s in KILLED:
            if phase == "image":
                one.renter.ssh(one.name, f"{DOCKER} tag offload aside && {DOCKER} rmi offload")
            one.renter.killed_at(one.name, phase, after_s=after_s)
            assert len(one.renter.instances(one.name)) <= 1
            if phase == "image":
                one.renter.ssh(one.name, f"{DOCKER} tag aside offload")
        one.renter.provision(one.name)
        yield one
    finally:
        give_back(one.renter)


def test_a_client_that_was_killed_in_each_phase_still_ends_up_with_one_machine(
    survivor: Rented, examples: Path
) -> None:
    renter, name = survivor.renter, survivor.name
    [instance] = renter.instances(name)
    assert instance["InstanceId"] == survivor.id
    assert len(renter.carrying(name)) == 4
    assert renter.well("detect", examples, *REMOTE, "--json").count("\n") > 0
    [pinned] = (renter.folder(name) / "known_hosts").read_text().splitlines()
    assert pinned.startswith(f"offload-{name} ssh-ed25519 ")


def test_a_machine_that_ends_in_the_middle_costs_no_image_its_row(
    survivor: Rented, many: Path, tmp_path: Path
) -> None:
    renter, outs = survivor.renter, (tmp_path / "local", tmp_path / "none")
    with slow(survivor) as machine_id:
        given = ("detect", many, *REMOTE, "-o")
        with_it = renter.begun(*given, outs[0], "--fallback", "local")
        without = renter.begun(*given, outs[1])
        for out in outs:
            in_the_middle(out)
        renter.client().terminate_instances(InstanceIds=[machine_id])
        _, said = without.communicate(timeout=300)  # not a minute for each of the images
        _, said_with = with_it.communicate(timeout=300)
    assert without.returncode == 3, said
    found = assert_each_once(outs[1])
    failed = [row for row in found if row["error"]]
    assert 0 < len(failed) < MANY
    assert f"{MANY} images, {len(failed)} failed" in said
    assert any("is gone" in row["error"] for row in failed), failed[-1]

    assert with_it.returncode == 0, said_with
    found = assert_each_once(outs[0])
    here = [row for row in found if row["where"] == "local"]
    assert 0 < len(here) < MANY
    assert not [row for row in found if row["error"]]
    assert all(row["fallback"] for row in here)
    assert f"{MANY} images, 0 failed" in said_with
    totals = json.loads((outs[0] / "run.json").read_text())["totals"]
    assert totals["images"] == MANY


def test_a_machine_that_is_gone_is_told_of_and_another_takes_its_name(
    survivor: Rented, examples: Path
) -> None:
    renter, name = survivor.renter, survivor.name
    if renter.machine(name)["machine"]:  # type: ignore[index] # it is known here
        renter.client().terminate_instances(InstanceIds=[survivor.id])
    before = {instance["InstanceId"] for instance in renter.instances(name)}
    row = renter.machine(name)
    assert row is not None
    assert row["machine"] is None
    for words in (("detect", examples, *REMOTE, "-q"), ("ssh", name, "--", "true"), ("logs",)):
        refused = renter(*words)
        assert refused.returncode == 4, words
        error, hint = refused.stderr.splitlines()
        assert error.startswith(f"error: The machine {name} is gone")
        assert f"offload provision ec2 --name {name}" in hint
    assert renter("stop", name).returncode == 2
    renter.killed_at(name, "engine")
    assert renter.there(name)["id"] not in before
    assert renter.ssh(name, "echo welcome") == "welcome\n"


def test_orphans_are_removed_wherever_their_client_was_killed_and_nothing_else(
    machine: Rented,
) -> None:
    renter = machine.renter
    names = {phase: called(phase) for phase in ("api", "pending", "boot", "engine")}
    delays = dict(KILLED) | {"api": 0.1}

    def kill(phase: str) -> None:
        renter.killed_at(names[phase], phase, *WITHOUT_IMAGE, after_s=delays[phase])

    try:
        with ThreadPoolExecutor(3) as at_once:
            list(at_once.map(kill, names))
        left = {phase: renter.carrying(name) for phase, name in names.items()}
        assert all(left[phase] for phase in ("pending", "boot", "engine")), left
        shutil.rmtree(renter.folder(names["boot"]))  # as if from another computer
        mine, given = (
            renter.carrying(machine.name),
            ("down", "--orphans", "--region", renter.region),
        )
        unsaid = renter(*given)
        assert unsaid.returncode == 2
        assert "offload down --orphans" in unsaid.stderr or "--yes" in unsaid.stderr
        assert {phase: renter.carrying(name) for phase, name in names.items()} == left
        gone = renter.well(*given, "--yes")
        for phase, name in names.items():
            assert renter.carrying(name) == [], phase
            assert not left[phase] or name in gone
        assert renter.carrying() == mine == renter.carrying(machine.name)
        assert machine.name not in gone
        assert renter.ssh(machine.name, "echo welcome") == "welcome\n"
        again = renter(*given, "--yes")
        assert (again.returncode, again.stdout) == (0, "")
    finally:
        for name in names.values():
            renter("down", name, "-q")


@pytest.mark.parametrize("interruptions", [[("api", 1)], [("engine", 1), ("image", 2)]])
def test_an_interrupted_provisioning_says_what_is_left_and_how_to_remove_it(
    someone: Renter, name: str, interruptions: list[tuple[str, int]]
) -> None:
    for phase, times in interruptions:
        process = someone.reached(name, phase, *WITHOUT_IMAGE)
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.3)  # else two signals are one
        out, err = process.communicate(timeout=300)
        assert process.returncode == 130, err
        assert out == ""
        if times == 1:
            assert "Stopping after this step; Ctrl-C again stops now." in err
        [instance] = someone.instances(name)
        assert f"What exists of {name}: instance {instance['InstanceId']}, " in err
        remove = next(line for line in err.splitlines() if "to remove all of it: " in line)
    someone.well(*remove.partition("to remove all of it: offload ")[2].split())
    assert someone.carrying(name) == []
    assert not someone.folder(name).exists()
