"""Results: what replicas and requests in flight bring."""

from offload.domain.units import show_s
from offload.render.report import figures, telling
from offload.render.report.document import Block, Figure, Table, paragraph
from offload.render.report.matter import Matter, rate
from offload.render.words import count


def scaling(matter: Matter) -> list[Block]:
    """What replicas and requests in flight bring."""
    blocks: list[Block] = []
    for number, sweep in enumerate(matter.sweeps[:2]):
        name = f"response{number or ''}"
        seen = f"@{name} shows the response time and @rates{number or ''} the rate."
        told = [telling.scaling_sentence(matter, number), *_saturation(matter, number)]
        blocks += paragraph(seen, *told)
        if any(g.median("response_p50_s") for row in sweep.groups.values() for g in row.values()):
            svg = figures.response(sweep)
            svg = svg.replace("response-", f"{name}-")
            images = count(sweep.images, "image")
            message = _response_message(matter, number)
            caption = f"{message} Medians of jobs of {images}. {_bars_only(matter)}"
            blocks.append(Figure(name, svg, caption.strip()))
        blocks.append(_rates(matter, number))
    return blocks


def _bars_only(matter: Matter) -> str:
    return "Bars: 90 % of the resampled medians." if matter.study.repeats > 1 else ""


def _rates(matter: Matter, number: int) -> Table:
    sweep = matter.sweeps[number]
    rows = []
    for replicas in sweep.replicas:
        row = sweep.groups[replicas]
        cells = (row[c].estimate("images_per_s") if c in row else None for c in sweep.concurrencies)
        rows.append((str(replicas), *(rate(cell) or "not run" for cell in cells)))
    caption = (
        f"Images per second in {sweep.lane.place} by replicas (rows) and requests in flight "
        "(columns)."
    )
    return Table(f"rates{number or ''}", caption, ("", *map(str, sweep.concurrencies)), rows)


def _saturation(matter: Matter, number: int) -> list[str]:
    sweep = matter.sweeps[number]
    told = []
    for replicas in sorted({sweep.replicas[0], sweep.replicas[-1]}):
        knee = sweep.saturated_from(replicas)
        row = sweep.groups[replicas]
        last = max(row)
        if knee is None:
            continue
        name = count(replicas, "replica")
        reached = rate(row[knee].estimate("images_per_s"))
        if knee == last:
            told.append(f"With {name} the rate still grows up to {last} requests in flight.")
            continue
        told.append(
            f"With {name} the rate is at its best from {count(knee, 'request')} in flight on, "
            f"{reached} images/s; more only wait: the median response grows from "
            f"{show_s(row[knee].median('response_p50_s') or 0)} to "
            f"{show_s(row[last].median('response_p50_s') or 0)} with {last}."
        )
    return told


def _response_message(matter: Matter, number: int) -> str:
    sweep = matter.sweeps[number]
    most = sweep.concurrencies[-1]
    ends = [sweep.groups[r].get(most) for r in (sweep.replicas[0], sweep.replicas[-1])]
    medians = [g.median("response_p50_s") if g else None for g in ends]
    if len(sweep.replicas) == 1 or None in medians:
        first = sweep.groups[sweep.replicas[0]]
        low, high = (first[c].median("response_p50_s") or 0.0 for c in (min(first), max(first)))
        return (
            f"An image waits longer the more are in flight: {show_s(low)} with {min(first)}, "
            f"{show_s(high)} with {max(first)}."
        )
    return (
        f"With {most} in flight, response goes from {show_s(medians[0] or 0)} to "
        f"{show_s(medians[1] or 0)} with {sweep.replicas[-1]} replicas."
    )
