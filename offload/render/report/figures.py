"""The figures of a report, each an SVG element."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from offload.domain.units import show_usd
from offload.findings import phases
from offload.findings.estimates import Estimate
from offload.findings.link import LinkFit
from offload.findings.scaling import Sweep
from offload.findings.study import Group, MeasuredRun, TransferPoint, Variant
from offload.render import drawing
from offload.render.drawing import COLOURS, GREY, HATCHES, INK
from offload.render.report.comparisons import Comparisons, thinned
from offload.render.report.sentences import digits, time_unit

Series = Mapping[Variant, Mapping[int, Group]]
"""A variant's groups by their number of images."""

_MOST_POINTS = 250
_SHORT_LABEL = 0.05
"""The least share of a bar that is wide enough for a number."""


def makespan(compared: Comparisons, series: Series) -> str:
    """Seconds over the number of images, a line for each variant, bars for what is likely."""
    with drawing.panel(2.5) as (figure, axes):
        for variant, groups in series.items():
            known = {n: e for n, g in groups.items() if (e := g.estimate("makespan_s"))}
            _line(axes, known, compared.looks[variant], compared.names.short(variant))
        numbers = sorted({n for groups in series.values() for n in groups})
        drawing.log_if_wide(axes, "x", numbers)
        every = [each for groups in series.values() for each in groups.values()]
        drawing.log_if_wide(axes, "y", [s for each in every for s in each.values("makespan_s")])
        drawing.ticks(axes, numbers)
        for crossing in compared.warm_crossings:
            if crossing.images and series.keys() >= {crossing.slow, crossing.fast}:
                axes.axvline(
                    crossing.images.value, color=GREY, linewidth=1, dashes=(1, 2), zorder=1
                )
        drawing.key(figure, axes)
        return drawing.finished(figure, "makespan", "number of images", "total time in seconds")


def where_time_goes(groups: Sequence[Group], names: Sequence[str]) -> str:
    """An image's way as a bar for each group, in shares of its time, which stands beside it."""
    with drawing.panel(0.95 + 0.28 * len(groups)) as (figure, axes):
        spent = [phases.of(group) for group in groups]
        totals = np.array([sum(each.values()) for each in spent])
        left = np.zeros(len(groups))
        for look, phase in enumerate(phases.PHASES):
            shares = np.array([each.get(phase, 0.0) for each in spent]) / totals
            if shares.max() < 0.002:  # noqa: PLR2004 - nothing that could be seen
                continue
            bars = axes.barh(
                range(len(groups)), shares, left=left, height=0.62, label=phase,
                color=COLOURS[look], hatch=HATCHES[look], edgecolor="white", linewidth=0.6,
            )  # fmt: skip
            texts = [f"{100 * s:.0f} %" if s >= _SHORT_LABEL else "" for s in shares]
            paper = {"color": "white", "alpha": 0.85, "pad": 0.8}
            axes.bar_label(bars, texts, label_type="center", color=INK, fontsize=8, bbox=paper)
            left += shares
        unit, scale = time_unit(totals)
        for row, total in enumerate(totals):
            text = f"{digits(total / scale)} {unit} an image"
            axes.text(1.012, row, text, va="center", color=INK)
        axes.set_yticks(range(len(groups)), names)
        axes.set(xlim=(0, 1))
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}")
        axes.invert_yaxis()
        figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8)
        return drawing.finished(figure, "phases", "share of an image's time in %", grid="x")


def response(sweep: Sweep, name: str) -> str:
    """Median response time over replicas, or if that is one number over requests in flight."""
    with drawing.panel(2.4) as (figure, axes):
        many = len(sweep.replicas) > 1
        lines: dict[int, dict[int, Estimate]] = {}
        for replicas, row in sorted(sweep.groups.items()):
            for concurrency, group in sorted(row.items()):
                line, x = (concurrency, replicas) if many else (0, concurrency)
                if found := group.estimate("response_p50_s"):
                    lines.setdefault(line, {})[x] = found
        for look, line in enumerate(thinned(sorted(lines), len(COLOURS))):
            _line(axes, lines[line], look, f"{line} in flight")
        levels = sweep.replicas if many else sweep.concurrencies
        if not many:
            drawing.log_if_wide(axes, "x", levels)
        every = [each.value for known in lines.values() for each in known.values()]
        drawing.log_if_wide(axes, "y", every)
        drawing.ticks(axes, levels)
        drawing.key(figure, axes)
        what = "number of " + ("replicas" if many else "requests in flight")
        return drawing.finished(figure, name, what, "response time in seconds")


