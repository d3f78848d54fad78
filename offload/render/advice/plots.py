"""Plots of an advice."""

import io
import os
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from offload.costmodel.advice import Advice
from offload.costmodel.breakeven import BreakEven
from offload.costmodel.decide import Option
from offload.costmodel.split import AnyCandidate, SplitCandidate, at_uplink, makespan_s
from offload.costmodel.terms import HIGH, LOW, Candidate, Draws, given
from offload.domain.errors import UsageError
from offload.domain.units import show_rate, show_s
from offload.render import drawing
from offload.render.advice.advice import break_even
from offload.render.advice.options import rows
from offload.render.drawing import COLOURS, GREY, INK
from offload.render.tables import write_file
from offload.render.words import count, spoken

_BRACKETS = re.compile(r"\([^)]*\)")
_MBIT = 1e6 / 8
_POINTS = 90
_TICKS_S = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 360_000)
_MORE_TICKS_S = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600,
    1800, 3600, 7200, 18_000, 36_000, 72_000, 180_000, 360_000,
)  # fmt: skip
_FEW_TICKS = 4
_LINE_HEIGHT = 0.05
"""Of text, in heights of a panel."""

Makespan = Callable[[AnyCandidate, float], Draws]
"""Total time of a candidate at one value of what a panel runs along."""
End = tuple[float, str, str]
"""Where a line ends, in seconds; its name and its colour."""


def advice(path: str, answer: Advice) -> None:
    """Seconds over the number of images, and over the uplink, as a PNG or an SVG file.

    Raises:
        UsageError: the file is to be neither, or cannot be written.
    """
    kind = os.path.splitext(path)[1].lower().removeprefix(".")
    if kind not in {"png", "svg"}:
        raise UsageError(
            f"A plot is a .png or an .svg file, not {path!r}.",
            hint="For instance: offload advise PHOTOS --plot advice.svg",
        )
    image = io.BytesIO()
    with drawing.style(9):
        metadata = {"Date": None} if kind == "svg" else None
        _figure(answer).savefig(image, format=kind, dpi=150, metadata=metadata)
    write_file("plot", path, image.getvalue())


def _figure(advice: Advice) -> Figure:
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    flip = _flip(advice, "uplink")
    panels = figure.subplots(1, 2 if flip else 1, sharey=True, squeeze=False)[0]
    ends = [_over_images(panels[0], advice)]
    if flip:
        ends.append(_over_uplink(panels[1], advice, flip))
    panels[0].set_ylabel("total time (band: 90 %, dashed: assumed)")
    low_s, high_s = panels[0].get_ylim()
    few = sum(low_s <= tick <= high_s for tick in _TICKS_S) <= _FEW_TICKS
    panels[0].yaxis.set_major_locator(FixedLocator(_MORE_TICKS_S if few else _TICKS_S))
    panels[0].yaxis.set_major_formatter(lambda seconds, _: show_s(seconds))
    panels[0].yaxis.set_minor_locator(NullLocator())
    for axes, names in zip(panels, ends, strict=True):  # the heights are known only now
        _name_lines(axes, names)
    return figure


def _over_images(axes: Axes, advice: Advice) -> list[End]:
    goal = advice.goal
    weight = None if goal.total_bytes is None else goal.total_bytes / max(1, goal.images)

    def makespan(candidate: AnyCandidate, images: float) -> Draws:
        number = round(images)
        return makespan_s(candidate, number, None if weight is None else weight * number)

    numbers = np.unique(np.geomspace(1, max(1000, 10 * goal.images), _POINTS).round())
    ends = _panel(axes, advice, numbers, makespan, _flip(advice, "images"))
    _line_at(axes, goal.images, f"this job: {count(goal.images, 'image')}")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("images")
    return ends


def _over_uplink(axes: Axes, advice: Advice, flip: BreakEven) -> list[End]:
    def makespan(candidate: AnyCandidate, mbit_per_s: float) -> Draws:
        candidate = at_uplink(candidate, given(mbit_per_s * _MBIT, ""))
        return makespan_s(candidate, advice.goal.images, advice.goal.total_bytes)

    uplink = _candidate(advice, flip.other).goodput
    shown = [uplink.median, flip.value or uplink.median]
    rates = np.geomspace(min(shown) / 10, max(shown) * 10, _POINTS)
    ends = _panel(axes, advice, rates / _MBIT, makespan, flip, _MBIT)
    _line_at(axes, uplink.median / _MBIT, f"{uplink.origin}: {show_rate(uplink.median)}")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel(f"uplink in Mbit/s, for {count(advice.goal.images, 'image')}")
    return ends


