from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functions.aws import NAME, Account, account
from tests.functions.bench import Bench, Engine


@pytest.fixture(scope="session")
def aws() -> Iterator[Account]:
    """An account with a function, which runs two calls at a time."""
    with account(most=2) as one:
        one.function(NAME)
        yield one


@pytest.fixture
def here(aws: Account, home: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The same, asked by this process and its children."""
    for name, value in aws.settings.items():
        monkeypatch.setenv(name, value)
    return aws


@pytest.fixture
def bench(here: Account) -> Iterator[Bench]:
    one = Bench(here, Engine(here))
    yield one
    if one.there():
        one.down()
    assert not one.there()
