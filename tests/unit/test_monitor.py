import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offload.costmodel.split import Speed
from offload.domain.errors import PlaceUnavailable
from offload.domain.events import Event, Reporter
from offload.usecases.split.events import (
    BudgetReached,
    DeadlineChanged,
    Outlook,
    PlaceEnding,
    PlaceJoined,
    PlaceLost,
    PlaceReleased,
    RateChanged,
)
from offload.usecases.split.forecast import Limits, MachineBill, forecast
from offload.usecases.split.monitor import EVERY_S, SplitMonitor
from offload.usecases.split.work_queue import (
    WorkerStatus,
    WorkItem,
    WorkQueue,
)

approx: Any = pytest.approx
HOUR_S = 3600.0
HERE = WorkerStatus("local", 20, 2, 5.0, 0.4, is_open=True, is_known=True, is_here=True)
THERE = WorkerStatus("remote", 40, 6, 10.0, 0.6, is_open=True, is_known=True)


@dataclass
class Watched:
    """Places that stand as a test says, and a monitor whose clock is the test's too."""

    left: int = 100
    places: dict[str, WorkerStatus] = field(default_factory=dict)
    staying: int = 0
    now_s: float = 0.0
    told: list[Event] = field(default_factory=list)
    drained: list[str] = field(default_factory=list)
    looks: int = 0

    def standing(self) -> tuple[int, int, list[WorkerStatus]]:
        """As it was set."""
        self.looks += 1
        return self.left, self.staying, list(self.places.values())

    def drain(self, name: str) -> None:
        """Close it."""
        self.drained.append(name)
        if name in self.places:
            self.places[name] = replace(self.places[name], is_open=False)

    def abandon(self, name: str) -> None:
        """Take back what it has in progress."""
        place = self.places[name]
        self.left += place.in_progress
        self.places[name] = replace(place, is_open=False, in_progress=0)

    def monitor(self, limits: Limits | None = None) -> SplitMonitor:
        """One that has looked at nothing yet."""
        clock: Callable[[], float] = lambda: self.now_s  # noqa: E731
        return SplitMonitor(
            cast("Any", self), clock, 0.0, Reporter(self.told.append), limits or Limits()
        )

    def goes_on(self, monitor: SplitMonitor, seconds: float) -> None:
        """Nothing stalls meanwhile, and nothing else changes."""
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s += EVERY_S
            for name, place in self.places.items():
                done = place.done + (1 if place.in_progress else 0)
                self.places[name] = replace(place, done=done)
            monitor.watch()


def watched(*places: WorkerStatus, left: int = 100) -> Watched:
    return Watched(left, {place.name: place for place in places})


def test_all_places_end_together() -> None:
    ahead = forecast(97, [HERE, THERE])
    assert ahead is not None
    assert ahead.seconds == 105 / 15
    assert ahead.images == {"local": approx(35), "remote": approx(70)}


def test_where_no_rate_is_known_there_is_no_forecast() -> None:
    assert forecast(10, []) is None
    assert forecast(10, [replace(HERE, images_per_s=None)]) is None
    assert forecast(10, [replace(HERE, is_open=False)]) is None


def test_a_place_that_takes_no_more_finishes_what_it_has_in_hand() -> None:
    ahead = forecast(38, [HERE, replace(THERE, is_open=False, images_per_s=0.5)])
    assert ahead is not None
    assert ahead.images == {"local": approx(40), "remote": 6}
    assert ahead.seconds == 46 / 5, "the place here does those too before they are done there"
    alone = forecast(38, [HERE, replace(THERE, is_open=False)])
    assert alone is not None
    assert alone.seconds == 40 / 5


def test_a_stalled_place_holds_nobody_up() -> None:
    ahead = forecast(10, [HERE, replace(THERE, images_per_s=0.001)])
    assert ahead is not None
    assert ahead.seconds == 18 / 5


def test_images_that_stay_here_may_decide_the_end() -> None:
    ahead = forecast(100, [HERE, THERE], elsewhere=20)
    assert ahead is not None
    assert ahead.seconds == 82 / 5
    assert ahead.images == {"local": approx(82), "remote": approx(26)}
    assert forecast(100, [HERE, THERE], elsewhere=90) == forecast(100, [HERE, THERE])


places = st.builds(
    WorkerStatus,
    name=st.uuids().map(str),
    done=st.just(0),
    in_progress=st.integers(0, 40),
    images_per_s=st.floats(1e-3, 1e3),
    latency_s=st.just(1.0),
    is_open=st.just(True),
    is_known=st.just(True),
)


