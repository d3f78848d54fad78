"""How a fleet is: what waits, who works, what it costs, what went wrong."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from offload.costmodel import fleet as costs
from offload.domain import typed
from offload.domain.machines import Backlog, FleetInfo, Size
from offload.drivers.aws.calls import NotAllowed
from offload.drivers.aws.fleet.asking import connected
from offload.drivers.aws.fleet.group import AutoScalingGroup, FleetMachine
from offload.drivers.aws.fleet.objects import read_info, store_of
from offload.drivers.aws.fleet.queues import SqsQueue, queue_name
from offload.drivers.aws.fleet.watching import Activity, activities, images_per_s
from offload.drivers.aws.lookup import Clients
from offload.service.queued.message import Task

_MOST_DEAD = 100
_RECENT = timedelta(hours=1)
"""How long a machine that did not come is told of."""

Connect = Callable[[str | None, str | None], tuple[Clients, str]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An image that was given up, or the start of a message that was none, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoMachine:
    """Why a machine did not come, and when that was."""

    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """A fleet `at` a moment. `images_per_s` is that of the last minutes, None where nobody counted;
    `left_s` how long what waits takes at that pace or, where nobody counted, at the usual one, None
    where no machine is there or comes up. `usd_today` is what machines have cost since midnight
    UTC. Of `dead_letters`, `dead` in all, there are a hundred at most.
    """

    at: datetime
    info: FleetInfo
    backlog: Backlog
    size: Size
    machines: tuple[FleetMachine, ...]
    images_per_s: float | None
    left_s: float | None
    usd_per_h: float
    usd_today: float
    dead: int
    dead_letters: tuple[DeadLetter, ...]
    failures: tuple[NoMachine, ...]


def status(
    name: str, region: str | None, profile: str | None, connect: Connect = connected
) -> FleetStatus:
    """How the fleet called `name` is now.

    Raises:
        OffloadError: there is none, or AWS refuses to say.
    """
    clients, where = connect(region, profile)
    info = read_info(store_of(clients, name, where))
    sqs, now = clients("sqs"), datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    queue, dead = SqsQueue(sqs, info.queue_url), SqsQueue(sqs, info.dead_url)
    group = AutoScalingGroup(clients, queue_name(info.queue_url))
    size, machines, backlog = group.size(), group.machines(), queue.backlog()
    since = min(midnight, now - _RECENT)
    happened = list(activities(clients, group.name, since))
    rate = None
    with suppress(NotAllowed):  # CloudWatch may be others' business
        rate = images_per_s(clients, queue_name(info.queue_url), now)
    usd_per_s, given_up = info.usd_per_h / 3600, _messages(dead.backlog())
    letters = map(_letter, dead.kept()) if given_up else ()
    return FleetStatus(
        at=now,
        info=info,
        backlog=backlog,
        size=size,
        machines=tuple(machines),
        images_per_s=rate,
        left_s=_left_s(backlog, size, rate, info),
        usd_per_h=info.usd_per_h * len(machines),
        usd_today=usd_per_s * machine_s(machines, happened, midnight, now),
        dead=given_up,
        dead_letters=tuple(itertools.islice(letters, _MOST_DEAD)),
        failures=tuple(_failures(happened, now)),
    )


def machine_s(
    machines: Sequence[FleetMachine], happened: Iterable[Activity], since: datetime, now: datetime
) -> float:
    """Seconds of machines since then: of those that are there, and of those that came or went, as
    far as is remembered.
    """
    began = {each.id: each.launched or since for each in machines}
    ended = dict.fromkeys(began, now)
    for each in happened:
        if each.failure is None:
            (began if each.launched else ended).setdefault(each.machine, each.at)
    return sum(
        max(0.0, (at - max(began.get(machine, since), since)).total_seconds())
        for machine, at in ended.items()
    )


def _left_s(backlog: Backlog, size: Size, rate: float | None, info: FleetInfo) -> float | None:
    """Until all is done that waits now, if no more machines come than are coming."""
    images = _messages(backlog)
    if not images or not size.running + size.pending:
        return None if images else 0.0
    each_per_s = info.vcpus / costs.S_PER_IMAGE_AND_CORE
    if rate and size.running:
        each_per_s = rate / size.running
    ready_s = [0.0] * size.running + [costs.START_S] * size.pending
    return costs.seconds(images / each_per_s, ready_s)


def _messages(backlog: Backlog) -> int:
    return backlog.visible + backlog.in_flight


def _letter(kept: tuple[str, dict[str, str]]) -> DeadLetter:
    body, notes = kept
    try:
        path = typed.parse(Task, body.encode(errors="replace")).path
    except ValueError:
        path = body[:100]
    return DeadLetter(path, notes.get("reason", ""))


def _failures(happened: Iterable[Activity], now: datetime) -> Iterator[NoMachine]:
    """Each reason once, as it was last given."""
    told: set[str] = set()
    for each in happened:
        if each.failure is not None and now - each.at < _RECENT and str(each.failure) not in told:
            told.add(str(each.failure))
            yield NoMachine(each.at, f"{each.failure} {each.failure.hint}".strip())
