"""From nothing to the first detection: seconds and bytes of each step.

    eval "$(sudo tests/testbed/up)"
    python benchmarks/provision.py --rates 20,100

A machine of the test bed is provisioned behind a link of each rate (Mbit/s) with a round trip of
20 ms, our image sent from this machine's engine; one example picture is detected there; the machine
is stopped, started, and detects again, the image being there. Bytes are what its network card saw
until then, in both directions. Hosts of the bed boot in a second, which those of EC2 do not.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.testbed import lab

PROJECT = Path(__file__).parents[1]
PICTURE = PROJECT / "examples" / "images" / "red-bus.jpg"
NAME = "bench"
NEW = (
    "provision", "ec2", "--name", NAME, "--yes", "-m", "builtin", "--container-image", "stream",
    "--allow-cidr", "203.0.113.1/32", "--offline",
)  # fmt: skip


def main() -> None:
    """Measure, and print a line for each start."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rates", default="20,100", help="Mbit/s, comma-separated")
    options = parser.parse_args()
    for rate_mbit in map(float, options.rates.split(",")):
        with tempfile.TemporaryDirectory() as data, _shaped(rate_mbit):
            environment = os.environ | {"OFFLOAD_DATA": data, "OFFLOAD_HUB": "http://127.0.0.1:9"}
            try:
                _measured(f"{rate_mbit:g} Mbit/s, new, image sent", NEW, environment)
                _offload(("stop", NAME), environment)
                time.sleep(3)
                start = ("start", NAME)
                _measured(f"{rate_mbit:g} Mbit/s, stopped, image there", start, environment)
            finally:
                _offload(("down", NAME, "-q"), environment)


def _measured(what: str, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
    up = json.loads(_offload((*command, "--json", "-q"), environment))
    began_s = time.perf_counter()
    _offload(("detect", str(PICTURE), "--where", "remote", "--machine", NAME, "-q"), environment)
    detect_s = time.perf_counter() - began_s
    sent_bytes, came_bytes = _counters(up["machine"]["id"])
    phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in up["phases"].items())
    print(
        f"{what}: {up['total_s']:.1f} s ({phases}), then detect {detect_s:.2f} s; "
        f"{sent_bytes / 1e6:.1f} MB there, {came_bytes / 1e6:.1f} MB back",
        flush=True,
    )


def _counters(instance_id: str) -> tuple[int, int]:
    """Bytes that this machine's end of the host's wire sent and got."""
    card = Path("/sys/class/net") / f"fc-{instance_id[-8:]}" / "statistics"
    return int((card / "tx_bytes").read_text()), int((card / "rx_bytes").read_text())


@contextmanager
def _shaped(rate_mbit: float) -> Iterator[None]:
    _fakecloud("shape", "all", "--rate", f"{rate_mbit:g}", "--rtt", "20")
    try:
        yield
    finally:
        _fakecloud("shape", "all", "--rate", "0", "--rtt", "0")


def _fakecloud(*words: str) -> None:
    subprocess.run([str(lab.HERE / "fakecloud"), *words], check=True, stdout=subprocess.DEVNULL)


def _offload(words: tuple[str, ...], environment: Mapping[str, str]) -> str:
    command = [sys.executable, "-m", "offload", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
