"""Shards at Ray on this machine."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from offload import engines
from offload.domain.errors import ModelError
from offload.domain.events import Stop
from offload.drivers import settings
from offload.engines.ports import EngineConfig, EngineSession
from tests.engines import toys

pytestmark = [pytest.mark.soak, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineSession]:
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        before = signal.getsignal(signal.SIGTERM)
        with engines.make("ray", EngineConfig(settings.load({}), workers=2)).open() as up:
            yield up
        signal.signal(signal.SIGTERM, before)


def test_every_shard_is_begun_and_done_once(session: EngineSession, tmp_path: Path) -> None:
    job = toys.job(toys.writing(tmp_path))
    outcomes = list(session.run(job, toys.shards(20), Stop()))
    assert sorted(each.shard for each in outcomes) == list(range(20)) == toys.done(tmp_path)
    assert all(toys.begun(tmp_path, each) == 1 for each in range(20))


def test_what_a_shard_raises_is_its_outcome(session: EngineSession) -> None:
    outcomes = list(session.run(toys.job(toys.raising), toys.shards(4), Stop()))
    assert [(each.shard, each.error) for each in outcomes if each.error] == [
        (2, "ZeroDivisionError: by nought")
    ]


def test_what_can_be_explained_ends_the_job(session: EngineSession) -> None:
    with pytest.raises(ModelError, match="gone"):
        list(session.run(toys.job(toys.explained), toys.shards(4), Stop()))


def test_a_shard_of_which_its_workers_die_is_given_up(session: EngineSession) -> None:
    outcomes = list(session.run(toys.job(toys.deadly), toys.shards(4), Stop()))
    assert [(each.shard, each.error) for each in outcomes if each.error] == [
        (2, "4 workers died while it was theirs")
    ]


def test_a_worker_has_its_share_of_the_cores(session: EngineSession) -> None:
    (outcome,) = session.run(toys.job(toys.cores), toys.shards(1), Stop())
    assert outcome.images == 1