@given(st.integers(0, 10**6), st.lists(places, min_size=1, max_size=5))
def test_shares_add_up_and_nobody_does_less_than_it_has_in_hand(
    left: int, found: list[WorkerStatus]
) -> None:
    ahead = forecast(left, found)
    assert ahead is not None
    undone = left + sum(place.in_progress for place in found)
    assert sum(ahead.images.values()) == approx(undone, abs=1e-6)
    rate_per_s = sum(place.images_per_s or 0.0 for place in found)
    assert ahead.seconds >= undone / rate_per_s * (1 - 1e-9)
    for place in found:
        assert ahead.images.get(place.name, 0.0) >= place.in_progress * (1 - 1e-6)


def test_a_halved_rate_is_said_once_with_what_it_means() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor()
    split.goes_on(monitor, 3)
    split.places["remote"] = replace(split.places["remote"], images_per_s=4.0)
    split.goes_on(monitor, 10)
    outlook = Outlook(approx(12.0), approx(7.2), 108, images=48, images_before=72)
    assert split.told == [RateChanged("remote", 4.0, 10.0, outlook=outlook)]


def test_a_doubled_rate_here_is_said_too() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor()
    split.goes_on(monitor, 3)
    split.places["local"] = replace(split.places["local"], images_per_s=10.0)
    split.goes_on(monitor, 10)
    outlook = Outlook(approx(5.4), approx(7.2), 108, images=54, images_before=36, is_here=True)
    assert split.told == [RateChanged("local", 10.0, 5.0, outlook=outlook)]


def test_what_was_expected_of_a_place_counts_as_said() -> None:
    split = watched(HERE, replace(THERE, done=0, images_per_s=30.0))
    monitor = split.monitor()
    monitor.watch()
    split.places["remote"] = THERE
    split.goes_on(monitor, 4)
    outlook = Outlook(approx(7.2), approx(108 / 35), 108, images=72, images_before=93)
    assert split.told == [RateChanged("remote", 10.0, 30.0, outlook=outlook)]


@pytest.mark.parametrize(
    "change",
    [
        {"images_per_s": 6.0},
        {"images_per_s": 4.0, "is_known": False},
        {"images_per_s": 4.0, "in_progress": 0},
        {"images_per_s": 4.0, "in_progress": 101},
    ],
    ids=["not halved", "not known", "has nothing to do", "at the tail"],
)
def test_a_rate_that_says_little_is_not_said(change: dict[str, float]) -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor()
    split.goes_on(monitor, 3)
    split.places["remote"] = replace(split.places["remote"], **change)  # type: ignore[arg-type]
    split.goes_on(monitor, 20)
    assert split.told == []


def test_a_blip_is_not_said() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor()
    for images_per_s in (10.0, 3.0, 9.0, 3.0, 10.0):
        split.places["remote"] = replace(split.places["remote"], images_per_s=images_per_s)
        split.goes_on(monitor, 1.5)
    assert split.told == []


def test_a_rate_that_swings_does_not_flood() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor()
    for number in range(20):
        rate_per_s = 2.0 if number % 2 else 10.0
        split.places["remote"] = replace(split.places["remote"], images_per_s=rate_per_s)
        split.goes_on(monitor, 3)
    assert 1 <= len(split.told) <= 60 / 5


def test_a_stalled_place_is_told_of_before_its_average_knows() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor()
    split.goes_on(monitor, 3)
    split.places["remote"] = replace(split.places["remote"], images_per_s=7.0)
    for number in range(20):
        split.now_s += EVERY_S
        split.places["local"] = replace(split.places["local"], done=50 + number)
        monitor.watch()
    [silent] = split.told
    assert isinstance(silent, RateChanged)
    assert (silent.place, silent.quiet_s) == ("remote", 3.75)
    assert silent.outlook is not None
    assert (silent.outlook.images, silent.outlook.undone) == (6, 108)


def test_a_place_that_joins_is_told_of_with_its_share() -> None:
    split = watched(HERE)
    monitor = split.monitor()
    split.goes_on(monitor, 1)
    split.places["remote"] = replace(THERE, done=0, in_progress=0, is_known=False)
    split.goes_on(monitor, 1)
    outlook = Outlook(approx(6.8), approx(20.15), 102, images=68, images_before=68)
    assert split.told == [PlaceJoined("remote", False, outlook=outlook)]


