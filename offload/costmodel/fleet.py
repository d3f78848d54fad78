"""How many machines a job is worth, of those that come for it and leave when it is done.

A job of W machine-seconds, which is images over what one machine does a second, on n machines that
are at work from a_1 <= a_2 <= … on: until t they have done the sum of max(0, t - a_i). So all is
done at

    T = (W + a_1 + … + a_k) / k   of the first k with T <= a_(k+1)

(divisible load whose processors are released one after the other: Robertazzi, "Ten Reasons to Use
Divisible Load Theory", 2003). Of n machines that all start now and take s, T(n) = s + W/n. Each is
billed until T, and l more seconds that it waits for images: dollars(n) = (W + n (s + l)) price.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

S_PER_IMAGE_AND_CORE = 0.1
"""Seconds of a core for an image, where nothing was measured."""
START_S = 100.0
"""Seconds from asking for a machine to its first answer, likewise: EC2's 25 to 30, the engine, our
image pulled, the model loaded.
"""
IDLE_S = 60.0
"""How long a machine waits for more images before it leaves."""
_MOST_SHARE = 1.25
"""What a job may cost that nobody is waiting for, over the least that it can."""
_NOISE = 0.1
"""What rates and starts differ by from one look to the next; less of a change changes no plan."""
_SPARE = 0.05
"""Of a deadline, which is planned to be left over: a machine more than it takes costs a start."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What one machine is like: images per second, seconds until its first answer, dollars."""

    images_per_s: float
    start_s: float = START_S
    usd_per_h: float = 0.0
    idle_s: float = IDLE_S

    def usd(self, machine_s: float) -> float:
        """What so many seconds of machines come to."""
        return machine_s * self.usd_per_h / 3600


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds from now, and dollars from now on; None sets none."""

    seconds: float | None = None
    usd: float | None = None


def seconds(work_s: float, ready_s: Sequence[float]) -> float:
    """When so many machine-seconds are done by machines that are at work from `ready_s` on, seconds
    from now; infinity without any. The formula T above.
    """
    ready, waited_s = sorted(ready_s), 0.0
    for number, each_s in enumerate(ready, 1):
        waited_s += each_s
        done_s = (work_s + waited_s) / number
        if number == len(ready) or done_s <= ready[number]:
            return done_s
    return math.inf


def machine_s(work_s: float, ready_s: Sequence[float], pace: Pace) -> float:
    """Machine-seconds that are billed from now on: n (T + l). A machine that would be at work only
    after T is still billed until it was, and has found nothing to do.
    """
    done_s = seconds(work_s, ready_s) if ready_s else 0.0
    return sum(max(done_s, each_s) + pace.idle_s for each_s in ready_s)


def ready_in_s(waited_s: float, pace: Pace) -> float:
    """Until a machine that was asked for `waited_s` ago is at work: what is left of a start, and of
    one that is late as long again as it is late.
    """
    return abs(pace.start_s - waited_s)


def wanted(
    images: int,
    ready_s: Sequence[float],
    most: int,
    pace: Pace,
    limits: Bounds = Bounds(),
    done: int = 0,
    spent_s: float = 0.0,
) -> int:
    """How many machines there should be for so many images, if those that were asked for are at
    work from `ready_s` on: never fewer than those, and never more than `most`, nor than images.
    `done` images of the job took `spent_s` machine-seconds before.

    With a limit of seconds the fewest that keep it with a twentieth to spare; of dollars, as many
    as stay below it by a tenth, even if that is none more. Either way no more than bring the job
    within a tenth of what a start takes, below which none can. Without a limit the most whose
    dollars are at most 1.25 times those of the job on one machine: the fastest that is not much
    dearer.

    As rates are measured anew every few seconds, and machines that were asked for stay, a plan in
    force is changed only where it misses its limit, or by a tenth more machines.
    """
    work_s, asked = images / pace.images_per_s, len(ready_s)
    numbers = range(asked, max(asked, min(most, images)) + 1)

    def plan(machines: int) -> list[float]:
        return [*ready_s, *[pace.start_s] * (machines - asked)]

    def billed_s(machines: int) -> float:  # grows with their number
        return machine_s(work_s, plan(machines), pace)

    def sooner_s(machines: int) -> float:  # so does this
        return -seconds(work_s, plan(machines))

    if limits.usd is not None:
        most_usd = limits.usd - _NOISE * (limits.usd + pace.usd(spent_s))
        billed = bisect_right(numbers, most_usd, key=lambda n: pace.usd(billed_s(n)))
        numbers = numbers[: max(1, billed)]
    if limits.seconds is not None and -sooner_s(asked) <= limits.seconds:
        return asked
    if limits == Bounds():
        least_s = work_s + done / pace.images_per_s + pace.start_s + pace.idle_s
        most_s = _MOST_SHARE * least_s - spent_s
        least = 1 if asked else 2  # one machine at least
        numbers = numbers[: max(least, bisect_right(numbers, most_s, key=billed_s))]
    else:
        bound_s = max((1 - _SPARE) * (limits.seconds or 0.0), (1 + _NOISE) * pace.start_s)
        numbers = numbers[: bisect_left(numbers, -bound_s, key=sooner_s) + 1]
    if limits.seconds is not None:
        return numbers[-1]
    return numbers[-1] if numbers[-1] >= (1 + _NOISE) * asked else asked
