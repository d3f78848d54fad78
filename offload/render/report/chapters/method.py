"""Methodology and approach: what was varied, measured and used, and how to do it again."""

import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise

from offload.domain.study_tables import shown
from offload.domain.units import show_rate, show_s, show_usd
from offload.findings import environment, predictions
from offload.findings.environment import Facts
from offload.findings.study import Study, levels, plain
from offload.render.report import diagram
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Block, Code, Figure, Table, listing, paragraph
from offload.render.report.sentences import bare

_FACTORS = {
    "link_mbit": ("link, shaped to", "Mbit/s"),
    "upload_max_side_px": ("longer side of what is sent, at most", "px"),
    "concurrency": ("requests in flight", ""),
    "replicas": ("replicas", ""),
    "cpus": ("CPUs of each container", ""),
}
_LIBRARIES = {"tflite": "ai-edge-litert", "savedmodel": "tensorflow", "onnx": "onnxruntime"}
"""What runs models, by the runtime that a run names."""
_LONGEST_LINE = 76


def design(compared: Comparisons) -> list[Block]:
    """What was varied, and in which order."""
    study, say = compared.study, compared.say
    seed = study.design.get("seed")
    seeded = f" (seed {seed})" if isinstance(seed, int) else ""
    rounds = ", one round of repeats after another" if study.attempts > 1 else ""
    runs = len(study.runs) if len(study.runs) > 1 else None
    order = say("order", runs=runs, seeded=seeded, rounds=rounds)
    rows = [*_factors(compared)]
    blocks: list[Block] = [
        Table("factors", "What was varied.", ("factor", "levels"), rows, numbers=False)
    ]
    seen = "@factors shows what was varied."
    if same := [*_same(study)]:
        seen = "@factors shows what was varied, @job what was constant."
        table = Table("job", "The same in all runs.", ("", "was"), same, numbers=False)
        blocks.append(table)
    if study.picture:
        caption = "One of the photos, with what the model found in it."
        blocks.append(Figure("photo", "", caption, picture=study.picture))
    return [*paragraph(seen, order, say("same_images"), *_starts(compared)), *blocks]


def _same(study: Study) -> Iterator[tuple[str, str]]:
    """The model, and what was asked of it."""
    sites, design = [environment.site(study, v) for v in study.lanes], Facts(study.design)
    sha256 = dict.fromkeys(filter(None, (site.text("model", "sha256") for site in sites)))
    size = study.design.get("input_px")
    sides = plain(" x ".join(map(str, size))) if isinstance(size, list) else ""
    scores = {score for site in sites if (score := site.number("min_score"))}
    runtimes = {site.text("model", "runtime") for site in sites}
    used = [name for key, name in _LIBRARIES.items() if key in runtimes]
    versions = [(n, environment.of(study).text("versions", n)) for n in ("offload", *used)]
    told = {
        "model": design.text("model"),
        "SHA-256": ", ".join(sha256) or design.text("fixed", "model", "sha256"),
        "model input": f"{sides} px" if sides else "",
        "threshold": ", ".join(f"{score:g}" for score in sorted(scores)),
        "software used": ", ".join(f"{name} {version}".strip() for name, version in versions),
    }
    if used or told["SHA-256"]:
        yield from ((name, value) for name, value in told.items() if value)


def _factors(compared: Comparisons) -> Iterator[tuple[str, str]]:
    study = compared.study
    yield "place", ", ".join(study.place_names())
    yield "images in a job", ", ".join(f"{number:,}" for number in compared.numbers)
    for name, (title, unit) in _FACTORS.items():
        if values := levels(study.runs, name):
            rest = ", or full size" if name == "upload_max_side_px" and _sent_as_is(study) else ""
            yield title, f"{', '.join(f'{value:g}' for value in values)} {unit}".strip() + rest
    yield "start", "cold" if study.cold else "warm"
    yield "repeats", str(study.attempts)


def _sent_as_is(study: Study) -> bool:
    """Whether images were sent as they are where others were made smaller."""
    sides: dict[str, set[int | None]] = {}
    for run in study.runs:
        sides.setdefault(run.lane.place, set()).add(run.lane.upload_max_side_px)
    return any(None in found and len(found) > 1 for found in sides.values())


def _starts(compared: Comparisons) -> Iterator[str]:
    places = [compared.traits(run.lane) for run in compared.study.runs]
    if compared.study.cold:
        server = " but the server" * any(traits.leaves_machine for traits in places)
        yield compared.say("cold", server=server)
        return
    if any(not traits.in_process for traits in places):
        yield compared.say("warm_elsewhere")
    yield compared.say("warm")


