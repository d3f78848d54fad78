"""Served detection against the machine and against two other servers, side by side.

    python benchmarks/serve.py --photos DIR --model FILE.tflite [--in-flight 1,4,16,32]

Client and server share this machine. The bound is one bare interpreter per core in one process,
decoding included, nothing else (benchmarks/bound.py). One base64-JSON client drives our server, a
Flask server and LitServe; our own client drives ours beside them. A round measures each once, in
turn; medians of the rounds, with their range. Needs: pip install -e '.[bench]'
"""

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
OURS, OURS_BASE64, LITSERVE, FLASK = "ours", "ours, base64", "LitServe", "Flask"
WARM_UP_IMAGES = 64

Figures = tuple[float, float]
"""Images per second, 99th percentile of a request's seconds."""


def main() -> None:
    """Measure and print."""
    options = _options()
    levels = [int(level) for level in options.in_flight.split(",")]
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = _folder(sorted(Path(options.photos).glob("*.jpg")), options.images, scratch)
        drivers = _drivers(stack, options, folder, scratch)
        for in_flight in levels:
            _level(in_flight, drivers, folder, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Served detection over the machine's bound.")
    parser.add_argument("--photos", required=True, help="folder of .jpg files")
    parser.add_argument("--model", required=True, help=".tflite file")
    parser.add_argument("--in-flight", default="1,4,16,32", help="requests at a time")
    parser.add_argument("--images", type=int, default=640, help="images of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _drivers(
    stack: ExitStack, options: argparse.Namespace, folder: Path, scratch: Path
) -> dict[str, Callable[[int], Figures]]:
    """Name -> what drives it with so many requests in flight, servers started and warm."""
    offload = [sys.executable, "-m", "offload", "serve", "-q", "-m", options.model, "--port"]
    rivals = {
        LITSERVE: [sys.executable, str(HERE / "rivals" / "litserve_server.py"), options.model],
        FLASK: [sys.executable, str(HERE / "rivals" / "flask_server.py"), options.model],
    }
    ours = stack.enter_context(_serving(offload))
    drivers: dict[str, Callable[[int], Figures]] = {
        OURS: lambda level: _our_client(ours, folder, level, scratch),
        OURS_BASE64: lambda level: _base64_client(ours, folder, level, options.images),
    }
    for name, command in rivals.items():
        url = stack.enter_context(_serving(command))
        drivers[name] = partial(_base64_client, url, folder, images=options.images)
        _base64_client(url, folder, os.cpu_count() or 1, WARM_UP_IMAGES)
    return drivers


def _level(
    in_flight: int,
    drivers: dict[str, Callable[[int], Figures]],
    folder: Path,
    options: argparse.Namespace,
) -> None:
    speeds: dict[str, list[float]] = defaultdict(list)
    tails: dict[str, list[float]] = defaultdict(list)
    bounds = []
    for _ in range(options.rounds):
        bounds.append(_bound(folder, options.model))
        for name, drive in drivers.items():
            speed, p99_s = drive(in_flight)
            speeds[name].append(speed)
            tails[name].append(p99_s / (in_flight / speed))
    print(f"== {in_flight} in flight; bound {_median(bounds)} images/s", flush=True)
    for name, found in speeds.items():
        over_bound = [speed / bound for speed, bound in zip(found, bounds, strict=True)]
        over_litserve = [a / b for a, b in zip(found, speeds[LITSERVE], strict=True)]
        print(
            f"   {name:<13} {statistics.median(found):6.1f} images/s   over bound "
            f"{_median(over_bound)}   over LitServe {_median(over_litserve)}   p99 over "
            f"in flight / speed {_median(tails[name])}",
            flush=True,
        )


def _bound(folder: Path, model: str) -> float:
    cores = str(os.cpu_count() or 1)
    command = [sys.executable, str(HERE / "bound.py"), "tflite", str(folder), model, cores, "1"]
    return float(_found(r"([\d.]+) images/s", _output(command))[0])


def _base64_client(url: str, folder: Path, in_flight: int, images: int) -> Figures:
    script = str(HERE / "base64_client.py")
    said = _output([sys.executable, script, url, str(folder), str(in_flight), str(images)])
    speed, p99 = _found(r"([\d.]+) images/s.* p99 ([\d.]+) s", said)
    return float(speed), float(p99)


def _our_client(url: str, folder: Path, in_flight: int, scratch: Path) -> Figures:
    """`offload detect --where remote`, its own figures: the time to connect is not in them."""
    out = scratch / "out"
    command = [sys.executable, "-m", "offload", "detect", str(folder), "--where", "remote", "-q"]
    command += ["--url", url, "--concurrency", str(in_flight), "-o", str(out), "--overwrite"]
    _output(command)
    speed = json.loads((out / "run.json").read_text())["totals"]["images_per_s"]
    rows = map(json.loads, (out / "detections.jsonl").read_text().splitlines())
    times_s = [sum(row["durations"].values()) - row["durations"]["read_s"] for row in rows]
    return float(speed), statistics.quantiles(times_s, n=100)[98]


@contextmanager
def _serving(command: Sequence[str]) -> Iterator[str]:
    """The command, given a free port, until it answers; ended afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [*command, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # LitServe's workers outlive it otherwise
    )
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, f"{command} ended"
                time.sleep(0.1)
        time.sleep(3)  # LitServe accepts before its workers are there
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _folder(photos: Sequence[Path], count: int, scratch: Path) -> Path:
    """`count` links to the photos in turn."""
    folder = scratch / "photos"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06}.jpg").symlink_to(photos[number % len(photos)].resolve())
    return folder


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _found(pattern: str, text: str) -> Sequence[str]:
    match = re.search(pattern, text)
    assert match, text
    return match.groups()


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f}..{max(values):.3f})"


if __name__ == "__main__":
    main()
