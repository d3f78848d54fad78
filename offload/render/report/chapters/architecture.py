"""What the diagram of a study shows, from the study alone."""

import re
from collections.abc import Sequence

from offload.domain.units import show_bytes, show_rate, show_s
from offload.findings import environment
from offload.findings.environment import HostFacts
from offload.findings.study import Study, Variant, levels
from offload.render import drawing
from offload.render.report import diagram
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Figure, cut, listing
from offload.render.report.naming import bare
from offload.render.words import count

_LONGEST_HERE, _LONGEST_THERE = 70, 30
"""Letters of a line about a machine."""
_MOST_LEVELS = 2


def drawn(compared: Comparisons) -> Figure | None:
    """The machines and the way of an image; None of a study in which no run finished."""
    study = compared.study
    if not study.lanes:
        return None
    used = list(dict.fromkeys(variant.place for variant in study.lanes))
    near = [place for place in used if not study.places[place].leaves_machine]
    far: dict[tuple[str, str], Variant] = {}
    for variant in study.lanes:
        if variant.place not in near:
            far.setdefault((variant.place, variant.label), variant)
    there = [_site(study, variant) for variant in list(far.values())[:2]]
    lines = _lines(environment.client(study), _LONGEST_HERE)
    targets = [_target(study, place) for place in near]
    here = diagram.DiagramSite("machine with the images", lines, targets)
    most = f"{count(max(compared.measured), 'image')}{' at most' * (len(compared.measured) > 1)}"
    sizes = [photo.bytes for photo in study.photos if photo.bytes]
    weight = [f"{show_bytes(sum(sizes) / len(sizes))} on average"] if sizes else []
    caption = (
        f"What was used: {count(len(used), 'place')} ({listing(used)}), and the way of an image to "
        f"{'each' if len(used) > 1 else 'it'}."
    )
    svg = diagram.draw([most, *weight], here, there)
    return Figure("architecture", svg, caption, 1.0 if there else 0.64)


def _lines(machine: HostFacts | None, longest: int) -> list[str]:
    if machine is None:
        return []
    memory = f"{machine.memory_bytes / 2**30:.1f} GiB" if machine.memory_bytes else ""
    cores = count(machine.usable_cores or machine.cores or 0, "core") if machine.cores else ""
    # A processor's name goes without its trade marks.
    cpu = re.sub(r"\s+", " ", re.sub(r"\((R|TM|tm)\)|Processor|CPU|@.*", " ", machine.cpu)).strip()
    lines = cpu, ", ".join(filter(None, (cores, memory)))
    return [cut(line, longest) for line in lines if line]


def _target(study: Study, place: str) -> diagram.Target:
    """What detects at a place on the machine with the images."""
    colour = drawing.look(study.known_names().index(place)).colour
    if study.places[place].in_process:
        return diagram.Target(colour, "detector", ["in the same process"], "in memory")
    runs = [run for run in study.done if run.lane.place == place]
    replicas, cpus = levels(runs, "replicas"), levels(runs, "cpus")
    many = bool(replicas) and max(replicas) > 1
    lines = ["offload serve"]
    if cpus:
        lines.append(f"{_levels(cpus)} CPU{'s' * (max(cpus) > 1)}{' each' * many}")
    number = f"{_levels(replicas)} {place}s" if many else place
    return diagram.Target(colour, number, lines, "HTTP", stacked=many)


def _levels(values: Sequence[float]) -> str:
    """`0.5 or 1`, `1 to 10` where there are many."""
    shown = [f"{value:g}" for value in values]
    return listing(shown, "or") if len(shown) <= _MOST_LEVELS else f"{shown[0]} to {shown[-1]}"


def _site(study: Study, variant: Variant) -> diagram.DiagramSite:
    """A machine elsewhere, and the way there."""
    site = environment.site(study, variant)
    rates = levels((run for run in study.done if run.lane.place == variant.place), "link_mbit")
    rate = f"{_levels(rates)} Mbit/s" if rates else ""
    if not rate and site.goodput_bytes_per_s:
        rate = show_rate(site.goodput_bytes_per_s)
    trip = f"round trip {show_s(site.rtt_s)}" if site.rtt_s else ""
    tunnel = site.tunnel or bool(site.instance_type)
    way = ", ".join(filter(None, ("HTTP through SSH" if tunnel else "HTTP", rate, trip)))
    rented = ", ".join(filter(None, (site.instance_type, site.region)))
    lines = [cut(rented, _LONGEST_THERE)] * bool(rented) + _lines(site.host, _LONGEST_THERE)
    colour = drawing.look(study.known_names().index(variant.place)).colour
    where = ["in a container"] * tunnel
    target = diagram.Target(colour, "offload serve", where, way)
    return diagram.DiagramSite(bare(study.places[variant.place]), lines, [target])