def transfer(
    compared: Comparisons,
    photos: Mapping[Variant, Sequence[TransferPoint]],
    lines: Mapping[Variant, LinkFit],
) -> str:
    """Transfer time over what was sent of each image, with the line through them."""
    with drawing.panel(2.2) as (figure, axes):
        top = 0.0
        for variant, line in lines.items():
            look, sent = drawing.look(compared.looks[variant]), photos[variant]
            some = np.linspace(0, len(sent) - 1, min(len(sent), _MOST_POINTS)).astype(int)
            x = np.array([sent[i].sent_bytes for i in some]) / 1e3
            y = np.array([sent[i].transfer_s for i in some])
            axes.plot(
                x, y, look.marker, color=look.colour, markersize=3, alpha=0.45, markeredgewidth=0,
                zorder=1,
            )  # fmt: skip
            over = np.array([x.min(), x.max()])
            fitted = line.start_s + line.per_byte_s * 1e3 * over
            axes.plot(
                over, fitted, color=INK, dashes=look.dashes, linewidth=1.3,
                label=compared.names.short(variant),
            )  # fmt: skip
            top = max(top, float(np.quantile(y, 0.99)), float(fitted[-1]))
        axes.set(xlim=(0, None), ylim=(0, 1.08 * top or 1))
        drawing.key(figure, axes)
        what = "sent for one image in kB", "transfer time in seconds"
        return drawing.finished(figure, "transfer", *what)


def predictions(runs: Sequence[MeasuredRun], places: Sequence[str]) -> str:
    """What runs took over what was predicted of them."""
    with drawing.panel(2.6) as (figure, axes):
        for number, place in enumerate(places):
            look = drawing.look(number)
            for assumed in (False, True):
                these = [r for r in runs if r.lane.place == place and r.assumed == assumed]
                x = [run.numbers["predicted_s"] for run in these]
                y = [run.numbers["makespan_s"] for run in these]
                fill = "white" if assumed else look.colour
                name = f"{place}, in part assumed" if assumed else place
                if these:
                    axes.plot(
                        x, y, look.marker, color=look.colour, markerfacecolor=fill,
                        markersize=4.5, label=name, markeredgewidth=0.9,
                    )  # fmt: skip
        values = [run.numbers[name] for run in runs for name in ("predicted_s", "makespan_s")]
        ends = [min(values) / 1.3, max(values) * 1.3]
        axes.plot(ends, ends, color=INK, linewidth=1, zorder=1, label="as predicted")
        axes.fill_between(
            ends, [0.9 * e for e in ends], [1.1 * e for e in ends], color=GREY, alpha=0.25,
            linewidth=0, label="within 10 %",
        )  # fmt: skip
        for axis in ("x", "y"):
            drawing.log_if_wide(axes, axis, values)
        drawing.ticks(axes, [])
        axes.set(xlim=ends, ylim=ends)
        figure.legend(loc="outside right upper", frameon=False)
        what = "predicted total time in seconds", "measured total time in seconds"
        return drawing.finished(figure, "predictions", *what, grid="both")


def dollars(compared: Comparisons) -> str:
    """Dollars over seconds, those joined that nothing beats in both."""
    bills, names = compared.bills, compared.names
    with drawing.panel(2.3) as (figure, axes):
        front = [bill for bill in bills if bill.best]
        axes.step(
            [b.seconds.value for b in front], [b.usd.value for b in front], where="post",
            color=GREY, linewidth=1, dashes=(4, 2), zorder=1,
        )  # fmt: skip
        slowest = max(bill.seconds.value for bill in bills)
        dearest = max(bill.usd.high for bill in bills)
        for bill in bills:
            look, point = (
                drawing.look(compared.looks[bill.lane]),
                (bill.seconds.value, bill.usd.value),
            )
            axes.plot(
                *point, look.marker, color=look.colour, markersize=7,
                markerfacecolor=look.colour if bill.best else "white", label=names.short(bill.lane),
            )  # fmt: skip
            axes.errorbar(
                *point, xerr=_arms(bill.seconds), yerr=_arms(bill.usd), color=look.colour,
                capsize=2, linewidth=1, zorder=1,
            )  # fmt: skip
        axes.set(xlim=(0, 1.12 * slowest), ylim=(-0.07 * dearest, 1.15 * dearest))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
        axes.yaxis.set_major_formatter(lambda usd, _: show_usd(usd) if usd >= 0 else "")
        figure.legend(loc="outside right upper", frameon=False, labelspacing=0.8)
        what = "total time in seconds", "cost of the job in US dollars"
        return drawing.finished(figure, "dollars", *what)


def _line(axes: Axes, points: Mapping[int, Estimate], number: int, name: str) -> None:
    """A line through the points with bars for what is likely, in the look of a number."""
    look, arms = drawing.look(number), np.hstack([_arms(point) for point in points.values()])
    line = axes.errorbar(
        list(points), [point.value for point in points.values()], yerr=arms, color=look.colour,
        marker=look.marker, markersize=4.5, linewidth=1.5, capsize=2.5, label=name,
    ).lines[0]  # fmt: skip
    line.set_dashes(look.dashes)


def _arms(point: Estimate) -> np.ndarray:
    """Below and above, as errorbar takes them."""
    return np.array([[point.value - point.low], [point.high - point.value]])
