"""Servers that come and go in the middle of a job: no image is lost, none is done twice."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from offload.domain.events import Stop
from offload.domain.places import PlaceTraits
from offload.domain.results import Row
from offload.domain.vision import Image, Selection
from offload.drivers.images.image_files import FileImage
from offload.places.served import ServedPlace
from offload.providers.config import Endpoint, Endpoints, PlaceConfig
from offload.service.client.balanced import BalancedSession
from offload.usecases.detect import places
from offload.usecases.detect.request import Request
from offload.usecases.detect.rows import Job, detect
from offload.usecases.split.work_queue import WorkItem
from offload.usecases.split.workers import SplitJob
from tests.contexts import context
from tests.remote.flaky import IDENTITY, Flaky, after, info, refuses

IMAGES = 200
PATIENCE_S = 60.0


class Pods:
    """A provider whose servers are those that a test says."""

    TRAITS = PlaceTraits("pods", title="the pods", has_own_model=True)

    def __init__(self, stack: ExitStack, count: int, patience_s: float = 30.0) -> None:
        self._stack = stack
        self._patience_s = patience_s
        self.up: list[Flaky] = []
        for _ in range(count):
            self.up.append(self.started())

    def __iter__(self) -> Iterator[Endpoint]:
        """Those that are ready, as a provider says it."""
        return iter([Endpoint(each.url, patience_s=self._patience_s) for each in self.up])

    def started(self, model_sha256: str = IDENTITY.sha256) -> Flaky:
        """One more, which takes a while for an image, and is not among them yet."""
        about = info(model=replace(IDENTITY, sha256=model_sha256))
        takes_a_while = after(lambda: time.sleep(0.005))
        return self._stack.enter_context(Flaky(then=takes_a_while, info=about))

    @contextmanager
    def open(self, config: PlaceConfig, model: object) -> Iterator[Endpoints]:
        """What every provider has."""
        del config, model
        yield self


def path(number: int) -> str:
    return f"{number}.jpg"


def read(name: str) -> FileImage:
    return FileImage(Image(name, f"pixels of {name}".encode()), 0)


JOB = Job([path(number) for number in range(IMAGES)], read)


@contextmanager
def session_at(pods: Pods, **request: Any) -> Iterator[BalancedSession]:
    config = places.config(Request((), where="remote", url="http://pods", **request), context())
    with ServedPlace(pods, config).open(Selection(), IMAGES) as session:
        assert isinstance(session, BalancedSession)
        yield session


@contextmanager
def job(pods: Pods, **request: Any) -> Iterator[tuple[BalancedSession, Iterator[Row]]]:
    """A session at the pods and the rows of a job there; few images are begun before a row that
    nobody asks for.
    """
    with session_at(pods, **request) as session:
        yield session, detect(JOB, session, "pods", time.perf_counter, Stop())


def assert_whole(rows: list[Row]) -> None:
    """Every image has one row, and an answer in it."""
    assert Counter(row.path for row in rows) == Counter(path(n) for n in range(IMAGES))
    assert {row.error for row in rows} == {None}


def eventually(is_true: Callable[[], bool]) -> None:
    """Wait for what comes about while no row is asked for."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < give_up_s, "never true"
        time.sleep(0.01)


def threads(name: str) -> int:
    return sum(thread.name.startswith(name) for thread in threading.enumerate())


def until(is_true: Callable[[], bool], rows: Iterator[Row]) -> list[Row]:
    """Rows until something is true, which must be before the last."""
    found = []
    for row in rows:
        found.append(row)
        if is_true():
            return found
    raise AssertionError("never true")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("is_told", [False, True])
def test_what_a_killed_server_had_in_progress_the_others_do(
    stack: ExitStack, *, is_told: bool
) -> None:
    pods = Pods(stack, 3)
    lost = pods.up[1]
    with job(pods) as (_, rows):
        found = until(lambda: len(lost.images) > 10, rows)
        if is_told:
            pods.up.remove(lost)
        lost.stop()
        assert_whole([*found, *rows])
    assert min(len(pod.images) for pod in (pods.up[0], pods.up[-1])) > IMAGES / 4


