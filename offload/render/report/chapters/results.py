"""Results: total time, where the time goes, and what replicas and requests in flight bring."""

from collections.abc import Iterator

from offload.findings import headline, phases
from offload.findings.scaling import Sweep
from offload.findings.study import Group, Variant
from offload.render.report import figures, prose
from offload.render.report.comparisons import Comparisons, thinned
from offload.render.report.document import Block, Figure, Table, paragraph
from offload.render.report.sentences import setting, times, took
from offload.render.words import capital, count, percent

_MOST_ROWS, _MOST_BARS, _MOST_LEVELS = 12, 6, 6


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
        svg = figures.makespan(compared, lines)
        order = prose.alone(compared, compared.groups[-1])
        if compared.crossings:
            order = prose.crossing_sentence(compared, compared.crossings[0])
        blocks.append(Figure("makespan", svg, f"{order} {_bars(compared)}".strip()))
    seen = ""
    if len(series) > 1 or lines:  # a single number stands in the text
        blocks.append(_makespans(compared))
        seen = f"{'@makespan and @makespans show' if lines else '@makespans shows'} the total time."
    told = [prose.pair_sentence(compared, pair) for pair in compared.pairs]
    told = told or [prose.alone(compared, group) for group in compared.groups]
    return [*paragraph(seen, *told, *prose.crossing_sentences(compared)), *blocks]


def _bars(compared: Comparisons) -> str:
    """What the bars are, and how the knobs were set if they were turned."""
    study, variants = compared.study, compared.variants
    told = []
    if study.repeats > 1:
        told.append(f"Bars: 90 % of the resampled medians of {study.repeats} runs.")
    settings = max(headline.settings(study, variant) for variant in variants)
    if settings > 1:
        told.append(f"Each place is shown at the fastest of up to {settings} settings.")
    if (left_out := len(headline.lanes(study)) - len(variants)) > 0:
        told.append(f"Not shown: {count(left_out, 'more combination')}.")
    return " ".join(told)


def _makespans(compared: Comparisons) -> Table:
    variants = compared.variants
    rows = [
        (f"{number:,}", *(_cell(compared, variant, number) for variant in variants))
        for number in thinned(compared.numbers, _MOST_ROWS)
    ]
    header = ("images", *(compared.names.short(variant) for variant in variants))
    repeats = compared.study.repeats
    many = f"median of up to {repeats} runs, and what 90 % of resamples hold"
    some = len(compared.numbers) - len(rows)
    more = f" {count(some, 'more number')} of images not shown." if some else ""
    meant = many if repeats > 1 else "1 run each"
    return Table("makespans", f"Total time by number of images: {meant}.{more}", header, rows)


def _cell(compared: Comparisons, variant: Variant, number: int) -> str:
    group = compared.study.series(variant).get(number)
    if group is not None and (makespan := group.estimate("makespan_s")):
        return took(makespan)
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
    spent = phases.of(groups[-1])
    phase = max(spent, key=lambda each: spent[each])
    share = percent(spent[phase] / sum(spent.values()))
    where = capital(compared.names.at(groups[-1].lane))
    where += setting(groups[-1].lane) * (len(compared.variants) == 1)
    images = {group.images for group in groups}
    over = f", jobs of {count(images.pop(), 'image')}" if len(images) == 1 else ""
    caption = (
        f"{where}, {share} of an image's time is {phase}. Mean share of an image's time{over}, "
        "waiting included."
    )
    seen = "@phases shows what an image spends its time on."
    svg = figures.where_time_goes(groups, list(rows))
    return [*paragraph(seen, *prose.bottleneck_sentences(compared)), Figure("phases", svg, caption)]


