"""Measurements as tables, JSON and CSV."""

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import fmean, median, stdev

from offload.costmodel import statistics
from offload.costmodel.statistics import LineFit
from offload.domain import profiles
from offload.domain.measurements import ImageSample, Measurement, StartPhase, f1
from offload.domain.places import StartState
from offload.domain.units import show_bytes, show_rate, show_s
from offload.drivers.store.store import ListedMeasurement
from offload.render import tables
from offload.render.messages import shown
from offload.render.words import count, moment

CSV_COLUMNS = ("place", "url", "upload_max_side_px", "quantity", "number", "bytes", "seconds")
_ONCE = StartPhase.BUILD
"""The phase that the next start is spared."""
_NOTICEABLE_S = 1e-4
_FROM: dict[str, str] = {
    StartState.ABSENT: "as a new machine",
    StartState.STOPPED: "from its disk",
    StartState.COLD: "on a machine that ran",
}

Line = tuple[str, str]
"""What is told, and it."""


def show(found: Sequence[tuple[int, Measurement]], *, as_json: bool) -> None:
    """A short table for each measurement, or every sample as JSON, on standard output."""
    if as_json:
        return tables.write_json(profiles.document([each for _, each in found], ()))
    told: list[tuple[str, list[Line]]] = []
    said: list[Line] = []
    for number, each in found:
        # Copies share the starts and the link of what was measured with them.
        before, said = said if each.agreements else [], list(lines(each))
        told.append((heading(number, each), [line for line in said if line not in before]))
    width = max((len(name) for _, pairs in told for name, _ in pairs), default=0)
    for title, pairs in told:
        text = "".join(f"  {name:<{width}}  {shown(value)}\n" for name, value in pairs)
        tables.write(f"{shown(title)}\n{text}")
    return None


def heading(number: int, found: Measurement) -> str:
    """Which measurement it is."""
    c = found.condition
    at = f"{c.place} {c.url}" if c.url else c.place
    copies = f", copies of {c.upload_max_side_px} px" if c.upload_max_side_px else ""
    beside = f" beside {c.beside}" if c.beside else ""
    host = c.host.get("name", "an unknown machine")
    return f"{number}: {c.model.name} at {at}{beside} on {host}{copies}, {found.taken_at}"


def lines(found: Measurement) -> Iterator[Line]:
    """What a person wants to know of a measurement; nothing of what was not measured."""
    yield from _bring_up(found) if found.is_bring_up else _starts(found)
    yield from _images(found)
    yield from _link(found)
    if found.totals:
        yield "jobs", f"{len(found.totals)} timed by other means"


def _bring_up(found: Measurement) -> Iterator[Line]:
    for start in found.starts:
        parts = ", ".join(f"{name} {show_s(s)}" for name, s in start.phases.items())
        how = _FROM.get(str(found.facts.get("from")), "somehow")
        of = f" ({parts})" if parts else ""
        yield "started", f"{how} in {show_s(start.startup_s)}{of}"
    yield "container image", str(found.facts.get("image"))


def _starts(found: Measurement) -> Iterator[Line]:
    starts = found.starts
    if not starts:
        return
    names = dict.fromkeys(name for start in starts for name in start.phases if name != _ONCE)
    parts = ", ".join(
        f"{name} {show_s(median(s.phases[name] for s in starts if name in s.phases))}"
        for name in names
    )
    of = f"median of {len(starts)}" if len(starts) > 1 else "once"
    usual_s = median(start.startup_s - start.phases.get(_ONCE, 0.0) for start in starts)
    yield "cold start", f"{show_s(usual_s)} ({'; '.join(filter(None, (of, parts)))})"
    for start in starts:
        if _ONCE in start.phases:
            yield "container image", f"built in {show_s(start.phases[_ONCE])}, once"
    yield "first result", f"{show_s(median(s.first_s for s in starts))} after that"


def _images(found: Measurement) -> Iterator[Line]:
    warm = found.images[found.in_flight :]
    steady = warm or found.images
    if not steady:
        return
    workers = count(found.condition.slots, "worker")
    yield "inference", f"{_mean(steady, 'infer_s')}, {workers}"
    yield "decoding", _mean(steady, "decode_s")
    if any(image.sent_bytes for image in steady):
        prepare_s = fmean(image.durations.prepare_s for image in steady)
        prepared = f", prepared in {show_s(prepare_s)}" if prepare_s > _NOTICEABLE_S else ""
        sent_bytes = fmean(image.sent_bytes for image in steady)
        yield "sent", f"{show_bytes(sent_bytes)} an image{prepared}"
    yield "throughput", _throughput(found)
    if warm:
        first = found.images[: found.in_flight]
        yield "warm-up", f"{len(first)} images, inference {_mean(first, 'infer_s')}; not counted"
    else:
        yield "warm-up", "all images: there were no more"
    if found.agreements:
        score = f1(found.agreements)
        same = "no objects" if score is None else f"F1 {score:.2f}"
        yield "agreement", f"{same} with full-size images ({len(found.agreements)} images)"