def test_a_place_of_which_nothing_is_known_joins_without_a_forecast() -> None:
    split = watched(HERE)
    monitor = split.monitor()
    split.goes_on(monitor, 1)
    split.places["remote"] = replace(THERE, done=0, images_per_s=None, is_known=False)
    split.goes_on(monitor, 1)
    assert split.told == [PlaceJoined("remote", False)]


def test_the_places_that_a_job_begins_with_are_no_news() -> None:
    split = watched(HERE, THERE)
    split.goes_on(split.monitor(), 5)
    assert split.told == []


def test_a_lost_place_is_told_of_at_once() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor()
    split.goes_on(monitor, 1)
    split.left += 6
    split.places["remote"] = replace(split.places["remote"], is_open=False, in_progress=0)
    monitor.lost("remote", "no answer: connection reset.")
    monitor.watch()
    outlook = Outlook(approx(21.6), approx(7.2), 108)
    why = "no answer: connection reset."
    assert split.told == [PlaceLost("remote", why, outlook=outlook, rest_is_here=True)]


def test_a_lost_place_that_is_back_is_told_of_with_its_share() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor()
    split.goes_on(monitor, 1)
    was = split.places["remote"]
    split.places["remote"] = replace(was, is_open=False, in_progress=0)
    monitor.lost("remote", "gone")
    split.goes_on(monitor, 5)
    assert monitor.may_return("remote")
    split.told.clear()
    split.places["remote"] = was
    split.goes_on(monitor, 5)
    [joined] = split.told
    assert isinstance(joined, PlaceJoined)
    assert (joined.place, joined.again) == ("remote", True)
    assert joined.outlook is not None
    assert (joined.outlook.images, joined.outlook.undone) == (72, 108)


def test_a_place_that_was_lost_before_the_first_look_is_told_of_when_it_is_back() -> None:
    split = watched(HERE, replace(THERE, is_open=False, in_progress=0))
    monitor = split.monitor()
    monitor.lost("remote", "gone")
    split.goes_on(monitor, 1)
    split.told.clear()
    split.places["remote"] = THERE
    split.goes_on(monitor, 1)
    [joined] = split.told
    assert isinstance(joined, PlaceJoined)
    assert joined.again


def test_what_was_drained_or_costs_money_is_not_to_return() -> None:
    split = watched(HERE, THERE)
    drained, billed = split.monitor(), split.monitor()
    drained.warned("remote", "it is reclaimed")
    billed.bill("remote", MachineBill(1.0, since_s=0.0))
    assert not drained.may_return("remote")
    assert not billed.may_return("remote")


def test_a_place_that_will_end_soon_is_drained_at_once_and_told_of_once() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor()
    split.goes_on(monitor, 1)
    monitor.warned("remote", "it is reclaimed at 12:03:10")
    assert split.drained == ["remote"]
    monitor.warned("remote", "it is reclaimed at 12:03:10")
    split.goes_on(monitor, 1)
    assert split.drained == ["remote"]
    outlook = Outlook(approx(20.4), approx(6.95), 108)
    why = "it is reclaimed at 12:03:10"
    assert split.told == [PlaceEnding("remote", why, outlook=outlook, rest_is_here=True)]


def test_a_place_that_was_warned_of_before_it_joined_takes_nothing() -> None:
    split = watched(HERE)
    monitor = split.monitor()
    monitor.warned("remote", "it is reclaimed")
    split.goes_on(monitor, 1)
    split.places["remote"] = THERE
    split.goes_on(monitor, 1)
    assert not split.places["remote"].is_open


def test_news_of_the_last_moment_is_said_at_the_end() -> None:
    split = watched(replace(HERE, in_progress=0), left=0)
    monitor = split.monitor()
    monitor.lost("remote", "gone")
    assert split.told == []
    monitor.close()
    assert split.told == [PlaceLost("remote", "gone")]
    assert monitor.view().undone == 0


def test_what_comes_after_the_last_row_takes_and_costs_nothing_unless_it_is_told() -> None:
    split = watched(replace(HERE, in_progress=0), left=0)
    monitor = split.monitor()
    monitor.bill("remote", MachineBill(3600.0, since_s=0.0))
    monitor.bill("rented", MachineBill(3600.0, since_s=0.0))
    split.now_s = 2.0
    monitor.close()
    split.now_s = 5.0
    monitor.released("rented")
    split.now_s = 9.0
    view = monitor.view()
    assert view.spent_s == 2.0
    assert view.usd == {"remote": approx(2.0), "rented": approx(5.0)}


