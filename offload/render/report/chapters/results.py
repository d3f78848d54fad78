"""Results: total time, and where the time goes."""

from offload.findings import headline, phases
from offload.findings.study import Group, Variant
from offload.render.report import figures, prose
from offload.render.report.comparisons import Comparisons, thinned, took
from offload.render.report.document import Block, Figure, Table, paragraph
from offload.render.report.naming import setting
from offload.render.words import capital, count, percent

_MOST_ROWS, _MOST_BARS = 12, 6


def opening(compared: Comparisons) -> list[Block]:
    """What all numbers have in common."""
    study = compared.study
    if not study.done:
        return paragraph(f"None of the {count(len(study.runs), 'run')} finished.")
    if not study.failed:
        return []
    return paragraph(f"All numbers are of the {count(len(study.done), 'run')} that finished.")


def makespan(compared: Comparisons) -> list[Block]:
    """Seconds over images, as a figure and as a table."""
    study = compared.study
    series = {variant: study.series(variant) for variant in compared.variants}
    lines = {variant: groups for variant, groups in series.items() if len(groups) > 1}
    blocks: list[Block] = []
    if lines:
        shown = [c for c in compared.crossings if c.slow in lines and c.fast in lines]
        caption = f"{_order(compared)} {_bars(compared)}".strip()
        svg = figures.makespan(lines, compared.names, compared.looks, shown)
        blocks.append(Figure("makespan", svg, caption))
    seen = ""
    if len(series) > 1 or lines:  # a single number stands in the text
        blocks.append(_makespans(compared))
        seen = f"{'@makespan and @makespans show' if lines else '@makespans shows'} the total time."
    told = [prose.pair_sentence(compared, pair) for pair in compared.pairs]
    crossed = prose.crossing_sentences(compared)
    if not compared.pairs:
        told = [prose.alone(compared, group) for group in compared.groups]
    return [*paragraph(seen, *told, *crossed), *blocks]


def _order(compared: Comparisons) -> str:
    """What the figure shows, in one sentence."""
    if compared.crossings:
        return prose.crossing_sentence(compared, compared.crossings[0])
    return prose.alone(compared, compared.groups[-1])


def _bars(compared: Comparisons) -> str:
    """What the bars are, and how the knobs were set if they were turned."""
    bars = f"Bars: 90 % of the resampled medians of {compared.study.repeats} runs."
    settings = max(headline.settings(compared.study, variant) for variant in compared.variants)
    best = f" Each place is shown at the fastest of up to {settings} settings." * (settings > 1)
    more = (
        f" Not shown: {count(compared.left_out, 'more combination')}." if compared.left_out else ""
    )
    return (bars if compared.study.repeats > 1 else "") + best + more


def _makespans(compared: Comparisons) -> Table:
    variants = compared.variants
    rows = []
    for number in thinned(compared.numbers, _MOST_ROWS):
        groups = [compared.study.series(variant).get(number) for variant in variants]
        known = zip(groups, variants, strict=True)
        rows.append((f"{number:,}", *(_cell(compared, *each, number) for each in known)))
    header = ("images", *(compared.names.short(variant) for variant in variants))
    repeats = compared.study.repeats
    meant = (
        f"median of up to {repeats} runs, and what 90 % of resamples hold"
        if repeats > 1
        else "1 run each"
    )
    some = len(compared.numbers) - len(rows)
    more = f" {count(some, 'more number')} of images not shown." if some else ""
    return Table("makespans", f"Total time by number of images: {meant}.{more}", header, rows)


def _cell(compared: Comparisons, group: Group | None, variant: Variant, number: int) -> str:
    if group is not None:
        return took(group.estimate("makespan_s")) or ""
    # A run that failed early does not know its server's address.
    ran = any(
        run.lane.but(label=variant.label) == variant and run.images == number
        for run in compared.study.runs
    )
    return "failed" if ran else "not run"


def where(compared: Comparisons) -> list[Block]:
    """What an image spends its time on."""
    rows = _phase_rows(compared)
    if not rows:
        return []
    groups = list(rows.values())
    svg = figures.where_time_goes(groups, list(rows))
    images = {group.images for group in groups}
    over = f", jobs of {count(images.pop(), 'image')}" if len(images) == 1 else ""
    message = _phase_message(compared, groups[-1])
    caption = f"{message} Mean share of an image's time{over}, waiting included."
    seen = "@phases shows what an image spends its time on."
    text = paragraph(seen, *prose.bottleneck_sentences(compared))
    return [*text, Figure("phases", svg, caption.strip())]


def _phase_rows(compared: Comparisons) -> dict[str, Group]:
    """A bar's name -> its group: the variants, or each number of requests in flight."""
    if (
        len(compared.variants) == 1
        and compared.sweeps
        and len(compared.sweeps[0].concurrencies) > 1
    ):
        most = compared.sweeps[0].groups[compared.sweeps[0].replicas[-1]]
        found = {f"{c} in flight": most[c] for c in thinned(sorted(most), _MOST_BARS)}
    else:
        found = {compared.names.short(group.lane): group for group in compared.groups}
    return {name: group for name, group in found.items() if phases.of(group)}


def _phase_message(compared: Comparisons, group: Group) -> str:
    spent = phases.of(group)
    phase = max(spent, key=lambda each: spent[each])
    share = percent(spent[phase] / sum(spent.values()))
    variant = group.lane
    where = capital(compared.names.at(variant))
    if len(compared.variants) == 1:
        where += setting(variant)
    return f"{where}, {share} of an image's time is {phase}."