def _panel(
    axes: Axes,
    advice: Advice,
    xs: Draws,
    makespan: Makespan,
    flip: BreakEven | None,
    unit: float = 1.0,
) -> list[End]:
    """A line and a band for each place, and the break-even; `unit` is what an x of 1 is in its."""
    ends = []
    for colour, option in zip(COLOURS, _places(advice), strict=False):
        candidate = option.lane
        table = np.array([np.quantile(makespan(candidate, x), (LOW, 0.5, HIGH)) for x in xs])
        dashes = () if candidate.key else (4, 2)
        axes.plot(xs, table[:, 1], color=colour, linewidth=1.8, dashes=dashes)
        axes.fill_between(xs, table[:, 0], table[:, 2], color=colour, alpha=0.15, linewidth=0)
        ends.append((float(table[-1, 1]), spoken(candidate.name).replace(" (", "\n("), colour))
    axes.set(xscale="log", yscale="log", xlim=(xs[0], xs[-1]))
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.xaxis.set_minor_locator(NullLocator())
    drawing.plain(axes)
    if flip is not None:
        said = _BRACKETS.sub(
            lambda found: found[0].replace(" ", "\u00a0"), break_even(advice, flip)
        )
        axes.set_title(textwrap.fill(said, 62), loc="left", fontsize=10)
    if flip is not None and flip.value is not None and xs[0] <= flip.value / unit <= xs[-1]:
        seconds = float(np.median(makespan(_candidate(advice, flip.base), flip.value / unit)))
        around = [(end or flip.value) / unit for end in (flip.low, flip.high)]
        axes.plot(around, [seconds] * 2, color=INK, linewidth=1.2, marker="|", zorder=4)
        axes.plot([flip.value / unit], [seconds], color=INK, marker="o", markersize=6, zorder=5)
    return ends


def _places(advice: Advice) -> Iterator[Option]:
    """Options that may be chosen, and one for each place, but not for a split, with none; of those
    that are shown at all.
    """
    shown = {option.lane.name for option in rows(advice, every=True)}
    found = [option for option in advice.options if option.lane.name in shown]
    served = {o.lane.place for o in found if o.lane.choosable}
    for option in found:
        missing = option.lane.place not in served and not isinstance(option.lane, SplitCandidate)
        if option.lane.choosable or missing:
            served.add(option.lane.place)
            yield option


def _name_lines(axes: Axes, ends: Iterable[End]) -> None:
    """Names beside the lines' ends, pushed up where they would touch."""
    to_height = axes.transData + axes.transAxes.inverted()
    free = 0.0
    for seconds, name, colour in sorted(ends):
        half = _LINE_HEIGHT * (1 + name.count("\n")) / 2
        height = max(to_height.transform((1, seconds))[1], free + half)
        free = height + half
        axes.text(1.015, height, name, color=colour, transform=axes.transAxes, va="center")


def _flip(advice: Advice, quantity: str) -> BreakEven | None:
    return next((flip for flip in advice.break_evens if flip.quantity == quantity), None)


def _candidate(advice: Advice, name: str) -> Candidate:
    return next(
        o.lane for o in advice.options if o.lane.name == name and isinstance(o.lane, Candidate)
    )


def _line_at(axes: Axes, x: float, text: str) -> None:
    axes.axvline(x, color=GREY, linewidth=1, linestyle=":", zorder=1)
    late = axes.transData.transform((x, 1))[0] > axes.transAxes.transform((0.5, 0))[0]
    axes.annotate(
        text, (x, 1), xycoords=("data", "axes fraction"), xytext=(-4 if late else 4, -2),
        textcoords="offset points", va="top", ha="right" if late else "left", color=INK,
        bbox={"color": "white", "alpha": 0.7, "pad": 1},
    )  # fmt: skip