def test_if_all_that_was_left_had_to_be_drained_the_run_ends_with_the_reason() -> None:
    split = watched(THERE)
    monitor = split.monitor()
    monitor.warned("remote", "it is reclaimed")
    split.goes_on(monitor, 1)
    split.places["remote"] = replace(split.places["remote"], in_progress=0)
    with pytest.raises(PlaceUnavailable, match=r"100 images left \(remote: it is recl"):
        split.goes_on(monitor, 1)


def test_looks_are_rare() -> None:
    split = watched(HERE)
    monitor = split.monitor()
    for _ in range(1000):
        split.now_s += 0.01
        monitor.watch()
    assert 35 <= split.looks <= 41


def test_a_deadline_that_cannot_be_kept_is_declared_broken_early() -> None:
    split = watched(HERE, left=198)
    split.goes_on(split.monitor(Limits(deadline_s=30)), 5)
    [missed] = split.told
    assert isinstance(missed, DeadlineChanged)
    assert (missed.deadline_s, missed.left_s) == (30, 40.0)
    assert missed.late_s == approx(12, abs=2)
    assert split.now_s < 6


@pytest.mark.parametrize("left", [100, 140, 150])
def test_a_deadline_that_is_kept_or_just_about_is_not_declared_broken(left: int) -> None:
    split = watched(HERE, left=left)
    monitor = split.monitor(Limits(deadline_s=30))
    while split.left > 1:
        split.left -= 5
        split.goes_on(monitor, 1)
    assert split.told == []


def test_a_deadline_that_will_be_kept_after_all_is_taken_back() -> None:
    split = watched(HERE, left=198)
    monitor = split.monitor(Limits(deadline_s=30))
    split.goes_on(monitor, 5)
    split.places["remote"] = THERE
    split.goes_on(monitor, 5)
    broken, joined, kept = split.told
    assert isinstance(broken, DeadlineChanged)
    assert isinstance(joined, PlaceJoined)
    assert isinstance(kept, DeadlineChanged)
    assert broken.late_s > 0 > kept.late_s


def test_a_deadline_that_passes_is_declared_broken_whatever_is_known() -> None:
    split = watched(replace(HERE, images_per_s=None))
    split.goes_on(split.monitor(Limits(deadline_s=2)), 4)
    [passed] = split.told
    assert isinstance(passed, DeadlineChanged)
    assert passed.spent_s > passed.deadline_s == 2
    assert passed.left_s is None


def test_a_deadline_counts_from_the_commands_first_line() -> None:
    split = watched(HERE, left=98)
    split.now_s = 15.0
    split.goes_on(split.monitor(Limits(deadline_s=30)), 3)
    [missed] = split.told
    assert isinstance(missed, DeadlineChanged)
    assert missed.late_s > 0


def test_a_bill_has_a_least_and_a_tail() -> None:
    bill = MachineBill(usd_per_h=3.6, since_s=100.0, least_s=60.0, tail_s=5.0)
    assert bill.usd(110.0) == approx(0.06)
    assert bill.usd(200.0) == approx(0.105)
    assert bill.until_s(0.105) == approx(200.0)
    assert bill.until_s(0.01) == approx(155.0), "so much is paid anyway"


def test_money_that_is_spent_is_known_by_place() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor()
    monitor.bill("remote", MachineBill(3.6, since_s=0.0))
    monitor.bill("coming", MachineBill(3.6, since_s=10.0, least_s=60.0))
    split.now_s = 20.0
    assert monitor.view().usd == {"remote": approx(0.02), "coming": approx(0.06)}


def test_a_place_that_is_drained_and_done_costs_no_more() -> None:
    split = watched(HERE, replace(THERE, in_progress=0, is_open=False))
    monitor = split.monitor()
    monitor.bill("remote", MachineBill(3.6, since_s=0.0))
    split.goes_on(monitor, 10)
    assert monitor.view().usd["remote"] == approx(0.00025), "the first look"
    monitor.released("remote")
    split.now_s += 10
    assert monitor.view().usd["remote"] == approx(0.01), "it was up until then"


def test_a_place_that_is_not_billed_is_never_drained_for_money() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor(Limits(max_usd=0.0))
    monitor.bill("remote", MachineBill(0.0, since_s=0.0))
    split.goes_on(monitor, 60)
    assert split.drained == []