def _phase_rows(compared: Comparisons) -> dict[str, Group]:
    """A bar's name -> its group: the variants, or each number of requests in flight."""
    sweep = compared.sweeps[0] if len(compared.variants) == 1 and compared.sweeps else None
    if sweep and len(sweep.concurrencies) > 1:
        most = sweep.groups[sweep.replicas[-1]]
        found = {f"{c} in flight": most[c] for c in thinned(sorted(most), _MOST_BARS)}
    else:
        found = {compared.names.short(group.lane): group for group in compared.groups}
    return {name: group for name, group in found.items() if phases.of(group)}


def scaling(compared: Comparisons) -> list[Block]:
    """What replicas and requests in flight bring."""
    blocks: list[Block] = []
    for number, sweep in enumerate(compared.sweeps[:2]):
        name, rates = f"response{number or ''}", _rates(compared, number)
        message = _response_message(compared, sweep)
        drawn = f"@{name} shows the response time, " if message else ""
        seen = f"{drawn}@{rates.name} {'' if drawn else 'shows '}throughput."
        told = [prose.scaling_sentence(compared, number), *_saturation(compared, sweep)]
        blocks += paragraph(seen, *told)
        if message:
            bars = " Bars: 90 % of the resampled medians." * (compared.study.repeats > 1)
            caption = f"{message} Medians of jobs of {count(sweep.images, 'image')}.{bars}"
            blocks.append(Figure(name, figures.response(sweep, name), caption))
        blocks.append(rates)
    return blocks


def _rates(compared: Comparisons, number: int) -> Table:
    sweep = compared.sweeps[number]
    levels = thinned(sweep.concurrencies, _MOST_LEVELS)
    rows = []
    for replicas in thinned(sweep.replicas, _MOST_LEVELS):
        row = sweep.groups[replicas]
        known = (row[c].estimate("images_per_s") if c in row else None for c in levels)
        rows.append((str(replicas), *(times(each) if each else "not known" for each in known)))
    some = len(levels) < len(sweep.concurrencies) or len(rows) < len(sweep.replicas)
    where = prose.swept(compared, sweep)
    caption = compared.say("throughputs", where=where, some=", some of each" * some)
    header = ("", *(str(level or "automatic") for level in levels))
    return Table(f"rates{number or ''}", caption, header, rows)


def _saturation(compared: Comparisons, sweep: Sweep) -> Iterator[str]:
    """What is gained, and what is paid for it, by more requests in flight than are needed."""
    for replicas in sorted({sweep.replicas[0], sweep.replicas[-1]}):
        knee = sweep.saturated_from(replicas)
        if knee is None:
            continue
        known = {c: g for c, g in sweep.groups[replicas].items() if g.values("images_per_s")}
        enough, last = known[knee], known[max(known)]
        several = len(sweep.replicas) > 1
        where = f"with {count(replicas, 'replica')}" if several else prose.swept(compared, sweep)
        if enough is last:
            yield compared.say("grows", where=where, requests=knee)
            continue
        low, high = (group.median("response_p50_s") or None for group in (enough, last))
        yield compared.say(
            "saturated",
            where=where,
            requests=knee,
            enough=enough.estimate("images_per_s"),
            most=max(known),
            last=last.estimate("images_per_s"),
            slower=compared.say("slower", low=low, high=high),
        )


def _response_message(compared: Comparisons, sweep: Sweep) -> str:
    """How the response time changes along the figure; empty where too little is known of it."""
    where, most = prose.swept(compared, sweep), sweep.concurrencies[-1]
    if len(sweep.replicas) > 1:
        where = prose.flying(most).strip() or where
        row = {count(r, "replica"): sweep.groups[r].get(most) for r in sweep.replicas}
    else:
        [groups] = sweep.groups.values()
        row = {f"{c} in flight": groups[c] for c in sweep.concurrencies}
    known = [(name, s) for name, g in row.items() if g and (s := g.median("response_p50_s"))]
    if len(known) < 2:  # noqa: PLR2004 - nothing changes
        return ""
    (few, first_s), (many, last_s) = known[0], known[-1]
    return compared.say("response", where=where, few=few, many=many, first=first_s, last=last_s)
