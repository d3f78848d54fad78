"""What pods bring: three of half a core against one, side by side, and each pod's share.

    python benchmarks/kubernetes.py --photos DIR [--container-image IMAGE]

Needs a cluster (KUBECONFIG) with room for 1.5 cores. Two deployments are up all the time and take
turns; ratios are of the images per second in the same round, medians over the rounds with range.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.kubernetes.user import SERVED

NAMESPACE = "offload-benchmark"
PODS = {"one": 1, "three": 3}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Three pods of half a core against one.")
    parser.add_argument("--photos", required=True, help="folder of pictures")
    parser.add_argument("--container-image", default="offload")
    parser.add_argument("--concurrency", default="16,32")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    try:
        for name, replicas in PODS.items():
            image = ("--container-image", options.container_image, "--cpus", "0.5", "--yes")
            where = ("--namespace", NAMESPACE, "--name", name)
            _offload("provision", "kubernetes", *where, *image, "--replicas", str(replicas))
        for concurrency in options.concurrency.split(","):
            _compare(options.photos, concurrency, options.rounds)
    finally:
        for name in PODS:
            _offload("down", f"kubernetes:{NAMESPACE}/{name}", "-q")


def _compare(photos: str, concurrency: str, rounds: int) -> None:
    ratios: list[float] = []
    shares: list[float] = []
    for number in range(rounds + 1):
        rates = {}
        for name in random.sample(list(PODS), len(PODS)):
            before = _answered(name)
            rates[name] = _images_per_s(name, photos, concurrency)
            counts = [count - before[pod] for pod, count in _answered(name).items()]
            if number and name == "three":
                shares += [count / sum(counts) for count in counts]
        if number:  # the first round warms up
            ratios.append(rates["three"] / rates["one"])
    print(
        f"   {concurrency:>3} in flight: ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f}..{max(ratios):.2f}); shares {min(shares):.3f}..{max(shares):.3f}",
        flush=True,
    )


def _images_per_s(name: str, photos: str, concurrency: str) -> float:
    with tempfile.TemporaryDirectory() as out:
        _offload(
            "detect", photos, "--where", "kubernetes", "--concurrency",
            concurrency, "-q", "-o", out, deployment=f"{NAMESPACE}/{name}",
        )  # fmt: skip
        totals = json.loads((Path(out) / "run.json").read_text())["totals"]
    return float(totals["images_per_s"])


def _answered(name: str) -> dict[str, int]:
    """How many images each pod has answered, by its own count."""
    kubectl = ("kubectl", "--namespace", NAMESPACE)
    label = f"app.kubernetes.io/instance={name}"
    counts = {}
    for pod in _said(*kubectl, "get", "pods", "-o", "name", "-l", label).split():
        metrics = _said(*kubectl, "exec", pod, "--", "python", "-c", SERVED)
        [said] = (line for line in metrics.splitlines() if line.startswith("offload_images_total"))
        counts[pod] = int(float(said.split()[1]))
    return counts


def _offload(*words: str, deployment: str = NAMESPACE) -> None:
    environment = {**os.environ, "OFFLOAD_DEPLOYMENT": deployment, "OFFLOAD_HISTORY": "false"}
    command = [sys.executable, "-m", "offload", *words]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
