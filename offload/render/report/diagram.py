"""The architecture of a study: the machines, what ran on them, and what lay between."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from offload.findings import environment
from offload.findings.study import Study, Variant, levels
from offload.render import drawing
from offload.render.drawing import GREY, INK
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Figure, listing
from offload.render.report.sentences import bare
from offload.render.words import count

_MOST_LEVELS = 2

# Millimetres on paper.
_WIDTH, _LEFT, _RIGHT = 160.0, 103.0, 46.0
_HEAD, _BOX, _ROW, _LINK = 8.0, 12.0, 15.0, 8.5
_CLIENT = (4.0, 37.0)
_TARGET = (65.0, 34.0)
_SMALL_PT = 7.5
_PAPER = "#f4f4f4"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Target:
    """What detects; several of it if `stacked`; `way` is how images get there."""

    colour: str
    name: str
    lines: Sequence[str]
    way: str
    stacked: bool = False


Site = tuple[str, Target]
"""Another machine, by its name, and what runs on it."""


def architecture(compared: Comparisons) -> Figure | None:
    """The machines and the way of an image; None of a study in which no run finished."""
    study = compared.study
    if not study.lanes:
        return None
    used = list(dict.fromkeys(variant.place for variant in study.lanes))
    near = [place for place in used if not study.places[place].leaves_machine]
    far: dict[str, Variant] = {}
    for variant in study.lanes:
        if variant.place not in near:
            far.setdefault(variant.place, variant)
    there = [_site(study, variant) for variant in list(far.values())[:2]]
    here = [_here(study, place) for place in near]
    most = f"{count(max(compared.measured), 'image')}{' at most' * (len(compared.measured) > 1)}"
    caption = f"What was used: {count(len(used), 'place')} ({listing(used)})"
    caption += f", and how an image gets to {'each' if len(used) > 1 else 'it'}."
    svg = _draw(most, here, there)
    return Figure("architecture", svg, caption, 1.0 if there else 0.64)


def _here(study: Study, place: str) -> Target:
    colour = drawing.look(study.known_names().index(place)).colour
    if study.places[place].in_process:
        return Target(colour, "detector", ["in the same process"], "in memory")
    runs = [run for run in study.done if run.lane.place == place]
    replicas, cpus = levels(runs, "replicas"), levels(runs, "cpus")
    many = bool(replicas) and max(replicas) > 1
    lines = ["offload serve"]
    if cpus:
        lines.append(f"{_levels(cpus)} CPU{'s' * (max(cpus) > 1)}{' each' * many}")
    number = f"{_levels(replicas)} {place}s" if many else place
    return Target(colour, number, lines, "HTTP", stacked=many)


def _levels(values: Sequence[float]) -> str:
    """`0.5 or 1`, `1 to 10` where there are many."""
    shown = [f"{value:g}" for value in values]
    return listing(shown, "or") if len(shown) <= _MOST_LEVELS else f"{shown[0]} to {shown[-1]}"


def _site(study: Study, variant: Variant) -> Site:
    traits = study.places[variant.place]
    tunnel = bool(environment.site(study, variant).text("instance_type"))
    colour = drawing.look(study.known_names().index(variant.place)).colour
    where = ["in a container"] * tunnel + ["a call for each image"] * traits.by_call
    name = "detector" if traits.by_call else "offload serve"
    target = Target(colour, name, where, "HTTP through SSH" if tunnel else "HTTP")
    return bare(traits), target


def _draw(client: str, here: Sequence[Target], there: Sequence[Site]) -> str:
    """The machine with the images, and `client` in it, at the left, the others at the right."""
    rows = max(len(here), 1.4)
    height = _HEAD + _ROW * rows + _LINK * len(there)
    height = max(height, (_HEAD + _ROW + 6) * len(there))
    width = _WIDTH if there else _LEFT
    with drawing.style():
        figure = Drawing(figsize=(width / 25.4, height / 25.4))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(0, height))
        axes.axis("off")
        _frame(axes, (0.4, 0.4), (_LEFT - 0.8, height - 0.8), "machine with the images")
        middle = _LINK * len(there) + _ROW * rows / 2 + 1
        detect = Target(INK, "offload detect", [client], "")
        _box(axes, detect, (_CLIENT[0], middle - 8), (_CLIENT[1], 16))
        for row, target in enumerate(here):
            y = middle + _ROW * ((len(here) - 1) / 2 - row)
            _box(axes, target, (_TARGET[0], y - _BOX / 2), (_TARGET[1], _BOX))
            _near(axes, (sum(_CLIENT), middle), (_TARGET[0], y), target)
        for number, (name, target) in enumerate(there):
            tall = height / len(there) - 0.8
            bottom = height - (number + 1) * (tall + 0.8) + 0.4
            _frame(axes, (_WIDTH - _RIGHT - 0.4, bottom), (_RIGHT, tall), name)
            track_y = 5.0 + _LINK * (len(there) - 1 - number)
            start = (_CLIENT[0] + 8 + 4 * number, middle - 8)
            _far(axes, start, track_y, bottom + (tall - _HEAD) / 2 + 1, target)
            x = _CLIENT[0] + 7 + 4 * len(there)
            axes.text(x, track_y + 1.3, target.way, fontsize=_SMALL_PT, color=INK)
        return drawing.svg(figure, "architecture")


def _frame(axes: Axes, corner: Point, size: Point, name: str) -> None:
    _rounded(axes, corner, size, 2.0, edgecolor=GREY, facecolor=_PAPER, linewidth=0.8, zorder=1)
    x, top = corner[0] + 3, corner[1] + size[1]
    axes.text(x, top - 2.2, name, weight="bold", va="top", color=INK)


def _box(axes: Axes, target: Target, corner: Point, size: Point) -> None:
    for shift in (1.6, 0.8, 0.0) if target.stacked else (0.0,):
        at = corner[0] + shift, corner[1] - shift
        look: Any = {"edgecolor": target.colour, "facecolor": "white", "linewidth": 1.3}
        _rounded(axes, at, size, 1.2, zorder=3, **look)
    x = corner[0] + size[0] / 2
    y = corner[1] + size[1] / 2 + 1.65 * len(target.lines)
    _centred(axes, x, y, target.name, weight="bold", zorder=4)
    for number, line in enumerate(target.lines, 1):
        _centred(axes, x, y - 3.5 * number, line, fontsize=_SMALL_PT, zorder=4)


def _centred(axes: Axes, x: float, y: float, text: str, **how: Any) -> None:
    axes.text(x, y, text, ha="center", va="center_baseline", color=INK, **how)


def _rounded(axes: Axes, corner: Point, size: Point, radius: float, **look: Any) -> None:
    shape = f"round,pad=0,rounding_size={radius}"
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=shape, **look))


def _near(axes: Axes, start: Point, end: Point, target: Target) -> None:
    """From the client to a target on the same machine, the way written on it."""
    _arrow(axes, target, start, end)
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    around = {"color": _PAPER, "pad": 1.2}
    _centred(axes, x, y, target.way, fontsize=_SMALL_PT, zorder=5, bbox=around)


def _far(axes: Axes, start: Point, track_y: float, y: float, target: Target) -> None:
    """From the client down, below all else on its machine, and over to another one."""
    x = _WIDTH - _RIGHT + 6
    _box(axes, target, (x, y - _BOX / 2), (_RIGHT - 12, _BOX))
    between = (_LEFT + _WIDTH - _RIGHT) / 2
    _arrow(axes, target, start, (start[0], track_y), (between, track_y), (between, y), (x, y))


def _arrow(axes: Axes, target: Target, *corners: Point) -> None:
    look: Any = {"color": target.colour, "mutation_scale": 9, "linewidth": 1.3, "zorder": 2}
    axes.add_patch(FancyArrowPatch(path=Path(corners), arrowstyle="-|>", **look))
