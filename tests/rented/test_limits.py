"""Machines end by themselves, with nobody watching."""

import socket
import time

import pytest

from tests.rented.renter import Rented, Renter, until

pytestmark = pytest.mark.xdist_group("rented machines that end")


def ended(renter: Renter, name: str) -> bool:
    """Whether the cloud has no machine of that name any more."""
    states = {instance["State"]["Name"] for instance in renter.instances(name)}
    return states <= {"shutting-down", "terminated"}


def test_nobody_is_connected_for_long_and_it_ends(someone: Renter, name: str) -> None:
    someone.killed_at(name, "engine", "--idle", "12s", "--max-lifetime", "never")
    assert not ended(someone, name)
    until(lambda: ended(someone, name), every_s=1)
    assert someone.machine(name)["machine"] is None  # type: ignore[index] # it is known here
    assert not [each for each in someone.carrying(name) if each.startswith("volume")]


def test_its_lifetime_is_over_and_another_takes_its_name_also_after_a_stop_and_a_start(
    someone: Renter, name: str
) -> None:
    someone.killed_at(name, "boot", "--idle", "never", "--max-lifetime", "20s")
    [first] = someone.instances(name)
    someone.well("stop", name)
    until(lambda: someone.instances(name)[0]["State"]["Name"] == "stopped")
    someone.client().start_instances(InstanceIds=[first["InstanceId"]])
    until(lambda: ended(someone, name), every_s=1)
    someone.killed_at(name, "boot", "--idle", "never", "--max-lifetime", "8s")
    ids = {instance["InstanceId"] for instance in someone.instances(name)}
    assert ids - {first["InstanceId"]}
    until(lambda: ended(someone, name), every_s=1)


def test_a_connection_keeps_it_and_other_limits_can_be_set(machine: Rented) -> None:
    renter, name = machine.renter, machine.name
    time.sleep(7)  # so that it has idled for longer than it may from now on
    process = renter.reached(name, "container", "--idle", "6s", "--max-lifetime", "2h")
    try:
        with socket.create_connection((machine.address, 22)):
            assert process.communicate(timeout=300)[0]
            time.sleep(9)
            assert renter.ssh(name, "sudo cat /etc/offload/limits") == "IDLE_S=6\nLIFETIME_S=7200\n"
            there = renter.there(name)
            assert there["state"] == "running"
            renter.provision(name, "--idle", "20m", "--max-lifetime", "4h")
    finally:
        renter.provision(name, "--idle", "20m", "--max-lifetime", "4h")
    assert machine.id == there["id"]
