"""Shards at a Dask cluster of this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from offload import engines
from offload.domain.errors import ModelError, UsageError
from offload.domain.events import Stop
from offload.drivers import settings
from offload.engines import futures
from offload.engines.futures import Versions
from offload.engines.ports import EngineConfig, EngineSession
from tests.engines import toys

pytestmark = [
    pytest.mark.xdist_group("dask"),
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def session() -> Iterator[EngineSession]:
    with engines.make("dask", EngineConfig(settings.load({}), workers=2)).open() as up:
        yield up


def test_every_shard_is_begun_and_done_once(session: EngineSession, tmp_path: Path) -> None:
    job = toys.job(toys.writing(tmp_path))
    outcomes = list(session.run(job, toys.shards(20), Stop()))
    assert sorted(each.shard for each in outcomes) == list(range(20)) == toys.done(tmp_path)
    assert all(toys.begun(tmp_path, each) == 1 for each in range(20))


def test_what_a_shard_raises_is_its_outcome(session: EngineSession) -> None:
    outcomes = list(session.run(toys.job(toys.raising), toys.shards(4), Stop()))
    assert [each.shard for each in outcomes if each.error] == [2]


def test_what_can_be_explained_ends_the_job(session: EngineSession) -> None:
    with pytest.raises(ModelError, match="gone"):
        list(session.run(toys.job(toys.explained), toys.shards(4), Stop()))


def test_a_worker_has_its_share_of_the_cores(session: EngineSession) -> None:
    (outcome,) = session.run(toys.job(toys.cores), toys.shards(1), Stop())
    assert outcome.images == 1


def test_no_shard_is_begun_once_it_is_to_stop(session: EngineSession, tmp_path: Path) -> None:
    stop = Stop()
    stop.ask()
    assert not list(session.run(toys.job(toys.writing(tmp_path)), toys.shards(4), stop))


@pytest.mark.parametrize("address", ["host", "ftp://host:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        engines.make("dask", EngineConfig(settings.load({}), address=address))


def test_other_versions_are_refused_by_name() -> None:
    ours, other = Versions("3.11", "2026.8", "1"), Versions("3.11", "2026.8", "2")
    with pytest.raises(UsageError, match="The Dask worker b has offload 2"):
        futures.check(ours, {"The Dask worker b": other}, "dask", "distributed")