def _throughput(found: Measurement) -> str:
    finished_s = [image.finished_s for image in found.images]
    between_s = statistics.gaps(finished_s, skip=found.in_flight)
    if not sum(between_s):  # from the first byte to the last answer: there is no steady stretch
        per_s, images = len(finished_s) / finished_s[-1], count(len(finished_s), "image")
        return f"{per_s:.1f} images/s ({images}, warm-up included)"
    width = statistics.relative_half_width(between_s, max(found.condition.slots, 5))
    within = f" ± {width:.0%}" if width < 1 else ""
    return f"{1 / fmean(between_s):.1f}{within} images/s ({len(found.images)} images)"


def _link(found: Measurement) -> Iterator[Line]:
    trips_s = [probe.seconds for probe in found.probes if probe.kind == "rtt"]
    if trips_s:
        yield "round trip", show_s(median(trips_s))
    for kind in ("up", "down"):
        chosen = [probe for probe in found.probes if probe.kind == kind]
        slope, _ = statistics.theil_sen([p.bytes for p in chosen], [p.seconds for p in chosen])
        if slope > 0:
            yield f"{kind}link", f"{show_rate(1 / slope)} ({len(chosen)} payloads)"


def _mean(images: Sequence[ImageSample], duration: str) -> str:
    values = [getattr(image.durations, duration) for image in images]
    spread = f" ± {show_s(stdev(values))}" if len(values) > 1 and max(values) > 0 else ""
    return f"{show_s(fmean(values))}{spread}"


def samples(found: Sequence[Measurement]) -> None:
    """Every sample as a line of CSV on standard output."""
    writer = csv.writer(sys.stdout)
    writer.writerow(CSV_COLUMNS)
    for measurement in found:
        c = measurement.condition
        for *which, seconds in _samples(measurement):
            writer.writerow([c.place, c.url, c.upload_max_side_px, *which, f"{seconds:.6f}"])


def _samples(found: Measurement) -> Iterator[tuple[str, int, int, float]]:
    startup = "bring-up" if found.is_bring_up else "startup"
    for number, start in enumerate(found.starts, 1):
        yield startup, number, 0, start.startup_s
        for name, seconds in start.phases.items():
            yield f"{startup} {name}", number, 0, seconds
        if not found.is_bring_up:
            yield "first result", number, start.sent_bytes, start.first_s
    for number, probe in enumerate(found.probes, 1):
        yield probe.kind, number, probe.bytes, probe.seconds
    for image in found.images:
        yield "finished", image.number, image.bytes, image.finished_s
        for name, seconds in asdict(image.durations).items():
            size_bytes = image.sent_bytes if name == "upload_s" else image.bytes
            yield name.removesuffix("_s"), image.number, size_bytes, seconds
    for number, total in enumerate(found.totals, 1):
        yield "transfer", number, round(total.bytes or 0), total.transfer_s
        yield "execution", number, 0, total.execution_s


def taken_in(
    found: Sequence[tuple[int, Measurement]], outcomes: int, fits: Sequence[tuple[str, LineFit]]
) -> None:
    """What an import added; of a table of jobs the line through those of each place."""
    numbers = ", ".join(str(number) for number, _ in found) or "none"
    told = [f"measurements: {numbers}; outcomes of predictions: {outcomes}"]
    models = dict.fromkeys(each.condition.model.name for _, each in found)
    told += [f"to use it: offload advise --images 200 --model {name}" for name in models]
    for (place, line), (_, measurement) in zip(fits, found, strict=False):
        error = line.median_error
        missed = "" if error is None else f"; leave-one-out error {error:.1%}"
        told.append(
            f"{place}: {len(measurement.totals)} jobs, {show_s(line.startup_s)} + "
            f"{show_s(line.per_image_s)} an image + {show_s(line.per_byte_s * 1e6)} a MB{missed}"
        )
    tables.print_lines(told)


def listing(rows: Sequence[ListedMeasurement], *, as_json: bool) -> None:
    """A line for each measurement."""
    if as_json:
        return tables.write_json({"measurements": [asdict(row) for row in rows]})
    return tables.print_table(
        ("id", "when", "source", "model", "place", "copies", "starts", "images", "probes"),
        map(_listed, rows),
        right={"id", "starts", "images", "probes"},
    )


def _listed(row: ListedMeasurement) -> tuple[str, ...]:
    place = f"{row.place} {row.url}" if row.url else row.place
    place += f" beside {row.beside}" if row.beside else ""
    copies = f"{row.upload_max_side_px} px" if row.upload_max_side_px else ""
    return (
        str(row.id), moment(row.taken_at), row.source, row.model, place, copies,
        str(row.starts), str(row.images), str(row.probes),
    )  # fmt: skip
