from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws_batch.bench import BUCKET, Bench, as_process
from tests.functions.aws import Account, account
from tests.functions.bench import Engine
from tests.testbed.jobs import Jobs


@pytest.fixture(scope="session")
def aws() -> Iterator[Account]:
    with account() as one:
        one.client("s3").create_bucket(Bucket=BUCKET)
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
    one.agrees = True
    if one.there():
        one.down()
    assert not one.there()
    store = one.store()
    for entry in store.list():
        store.delete(entry.key)


@pytest.fixture
def jobs(here: Account) -> Iterator[Jobs]:
    """What becomes of jobs, two at a time, each a process."""
    with Jobs(as_process(here.settings)).mended() as one:
        yield one
