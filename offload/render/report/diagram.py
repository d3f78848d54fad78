"""The architecture of a study: the machines, what ran on them, and what lay between."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from offload.render import drawing
from offload.render.drawing import GREY, INK

# Millimetres on paper.
_WIDTH, _LEFT, _RIGHT = 160.0, 103.0, 46.0
_HEAD, _BOX, _ROW, _LINK = 14.0, 12.0, 15.0, 8.5
_CLIENT = (4.0, 37.0)
_TARGET = (65.0, 34.0)
_SMALL_PT = 7.5
_PAPER = "#f4f4f4"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Target:
    """Something that detects: the colour of its place, a bold line and plain ones, and `way`, how
    images get there; `stacked` if there are several of it.
    """

    colour: str
    name: str
    lines: Sequence[str]
    way: str
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class DiagramSite:
    """A machine: what it is, and what runs on it."""

    name: str
    lines: Sequence[str]
    targets: Sequence[Target]


def draw(client: Sequence[str], here: DiagramSite, there: Sequence[DiagramSite]) -> str:
    """The machine with the images at the left, the others at the right; arrows are what images
    take.

    `client` are lines about the process that has the images.
    """
    rows = max(len(here.targets), 1.4)
    height = _HEAD + _ROW * rows + _LINK * len(there)
    height = max(height, (_HEAD + _ROW + 6) * len(there))
    width = _WIDTH if there else _LEFT
    with drawing.style():
        figure = Figure(figsize=(width / 25.4, height / 25.4))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(0, height))
        axes.axis("off")
        _frame(axes, (0.4, 0.4), (_LEFT - 0.8, height - 0.8), here)
        middle = _LINK * len(there) + _ROW * rows / 2 + 1
        _box(axes, (_CLIENT[0], middle - 8), (_CLIENT[1], 16), "offload detect", client, INK)
        for row, target in enumerate(here.targets):
            y = middle + _ROW * ((len(here.targets) - 1) / 2 - row)
            _target(axes, target, (_TARGET[0], y - _BOX / 2), _TARGET[1])
            _near(axes, (sum(_CLIENT), middle), (_TARGET[0], y), target)
        for number, site in enumerate(there):
            tall = height / len(there) - 0.8
            bottom = height - (number + 1) * (tall + 0.8) + 0.4
            _frame(axes, (_WIDTH - _RIGHT - 0.4, bottom), (_RIGHT, tall), site)
            track_y = 5.0 + _LINK * (len(there) - 1 - number)
            start = (_CLIENT[0] + 8 + 4 * number, middle - 8)
            _far(axes, start, track_y, bottom + (tall - _HEAD) / 2 + 1, site.targets[0])
            x = _CLIENT[0] + 7 + 4 * len(there)
            axes.text(x, track_y + 1.3, site.targets[0].way, fontsize=_SMALL_PT, color=INK)
        return drawing.svg(figure, "architecture")


def _frame(axes: Axes, corner: Point, size: Point, site: DiagramSite) -> None:
    _rounded(axes, corner, size, GREY, _PAPER, radius=2.0, linewidth=0.8, zorder=1)
    x, top = corner[0] + 3, corner[1] + size[1]
    axes.text(x, top - 2.2, site.name, weight="bold", va="top", color=INK)
    lines = "\n".join(site.lines)
    axes.text(x, top - 6.2, lines, va="top", color=INK, fontsize=_SMALL_PT, linespacing=1.15)


def _target(axes: Axes, target: Target, corner: Point, width: float) -> None:
    size, colour = (width, _BOX), target.colour
    for shift in (1.6, 0.8) if target.stacked else ():
        _box(axes, (corner[0] + shift, corner[1] - shift), size, "", (), colour)
    _box(axes, corner, size, target.name, target.lines, colour)


def _box(
    axes: Axes, corner: Point, size: Point, name: str, lines: Sequence[str], colour: str
) -> None:
    _rounded(axes, corner, size, colour, "white", radius=1.2, linewidth=1.3, zorder=3)
    x = corner[0] + size[0] / 2
    y = corner[1] + size[1] / 2 + 1.65 * len(lines)
    _centred(axes, x, y, name, weight="bold", zorder=4)
    for number, line in enumerate(lines, 1):
        _centred(axes, x, y - 3.5 * number, line, fontsize=_SMALL_PT, zorder=4)


def _centred(axes: Axes, x: float, y: float, text: str, **how: Any) -> None:
    axes.text(x, y, text, ha="center", va="center_baseline", color=INK, **how)


def _rounded(
    axes: Axes, corner: Point, size: Point, edge: str, face: str,
    *, radius: float, linewidth: float, zorder: int,
) -> None:  # fmt: skip
    shape = f"round,pad=0,rounding_size={radius}"
    box = FancyBboxPatch(corner, *size, boxstyle=shape, linewidth=linewidth, zorder=zorder)
    box.set(facecolor=face, edgecolor=edge)
    axes.add_patch(box)


def _near(axes: Axes, start: Point, end: Point, target: Target) -> None:
    """From the client to a target on the same machine, the way written on it."""
    _arrow(axes, start, end, target)
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    around = {"color": _PAPER, "pad": 1.2}
    _centred(axes, x, y, target.way, fontsize=_SMALL_PT, zorder=5, bbox=around)


def _far(axes: Axes, start: Point, track_y: float, y: float, target: Target) -> None:
    """From the client down, below all else on its machine, and over to another one."""
    x = _WIDTH - _RIGHT + 6
    _target(axes, target, (x, y - _BOX / 2), _RIGHT - 12)
    between = (_LEFT + _WIDTH - _RIGHT) / 2
    corners = [start, (start[0], track_y), (between, track_y), (between, y)]
    axes.plot(*zip(*corners, strict=True), color=target.colour, linewidth=1.3, zorder=2,
              solid_capstyle="butt")  # fmt: skip
    _arrow(axes, (between, y), (x, y), target)


def _arrow(axes: Axes, start: Point, end: Point, target: Target) -> None:
    look: Any = {"color": target.colour, "mutation_scale": 9, "linewidth": 1.3, "zorder": 2}
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", shrinkA=0, shrinkB=0, **look))
