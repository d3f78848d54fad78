"""Studies made up from a simple law, so that tests know what a report must find in them."""

import csv
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from offload.domain.results import Row
from offload.domain.studies import factors
from offload.domain.timing import Durations
from tests.measured import PLACES as KNOWN

PHASES = tuple(each.name for each in fields(Durations))
RUNS = (
    "Date", "Total Images", "Payload Size (MB)", "Transfer Speed (MB/s)",
    "Total Execution time on server (s)", "Avg Inference Time (s)", "Location",
    "cell", "round", "place", "label", "images", "concurrency", "replicas", "cpus",
    "upload_max_side_px", "link_mbit", "cold", "makespan_s", "startup_s", "detect_s",
    "images_per_s", "infer_mean_s", "infer_p50_s", "infer_p95_s", "response_p50_s",
    "response_p95_s", *PHASES, "sent_bytes", "failed", "predicted_s", "predicted_low_s",
    "predicted_high_s", "predicted_usd", "usd", "assumed", "error",
)  # fmt: skip
IMAGES = ("cell", "path", "bytes", "sent_bytes", *PHASES)
NUMBERS = (1, 2, 5, 10, 20, 50, 100, 200)
IMAGE_BYTES = 170_000


def photo(path: str, size_bytes: int, sent_bytes: int, durations: Durations) -> Row:
    """What became of one image."""
    return Row(
        path, "builtin", "", "", bytes=size_bytes, sent_bytes=sent_bytes, durations=durations
    )


@dataclass(frozen=True)
class Law:
    """How a place behaves: an image takes `infer_s` of one of `slots`, and weighs on the link."""

    infer_s: float
    slots: int = 2
    start_s: float = 1.0
    mbit: float | None = None
    rtt_s: float = 0.02
    usd_per_h: float = 0.0

    def run(self, images: int, sides: Mapping[str, Any], luck: random.Random) -> dict[str, float]:
        """The numbers of one run."""
        noise = luck.lognormvariate(0, 0.02)
        replicas, cpus = sides.get("replicas") or 1, sides.get("cpus") or 1.0
        slots = self.slots * replicas if sides.get("replicas") is None else replicas
        in_flight = min(sides.get("concurrency") or slots + 2, images)
        sent = 0.0
        if self.mbit is not None:
            sent = IMAGE_BYTES * (0.3 if sides.get("upload_max_side_px") else 1)
        upload_s = sent * 8e-6 / (sides.get("link_mbit") or self.mbit or 1) if sent else 0.0
        infer_s = self.infer_s / cpus
        latency_s = upload_s + (self.rtt_s if sent else 0) + infer_s + 0.006
        pace_s = max(upload_s, (infer_s + 0.005) / slots, latency_s / in_flight)
        detect_s = noise * (0.05 + latency_s + (images - 1) * pace_s)
        startup_s = self.start_s if sides.get("cold") else 0.0
        response_s = max(latency_s, in_flight * pace_s) * noise
        waited_s = max(0.0, response_s - latency_s * noise)
        link_binds = upload_s >= pace_s * 0.999 and sent > 0
        return {
            "makespan_s": startup_s + detect_s, "startup_s": startup_s, "detect_s": detect_s,
            "images_per_s": images / detect_s, "infer_mean_s": infer_s, "infer_p50_s": infer_s,
            "infer_p95_s": infer_s * 1.2, "response_p50_s": response_s,
            "response_p95_s": response_s * 1.3, "read_s": 0.001, "prepare_s": 0.0,
            "upload_wait_s": waited_s if link_binds else 0.0,
            "upload_s": noise * (upload_s + (self.rtt_s if sent else 0)),
            "init_s": 0.0, "queue_s": 0.0 if link_binds else waited_s, "decode_s": 0.004,
            "infer_s": infer_s,
            "download_s": 0.0005 if sent else 0.0, "sent_bytes": sent * images, "failed": 0,
            "predicted_s": (startup_s + detect_s / noise) * luck.lognormvariate(0, 0.05),
            "usd": self.usd_per_h * (startup_s + detect_s) / 3600,
        }  # fmt: skip


LAWS = {
    "local": Law(0.062),
    "container": Law(0.066, start_s=1.4),
    "remote": Law(0.012, slots=4, start_s=2.5, mbit=50, usd_per_h=0.0942),
}


@dataclass(frozen=True)
class Made:
    """What is to be in a study; every combination of `grid` is a cell for each place."""

    places: Sequence[str] = ("local", "container", "remote")
    images: Sequence[int] = NUMBERS
    repeats: int = 3
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    laws: Mapping[str, Law] = field(default_factory=lambda: LAWS)
    failing: Mapping[int, str] = field(default_factory=dict)
    predicted: bool = True
    per_image: bool = True
    environment: bool = True


