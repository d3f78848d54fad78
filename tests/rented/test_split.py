"""One job here and at a rented machine together."""

import json
import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from offload.domain import profiles
from offload.domain.ports import ModelIdentity
from offload.drivers.host import machine as this_machine
from tests.measured import bring_up
from tests.paced import Pace
from tests.rented.pictures import lines
from tests.rented.renter import Rented, Renter, comes_to, is_on, shape, until

pytestmark = pytest.mark.xdist_group("rented machines")

SPLIT = ("--model", "builtin", "--workers", 1, "--where", "split")
MANY = 2000
"""More pictures than can be done before anybody notices that some are."""
Pictures = Callable[[int], Path]


@pytest.fixture(scope="module")
def hopes(machine: Rented, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history in which machines came up within two seconds."""
    one = replace(machine.renter, home=tmp_path_factory.mktemp("hopes"))
    shown = json.loads(one.well("models", "show", "builtin", "--json"))
    model = ModelIdentity("builtin", "tflite", shown["sha256"])
    client, label = this_machine.describe(), f"ec2:c7i.large@{one.region}"
    known = []
    for number, came_from in enumerate(("new", "stopped") * 5):
        when = f"2036-11-21T09:00:0{number}+00:00"  # later than what really was
        each = bring_up(came_from, 8, 2, 2, url=label, taken_at=when)
        [start] = each.starts
        phases = {name: seconds / 6 for name, seconds in start.phases.items()}
        start = replace(start, startup_s=sum(phases.values()), phases=phases)
        condition = replace(each.condition, client=client, model=model)
        known.append(replace(each, condition=condition, starts=(start,)))
    (one.home / "known.json").write_text(json.dumps(profiles.document(known, [])))
    one.well("profile", "import", one.home / "known.json")
    return one.home / "data" / "history.sqlite3"


@pytest.fixture(scope="module")
def up(
    machine: Rented, hopes: Path, paced: Pace, tmp_path_factory: pytest.TempPathFactory
) -> Rented:
    """The machine of all, known to a computer where such hopes are entertained."""
    home = tmp_path_factory.mktemp("other")
    shutil.copytree(machine.renter.home / "data" / "machines", home / "data" / "machines")
    shutil.copy(hopes, home / "data")
    return replace(machine, renter=replace(machine.renter, home=home, paths=paced.paths))


@pytest.fixture
def hopeful(someone: Renter, hopes: Path, pace: Pace) -> Renter:
    """A renter with such hopes, who has nothing yet."""
    (someone.home / "data").mkdir(parents=True)
    shutil.copy(hopes, someone.home / "data")
    return replace(someone, paths=pace.paths)


@pytest.fixture
def pictures(many: Path, tmp_path: Path) -> Callable[[int], Path]:
    """A folder of so many pictures."""

    def made(count: int) -> Path:
        folder = tmp_path / f"{count} pictures"
        folder.mkdir()
        originals = sorted(many.iterdir())
        for number in range(count):
            (folder / f"{number:05}.jpg").symlink_to(originals[number % len(originals)])
        return folder

    return made


def assert_each_once(folder: Path, out: Path) -> Counter[str]:
    """Every picture has one row, and none failed; how many were done where."""
    found = lines(out)
    assert sorted(row["path"] for row in found) == sorted(os.listdir(folder))
    assert not [row for row in found if row["error"]]
    return Counter(row["where"] for row in found)


def done_there(out: Path) -> int:
    """How many pictures the machine has done so far."""
    log = out / "detections.jsonl"
    return log.read_text().count('"where":"remote"') if log.exists() else 0


@contextmanager
def limited(machine: Rented, mbit: float) -> Iterator[str]:
    """Its link at so much meanwhile, and whole afterwards; its id."""
    machine_id = machine.id
    shape(machine_id, up=mbit)
    try:
        yield machine_id
    finally:
        shape(machine_id, up=0, loss=0)


def state(renter: Renter, name: str) -> str:
    return str(renter.there(name)["state"])


def spent_usd(said: str) -> float:
    """What the summary says was spent."""
    found = re.search(r"^\$([\d.]+) spent", said, re.MULTILINE)
    assert found is not None, said
    return float(found[1])


def test_a_machine_that_is_up_takes_part_and_stays_up(
    up: Rented, pictures: Pictures, pace: Pace, tmp_path: Path
) -> None:
    folder, out = pictures(100), tmp_path / "out"
    pace(0.3)
    done = up.renter("detect", folder, *SPLIT, "-o", out)
    assert done.returncode == 0, done.stderr
    by_place = assert_each_once(folder, out)
    assert by_place["local"] > 0
    assert by_place["remote"] > 0
    assert 0 < spent_usd(done.stderr) < 0.01
    assert "removed again" not in done.stderr
    assert state(up.renter, up.name) == "running"


def test_where_auto_may_share_a_job_with_a_machine_that_is_up(
    up: Rented, many: Path, tmp_path: Path
) -> None:
    given = ("--model", "builtin", "--where", "auto", "--deadline", "5m", "--max-cost", "1")
    done = up.renter("detect", many, *given, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert_each_once(many, tmp_path / "out")
    assert state(up.renter, up.name) == "running"


def test_a_machine_is_let_go_before_it_costs_too_much_and_the_rest_is_done_here(
    up: Rented, pictures: Pictures, pace: Pace, tmp_path: Path
) -> None:
    row = up.renter.machine(up.name)
    assert row is not None
    most_usd = 12 * row["usd"] / row["age_s"]
    folder, out = pictures(150), tmp_path / "out"
    given = ("--max-cost", f"{most_usd:.7f}", "-o", out)
    pace(0.25)
    with limited(up, 3):  # so that all would take more than those twelve seconds
        done = up.renter("detect", folder, *SPLIT, *given)
    assert done.returncode == 0, done.stderr
    by_place = assert_each_once(folder, out)
    assert "remote gets no more images, to stay within --max-cost" in done.stderr
    assert by_place["remote"] > 0
    assert "allowed" in done.stderr
    assert "more than the" not in done.stderr
    assert state(up.renter, up.name) == "running"


def test_a_link_that_is_cut_costs_no_image(
    up: Rented, pictures: Pictures, pace: Pace, tmp_path: Path
) -> None:
    folder, out = pictures(150), tmp_path / "out"
    pace(0.3)
    with limited(up, 10) as machine_id:
        process = up.renter.begun("detect", folder, *SPLIT, "-o", out)
        until(lambda: done_there(out) > 10)
        shape(machine_id, loss=100)
        pace(0)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert assert_each_once(folder, out)["local"] > 0


def test_a_machine_that_was_stopped_is_stopped_again(
    up: Rented, pictures: Pictures, pace: Pace, tmp_path: Path
) -> None:
    renter, out = up.renter, tmp_path / "out"
    renter.well("stop", up.name)
    until(lambda: renter.instances(up.name)[0]["State"]["Name"] == "stopped")
    pace(0.5)
    process = renter.begun("detect", pictures(MANY), *SPLIT, "--provision", "-o", out)
    until(lambda: done_there(out) > 10)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert f"The machine {up.name} is stopped again" in said
    assert state(renter, up.name) in {"stopping", "stopped"}
    assert spent_usd(said) > 0
    known = json.loads(renter.well("profile", "export"))["measurements"]
    shared = [m["condition"] for m in known if m["condition"].get("beside") == "local"]
    assert {each["url"] for each in shared} == {f"ec2:c7i.large@{renter.region}"}


def test_a_machine_that_is_kept_stays_up_though_the_job_is_interrupted(
    up: Rented, pictures: Pictures, pace: Pace, tmp_path: Path
) -> None:
    """It is the one that was stopped."""
    renter, out = up.renter, tmp_path / "out"
    until(lambda: state(renter, up.name) in {"stopped", "running"})
    given = ("--provision", "--keep", "--machine", up.name, "-o", out)
    pace(0.5)
    process = renter.begun("detect", pictures(MANY), *SPLIT, *given)
    until(lambda: done_there(out) > 10)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "stopped again" not in said
    assert state(renter, up.name) == "running"


def test_a_machine_that_is_rented_on_the_way_and_ends_on_the_way_costs_no_image_and_leaves_nothing(
    hopeful: Renter, name: str, pictures: Pictures, pace: Pace, tmp_path: Path
) -> None:
    folder, out = pictures(300), tmp_path / "out"
    pace(1)
    given = ("--provision", "--machine", name, "-o", out)
    process = hopeful.begun("detect", folder, *SPLIT, *given)
    until(lambda: len(lines(out)) > 1)
    assert done_there(out) == 0, "it begins before the machine is up"
    ec2 = hopeful.client()
    [instance] = until(lambda: hopeful.instances(name))
    until(lambda: done_there(out) > 10, 180)
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    pace(0)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    by_place = assert_each_once(folder, out)
    assert by_place["local"] > 0
    assert "remote joined" in said
    assert f"The machine {name} is removed again" in said
    assert spent_usd(said) >= 0.001, "a minute at least"
    assert hopeful.carrying(name) == []
    assert hopeful.machine(name) is None


def test_nothing_is_rented_for_what_is_done_before_a_machine_would_be_up(
    someone: Renter, name: str, examples: Path
) -> None:
    done = someone("detect", examples, *SPLIT, "--provision", "--machine", name)
    assert done.returncode == 0, done.stderr
    assert len(re.findall("^No machine (?:is|was) rented: ", done.stderr, re.MULTILINE)) == 1
    assert someone.carrying(name) == []
    assert not someone.folder(name).exists()


def test_nothing_is_rented_that_would_cost_more_than_is_allowed(
    hopeful: Renter, name: str, pictures: Pictures, pace: Pace
) -> None:
    folder = pictures(100)
    pace(0.05)
    given = ("--provision", "--machine", name, "--max-cost", "0.001")
    done = hopeful("detect", folder, *SPLIT, *given)
    assert done.returncode == 0, done.stderr
    [line] = [each for each in done.stderr.splitlines() if each.startswith("warning: ")]
    assert line.startswith("warning: The remote place is left out: it costs at least $0.00")
    assert hopeful.carrying(name) == []


@pytest.mark.parametrize("how", ["the job ends", "Ctrl-C"])
def test_a_machine_that_is_not_needed_any_more_before_it_is_up_is_given_up(
    hopeful: Renter, name: str, pictures: Pictures, pace: Pace, tmp_path: Path, how: str
) -> None:
    folder, out = pictures(200), tmp_path / "out"
    pace(1)
    given = ("--provision", "--machine", name, "-v", "-o", out)
    process = comes_to("boot", hopeful.begun("detect", folder, *SPLIT, *given))
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        machine_id = hopeful.there(name)["id"]
        until(lambda: is_on(machine_id))
        shape(machine_id, up=1)  # not up before the end, however slow the job is
        pace(0)
    _, said = process.communicate(timeout=300)
    assert process.returncode == (0 if how == "the job ends" else 130), said
    if how == "the job ends":
        assert_each_once(folder, out)
    assert f"The machine {name} is removed again" in said
    assert hopeful.carrying(name) == []
    assert not hopeful.folder(name).exists()


def test_ctrl_c_twice_ends_at_once_and_says_what_is_left_and_how_to_remove_it(
    hopeful: Renter, name: str, pictures: Pictures, pace: Pace
) -> None:
    given = ("--provision", "--machine", name, "-v", "--json")
    pace(1)
    process = comes_to("boot", hopeful.begun("detect", pictures(200), *SPLIT, *given))
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)  # else two signals are one
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    if f"What exists of {name}: " in said:
        remove = next(line for line in said.splitlines() if "to remove all of it: " in line)
        hopeful.well(*remove.partition("to remove all of it: offload ")[2].split())
    else:
        assert "removed again" in said or "or it is gone" in said
    assert hopeful.carrying(name) == []


def test_what_a_killed_client_has_rented_is_listed_and_can_be_removed(
    up: Rented, name: str, pictures: Pictures, pace: Pace
) -> None:
    renter = up.renter
    given = ("--provision", "--machine", name, "-v", "--json")
    pace(1)
    process = comes_to("boot", renter.begun("detect", pictures(200), *SPLIT, *given))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    row: dict[str, Any] | None = renter.machine(name)
    assert row is not None
    assert row["known_here"]
    assert row["machine"]["state"] == "running"
    renter.well("down", "--orphans", "--region", renter.region, "--yes")
    assert renter.carrying(name) == []
    assert renter.machine(name) is None
    assert state(renter, up.name) == "running"


@pytest.mark.parametrize("lasts_s", [12, pytest.param(180, marks=pytest.mark.soak)])
def test_whatever_ends_whenever_no_image_is_lost_and_nothing_is_left_that_is_not_shown(
    hopeful: Renter, name: str, pictures: Pictures, pace: Pace, tmp_path: Path, lasts_s: float
) -> None:
    """Clients interrupted and killed, machines ended and cut off, at random moments; left alone, a
    job then comes to its end with a part done by a machine.
    """
    luck, out, began_s = random.Random(5), tmp_path / "out", time.monotonic()
    folder = pictures(100)
    given = ("detect", folder, *SPLIT, "--provision", "--machine", name, "-o", out)
    rented = False
    pace(5)  # whatever a machine takes to come up here, it is worth it
    while time.monotonic() < began_s + lasts_s:
        is_done = len(lines(out)) == len(os.listdir(folder))
        process = hopeful.begun(*given, *(["--overwrite"] if is_done else []))
        if not rented:
            rented = bool(until(lambda: (hopeful.machine(name) or {}).get("machine")))
            pace(0.1)
        time.sleep(luck.uniform(1, 6))
        machine = (hopeful.machine(name) or {}).get("machine") or {}
        how = luck.choice(["SIGINT", "SIGINT twice", "SIGKILL", "terminate", "cut", "nothing"])
        if how == "terminate" and machine:
            hopeful.client().terminate_instances(InstanceIds=[machine["id"]])
        elif how == "cut" and machine.get("state") == "running":
            shape(machine["id"], loss=100)
        elif "SIG" in how and process.poll() is None:
            for _ in range(2 if "twice" in how else 1):
                process.send_signal(signal.SIGKILL if how == "SIGKILL" else signal.SIGINT)
                time.sleep(0.1)
        _, said = process.communicate(timeout=300)
        assert process.returncode in {0, 130, -signal.SIGINT, -signal.SIGKILL}, said
        assert "Traceback" not in said
        paths = [row["path"] for row in lines(out)]
        assert len(paths) == len(set(paths))
        if process.returncode == 0:
            assert_each_once(folder, out)
        if hopeful.carrying(name):
            assert hopeful.machine(name) is not None
    hopeful("down", name)
    shutil.rmtree(out)
    pace(5)
    process = hopeful.begun(*given)
    until(lambda: done_there(out) or process.poll() is not None, 600)
    pace(0)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert assert_each_once(folder, out)["remote"] > 0, said
    assert hopeful.carrying(name) == []
