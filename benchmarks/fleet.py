"""A fleet at the test bed: seconds from no machine to the first answer, by phase; what each image
costs beside its detection; images/s of 1 to 4 machines; what was predicted against what was taken.

    eval "$(sudo tests/testbed/up)"
    python benchmarks/fleet.py [--photos DIR] [--images 200] [--most 4] [--cpus 0.15]

Each machine gets that share of a core, so that so many of them, the client and the bed have room
on this computer: a rate is given as a share of that of one machine, times their number. Hosts of
the bed boot in a second, and have the container image: those of EC2 take longer. Images are asked
for through the place itself, as `offload detect --where fleet` does. The engine has to have the
image that the tests build.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from offload import bootstrap
from offload.domain.events import Event, MachinesWanted
from offload.domain.vision import Detections, Image, Selection
from offload.places.fleet import FleetPlace
from offload.usecases.detect.places import made
from offload.usecases.detect.request import Request
from tests.fleet.owner import IDLE_S, USD_PER_H, Owner
from tests.rented.renter import Renter, until
from tests.testbed import lab

PICTURES = Path(__file__).parents[1] / "examples" / "images"
NAME, REGION = "bench", "eu-west-3"
ALONE = 20
PATIENCE_S = 300.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, default=PICTURES, help="folder of .jpg files")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--most", type=int, default=4, help="machines")
    parser.add_argument("--cpus", type=float, default=0.15, help="share of a core of each machine")
    asked = parser.parse_args()
    files = [path.read_bytes() for path in sorted(asked.photos.glob("*.jpg"))]
    images = [Image(f"{n}.jpg", files[n % len(files)]) for n in range(asked.images)]
    with tempfile.TemporaryDirectory() as home, _share(asked.cpus):
        settings = {"AWS_ENDPOINT_URL": lab.EVERYWHERE, "OFFLOAD_FLEET": NAME}
        owner = Owner(Renter(Path(home), "http://127.0.0.1:9/", REGION, extra=settings), NAME)
        os.environ |= owner.renter.environment
        owner.provision("--max", asked.most)
        try:
            start_s = _first(owner, images[0])
            _alone(images[:ALONE])
            rate = _rates(owner, images, asked.most)
            _prediction(owner, images, rate, start_s)
        finally:
            owner.down()


def _first(owner: Owner, image: Image) -> float:
    """From no machine to the first answer, which the client asks a machine for; the seconds from
    when there is one until it takes images.
    """
    with _Watch(owner) as watch:
        _, done_s, _ = _job([image])
    came_s, began_s = watch.first(watch.machines), watch.first(watch.working)
    print(
        f"first answer after {done_s:.1f} s: a machine is there after {came_s:.1f} s, its worker "
        f"takes images {began_s - came_s:.1f} s later, and the answer comes {done_s - began_s:.1f} "
        "s later",
        flush=True,
    )
    return began_s - came_s


def _alone(images: Sequence[Image]) -> None:
    """What one image after another takes beside its detection."""
    found, _, _ = _job(images, in_flight=1)
    beside_s = [
        each.durations.total_s - each.durations.decode_s - each.durations.infer_s for each in found
    ]
    print(
        f"an image alone: {statistics.median(beside_s):.3f} s beside its detection "
        f"({min(beside_s):.3f}..{max(beside_s):.3f})",
        flush=True,
    )


def _rates(owner: Owner, images: Sequence[Image], most: int) -> float:
    """Images/s of one machine, which it gives, of two and so on, once all of them answer."""
    rates: dict[int, float] = {}
    for machines in range(1, most + 1):
        owner.provision("--max", machines)
        group = owner.client("autoscaling")
        group.set_desired_capacity(AutoScalingGroupName=owner.title, DesiredCapacity=machines)
        until(lambda machines=machines: len(owner.working()) >= machines, PATIENCE_S)  # type: ignore[misc]
        rates[machines] = _steady(images, machines)
        print(
            f"{machines} machines: {rates[machines]:.1f} images/s, "
            f"{rates[machines] / (machines * rates[1]):.2f} of {machines} times one",
            flush=True,
        )
    return rates[1]


def _steady(images: Sequence[Image], machines: int) -> float:
    """Images/s once so many machines have answered: a worker that has begun may still load its
    model. The opening of the place and its end are no part of it.
    """
    place, selection = _place(lambda _: None)
    with place.open(selection, 0) as session, ThreadPoolExecutor(64) as threads:
        heard = session._asker.workers
        until_s = time.perf_counter() + PATIENCE_S
        while len(heard) < machines and time.perf_counter() < until_s:
            list(threads.map(session.detect, images[: 4 * machines]))
        if len(heard) < machines:
            raise SystemExit(f"{len(heard)} of {machines} machines answer.")
        began_s = time.perf_counter()
        list(threads.map(session.detect, images))
        return len(images) / (time.perf_counter() - began_s)


def _prediction(owner: Owner, images: Sequence[Image], rate: float, start_s: float) -> None:
    """What was said at the start of a job from no machine to none, and what became of it. The least
    that machines can run is the work at the `rate` of one, and for each its start and last minute.
    """
    owner.leave()
    with _Watch(owner) as watch:
        _, took_s, plans = _job(images)
        owner.leave()
    usd = watch.machine_s * USD_PER_H / 3600
    machines = max(number for _, number in watch.machines)
    least_s = len(images) / rate + machines * (start_s + IDLE_S)
    print(
        f"{len(images)} images from zero: predicted over taken {plans[0].seconds / took_s:.2f} in "
        f"seconds ({took_s:.1f} s), {plans[0].usd / usd:.2f} in dollars (${usd:.4f}); as planned "
        f"last {plans[-1].usd / usd:.2f}; machines ran {watch.machine_s:.1f} s together, "
        f"{watch.machine_s / least_s:.2f} of work over rate plus starts and last minutes",
        flush=True,
    )


def _job(
    images: Sequence[Image], in_flight: int | None = None
) -> tuple[list[Detections], float, list[MachinesWanted]]:
    """What is found, the seconds that took from the opening of the place on, and the plans."""
    plans: list[MachinesWanted] = []

    def hear(event: Event) -> None:
        if isinstance(event, MachinesWanted):
            plans.append(event)

    place, selection = _place(hear, in_flight)
    began_s = time.perf_counter()
    with (
        place.open(selection, len(images)) as session,
        ThreadPoolExecutor(in_flight or 64) as threads,
    ):
        found = list(threads.map(session.detect, images))
        took_s = time.perf_counter() - began_s
    return found, took_s, plans


def _place(
    hear: Callable[[Event], None], in_flight: int | None = None
) -> tuple[FleetPlace, Selection]:
    """The fleet, and what is asked of it."""
    request = Request((), where="fleet", model="builtin", concurrency=in_flight)
    place = made(request, bootstrap.context(hear), None)
    assert isinstance(place, FleetPlace)
    return place, Selection(min_score=place.model.min_score)


class _Watch:
    """Looks at the machines of a fleet twice a second: since when there was one, how long all of
    them ran together.
    """

    def __init__(self, owner: Owner) -> None:
        self.machines: list[tuple[float, int]] = []
        self.working: list[tuple[float, int]] = []
        self.machine_s = 0.0
        self._owner = owner
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._thread.join()

    @staticmethod
    def first(seen: Sequence[tuple[float, int]]) -> float:
        """Seconds until there was one."""
        return next(at_s for at_s, number in seen if number)

    def _look(self) -> None:
        began_s = last_s = time.perf_counter()
        while not self._over.wait(0.5):
            looks: tuple[tuple[Callable[[], list[str]], list[tuple[float, int]]], ...] = (
                (self._owner.machines, self.machines), (self._owner.working, self.working),
            )  # fmt: skip
            for look, seen in looks:
                seen.append((time.perf_counter() - began_s, len(look())))
            now_s = time.perf_counter()
            self.machine_s += self.machines[-1][1] * (now_s - last_s)
            last_s = now_s


@contextmanager
def _share(cpus: float) -> Iterator[None]:
    """Meanwhile each machine has so much of a core."""
    _fakecloud("shape", "all", "--cpus", f"{cpus:g}")
    try:
        yield
    finally:
        _fakecloud("shape", "all", "--cpus", "0")


def _fakecloud(*words: str) -> None:
    subprocess.run([str(lab.HERE / "fakecloud"), *words], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