def test_what_is_paid_anyway_is_used() -> None:
    split = watched(HERE, THERE)
    monitor = split.monitor(Limits(max_usd=0.06))
    monitor.bill("remote", MachineBill(3.6, since_s=0.0, least_s=60.0))
    split.goes_on(monitor, 57)
    assert split.drained == []
    split.goes_on(monitor, 3)
    assert split.drained == ["remote"]
    [reached] = split.told
    assert isinstance(reached, BudgetReached)
    assert (reached.reason, reached.rest_is_here) == ("--max-cost $0.06", True)


def test_a_place_can_be_afforded_only_with_its_least_and_beside_the_others() -> None:
    split = watched(HERE)
    monitor = split.monitor(Limits(max_usd=0.1))
    machine = MachineBill(3.6, since_s=0.0, least_s=60.0)
    assert monitor.affords(machine, 10.0)
    assert monitor.affords(machine, 100.0)
    assert not monitor.affords(machine, 101.0)
    monitor.bill("other", MachineBill(3.6, since_s=0.0))
    assert monitor.affords(machine, 40.0)
    assert not monitor.affords(machine, 41.0)
    assert not split.monitor(Limits(max_usd=0.05)).affords(machine, 10.0), "a minute costs more"
    assert split.monitor().affords(machine, HOUR_S)


def test_what_money_allows_elsewhere_is_part_of_the_forecast() -> None:
    split = watched(HERE, THERE, left=1000)
    monitor = split.monitor(Limits(max_usd=0.02))
    monitor.bill("remote", MachineBill(3.6, since_s=0.0))
    ahead = monitor.view().ahead
    assert ahead is not None
    taken = 10 * (20 - 1.25 * 0.6 - 1) + 6
    assert ahead.images["remote"] == approx(taken)
    assert ahead.seconds == approx((1008 - taken) / 5)


def test_images_that_stay_are_done_here_first() -> None:
    split = watched(HERE, THERE, left=100)
    split.staying = 80
    ahead = split.monitor().view().ahead
    assert ahead is not None
    assert ahead.images["local"] == approx(82), "22 of them are done or in progress"


def test_a_place_is_let_go_when_all_that_is_left_is_to_stay_here() -> None:
    split = watched(HERE, replace(THERE, in_progress=0), left=100)
    split.staying = 100
    split.monitor().watch()
    assert split.drained == ["remote"]
    assert split.told == [PlaceReleased("remote")]


@pytest.mark.parametrize(
    ("staying", "in_progress", "left"), [(100, 1, 100), (99, 0, 100), (0, 0, 0)]
)
def test_a_place_that_may_be_needed_stays(staying: int, in_progress: int, left: int) -> None:
    split = watched(HERE, replace(THERE, in_progress=in_progress), left=left)
    split.staying = staying
    split.monitor().watch()
    assert split.drained == []


