"""Machines to rent: one for all who do it no harm, others for those who do."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rented import renter
from tests.rented.renter import Renter
from tests.testbed import lab

START = "sudo tests/testbed/up"
ELSEWHERE = ("ap-northeast-1", "ca-central-1", "eu-west-2", "eu-west-3", "sa-east-1")


@dataclass(frozen=True)
class Rented:
    """A machine that serves the embedded model, and who rents it."""

    renter: Renter
    name: str

    @property
    def id(self) -> str:
        return str(self.renter.there(self.name)["id"])

    @property
    def address(self) -> str:
        return str(self.renter.there(self.name)["address"])


@pytest.fixture(scope="session")
def checkip() -> Iterator[str]:
    with renter.checkip() as url:
        yield url


@pytest.fixture(scope="session")
def bed() -> None:
    """Skips where no test bed runs."""
    if not lab.is_up():
        pytest.skip(f"the test bed is not up; to start it: {START}")


@pytest.fixture
def someone(bed: None, tmp_path: Path, checkip: str) -> Iterator[Renter]:
    """A renter who has nothing yet; what they rent is given back."""
    one = Renter(tmp_path, checkip)
    yield one
    give_back(one)


@pytest.fixture
def alone(bed: None, tmp_path: Path, checkip: str) -> Iterator[Renter]:
    """The same, in a region where nobody else has anything."""
    one = Renter(tmp_path, checkip)
    for one.region in ELSEWHERE:
        if not one.carrying():
            break
    else:
        pytest.skip("somebody rents in every region")
    yield one
    give_back(one)


@pytest.fixture(scope="session")
def machine(
    bed: None, tmp_path_factory: pytest.TempPathFactory, checkip: str
) -> Iterator[Rented]:
    """A machine that is left as it was found."""
    one = Rented(Renter(tmp_path_factory.mktemp("renter"), checkip), called("shared"))
    try:
        one.renter.provision(one.name)
        yield one
    finally:
        give_back(one.renter)


@pytest.fixture
def name() -> str:
    """What nobody else's machine is called."""
    return called("test")


def called(what: str) -> str:
    return f"{what}-{time.time_ns() % 10**12:x}"


def give_back(one: Renter) -> None:
    """Leave nothing of a renter's."""
    folders = one.home / "data" / "machines"
    for folder in folders.iterdir() if folders.is_dir() else ():
        if folder.is_dir():
            one("down", folder.name, "-q")


Machines = Callable[[str], Rented]
