"""Requests through a tunnel that is blocked, cut and closed; a script at its other end."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from offload.domain.errors import Unanswered
from offload.domain.events import Stop
from offload.domain.ports import Session
from offload.domain.results import Row
from offload.domain.vision import Image
from offload.drivers.http.web import Unreachable
from offload.drivers.images.image_files import FileImage
from offload.drivers.ssh.connection import Shell
from offload.drivers.ssh.tunnel import Tunnel
from offload.service import wire
from offload.service.client.greeting import Address
from offload.usecases.detect.rows import Job, detect
from tests.fakes import FakeSession
from tests.remote.flaky import Act, Exchange, Flaky, after, answers, ignores, info, stalls
from tests.remote.sessions import Visit, at_once, visit
from tests.ssh.proxy import Proxy
from tests.ssh.sshd import Sshd, running

pytestmark = pytest.mark.xdist_group("ssh")

LONG_S = 30.0
"""How long anything may take before a test has failed."""


@dataclass
class Way:
    """A server, the way to it, and a session there."""

    server: Flaky
    proxy: Proxy
    tunnel: Tunnel
    here: Visit


@contextmanager
def way(sshd: Sshd, server: Flaky, patience_s: float = 30.0, **how: Any) -> Iterator[Way]:
    with ExitStack() as stack:
        stack.enter_context(server)
        proxy = stack.enter_context(Proxy(sshd.port))
        tunnel = stack.enter_context(closing(sshd.tunnel(server.port, proxy.port, patience_s)))
        tunnel.dial(LONG_S).close()  # a login may take longer than a test wants an answer in
        here = stack.enter_context(visit(server, dial=tunnel.dial, pause=time.sleep, **how))
        yield Way(server, proxy, tunnel, here)


def rows(session: Session, images: int, fallback: Session | None = None) -> dict[str, Row]:
    """What becomes of so many images, each of which has exactly one row."""
    other = ("local", fallback) if fallback else None
    job = Job(
        [str(n) for n in range(images)],
        lambda path: FileImage(Image(path, path.encode() * 50_000), mtime_ns=7),
        fallback=other,
    )
    found = list(detect(job, session, "remote", time.perf_counter, Stop()))
    assert sorted(row.path for row in found) == sorted(job.paths)
    return {row.path: row for row in found}


def on_the(number: int, act: Act) -> Act:
    """Answers, but the one with this number in order of coming, which `act` deals with."""
    counter = itertools.count(1)

    def turn(exchange: Exchange) -> None:
        (act if next(counter) == number else answers)(exchange)

    return turn


def test_what_the_server_hears_and_says_is_what_it_is_without_a_tunnel(sshd: Sshd) -> None:
    with way(sshd, Flaky(), token="sesame") as through:
        found = through.here.detect()
        (seen,) = through.server.images
    with Flaky() as server, visit(server, token="sesame") as here:
        assert here.detect().found == found.found
        (other,) = server.images
    assert (seen.method, seen.query, seen.body) == (other.method, other.query, other.body)
    names = {*seen.headers, *other.headers}
    differ = {name for name in names if seen.headers.get(name) != other.headers.get(name)}
    assert differ <= {"host"}


def test_many_threads_share_one_connection(sshd: Sshd) -> None:
    with way(sshd, Flaky(info=info(workers=16))) as through:
        at_once(lambda: [through.here.detect() for _ in range(5)], 32)
        assert len(through.server.images) == 160
        assert through.proxy.connections == 1


def test_threads_that_dial_before_there_is_a_connection_wait_for_one(sshd: Sshd) -> None:
    with Flaky() as server, Proxy(sshd.port) as proxy:
        with closing(sshd.tunnel(server.port, proxy.port)) as tunnel:
            at_once(lambda: tunnel.dial(LONG_S).close(), 20)
        assert proxy.connections == 1


def test_a_tunnel_that_is_cut_in_the_middle_loses_no_image_and_doubles_none(sshd: Sshd) -> None:
    with way(sshd, Flaky()) as through:
        through.server.then = on_the(7, after(through.proxy.cut))
        found = rows(through.here.session, 40)
        assert through.proxy.connections == 2
    assert [row.error for row in found.values()] == [None] * 40


def test_a_tunnel_that_is_cut_in_the_middle_of_an_upload_starts_it_again(sshd: Sshd) -> None:
    def cut_halfway(exchange: Exchange) -> None:
        exchange.take(exchange.seen.missing_bytes // 2)
        through.proxy.cut()
        exchange.hang_up()

    with way(sshd, Flaky()) as through:
        through.server.then = on_the(3, cut_halfway)
        found = rows(through.here.session, 20)
    assert [row.error for row in found.values()] == [None] * 20


def test_a_link_that_is_away_for_a_while_costs_nothing_but_the_while(sshd: Sshd) -> None:
    def away() -> None:
        through.proxy.stall()
        threading.Timer(1.0, through.proxy.go_on).start()

    with way(sshd, Flaky()) as through:
        through.server.then = on_the(5, after(away))
        found = rows(through.here.session, 30)
        assert through.proxy.connections == 1
        assert len(through.server.images) == 30, "nothing was sent twice"
    assert [row.error for row in found.values()] == [None] * 30


def test_a_server_that_is_down_for_a_while_is_waited_for(sshd: Sshd) -> None:
    def down() -> None:
        through.proxy.refuse()
        threading.Timer(0.5, through.proxy.admit).start()

    with way(sshd, Flaky()) as through:
        through.server.then = on_the(5, after(down))
        found = rows(through.here.session, 20)
    assert [row.error for row in found.values()] == [None] * 20


def test_when_the_machine_is_gone_rows_say_so_and_nobody_waits(sshd: Sshd) -> None:
    asked = 0

    def gone() -> str | None:
        nonlocal asked
        asked += 1
        return "The machine mine was terminated."

    paused: list[float] = []
    with Flaky() as server, Proxy(sshd.port) as proxy:
        server.then = on_the(5, after(proxy.refuse))

        def connect(timeout_s: float) -> Shell:
            return sshd.shell(proxy.port, timeout_s)

        tunnel = Tunnel(connect, server.port, gone, pause=paused.append)
        with closing(tunnel), visit(server, dial=tunnel.dial) as here:
            found = rows(here.session, 300)
    reasons = {row.error for row in found.values() if row.error}
    assert reasons
    assert all("The machine mine was terminated" in reason for reason in reasons)
    assert (asked, paused) == (1, [])


def test_images_without_an_answer_fall_back(sshd: Sshd) -> None:
    with way(sshd, Flaky(), patience_s=0, max_retries=0, concurrency=2) as through:
        through.server.then = on_the(5, after(through.proxy.refuse))
        other = FakeSession()
        found = rows(through.here.session, 20, other)
    assert {row.where for row in found.values()} == {"remote", "local"}
    assert not [row for row in found.values() if row.error]
    assert sorted(other.seen) == sorted(p for p, row in found.items() if row.where == "local")


def test_a_server_that_is_not_there_is_said_to_be_not_there(sshd: Sshd) -> None:
    nothing = pytest.raises(Unreachable, match="port 9 of the machine: nothing answers there")
    with closing(sshd.tunnel(9)) as tunnel:
        address = Address("http://mine", dial=tunnel.dial)
        with closing(address.connect(time.perf_counter)) as server, nothing:
            server.request("GET", wire.LIVE)


def test_an_answer_that_does_not_come_in_time_is_none(sshd: Sshd) -> None:
    with way(sshd, Flaky([stalls]), timeout_s=1.0, max_retries=0) as through:
        with pytest.raises(Unanswered, match=r"nothing came for 1 s"):
            through.here.detect()
        assert through.here.detect().found, "the connection is as good as before"
        assert through.proxy.connections == 1


def test_a_body_that_is_not_taken_in_time_is_given_up(sshd: Sshd) -> None:
    much = Image("much.jpg", bytes(2**25))
    with way(sshd, Flaky([ignores]), timeout_s=1.0, max_retries=0) as through:
        with pytest.raises(Unanswered, match="for 1 s"):
            through.here.detect(much)
        assert through.here.detect().found


def test_a_link_that_takes_nothing_is_left_in_time_by_all(sshd: Sshd) -> None:
    much = Image("much.jpg", bytes(2**22))
    failed: list[int] = []

    def try_it() -> None:
        with pytest.raises(Unanswered):
            through.here.detect(much)
        failed.append(1)

    with way(sshd, Flaky(), timeout_s=1.0, max_retries=0) as through:
        through.here.detect()
        through.proxy.stall()
        at_once(try_it, 8)
        through.proxy.cut()
        assert len(failed) == 8
        through.tunnel.dial(LONG_S).close()
        assert through.here.detect().found


def test_an_idle_connection_that_the_server_closed_is_not_used_again(sshd: Sshd) -> None:
    def and_goodbye(exchange: Exchange) -> None:
        answers(exchange)
        exchange.handler.close_connection = True

    with way(sshd, Flaky([and_goodbye] * 5), max_retries=0) as through:
        for _ in range(5):
            assert through.here.detect().found
            time.sleep(0.05)


def test_new_keys_in_the_middle_of_a_job_are_not_noticed(tmp_path: Path) -> None:
    with running(tmp_path, "RekeyLimit=1M") as sshd, way(sshd, Flaky()) as through:
        found = rows(through.here.session, 60)
        assert sum(row.sent_bytes for row in found.values()) > 5e6
        assert through.proxy.connections == 1
        assert len(through.server.images) == 60


def test_after_closing_no_thread_is_left(sshd: Sshd) -> None:
    before = set(threading.enumerate())
    with way(sshd, Flaky()) as through:
        at_once(through.here.detect, 4)
    assert set(threading.enumerate()) <= before


def test_no_secret_is_in_a_repr(sshd: Sshd) -> None:
    with closing(sshd.tunnel(9)) as tunnel:
        address = Address("http://mine", "sesame", dial=tunnel.dial)
        assert "sesame" not in repr(address)
        assert "dial" not in repr(address)