@dataclass
class Simulated:
    """The very queue, worked off in a time of its own. Images at a place take their turn in a
    queue, if it has one, and then `takes_s` more, both as good as a generator has it.
    """

    images: int
    now_s: float = 0.0
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Nothing is done yet."""
        self.work_queue = WorkQueue([WorkItem(str(n), n) for n in range(self.images)])
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.number = count()
        self.idle: list[Callable[[], None]] = []
        self.dice = random.Random(1)

    def standing(self) -> tuple[int, int, list[WorkerStatus]]:
        """As `SplitJob` has it."""
        return self.work_queue.standing(self.now_s)

    def drain(self, name: str) -> None:
        """As `SplitJob` does."""
        self.work_queue.workers[name].open = False

    def abandon(self, name: str) -> None:
        """As `SplitJob` does."""
        self.drain(name)
        self.work_queue.taken_from(self.work_queue.workers[name])

    def at(self, at_s: float, do: Callable[[], None]) -> None:
        heapq.heappush(self.events, (at_s, next(self.number), do))

    def join(
        self,
        name: str,
        concurrency: int,
        takes_s: float,
        upload_wait_s: Callable[[float], float] = lambda _now_s: 0.0,
        spread: float = 0.3,
        expected: Speed | None = None,
    ) -> None:
        here = name == "local"
        worker = self.work_queue.add(name, concurrency, self.now_s, here=here, expected=expected)
        free_s = [0.0]

        def pull() -> None:
            item = self.work_queue.take(worker, self.now_s) if worker.open else None
            if item is None:
                self.idle.append(pull)
                return
            luck, more = (self.dice.gammavariate(spread**-2, spread**2) for _ in range(2))
            begin_s = max(self.now_s, free_s[0])
            free_s[0] = begin_s + upload_wait_s(begin_s) * luck

            def done() -> None:
                self.work_queue.answered(worker, item, self.now_s)
                pull()
                self.wake()

            self.at(free_s[0] + takes_s * more, done)

        for _ in range(concurrency):
            pull()

    def wake(self) -> None:
        idle, self.idle = self.idle, []
        for pull in idle:
            pull()

    def run(self, watch: Callable[[], None]) -> float:
        """When all is done; `watch` is called ten times a second."""

        def tick() -> None:
            watch()
            self.wake()
            self.at(self.now_s + 0.1, tick)

        tick()
        while not self.work_queue.over:
            self.now_s, _, do = heapq.heappop(self.events)
            do()
        return self.now_s

    def monitor(self, limits: Limits | None = None) -> SplitMonitor:
        clock: Callable[[], float] = lambda: self.now_s  # noqa: E731
        return SplitMonitor(
            cast("Any", self), clock, 0.0, Reporter(self.told.append), limits or Limits()
        )


def uplink(before_s: float, after_s: float = 0.0, until_s: float = 1e9) -> Callable[[float], float]:
    """Seconds of sending an image, before and after it changes."""
    return lambda now_s: before_s if now_s < until_s else after_s


@pytest.mark.parametrize("upload_wait_s", [0.05, 0.2, 1.0])
def test_the_end_of_a_steady_job_is_predicted_and_nothing_is_said_on_the_way(
    upload_wait_s: float,
) -> None:
    job = Simulated(300)
    job.join("local", 2, 0.4)
    job.join("remote", 6, 0.25, uplink(upload_wait_s), expected=Speed(1 / upload_wait_s, 1.0))
    monitor = job.monitor()
    ends_s: list[float] = []

    def watch() -> None:
        monitor.watch()
        ends_s.append(job.now_s + (monitor.view().left_s or 0.0))

    end_s = job.run(watch)
    assert job.told == []
    halves = ends_s[len(ends_s) // 2 :]
    assert sum(halves) / len(halves) == approx(end_s, rel=0.05)
    assert max(abs(each - end_s) for each in halves) < 0.15 * end_s


@pytest.mark.parametrize(("after_s", "most"), [(1.0, 2), (1e9, 1)], ids=["a tenth", "nothing"])
def test_a_link_that_breaks_down_is_told_of_within_seconds(after_s: float, most: int) -> None:
    job = Simulated(400)
    job.join("local", 2, 0.4)
    job.join("remote", 6, 0.25, uplink(0.1, after_s, until_s=8.0), expected=Speed(10.0, 1.0))
    said_s: list[float] = []
    monitor = job.monitor()
    monitor.reporter = Reporter(job.told.append, lambda _event: said_s.append(job.now_s))
    job.run(monitor.watch)
    assert 8 < said_s[0] < 8 + 5
    assert isinstance(job.told[0], RateChanged)
    assert (job.told[0].quiet_s is None) == (after_s < 10)
    assert len(job.told) <= most


@pytest.mark.parametrize(
    ("upload_wait_s", "max_usd"),
    [(0.05, 0.002), (0.05, 0.01), (0.05, 0.02), (1.0, 0.01), (1.0, 0.02)],
)
def test_no_more_is_spent_than_is_allowed_and_most_of_it_is_used(
    upload_wait_s: float, max_usd: float
) -> None:
    job = Simulated(600)
    job.join("local", 2, 0.4)
    job.join("remote", 6, 0.25, uplink(upload_wait_s))
    monitor = job.monitor(Limits(max_usd=max_usd))
    monitor.bill("remote", MachineBill(1.8, since_s=0.0))
    end_s = job.run(monitor.watch)
    monitor.close()
    spent_usd = monitor.view().usd["remote"]
    assert spent_usd <= max_usd
    in_time_usd = MachineBill(1.8, 0.0).usd(min(end_s, 3600 * max_usd / 1.8 - 12))
    assert spent_usd >= in_time_usd
    assert sum(isinstance(event, BudgetReached) for event in job.told) <= 1


@pytest.mark.parametrize(("share", "broken"), [(1.15, 0), (0.85, 1)])
def test_a_deadline_is_declared_broken_only_if_it_will_be(share: float, broken: int) -> None:
    def job() -> Simulated:
        made = Simulated(300)
        made.join("local", 2, 0.4)
        made.join("remote", 6, 0.25, uplink(0.2))
        return made

    deadline_s = share * job().run(lambda: None)
    again = job()
    again.run(again.monitor(Limits(deadline_s=deadline_s)).watch)
    assert [type(event) for event in again.told] == [DeadlineChanged] * broken
