"""What becomes of images when the way to the machine breaks off."""

import time
from pathlib import Path

import pytest

from tests.rented.pictures import MANY, assert_each_once, in_the_middle, lines, slow
from tests.rented.renter import Rented, shape

pytestmark = pytest.mark.xdist_group("rented machines")

REMOTE = ("--where", "remote", "--model", "builtin")
OUTAGE_S = 10.0


def test_all_images_arrive_though_the_link_drops_for_ten_seconds(
    machine: Rented, many: Path, tmp_path: Path
) -> None:
    with slow(machine) as machine_id:
        process = machine.renter.begun("detect", many, *REMOTE, "-o", tmp_path / "out")
        in_the_middle(tmp_path / "out")
        shape(machine_id, loss=100)
        time.sleep(OUTAGE_S)
        during = len(lines(tmp_path / "out"))
        shape(machine_id, loss=0)
        _out, err = process.communicate(timeout=300)
    assert during < MANY
    assert process.returncode == 0, err
    found = assert_each_once(tmp_path / "out")
    assert {row["where"] for row in found} == {"remote"}
    assert f"{MANY} images, 0 failed" in err


def test_all_images_arrive_though_the_connection_is_cut(
    machine: Rented, many: Path, tmp_path: Path
) -> None:
    with slow(machine):
        process = machine.renter.begun("detect", many, *REMOTE, "-o", tmp_path / "out")
        in_the_middle(tmp_path / "out")
        cut = machine.renter("ssh", machine.name, "--", "sudo pkill -KILL -f 'sshd: [e]c2-user'")
        assert cut.returncode != 0, "our own connection is among them"
        _out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    found = assert_each_once(tmp_path / "out")
    assert {row["where"] for row in found} == {"remote"}
