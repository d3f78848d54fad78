"""How much of a slow link a remote job uses: its makespan over what the link and server allow.

    sudo tests/testbed/up
    python benchmarks/link.py --photos DIR --model FILE.tflite --labels FILE [--rates 5,20,100]

A rented host of the test bed serves our image behind a link of each rate (Mbit/s) and a round trip
of 20 ms. The lower bound is max(bytes / goodput, N x inference / slots) + fill and drain: goodput
is that of one kept-alive upload of random bytes, measured in the same minute; inference is the mean
decode + infer of the job itself; fill is a round trip and the first image's upload, drain the last
image's inference. Client, link and server share this machine's cores.
"""

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from offload.drivers.http.connections import Server
from offload.service import wire
from tests.testbed import lab

IMAGE = "offload"
PROBE_S = 2.0
"""Seconds of uploading that a goodput is taken from."""


def main() -> None:
    """Measure and print."""
    options = _options()
    photos = sorted(Path(options.photos).glob("*.jpg"))[: options.images]
    model, labels = Path(options.model), Path(options.labels)
    environment = {"OFFLOAD_MODEL": f"/model/{model.name}"}
    with (
        tempfile.TemporaryDirectory() as scratch,
        lab.serving_host(IMAGE, [model, labels], environment) as host,
    ):
        print(f"== {len(photos)} photos, {_wire_line(photos)}", flush=True)
        for rate in options.rates.split(","):
            host.shape(float(rate), options.rtt)
            _rate(host, float(rate), photos, Path(scratch), options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Makespan of remote jobs over its lower bound.")
    parser.add_argument("--photos", required=True, help="folder of .jpg files")
    parser.add_argument("--model", required=True, help=".tflite file")
    parser.add_argument("--labels", required=True, help="its class names")
    parser.add_argument("--rates", default="5,20,100", help="Mbit/s")
    parser.add_argument("--rtt", type=float, default=20, help="round trip in ms")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _wire_line(photos: Sequence[Path]) -> str:
    raw = sum(photo.stat().st_size for photo in photos)
    encoded = sum(
        len(json.dumps({"id": "0", "image": base64.b64encode(photo.read_bytes()).decode()}))
        for photo in photos
    )
    return f"{raw / 1e6:.2f} MB as files, {encoded / 1e6:.2f} MB as base64 JSON"


def _rate(
    host: lab.Host, rate: float, photos: Sequence[Path], scratch: Path, options: argparse.Namespace
) -> None:
    ratios, spans, bounds = [], [], []
    for _ in range(options.rounds):
        goodput, rtt_s = _link(host, rate)
        span_s, sent_bytes, service_s, slots = _job(host, photos, scratch)
        upload_s = sent_bytes / goodput
        bottleneck_s = max(upload_s, len(photos) * service_s / slots)
        ends_s = rtt_s + service_s + (0 if upload_s == bottleneck_s else upload_s / len(photos))
        bounds.append(bottleneck_s + ends_s)
        spans.append(span_s)
        ratios.append(span_s / bounds[-1])
        which = "uplink" if upload_s == bottleneck_s else "server"
        print(
            f"   {rate:g} Mbit/s: goodput {goodput * 8e-6:.2f} Mbit/s, round trip "
            f"{rtt_s * 1000:.1f} ms, {which} binds, bound {bounds[-1]:.2f} s, took {span_s:.2f} s",
            flush=True,
        )
    print(
        f"   {rate:g} Mbit/s: makespan over bound {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f}..{max(ratios):.3f})",
        flush=True,
    )


def _link(host: lab.Host, rate: float) -> tuple[float, float]:
    """Goodput of one kept-alive upload in bytes per second, and the round trip in seconds."""
    server = Server(host.url, {"Authorization": f"Bearer {host.token}"}, 120, 1, time.perf_counter)
    pieces = [os.urandom(2**16) for _ in range(max(8, int(rate * 1e6 / 8 * PROBE_S / 2**16)))]
    size_bytes = sum(map(len, pieces))
    rtts_s = []
    for _ in range(10):
        began_s = time.perf_counter()
        server.request("GET", wire.LIVE)
        rtts_s.append(time.perf_counter() - began_s)
    server.request("POST", wire.PROBE, None, pieces, size_bytes)  # past slow start
    began_s = time.perf_counter()
    server.request("POST", wire.PROBE, None, pieces, size_bytes)
    upload_s = time.perf_counter() - began_s - min(rtts_s)
    server.close()
    return size_bytes / upload_s, min(rtts_s)


def _job(host: lab.Host, photos: Sequence[Path], scratch: Path) -> tuple[float, int, float, int]:
    """The makespan, the bytes sent, mean seconds an image kept a slot busy, and the slots."""
    out = scratch / "out"
    command = [sys.executable, "-m", "offload", "detect", *map(str, photos), "--where", "remote"]
    command += ["--url", host.url, "-q", "-o", str(out), "--overwrite"]
    environment = os.environ | {"OFFLOAD_TOKEN": host.token}
    subprocess.run(command, check=True, env=environment)
    run = json.loads((out / "run.json").read_text())
    rows = map(json.loads, (out / "detections.jsonl").read_text().splitlines())
    busy_s = [row["durations"]["decode_s"] + row["durations"]["infer_s"] for row in rows]
    totals = run["totals"]
    return totals["detect_s"], totals["sent_bytes"], statistics.mean(busy_s), 2


if __name__ == "__main__":
    main()
