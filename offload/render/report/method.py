"""Methodology and approach: what was varied, measured and used, and how to do it again."""

import shlex
from collections.abc import Iterator

from offload.domain.units import show_rate, show_s, show_usd
from offload.findings import environment
from offload.findings.environment import Machine, Site
from offload.findings.study import Study, levels
from offload.render.report import architecture
from offload.render.report.document import Block, Commands, Figure, Table, listing, paragraph
from offload.render.report.matter import Matter
from offload.render.words import count

_FACTORS = {
    "link_mbit": ("link, shaped to", "Mbit/s"),
    "upload_max_side_px": ("longer side of what is sent, at most", "px"),
    "concurrency": ("requests in flight", ""),
    "replicas": ("replicas (containers)", ""),
    "cpus": ("CPUs of each container", ""),
}


def design(matter: Matter) -> list[Block]:
    """What was varied, and in which order."""
    study = matter.study
    rows = [*_factors(matter)]
    seed = study.design.get("seed")
    seeded = f" (seed {seed})" if isinstance(seed, int) else ""
    places = len(study.places())
    mixed = ", the places taking turns" if places > 1 else ""
    order = (
        f"@factors shows what was varied. The {len(study.runs)} runs came in random "
        f"order{seeded}{mixed}, one whole round of repeats after another, so that a machine that "
        "grows warm or a network that grows busy slows down all alike."
    )
    same = (
        "A job of N images has the first N of one shuffled list, hence the same images wherever it "
        "runs, and is the very command `offload detect` in a process of its own."
    )
    table = Table("factors", "What was varied.", ("factor", "levels"), rows, numbers=False)
    return [*paragraph(order, same, _starts(study)), table]


def _factors(matter: Matter) -> Iterator[tuple[str, str]]:
    study = matter.study
    yield "place", ", ".join(study.places())
    yield "images in a job", ", ".join(f"{number:,}" for number in matter.numbers)
    for name, (title, unit) in _FACTORS.items():
        if values := levels(study.runs, name):
            yield title, f"{', '.join(f'{value:g}' for value in values)} {unit}".strip()
    starts = {run.lane.cold for run in study.runs}
    yield "start", "warm, cold" if len(starts) > 1 else "cold" if True in starts else "warm"
    yield "repeats", str(study.attempts)


def _starts(study: Study) -> str:
    cold = sum(run.lane.cold for run in study.runs)
    warm = len(study.runs) - cold
    away = sum(run.lane.place != "local" and not run.lane.cold for run in study.runs)
    told = []
    if away:
        told.append(
            f"Before each of {count(away, 'run')} in a container or at a server, another process "
            "had sent one image there, so that all was up and warm."
        )
    if warm:
        told.append(f"What {count(warm, 'run')} took to get ready is not part of the makespan.")
    if cold:
        told.append(f"In {count(cold, 'cold run')} nothing was up, and start-up is part of it.")
    return " ".join(told)


def measures(matter: Matter) -> list[Block]:
    """How each quantity is defined and taken."""
    study = matter.study
    away = any(run.lane.place != "local" for run in study.runs)
    first = paragraph(
        "runs from the first image being taken to the last result being written; in a cold run "
        "from the first line of the command.",
        lead="Makespan",
    )
    infer = paragraph(
        "is what a detector takes for one image, from its start to its answer. Decoding the file "
        "into pixels is counted apart, and so is waiting for a detector that is free.",
        lead="Inference time",
    )
    transfer = paragraph(
        "of an image runs from its turn on the uplink to the answer's first byte, less what the "
        "server says it spent on waiting, decoding and inference, plus the receiving of the "
        "answer: the way there and back, and what a request costs. Each duration is taken with one "
        "clock; times of two machines are never subtracted from each other.",
        lead="Transfer time",
    )
    response = paragraph(
        "of an image runs from its being taken up to its result, with all waiting in between.",
        lead="Response time",
    )
    return [*first, *infer, *(transfer if away else []), *response, *_statistics(matter)]


def _statistics(matter: Matter) -> list[Block]:
    study = matter.study
    if study.repeats > 1:
        stated = (
            f"Numbers are medians of up to {study.repeats} repeats. Brackets and bars hold 90 % of "
            "2,000 medians of resamples (bootstrap)"
        )
        few = study.repeats <= 3  # noqa: PLR2004 - then the extreme medians are more than a tenth
        text = (
            f"{stated}; with {study.repeats} repeats that is their range." if few else f"{stated}."
        )
    else:
        text = "Each cell was run 1 time, so numbers have no intervals."
    known = sum("predicted_s" in run.numbers for run in study.done)
    predicted = (
        f"Before {'each' if known == len(study.done) else known} of the {len(study.done)} runs, "
        "the cost model of `offload advise` predicted what it would take."
        if known
        else ""
    )
    return paragraph(text, predicted, lead="Statistics.")


