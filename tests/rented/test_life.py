"""A rented machine from nothing to nothing, and what people do with it in between."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.remote.rows import assert_same, rows
from tests.rented.renter import WITHOUT_IMAGE, Rented, Renter

pytestmark = pytest.mark.xdist_group("rented machines")

REMOTE = ("--where", "remote")
FIRST = {"api", "pending", "boot", "engine", "image", "container", "load", "warm-up"}


def found_by(renter: Renter, folder: Path, *words: object) -> dict[str, dict[str, Any]]:
    """What `offload detect` finds in the pictures of a folder."""
    return rows(renter.well("detect", folder, "--json", "-q", *words))


def bring_ups(renter: Renter) -> list[dict[str, Any]]:
    """Those in the history, oldest first."""
    document = json.loads(renter.well("profile", "export"))
    found = [m for m in document["measurements"] if m["source"] == "provision"]
    return sorted(found, key=lambda measurement: str(measurement["taken_at"]))


def containers(machine: Rented) -> list[str]:
    """Ids of the containers that run on a machine."""
    return machine.renter.ssh(machine.name, "sudo docker ps -q --no-trunc").split()


def test_two_commands_at_once_make_one_machine_that_works_and_goes_without_a_trace(
    someone: Renter, name: str, examples: Path
) -> None:
    both = [someone.provisioning(name, *WITHOUT_IMAGE) for _ in range(2)]
    ends = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    [instance] = someone.instances(name)
    assert sum("found ready" in out for out, _err in ends) == 1, ends
    there = found_by(someone, examples, *REMOTE)
    assert_same(there, found_by(someone, examples, "-m", "builtin"))
    assert {row["where"] for row in there.values()} == {"remote"}
    [measured] = bring_ups(someone)
    [start] = measured["starts"]
    assert start["phases"].keys() - {"build"} == FIRST, "built here only if it was not yet"
    assert all(seconds > 0 for seconds in start["phases"].values())
    assert measured["facts"] == {"from": "new", "image": "streamed"}
    assert measured["condition"]["url"] == f"ec2:c7i.large@{someone.region}"

    kinds = {kind.rpartition(" ")[0] for kind in someone.carrying(name)}
    assert kinds == {"instance", "volume", "key pair", "security group"}
    gone = someone.well("down", name)
    assert f"instance {instance['InstanceId']} of {name}\n" in gone
    assert someone.carrying(name) == []
    assert not someone.folder(name).exists()
    assert someone.machine(name) is None
    assert someone("down", name).returncode == 2, "there is nothing any more"


def test_what_is_there_already_is_neither_created_nor_changed(machine: Rented) -> None:
    before, running = machine.id, containers(machine)
    known = len(bring_ups(machine.renter))
    document = json.loads(machine.renter.provision(machine.name, "--json"))
    assert (document["from"], document["image"]) == ("warm", "present")
    assert document["machine"]["id"] == before
    assert not document["phases"].keys() & {"api", "pending", "start", "load", "warm-up"}
    assert containers(machine) == running
    assert len(bring_ups(machine.renter)) == known, "nothing was brought up"


def test_a_machine_is_listed_with_what_it_costs_and_when_it_ends(machine: Rented) -> None:
    row = machine.renter.machine(machine.name)
    assert row is not None
    assert row["known_here"]
    assert row["ready"]
    assert row["age_s"] > 0
    assert 0 < row["usd"] < 1
    assert row["machine"]["state"] == "running"
    assert row["machine"]["instance_type"] == "c7i.large"
    text = machine.renter.well("machines")
    assert re.search(
        rf"{machine.name} +running +c7i.large +{machine.renter.region} +198\.18\.", text
    )
    assert re.search(r"by 20\d\d-\d\d-\d\d \d\d:\d\d UTC", text)


def test_its_log_and_a_shell_are_a_command_away(machine: Rented) -> None:
    said = machine.renter.well("logs", machine.name, "-n", "100000")
    assert "Serving builtin" in said
    assert re.search(r" GET /v1/info 200 [\d.]+ s, 0 bytes in, \d+ out$", said, re.MULTILINE)
    assert machine.renter.ssh(machine.name, "whoami") == "ec2-user\n"
    failed = machine.renter("ssh", machine.name, "--", "exit 7")
    assert failed.returncode == 7


def test_it_serves_again_after_it_was_stopped_and_started(machine: Rented, examples: Path) -> None:
    renter, before = machine.renter, machine.address
    said = renter.well("stop", machine.name)
    assert re.search(rf"{machine.name} stops; its disk costs \$\d+\.\d\d a month", said)
    try:
        refused = renter("detect", examples, *REMOTE)
        assert refused.returncode == 4
        assert f"The machine {machine.name} is stopped." in refused.stderr
        assert f"offload start {machine.name}" in refused.stderr
    finally:
        started = json.loads(renter.well("start", machine.name, "--json"))
    assert (started["from"], started["image"]) == ("stopped", "present")
    assert started["machine"]["address"] != before
    assert bring_ups(renter)[-1]["facts"]["from"] == "stopped"
    assert found_by(renter, examples, *REMOTE).keys() == rows(machine.first).keys()


def test_another_model_with_labels_replaces_what_it_serves(
    machine: Rented, examples: Path, ssd: Path, ssd_labels: Path
) -> None:
    renter, before, running = machine.renter, machine.id, containers(machine)
    given = ("-m", ssd, "--labels", ssd_labels)
    try:
        document = json.loads(renter.provision(machine.name, *given, "--json"))
        assert (document["machine"]["id"], document["image"]) == (before, "present")
        assert document["model"]["name"] == ssd.stem
        assert containers(machine) != running
        there = found_by(renter, examples, *REMOTE)
        assert_same(there, found_by(renter, examples, *given))
        labels = {d["label"] for row in there.values() for d in row["detections"]}
        assert "person" in labels
        refused = renter("detect", examples, *REMOTE, "-m", "builtin")
        assert refused.returncode == 4
        assert "serves" in refused.stderr
    finally:
        renter.provision(machine.name, "-m", "builtin")
    assert len(found_by(renter, examples, *REMOTE, "-m", "builtin")) > 0


def test_two_machines_at_once_are_told_apart_by_their_names(
    machine: Rented, name: str, examples: Path
) -> None:
    renter = machine.renter
    renter.killed_at(name, "boot")
    try:
        unclear = renter("detect", examples, *REMOTE)
        assert unclear.returncode == 2
        assert "Which machine: " in unclear.stderr
        assert name in unclear.stderr
        assert machine.name in unclear.stderr
        named = found_by(renter, examples, *REMOTE, "--machine", machine.name)
        assert named.keys() == rows(machine.first).keys()
        first, second = renter.there(machine.name), renter.there(name)
        assert first["id"] != second["id"]
        assert first["address"] != second["address"]
        for one in (machine.name, name):
            assert len([r for r in renter.carrying(one) if r.startswith("instance")]) == 1
    finally:
        renter.well("down", name)
    assert renter.carrying(name) == []
    assert len(renter.carrying(machine.name)) == 4, "the other one is untouched"


def test_it_is_measured_like_any_other_place_and_advice_knows_what_a_cold_start_takes(
    machine: Rented, examples: Path
) -> None:
    renter = machine.renter
    given = ("-m", "builtin", "--offline")
    renter.well(
        "profile", examples, *given, "--where", "local,remote", "--budget", "4s", timeout=300
    )
    document = json.loads(renter.well("profile", "export"))
    places = {m["condition"]["place"] for m in document["measurements"] if m["source"] != "run"}
    assert places == {"local", "remote"}
    advice = json.loads(renter.well("advise", "-n", "200", *given, "--json"))
    rented = [each for each in advice["options"] if each["place"] == "remote"]
    states = {each["state"] for each in rented}
    assert "cold" in states, states
    cold = [each for each in rented if each["state"] == "cold"]
    assert any(term["origin"] == "measured" for each in cold for term in each["terms"].values())
    done = renter("detect", examples, "-m", "builtin", "--where", "auto", "--json")
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout).keys() == rows(machine.first).keys()


def test_nothing_is_rented_for_a_look_at_the_plan(someone: Renter, name: str) -> None:
    text = someone.well("provision", "ec2", "--plan", "--name", name, "--offline")
    for expected in ("c7i.large", "an hour", "a month while it is stopped", "RunInstances"):
        assert expected in text
    document = json.loads(
        someone.well("provision", "ec2", "--plan", "--name", name, "--offline", "--json")
    )
    assert document["there"] is None
    assert document["cost"]["usd_per_h"] > 0
    assert someone.carrying(name) == []
    assert not someone.folder(name).exists()


def test_detect_rents_what_it_needs_only_if_it_is_told_to(
    machine: Rented, name: str, examples: Path
) -> None:
    assert {row["where"] for row in rows(machine.first).values()} == {"remote"}
    unknown = machine.renter("detect", examples, *REMOTE, "--machine", name)
    assert unknown.returncode == 2
    assert f"This computer knows no machine {name}." in unknown.stderr
    assert machine.renter.carrying(name) == []
