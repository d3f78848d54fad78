"""Results: total time, where the time goes, and what replicas and requests in flight bring."""

from collections.abc import Iterator

from offload.findings import headline, phases
from offload.findings.estimates import Estimate
from offload.findings.scaling import Sweep
from offload.findings.study import COLD, TOTAL, Group, Variant
from offload.render.report import figures, prose
from offload.render.report.comparisons import Comparisons, thinned
from offload.render.report.document import Block, Figure, Table, paragraph
from offload.render.report.sentences import in_one_unit, setting, time_unit
from offload.render.words import capital, count, percent

_MOST_ROWS, _MOST_BARS, _MOST_LEVELS = 12, 6, 6
_RATES = (
    ("throughput (images/s)", "images_per_s", 1.0), ("inference (ms)", "infer_p50_s", 1e-3),
    ("response (ms)", "response_p50_s", 1e-3),
)  # fmt: skip
"""Headings of columns, the columns of a study, and what one of the unit is."""


def opening(compared: Comparisons) -> list[Block]:
    """What all numbers have in common."""
    study = compared.study
    if not study.done:
        return paragraph(f"None of the {count(len(study.runs), 'run')} finished.")
    return []


def makespan(compared: Comparisons) -> list[Block]:
    """Seconds over images, as a figure and as a table."""
    study = compared.study
    series = {variant: study.series(variant) for variant in compared.variants}
    lines = {variant: groups for variant, groups in series.items() if len(groups) > 1}
    blocks: list[Block] = []
    if lines:
        blocks.append(Figure("makespan", figures.makespan(compared, lines), _figure(compared)))
    if not series:
        return []
    blocks += [_makespans(compared), *_rates_by_place(compared)]
    seen = "@makespan and @makespans show" if lines else "@makespans shows"
    return [*paragraph(f"{seen} the total time."), *blocks]


def _figure(compared: Comparisons) -> str:
    """What is drawn, and how the knobs were set if they were turned."""
    study, variants = compared.study, compared.variants
    told = [f"Total time of jobs of {count(max(compared.measured), 'image')} at most."]
    if study.repeats > 1:
        told.append(f"Bars: 90 % intervals of the medians of {study.repeats} runs.")
    if any(crossing.images for crossing in compared.warm_crossings):
        told.append("Vertical lines: another place becomes faster.")
    settings = max(headline.settings(study, variant) for variant in variants)
    if settings > 1:
        told.append(f"Each place is shown at the fastest of up to {settings} settings.")
    if (left_out := len(headline.lanes(study)) - len(variants)) > 0:
        told.append(f"Not shown: {count(left_out, 'more combination')}.")
    return " ".join(told)


def _makespans(compared: Comparisons) -> Table:
    """Total time and, where it is another, cold total of each number of images, below start-up."""
    variants, columns = compared.variants, {TOTAL: ""}
    started = [compared.startup(variant) for variant in variants]
    if compared.starts_apart:
        columns[COLD] = ", cold total"
    numbers = thinned(compared.numbers, _MOST_ROWS // len(columns))
    rows: list[list[Estimate | str]] = []
    if any(started):
        rows.append(["start-up", *(each or "not known" for each in started)])
    for number in numbers:
        for column, kind in columns.items():
            cells = [_cell(compared, variant, number, column) for variant in variants]
            rows.append([f"{number:,}{kind}", *cells])
    unit, scale = time_unit(
        each.value for row in rows for each in row if isinstance(each, Estimate)
    )
    header = "images", *(f"{compared.names.short(v)} ({unit})" for v in variants)
    repeats, some = compared.study.repeats, len(compared.numbers) - len(numbers)
    meant = f"medians of up to {repeats} runs, with 90 % intervals"
    more = f" {count(some, 'more number')} of images not shown." if some else ""
    caption = f"Total time by number of images: {meant if repeats > 1 else '1 run each'}.{more}"
    return Table("makespans", caption, header, in_one_unit(rows, scale))


def _cell(compared: Comparisons, variant: Variant, number: int, column: str) -> Estimate | str:
    group = compared.study.series(variant).get(number)
    if group is not None:
        return group.estimate(column) or "not known"
    ran = any(run.lane == variant and run.images == number for run in compared.study.runs)
    return "failed" if ran else "not run"


def _rates_by_place(compared: Comparisons) -> Iterator[Table]:
    """Throughput, and what an image takes, of the largest job."""
    names = [compared.names.short(group.lane) for group in compared.groups]
    columns = []
    for title, column, scale in _RATES:
        known = [group.estimate(column) or "not known" for group in compared.groups]
        if any(isinstance(each, Estimate) for each in known):
            columns.append((title, [cell for (cell,) in in_one_unit(([k] for k in known), scale)]))
    if columns and compared.images:
        caption = f"Throughput, and medians of an image's times, {count(compared.images, 'image')}."
        header = "", *(title for title, _ in columns)
        rows = list(zip(names, *(cells for _, cells in columns), strict=True))
        yield Table("throughput", caption, header, rows)


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
    caption = f"{where}, {share} of an image's time is {phase}."
    caption += f" Mean shares of an image's time{over}, waiting included."
    seen = "@phases shows how an image's time divides."
    svg = figures.where_time_goes(groups, list(rows))
    return [*paragraph(seen), Figure("phases", svg, caption)]


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
        blocks += paragraph(seen, *_saturation(compared, sweep))
        if message:
            bars = " Bars: 90 % intervals of the medians." * (compared.study.repeats > 1)
            caption = f"{message} Medians of jobs of {count(sweep.images, 'image')}.{bars}"
            blocks.append(Figure(name, figures.response(sweep, name), caption))
        blocks.append(rates)
    return blocks


def _rates(compared: Comparisons, number: int) -> Table:
    sweep = compared.sweeps[number]
    levels = thinned(sweep.concurrencies, _MOST_LEVELS)
    rows: list[list[Estimate | str]] = []
    for replicas in thinned(sweep.replicas, _MOST_LEVELS):
        row = sweep.groups[replicas]
        known = (row[c].estimate("images_per_s") if c in row else None for c in levels)
        rows.append([str(replicas), *(each or "not known" for each in known)])
    some = len(levels) < len(sweep.concurrencies) or len(rows) < len(sweep.replicas)
    where = prose.swept(compared, sweep)
    caption = compared.say("throughputs", where=where, some=", some of each" * some)
    header = ("", *(str(level or "automatic") for level in levels))
    return Table(f"rates{number or ''}", caption, header, in_one_unit(rows))


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
