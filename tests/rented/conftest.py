"""Machines to rent: one for all who do it no harm, others for those who do."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.rented import pictures, renter
from tests.rented.renter import Rented, Renter, called, give_back
from tests.testbed import lab

ELSEWHERE = (
    "ap-northeast-1", "ap-south-1", "eu-central-1", "eu-west-1", "us-east-2", "us-west-2",
)  # fmt: skip


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the test bed said lately, beside what a failed test did."""
    report = yield
    if report.failed:
        report.sections.append(("test bed", lab.last_words()))
    return report


@pytest.fixture(scope="session")
def checkip() -> Iterator[str]:
    """Who says which address a computer is seen at."""
    with renter.checkip() as url:
        yield url


@pytest.fixture(scope="session")
def region(bed: None, checkip: str, worker_id: str) -> str:
    """Where nobody else has anything, so that orphans are our own; each worker has its own."""
    number = int(worker_id.removeprefix("gw")) if worker_id != "master" else 0
    for name in ELSEWHERE[number :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]:
        if not Renter(Path(), checkip, name).carrying():
            return name
    pytest.skip("somebody rents in every region")


@pytest.fixture
def someone(region: str, tmp_path: Path, checkip: str) -> Iterator[Renter]:
    """A renter who has nothing yet; what they rent is given back."""
    one = Renter(tmp_path / "home", checkip, region)
    yield one
    give_back(one)


@pytest.fixture(scope="session")
def machine(
    region: str, tmp_path_factory: pytest.TempPathFactory, checkip: str, examples: Path
) -> Iterator[Rented]:
    """A machine that every test leaves as it was found; a job brought it up."""
    one, name = Renter(tmp_path_factory.mktemp("renter"), checkip, region), called("shared")
    given = ("--where", "remote", "--provision", "--machine", name, "-m", "builtin", "--json")
    try:
        yield Rented(one, name, one.well("detect", examples, *given, timeout=300))
    finally:
        give_back(one)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred pictures."""
    return pictures.made(tmp_path_factory.mktemp("many"))


@pytest.fixture
def name() -> str:
    """What nobody else's machine is called."""
    return called("test")