def test_a_server_that_comes_in_the_middle_gets_its_share_and_more_threads_with_it(
    stack: ExitStack,
) -> None:
    pods = Pods(stack, 1)
    with job(pods) as (session, rows):
        found = [next(rows) for _ in range(20)]
        alone = threads("worker-")
        pods.up += [pods.started(), pods.started()]
        eventually(lambda: len(session.members) == 3)
        found += until(lambda: all(len(pod.images) > 10 for pod in pods.up), rows)
        assert threads("worker-") == session.concurrency > alone
        assert_whole([*found, *rows])


def test_all_may_be_replaced_by_others(stack: ExitStack) -> None:
    pods = Pods(stack, 3)
    old = pods.up
    with job(pods) as (session, rows):
        first = {member.session for member in session.members}
        found = [next(rows) for _ in range(40)]
        pods.up = [pods.started() for _ in old]
        eventually(lambda: [m.session in first for m in session.members] == [False] * 3)
        for pod in old:
            pod.stop()
        assert_whole([*found, *rows])


@pytest.mark.parametrize("is_told", [False, True])
def test_images_wait_while_there_is_no_server_at_all(stack: ExitStack, *, is_told: bool) -> None:
    pods = Pods(stack, 2)
    with job(pods, max_retries=0) as (_, rows):
        found = [next(rows) for _ in range(20)]
        old, pods.up = pods.up, [] if is_told else pods.up
        for pod in old:
            pod.stop()
        threading.Timer(1.5, lambda: setattr(pods, "up", [pods.started()])).start()
        assert_whole([*found, *rows])


def test_an_image_waits_no_longer_than_the_patience_and_those_after_it_not_at_all(
    stack: ExitStack,
) -> None:
    pods = Pods(stack, 1, patience_s=0.5)
    with job(pods, max_retries=0) as (_, rows):
        next(rows)
        pods.up[0].stop()
        began_s = time.monotonic()
        rest = [row.error for row in rows if row.error is not None]
    assert time.monotonic() - began_s < 30
    assert len(rest) > IMAGES / 2
    assert all(error.startswith("no answer") for error in rest)
    assert all(pods.up[0].url in error for error in rest)


def test_a_server_that_has_another_model_or_is_not_ready_gets_no_image_before_it_is(
    stack: ExitStack,
) -> None:
    pods = Pods(stack, 1)
    other, late = pods.started("e" * 64), pods.started()
    late.stop()
    with job(pods) as (session, rows):
        pods.up += [other, late]
        eventually(lambda: len(other.seen) > 2)
        found = [next(rows) for _ in range(IMAGES // 2)]
        assert not other.images
        other.info = pods.up[0].info
        eventually(lambda: len(session.members) == 2)
        found += until(lambda: bool(other.images), rows)
        assert_whole([*found, *rows])


def test_a_server_that_answers_503_is_greeted_before_it_is_asked_again(stack: ExitStack) -> None:
    pods = Pods(stack, 2)
    drains = pods.up[0]
    with job(pods) as (session, rows):
        found = until(lambda: len(drains.images) > 10, rows)
        drains.then, takes_a_while = refuses(503), drains.then
        found += until(lambda: any(member.lost for member in session.members), rows)
        drains.then = takes_a_while
        eventually(lambda: not any(member.lost for member in session.members))
        assert_whole([*found, *rows])


def test_servers_of_a_split_may_come_and_go_too(stack: ExitStack) -> None:
    pods = Pods(stack, 1)
    items = [WorkItem(path(number)) for number in range(IMAGES)]
    with session_at(pods) as session:
        alone = session.members[0].session
        split = SplitJob(JOB, items, time.monotonic, Stop())
        split.join("pods", session, here=False)
        rows = split.rows()
        found = [next(rows) for _ in range(20)]
        first, pods.up = pods.up[0], [pods.started(), pods.started()]
        eventually(lambda: [m.session is alone for m in session.members] == [False] * 2)
        first.stop()
        found += until(lambda: all(pod.images for pod in pods.up), rows)
        assert threads("pods-") >= session.concurrency
        assert_whole([*found, *rows])
