"""A fleet brought up and taken down, in moto's account; the engine only says that it built."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.provisioned import NAME, Bench
from tests.functions.aws import Account, account
from tests.functions.bench import Clients, Engine

pytestmark = pytest.mark.xdist_group("fleet-provision")


@pytest.fixture(scope="module")
def aws() -> Iterator[Account]:
    with account() as one:
        yield one


@pytest.fixture
def bench(aws: Account, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    one = Bench(aws, Engine(aws))
    yield one
    if one.there():
        one.down()
    assert not one.there()


ALL = {
    "repository", "bucket", "queue", "role", "instance profile", "security group",
    "launch template", "group of machines", "alarm",
}  # fmt: skip


def test_it_is_made_of_parts_and_goes_without_a_trace(bench: Bench) -> None:
    clients = Clients(bench.account)
    up = bench.up(clients)
    print(clients.made)
    assert (up.name, up.most, up.instance_types, up.vcpus) == (NAME, 4, ("c7i.large",), 2)
    assert bench.there() == ALL
    print(bench.down())
    assert not bench.there()
