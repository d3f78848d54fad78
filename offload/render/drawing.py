"""How our figures look: told apart with any kind of colour vision, and in grey."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
"""Okabe and Ito 2008, in an order in which neighbours differ in lightness too."""
DASHES: Sequence[tuple[float, ...]] = (
    (), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2), (9, 2), (3, 1, 1, 1, 1, 1), (4, 4), (1, 3),
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "----")
GREY, INK = "#8a8a8a", "#222222"

WIDTH_IN = 6.3
"""As wide as the text of an A4 page, so that letters are printed as large as they are drawn."""

_TEXT_PT = 8.5
_WIDE = 12
"""From this factor on between the ends of an axis, it is logarithmic."""
_APART = 0.05
"""The least share of an axis between two labels on it."""
_ID = re.compile(r'\b(id="|xlink:href="#|href="#|url\(#)')


class Look(NamedTuple):
    """What tells a line or a mark from others."""

    colour: str
    marker: str
    dashes: Sequence[float]


def look(number: int) -> Look:
    """One of eight, over and over."""
    return [*map(Look, COLOURS, MARKERS, DASHES)][number % len(COLOURS)]


@contextmanager
def style(size_pt: float = _TEXT_PT) -> Iterator[None]:
    """Meanwhile matplotlib draws our way, whatever the user's own is set to."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rc("font", size=size_pt)
        mpl.rc("axes", edgecolor=GREY, labelcolor=INK)
        mpl.rc("hatch", linewidth=0.6)
        mpl.rc("text", parse_math=False)  # what data says may have dollar signs
        mpl.rc("svg", hashsalt="offload")  # the same file for the same answer
        yield


@contextmanager
def panel(height_in: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure as wide as the text, and its only axes; `finished` makes it an SVG element."""
    with style():
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        yield figure, figure.subplots()


def finished(
    figure: Figure, name: str, x: str, y: str = "", grid: Literal["x", "y", "both"] = "y"
) -> str:
    """The figure of a panel with what its axes are, as `svg` gives it."""
    figure.axes[0].set(xlabel=x, ylabel=y)
    plain(figure.axes[0], grid=grid)
    return svg(figure, name)


def svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element: letters as outlines, so that it looks the same everywhere, and
    ids that begin with `name`, so that they are unique on a page.
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return _ID.sub(lambda found: f"{found[1]}{name}-", text)


def plain(axes: Axes, *, grid: Literal["x", "y", "both"] = "y") -> None:
    """Axes without what says nothing."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(color=GREY, labelcolor=INK)
    axes.tick_params(which="minor", color=GREY)
    axes.grid(axis=grid, color=GREY, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def key(figure: Figure, axes: Axes) -> None:
    """What each line is, at the right, in the order of their ends."""
    handles, labels = axes.get_legend_handles_labels()
    lines: list[Any] = [h[0] if isinstance(h, ErrorbarContainer) else h for h in handles]
    ends = [line.get_ydata()[-1] for line in lines]
    order = sorted(range(len(ends)), key=lambda number: -ends[number])
    if len(labels) > 1:
        figure.legend(
            [handles[i] for i in order], [labels[i] for i in order], loc="outside right upper",
            frameon=False, handlelength=3.6, labelspacing=0.8,
        )  # fmt: skip


def log_if_wide(axes: Axes, axis: Literal["x", "y"], values: Sequence[float]) -> None:
    """A logarithmic axis where values are far apart, else, if upright, one from 0 on."""
    positive = [value for value in values if value > 0]
    if positive and max(positive) / min(positive) >= _WIDE:
        axes.set(**{f"{axis}scale": "log"})
    elif axis == "y":
        axes.set_ylim(bottom=0)


def ticks(axes: Axes, numbers: Sequence[int]) -> None:
    """Plain numbers on both axes, on the horizontal one as many of `numbers` as do not touch."""
    if numbers:
        axes.xaxis.set_major_locator(FixedLocator(_apart(axes, numbers)))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log" and not (numbers and axis is axes.xaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter("{x:,.12g}")


def _apart(axes: Axes, numbers: Sequence[int]) -> list[int]:
    """The last of the numbers, and of those before it as many as have room for their labels."""
    places = axes.transScale.transform([(number, 1) for number in numbers])[:, 0]
    shown = [len(numbers) - 1]
    for index in reversed(range(len(numbers) - 1)):
        if places[shown[-1]] - places[index] >= _APART * np.ptp(places):
            shown.append(index)
    return [numbers[index] for index in shown]
