"""Methodology and approach: what was used, and how to do it again."""

import shlex
from collections.abc import Sequence
from itertools import pairwise

from offload.domain.study_tables import shown
from offload.domain.units import show_rate, show_s, show_usd
from offload.findings import environment
from offload.findings.environment import HostFacts, PlaceFacts
from offload.findings.study import Study
from offload.render.report.chapters import architecture
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Block, Commands, Figure, Table, cut, listing, paragraph
from offload.render.report.naming import bare
from offload.render.report.sentences import say

_LONGEST = 30


def setup(compared: Comparisons) -> list[Block]:
    """The machines and what lay between them."""
    study = compared.study
    blocks: list[Block] = []
    if drawn := architecture.drawn(compared):
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
        told = f"{listing(seen)} show{'s' * (len(seen) == 1)} what was used."
        blocks = [*paragraph(told), *blocks]
    return blocks


def _machines(study: Study) -> dict[str, tuple[HostFacts, PlaceFacts]]:
    found: dict[str, tuple[HostFacts, PlaceFacts]] = {}
    here = environment.client(study)
    if here:
        found["machine with the images"] = here, PlaceFacts()
    away = [each for each in study.lanes if study.places[each.place].leaves_machine]
    labels = {(variant.place, variant.label) for variant in away}
    for variant in away:
        site = environment.site(study, variant)
        if site.host or site.goodput_bytes_per_s:
            name, several = bare(study.places[variant.place]), len(labels) > 1
            name = f"{name} {cut(variant.label, _LONGEST)}".strip() if several else name
            found.setdefault(name, (site.host or HostFacts(), site))
    return dict(list(found.items())[:3])


def _facts(study: Study, machine: HostFacts, site: PlaceFacts) -> dict[str, str]:
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
        "libraries": _libraries(study) if site == PlaceFacts() else "",
        "rented as": " in ".join(filter(None, (site.instance_type, site.region))),
        "price": f"{show_usd(site.usd_per_h)} an hour" if site.usd_per_h else "",
        "uplink": _uplink(study) if site.goodput_bytes_per_s else "",
        "round trip": show_s(site.rtt_s) if site.rtt_s else "",
    }
    return {name: value for name, value in facts.items() if value}


def _uplink(study: Study) -> str:
    """What was measured of the link, each way it was shaped."""
    found = {}
    for variant in study.lanes:
        rate = environment.site(study, variant).goodput_bytes_per_s
        if study.places[variant.place].uses_link and rate:
            shaped = f" (shaped to {variant.link_mbit:g})" if variant.link_mbit else ""
            found[variant.link_mbit] = f"{show_rate(rate)}{shaped}"
    return ", ".join(found.values())


def _libraries(study: Study) -> str:
    names = ("ai-edge-litert", "tensorflow")
    known = {name: environment.text(study.environment, "versions", name) for name in names}
    return ", ".join(f"{name} {version}" for name, version in known.items() if version)


def reproduction(compared: Comparisons) -> list[Block]:
    """What to type to do it again."""
    study = compared.study
    typed = study.design.get("command")
    if not isinstance(typed, list):
        return []
    words = [shown(word) for word in typed]
    folder = _folder(words)
    version = environment.text(study.environment, "versions", "offload")
    lines = [
        shlex.join(words),
        f"offload report {shlex.quote(folder)} -o report.pdf",
        f"offload profile import {shlex.quote(folder.rstrip('/') + '/runs.csv')}",
    ]
    text = say("reproduction", version=f" {version}" if version else "")
    return [*paragraph(text), Commands(lines)]


def _folder(words: Sequence[str]) -> str:
    """What the command names as its folder."""
    for word, following in pairwise([*words, ""]):
        if word in {"-o", "--out"}:
            return following
        if word.startswith("--out="):
            return word.partition("=")[2]
    return "study/"
