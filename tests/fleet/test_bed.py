"""A fleet at the test bed: its machines come, work, end in every way, and go."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.owner import Misfortune, Owner, befall, cut_power, take_back
from tests.rented.pictures import MANY, assert_each_once, in_the_middle, lines, made
from tests.rented.renter import Renter, until
from tests.testbed import lab, queues

pytestmark = pytest.mark.xdist_group("a fleet at the test bed")

REGION = "eu-north-1"
"""Nobody else has machines there."""
DEATHS = int(os.environ.get("OFFLOAD_TEST_DEATHS", "20"))


@pytest.fixture(scope="module")
def owner(bed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    """They have a fleet of up to three machines, and nothing once they are done."""
    home = tmp_path_factory.mktemp("owner")
    settings = {"AWS_ENDPOINT_URL": lab.EVERYWHERE, "OFFLOAD_FLEET": "bed"}
    one = Owner(Renter(home, "http://127.0.0.1:9/", REGION, extra=settings), "bed")
    one.provision("--max", 3)
    yield one
    one.down()
    assert one.left() == []


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred pictures."""
    return made(tmp_path_factory.mktemp("many"))


@pytest.fixture
def doubled() -> Iterator[None]:
    """Meanwhile one message in ten comes twice."""
    queues.double(0.1)
    yield
    queues.double(0)


def test_a_job_brings_machines_and_every_picture_has_one_row_however_often_its_message_comes(
    owner: Owner, many: Path, tmp_path: Path, doubled: None
) -> None:
    owner.renter.well(*owner.words(many, "--out", tmp_path))
    assert all(row["error"] is None for row in assert_each_once(tmp_path))
    assert owner.machines()
    [left] = owner.client("sqs").list_queues(QueueNamePrefix=f"{owner.title}-")["QueueUrls"]
    assert left.endswith("-dead")


@pytest.mark.soak
def test_a_client_that_was_killed_goes_on_where_it_was(
    owner: Owner, many: Path, tmp_path: Path
) -> None:
    process = owner.renter.begun(*owner.words(many, "--out", tmp_path))
    in_the_middle(tmp_path)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = len(lines(tmp_path))
    owner.renter.well(*owner.words(many, "--out", tmp_path))
    assert 0 < before < len(assert_each_once(tmp_path))


@pytest.mark.soak
def test_two_jobs_at_once_each_get_their_own_rows(owner: Owner, many: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    jobs = [owner.renter.begun(*owner.words(many, "--out", folder)) for folder in folders]
    for job, folder in zip(jobs, folders, strict=True):
        _, said = job.communicate()
        assert job.returncode == 0, said
        assert all(row["error"] is None for row in assert_each_once(folder))


@pytest.mark.soak
def test_a_thousand_pictures_have_a_thousand_rows(owner: Owner, many: Path, tmp_path: Path) -> None:
    before = owner.retried()
    for number in range(1000):
        (tmp_path / f"{number:04}.jpg").hardlink_to(many / f"{number % MANY:03}.jpg")
    owner.renter.well(*owner.words(tmp_path, "--out", tmp_path / "out"), timeout=900)
    rows = lines(tmp_path / "out")
    assert sorted(row["path"] for row in rows) == [f"{n:04}.jpg" for n in range(1000)]
    assert all(row["error"] is None for row in rows)
    owner.leave()
    assert owner.retried() == before, "no machine that left had an image in hand"


@pytest.mark.parametrize("ends", [cut_power, take_back])
@pytest.mark.soak  # what a dead worker had in hand is hidden for a minute
def test_a_machine_that_ends_in_the_middle_costs_no_picture_its_row(
    owner: Owner, many: Path, tmp_path: Path, ends: Misfortune
) -> None:
    process = owner.renter.begun(*owner.words(many, "--out", tmp_path))
    in_the_middle(tmp_path)
    ended = owner.working()[0]
    ends(owner, ended)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert all(row["error"] is None for row in assert_each_once(tmp_path))
    assert ended not in owner.machines()


@pytest.mark.soak
def test_whatever_ends_and_however_often_no_row_is_lost_and_none_doubled(
    owner: Owner, many: Path, tmp_path: Path, doubled: None
) -> None:
    dice, deaths, rounds = random.Random(), Counter[str](), 0
    while deaths.total() < DEATHS:
        rounds += 1
        folder = tmp_path / str(rounds)
        while True:
            process = owner.renter.begun(*owner.words(many, "--out", folder))
            while process.poll() is None and deaths.total() < DEATHS:
                time.sleep(dice.uniform(1, 6))
                deaths.update(befall(owner, dice))
                if dice.random() < 0.1 and process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    deaths["kill_client"] += 1
            _, said = process.communicate()
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL, said
        assert all(row["error"] is None for row in assert_each_once(folder))
    print(  # noqa: T201 - summed over runs
        f"{deaths.total()} deaths in {rounds} jobs: {dict(deaths)}"
    )


@pytest.mark.soak
def test_images_bring_machines_without_a_client_and_they_go_again(
    owner: Owner, many: Path, tmp_path: Path
) -> None:
    owner.leave()
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    answered = owner.enqueued(many / "000.jpg", many / "001.jpg", broken)
    owner.send("no task")
    rows = until(answered)
    assert [row["error"] is None for row in rows] == [True, True, False]
    [[body, reason]] = until(owner.dead)
    assert body == "no task"
    assert reason
    owner.leave()
