"""Pods and an API server that go in the middle of a job."""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.kubernetes.user import User, until
from tests.rented.pictures import lines

pytestmark = pytest.mark.xdist_group("kubernetes")

MANY = 500
Trouble = Callable[[User, Path], None]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(MANY):
        noise = random.Random(number).randbytes(120 * 160 * 3)
        Image.frombytes("RGB", (160, 120), noise).save(folder / f"{number:03}.jpg")
    return folder


@pytest.fixture
def three(user: User) -> User:
    done = user.provision("--replicas", 3, "--cpus", 0.5)
    assert done.returncode == 0, done.stderr
    return user


def test_killed_pods_and_new_counts_cost_no_image_its_row(
    three: User, pictures: Path, tmp_path: Path
) -> None:
    def trouble(user: User, out: Path) -> None:
        for pod in random.Random(1).sample(user.ready(), 2):
            user.kill(pod)
        until_rows(out, 100)
        user.change({"replicas": 1})
        until_rows(out, 200)
        user.change({"replicas": 3})

    assert_each_once(three, pictures, tmp_path / "out", trouble)


def assert_each_once(user: User, pictures: Path, out: Path, trouble: Trouble) -> None:
    """Every picture has one row, and none has failed, though there is trouble from the tenth on."""
    words = ("detect", pictures, "--where", "kubernetes", "--model", "builtin", "-o", out)
    with user.begun(*words, "--concurrency", 8) as process:
        until(lambda: len(lines(out)) >= 10 or process.poll() is not None)
        assert process.poll() is None, process.stderr.read()
        assert len(lines(out)) < MANY
        trouble(user, out)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    found = lines(out)
    assert Counter(row["path"] for row in found) == Counter(f"{n:03}.jpg" for n in range(MANY))
    assert [row["error"] for row in found if row["error"]] == []


def until_rows(out: Path, count: int) -> None:
    """Wait until there are more rows."""
    until(lambda: len(lines(out)) > count)


def kill_at_random(user: User, out: Path) -> None:
    dice = random.Random(2)
    for done in range(40, 400, 60):
        if ready := user.ready():
            user.kill(dice.choice(ready))
        until_rows(out, done)


def roll_out(user: User, _out: Path) -> None:
    user.change({"template": {"metadata": {"annotations": {"rolled": "out"}}}})
    until(user.rolled_out)


def scale(user: User, out: Path) -> None:
    for replicas, done in ((1, 150), (3, 300)):
        user.change({"replicas": replicas})
        until_rows(out, done)


def cut(user: User, _out: Path) -> None:
    if user.cluster.host is None:
        pytest.skip("the API server is not ours to end")
    with user.cluster.without_api():
        time.sleep(10)


@pytest.mark.soak
@pytest.mark.parametrize("trouble", [kill_at_random, roll_out, scale, cut])
def test_no_trouble_of_the_cluster_costs_an_image_its_row(
    three: User, pictures: Path, tmp_path: Path, trouble: Trouble
) -> None:
    assert_each_once(three, pictures, tmp_path / "out", trouble)