def measures(compared: Comparisons) -> list[Block]:
    """How each quantity is defined and taken."""
    study, say = compared.study, compared.say
    away = any(not compared.traits(run.lane).in_process for run in study.runs)
    transfer = ["Transfer time"] if away else []
    cold = ["Cold total"] * compared.starts_apart
    quantities = ["Total time", *cold, "Inference time", *transfer, "Response time"]
    defined = {lead: say(lead.lower().replace(" ", "_")) for lead in quantities}
    blocks = [block for lead, text in defined.items() for block in paragraph(text, lead=lead)]
    repeats, known = study.repeats, len(predictions.predicted(study.done))
    told: list[str] = []
    if repeats == 1:
        told.append(say("no_intervals"))
    elif repeats > 1:
        # The extreme medians are more than a tenth up to three repeats.
        confidence = 1 - 0.5 ** (repeats - 1) if repeats <= 3 else None  # noqa: PLR2004
        span = say("range", repeats=repeats, confidence=confidence)
        told.append(say("intervals", repeats=repeats, range=span))
        if compared.pairs:
            told.append(say("comparison"))
    if known:
        told.append(say("beforehand", runs=known))
    return [*blocks, *paragraph(*told, lead="Statistics.")]


def setup(compared: Comparisons) -> list[Block]:
    """The machines and what lay between them."""
    study = compared.study
    drawn = diagram.architecture(compared)
    blocks: list[Block] = [drawn] if drawn else []
    seen = ["@architecture"] if drawn else []
    if machines := _machines(study):
        facts = {name: _facts(study, *known) for name, known in machines.items()}
        names = list(dict.fromkeys(name for each in facts.values() for name in each))
        rows = [(name, *(each.get(name, "") for each in facts.values())) for name in names]
        blocks.append(Table("machines", "The set-up.", ("", *facts), rows, numbers=False))
        seen.append("@machines")
    told = f"{listing(seen)} show{'s' * (len(seen) == 1)} what was used." if seen else ""
    return [*paragraph(told), *blocks]


def _machines(study: Study) -> dict[str, tuple[Facts, Facts]]:
    """The machine with the images, and two others at most; of these, what is known of the place."""
    found: dict[str, tuple[Facts, Facts]] = {}
    if here := environment.of(study).part("client"):
        found["machine with the images"] = here, Facts()
    away = [each for each in study.lanes if study.places[each.place].leaves_machine]
    for variant in away:
        site = environment.site(study, variant)
        if site.part("host") or site.number("goodput_bytes_per_s"):
            found.setdefault(bare(study.places[variant.place]), (site.part("host"), site))
    return dict(list(found.items())[:3])


def _facts(study: Study, machine: Facts, site: Facts) -> dict[str, str]:
    cores, usable = machine.number("cores"), machine.number("usable_cores")
    part = f", {usable:.0f} of them usable" if usable and usable != cores else ""
    memory_bytes, usd_per_h = machine.number("memory_bytes"), site.number("usd_per_h")
    rtt_s, goodput = site.number("rtt_s"), site.number("goodput_bytes_per_s")
    facts = {
        "CPU": machine.text("cpu"),
        "cores": f"{cores:.0f}{part}" if cores else "",
        "memory": f"{memory_bytes / 2**30:.1f} GiB" if memory_bytes else "",
        "system": machine.text("system"),
        "Python": machine.text("python"),
        "rented as": " in ".join(filter(None, (site.text("instance_type"), site.text("region")))),
        "price": f"{show_usd(usd_per_h)} an hour" if usd_per_h else "",
        "uplink": _uplink(study) if goodput else "",
        "round trip": show_s(rtt_s) if rtt_s else "",
    }
    return {name: value for name, value in facts.items() if value}


def _uplink(study: Study) -> str:
    found = {}
    for variant in study.lanes:
        rate = environment.site(study, variant).number("goodput_bytes_per_s")
        if study.places[variant.place].uses_link and rate:
            shaped = f" (shaped to {variant.link_mbit:g})" if variant.link_mbit else ""
            found[variant.link_mbit] = f"{show_rate(rate)}{shaped}"
    return ", ".join(found.values())


def reproduction(compared: Comparisons) -> list[Block]:
    """What to type to do it again."""
    study = compared.study
    typed = study.design.get("command")
    if not isinstance(typed, list):
        return []
    words = [shown(word) for word in typed]
    folder = _folder(words)
    version = environment.of(study).text("versions", "offload")
    lines = [
        *wrapped(words),
        f"offload report {shlex.quote(folder)} -o report.pdf",
        f"offload profile import {shlex.quote(folder.rstrip('/') + '/runs.csv')}",
    ]
    text = compared.say("reproduction", version=f" {version}" if version else "")
    return [*paragraph(text), Code(lines)]


def wrapped(words: Sequence[str]) -> list[str]:
    """The lines of a command that a shell takes as they are, an option and its value on one."""
    lines, parts = [""], [shlex.quote(word) for word in words]
    for number, part in enumerate(parts):
        is_option = part.startswith("-")
        value = parts[number + 1] if is_option and number + 1 < len(parts) else ""
        if is_option and len(lines[-1] + part + value) > _LONGEST_LINE:
            lines.append("   ")
        lines[-1] += f" {part}" if lines[-1] else part
    return [f"{line} \\" for line in lines[:-1]] + [lines[-1]]


def _folder(words: Sequence[str]) -> str:
    for word, following in pairwise([*words, ""]):
        if word in {"-o", "--out"}:
            return following
        if word.startswith("--out="):
            return word.partition("=")[2]
    return "study/"