def setup(matter: Matter) -> list[Block]:
    """The machines and what lay between them."""
    study = matter.study
    blocks: list[Block] = []
    if drawn := architecture.drawn(matter):
        caption, svg, width = drawn
        blocks.append(Figure("architecture", svg, caption, width))
    machines = _machines(study)
    if machines:
        facts = {name: _facts(study, *known) for name, known in machines.items()}
        names = list(dict.fromkeys(name for each in facts.values() for name in each))
        rows = [(name, *(each.get(name, "") for each in facts.values())) for name in names]
        blocks.append(Table("machines", "The set-up.", ("", *facts), rows, numbers=False))
    seen = [f"@{block.name}" for block in blocks if isinstance(block, Figure | Table)]
    if seen:
        shown = f"{listing(seen)} show{'s' * (len(seen) == 1)} what was used."
        blocks = [*paragraph(shown), *blocks]
    return blocks


def _machines(study: Study) -> dict[str, tuple[Machine, Site]]:
    found: dict[str, tuple[Machine, Site]] = {}
    here = environment.client(study)
    if here:
        found["machine with the images"] = here, Site()
    labels = {lane.label for lane in study.lanes if lane.place == "remote"}
    for lane in study.lanes:
        site = environment.site(study, lane)
        if lane.place == "remote" and (site.host or site.goodput_bytes_per_s):
            name = f"remote server {lane.label}" if len(labels) > 1 else "remote server"
            found.setdefault(name, (site.host or Machine(), site))
    return dict(list(found.items())[:3])


def _facts(study: Study, machine: Machine, site: Site) -> dict[str, str]:
    cores = machine.cores
    usable = machine.usable_cores
    part = f", {usable} of them usable" if cores and usable and usable != cores else ""
    facts = {
        "CPU": machine.cpu,
        "cores": f"{cores}{part}" if cores else "",
        "memory": f"{machine.memory_bytes / 2**30:.1f} GiB" if machine.memory_bytes else "",
        "GPU": machine.gpu,
        "system": machine.system,
        "Python": machine.python,
        "libraries": "" if site.host else _libraries(study),
        "rented as": " in ".join(filter(None, (site.instance_type, site.region))),
        "price": f"{show_usd(site.usd_per_h)} an hour" if site.usd_per_h else "",
        "uplink": _uplink(study) if site.goodput_bytes_per_s else "",
        "round trip": show_s(site.rtt_s) if site.rtt_s else "",
    }
    return {name: value for name, value in facts.items() if value}


def _uplink(study: Study) -> str:
    """What was measured of the link, each way it was shaped."""
    found = {}
    for lane in study.lanes:
        rate = environment.site(study, lane).goodput_bytes_per_s
        if lane.place == "remote" and rate:
            shaped = f" (shaped to {lane.link_mbit:g})" if lane.link_mbit else ""
            found[lane.link_mbit] = f"{show_rate(rate)}{shaped}"
    return ", ".join(found.values())


def _libraries(study: Study) -> str:
    names = ("ai-edge-litert", "tensorflow")
    known = {name: environment.text(study.environment, "versions", name) for name in names}
    return ", ".join(f"{name} {version}" for name, version in known.items() if version)


def reproduction(matter: Matter) -> list[Block]:
    """What to type to do it again."""
    study = matter.study
    typed = study.design.get("command")
    if not typed:
        return []
    words = typed if isinstance(typed, list) else shlex.split(str(typed))
    words = words if words[:1] == ["offload"] else ["offload", *words]
    command = shlex.join(map(str, words))
    folder = next(
        (words[i + 1] for i, w in enumerate(words[:-1]) if w in {"-o", "--out"}), "study/"
    )
    version = environment.text(study.environment, "versions", "offload")
    lines = [
        command,
        f"offload report {shlex.quote(str(folder))} -o report.pdf",
        f"offload profile import {shlex.quote(str(folder).rstrip('/') + '/runs.csv')}",
    ]
    with_version = f" {version}" if version else ""
    text = (
        f"With offload{with_version}, the first command takes all {len(study.runs)} runs again "
        "(and goes on where it was interrupted), the second writes this report, and the third lets "
        "another machine give advice from these runs:"
    )
    return [*paragraph(text), Commands(lines)]
