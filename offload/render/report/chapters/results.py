"""Results: the makespan, and where the time goes."""

from offload.findings import headline, phases
from offload.findings.study import Group, Variant
from offload.render.report import figures, prose
from offload.render.report.comparisons import Comparisons, thinned, took
from offload.render.report.document import Block, Figure, Table, paragraph
from offload.render.report.naming import setting
from offload.render.words import capital, count, percent

_MOST_ROWS, _MOST_BARS = 12, 6


def opening(matter: Comparisons) -> list[Block]:
    """What all numbers have in common."""
    study = matter.study
    if not study.done:
        return paragraph(f"None of the {count(len(study.runs), 'run')} came to an end.")
    if not study.failed:
        return []
    return paragraph(f"All numbers are of the {count(len(study.done), 'run')} that came to an end.")


def makespan(matter: Comparisons) -> list[Block]:
    """Seconds over images, as a figure and as a table."""
    study = matter.study
    series = {lane: study.series(lane) for lane in matter.lanes}
    lines = {lane: groups for lane, groups in series.items() if len(groups) > 1}
    blocks: list[Block] = []
    if lines:
        shown = [c for c in matter.crossings if c.slow in lines and c.fast in lines]
        caption = f"{_order(matter)} {_bars(matter)}".strip()
        svg = figures.makespan(lines, matter.names, matter.looks, shown)
        blocks.append(Figure("makespan", svg, caption))
    seen = ""
    if len(series) > 1 or lines:  # a single number stands in the text
        blocks.append(_makespans(matter))
        seen = f"{'@makespan and @makespans show' if lines else '@makespans shows'} the makespan."
    told = [prose.pair_sentence(matter, pair) for pair in matter.pairs]
    crossed = prose.crossing_sentences(matter)
    if not matter.pairs:
        told = [prose.alone(matter, group) for group in matter.groups]
    return [*paragraph(seen, *told, *crossed), *blocks]


def _order(matter: Comparisons) -> str:
    """What the figure shows, in one sentence."""
    if matter.crossings:
        return prose.crossing_sentence(matter, matter.crossings[0])
    return prose.alone(matter, matter.groups[-1])


def _bars(matter: Comparisons) -> str:
    """What the bars are, and how the knobs were set if they were turned."""
    bars = f"Bars: 90 % of the resampled medians of {matter.study.repeats} runs."
    settings = max(headline.settings(matter.study, lane) for lane in matter.lanes)
    best = f" Each place is shown at the fastest of up to {settings} settings." * (settings > 1)
    more = f" Not shown: {count(matter.left_out, 'more combination')}." if matter.left_out else ""
    return (bars if matter.study.repeats > 1 else "") + best + more


def _makespans(matter: Comparisons) -> Table:
    lanes = matter.lanes
    rows = []
    for number in thinned(matter.numbers, _MOST_ROWS):
        groups = [matter.study.series(lane).get(number) for lane in lanes]
        cells = [took(g.estimate("makespan_s")) if g else None for g in groups]
        rows.append((f"{number:,}", *(cell or "failed" if _ran(matter, lane, number) else "not run"
                     for cell, lane in zip(cells, lanes, strict=True))))  # fmt: skip
    header = ("images", *(matter.names.short(lane) for lane in lanes))
    repeats = matter.study.repeats
    meant = (
        f"median of up to {repeats} runs, and what 90 % of resamples hold"
        if repeats > 1
        else "1 run each"
    )
    some = len(matter.numbers) - len(rows)
    more = f" {count(some, 'more number')} of images not shown." if some else ""
    return Table("makespans", f"Makespan by number of images: {meant}.{more}", header, rows)


def _ran(matter: Comparisons, lane: Variant, number: int) -> bool:
    # A run that failed early does not know its server's address.
    return any(
        run.lane.but(label=lane.label) == lane and run.images == number for run in matter.study.runs
    )


def where(matter: Comparisons) -> list[Block]:
    """What an image spends its time on."""
    rows = _phase_rows(matter)
    if not rows:
        return []
    groups = list(rows.values())
    svg = figures.where_time_goes(groups, list(rows))
    images = {group.images for group in groups}
    over = f", jobs of {count(images.pop(), 'image')}" if len(images) == 1 else ""
    message = _phase_message(matter, groups[-1])
    caption = f"{message} Mean share of an image's time{over}, waiting included."
    seen = "@phases shows what an image spends its time on."
    text = paragraph(seen, *prose.binding_sentences(matter))
    return [*text, Figure("phases", svg, caption.strip())]


def _phase_rows(matter: Comparisons) -> dict[str, Group]:
    """A bar's name -> its group: the lanes, or each number of requests in flight."""
    if len(matter.lanes) == 1 and matter.sweeps and len(matter.sweeps[0].concurrencies) > 1:
        most = matter.sweeps[0].groups[matter.sweeps[0].replicas[-1]]
        found = {f"{c} in flight": most[c] for c in thinned(sorted(most), _MOST_BARS)}
    else:
        found = {matter.names.short(group.lane): group for group in matter.groups}
    return {name: group for name, group in found.items() if phases.of(group)}


def _phase_message(matter: Comparisons, group: Group) -> str:
    spent = phases.of(group)
    phase = max(spent, key=lambda each: spent[each])
    share = percent(spent[phase] / sum(spent.values()))
    lane = group.lane
    where = capital(matter.names.at(lane))
    if len(matter.lanes) == 1:
        where += setting(lane)
    return f"{where}, {share} of an image's time is {phase}."