def made(folder: Path, what: Made | None = None) -> Path:
    """A study folder with what is asked for; cells whose number is in `failing` fail."""
    what = what or Made()
    luck = random.Random(7)
    cells = _cells(what)
    rows, photos = [], []
    for number, (turn, place, images, sides) in enumerate(cells):
        row: dict[str, Any] = {"cell": f"{number}", "round": turn, "place": place, **sides}
        row |= {"images": images, "cold": sides.get("cold", False)}
        row["label"] = "http://192.0.2.10:8080" if place == "remote" else ""
        if number in what.failing:
            rows.append(row | {"error": what.failing[number]})
            continue
        numbers = what.laws[place].run(images, sides, luck)
        if what.predicted:
            said = numbers["predicted_s"]
            numbers |= {"predicted_low_s": said / 1.15, "predicted_high_s": said * 1.15}
        else:
            del numbers["predicted_s"]
        rows.append(row | numbers | {"assumed": place == "remote" and turn == 1})
        if what.per_image:
            photos += _photos(row["cell"], images, numbers, luck)
    folder.mkdir(parents=True, exist_ok=True)
    _table(folder / "runs.csv", RUNS, rows)
    _table(folder / "per_image.csv", IMAGES, photos)
    (folder / "study.json").write_text(json.dumps(_design(what)))
    if what.environment:
        (folder / "environment.json").write_text(json.dumps(_environment(what)))
    return folder


def change(table: Path, changed: Callable[[dict[str, str]], Mapping[str, str]]) -> None:
    """Change every line of a table."""
    rows = list(csv.DictReader(table.read_text().splitlines()))
    _table(table, list(rows[0]), map(changed, rows))


def _cells(what: Made) -> list[tuple[int, str, int, dict[str, Any]]]:
    combinations: list[dict[str, Any]] = [{}]
    for name, levels in what.grid.items():
        combinations = [each | {name: level} for each in combinations for level in levels]
    cells = []
    for turn in range(1, what.repeats + 1):
        for place in what.places:
            for images in what.images:
                for sides in combinations:
                    kept = {k: v for k, v in sides.items() if k in (*factors(KNOWN[place]), "cold")}
                    cells.append((turn, place, images, kept))
    return list({(t, p, i, tuple(s.items())): (t, p, i, s) for t, p, i, s in cells}.values())


def _photos(
    cell: str, images: int, numbers: Mapping[str, float], luck: random.Random
) -> list[dict[str, Any]]:
    photos = []
    for number in range(images):
        scale = luck.lognormvariate(-0.1, 0.45)
        phases = {name: numbers[name] for name in PHASES}
        phases["upload_s"] = max(0.0, numbers["upload_s"] - 0.02) * scale + (
            luck.lognormvariate(-3.9, 0.1) if numbers["sent_bytes"] else 0
        )
        photos.append({
            "cell": cell, "path": f"{number}.jpg", "bytes": round(IMAGE_BYTES * scale),
            "sent_bytes": round(numbers["sent_bytes"] / images * scale), **phases,
        })  # fmt: skip
    return photos


def _table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _design(what: Made) -> dict[str, Any]:
    return {
        "schema": 1, "kind": "study", "seed": 7, "repeats": what.repeats, "model": "builtin",
        "version": "0.6.0",
        "command": ["offload", "experiment", "photos/", "--images",
                    ",".join(map(str, what.images)), "--where", ",".join(what.places),
                    "--repeats", str(what.repeats), "-o", "study/"],
    }  # fmt: skip


def _environment(what: Made) -> dict[str, Any]:
    machine = {
        "name": "bench", "system": "Linux 6.1.0 x86_64", "python": "3.11.7",
        "cpu": "AMD EPYC 7R13 Processor", "cores": 2, "usable_cores": 2,
        "memory_bytes": 8_237_215_744,
    }  # fmt: skip
    there = machine | {"name": "there", "cpu": "Intel(R) Xeon(R) Platinum 8488C", "cores": 4,
                       "usable_cores": 4}  # fmt: skip
    places: dict[str, Any] = {}
    for place in what.places:
        places[place] = {"host": there if place == "remote" else machine}
        mbit = what.laws[place].mbit
        if mbit:
            places[place] |= {"goodput_bytes_per_s": mbit * 1e6 / 8 * 0.96, "rtt_s": 0.0204}
            if what.laws[place].usd_per_h:
                places[place] |= {"instance_type": "c7i.xlarge", "region": "eu-central-1",
                                  "usd_per_h": what.laws[place].usd_per_h}  # fmt: skip
    times = {"started_at": "2026-11-21T14:02:11+00:00", "ended_at": "2026-11-21T15:40:03+00:00"}
    versions = {"offload": "0.6.0", "ai-edge-litert": "2.1.0"}
    return {**times, "client": machine, "places": places, "versions": versions}
