"""The other place of a split."""

import threading
import time

from offload.domain.events import Event, Reporter
from offload.usecases.split.events import BudgetReached, PlaceEnding
from offload.usecases.split.forecast import Limits, MachineBill
from offload.usecases.split.members import attend
from offload.usecases.split.monitor import SplitMonitor
from tests.unit.test_split import Slow, assert_each_once, items, split


def test_a_machine_that_is_about_to_be_taken_away_does_what_it_has_in_hand_and_no_more() -> None:
    wanted, heard = items(400), list[Event]()
    work = split(wanted)
    reporter = Reporter(heard.append)
    monitor = SplitMonitor(work, lambda: 100 * time.perf_counter(), 0.0, reporter)
    work.join("local", Slow(takes_s=0.005), here=True)
    work.join("remote", Slow(takes_s=0.005, concurrency=2), here=False)
    told = iter([None, "It is marked for termination."])
    given = ("remote", monitor, threading.Event(), lambda: next(told, None))
    other = threading.Thread(target=attend, args=given)
    other.start()
    rows = list(work.rows(monitor.watch))
    other.join(5)
    assert not other.is_alive()
    assert_each_once(rows, wanted)
    last = [row.where for row in rows[-50:]]
    assert set(last) == {"local"}
    [ending] = [event for event in heard if isinstance(event, PlaceEnding)]
    assert (ending.place, ending.reason) == ("remote", "It is marked for termination.")
    assert ending.rest_is_here


def test_money_is_watched_though_nobody_reads_the_rows() -> None:
    work, heard = split(items(400)), list[Event]()
    reporter = Reporter(heard.append)
    monitor = SplitMonitor(work, time.perf_counter, 0.0, reporter, Limits(max_usd=1.0))
    work.join("local", Slow(takes_s=0.001), here=True)
    work.join("remote", Slow(takes_s=0.001, concurrency=2), here=False)
    monitor.bill("remote", MachineBill(3600.0, since_s=time.perf_counter()))
    rows = work.rows()
    next(rows)
    attend("remote", monitor, threading.Event(), lambda: None)
    assert [event for event in heard if isinstance(event, BudgetReached)]
    assert len([*rows]) == 399
