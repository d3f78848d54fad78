"""Conclusions: computed, each with its number, and what the study cannot say."""

from collections.abc import Iterator

import numpy as np

from offload.domain.units import show_rate, show_s
from offload.findings import environment, predictions
from offload.render.report import prose
from offload.render.report.chapters import changes
from offload.render.report.comparisons import Comparisons, Pair, rate, took
from offload.render.report.document import Block, listing, paragraph
from offload.render.words import capital, count, percent

_FEW = 3
"""With fewer repeats, all of one place are faster than all of another in a third of cases by chance
alone.
"""


def short(matter: Comparisons) -> str:
    """The answer in a sentence or two."""
    remote = matter.remote
    if remote:
        unlike = (remote[0].ratio.value < 1) != (remote[-1].ratio.value < 1)
        second = _verdict(matter, remote[-1]) if unlike else _from(matter, remote[0])
        return " ".join(filter(None, (_verdict(matter, remote[0]), second)))
    if matter.pairs:
        return prose.pair_sentence(matter, matter.pairs[0])
    if matter.sweeps and (told := prose.scaling_sentence(matter, 0)):
        return told
    return prose.alone(matter, matter.groups[-1]) if matter.groups else ""


def conclusions(matter: Comparisons) -> list[Block]:
    """All of them."""
    remote = matter.remote
    worth = [_verdict(matter, pair) for pair in remote]
    worth += [prose.pair_sentence(matter, p) for p in matter.pairs if p not in remote]
    if not matter.pairs:
        worth = [*(prose.alone(matter, group) for group in matter.groups), _best_rate(matter)]
    asked = "Is it worth offloading?" if remote else "What does it take?"
    return [
        *paragraph(*worth, lead=asked),
        *paragraph(*prose.crossing_sentences(matter), lead="From how many images on?"),
        *paragraph(*prose.binding_sentences(matter), lead="What binds?"),
        *paragraph(*changes.changes(matter), lead="What would change it?"),
        *paragraph(*_sure(matter), lead="How sure is this?"),
        *paragraph(*_unknown(matter), lead="What this study cannot say."),
    ]


def _verdict(matter: Comparisons, pair: Pair) -> str:
    """Whether to offload the largest job."""
    ratio = pair.ratio.value
    lane_s, base_s = pair.seconds
    name, base = (matter.names.spoken(g.lane) for g in (pair.lane, pair.base))
    images = count(pair.images, "image")
    if not pair.clear or round(ratio, 2) == 1:
        chance = "" if pair.clear else " that could be told from chance"
        return (
            f"For {images} it makes {'hardly a' if pair.clear else 'no'} difference{chance}: "
            f"{took(lane_s)} {matter.names.at(pair.lane.lane)}, {took(base_s)} "
            f"{matter.names.at(pair.base.lane)}."
        )
    if ratio < 1:
        saved = show_s(base_s.value - lane_s.value)
        return (
            f"For {images}, yes: {name} takes {took(lane_s)} where {base} takes {took(base_s)}, "
            f"which saves {saved} or {percent(1 - ratio)} of the time."
        )
    return (
        f"For {images}, no: {name} takes {prose.longer(ratio)} {base}, {took(lane_s)} against "
        f"{took(base_s)}."
    )


def _best_rate(matter: Comparisons) -> str:
    """The least that it takes for about the best rate."""
    if not matter.sweeps:
        return ""
    sweep = matter.sweeps[0]
    rates = {
        (replicas, concurrency): found
        for replicas, row in sweep.groups.items()
        for concurrency, group in row.items()
        if (found := group.estimate("images_per_s"))
    }
    if not rates:
        return ""
    best = max(each.value for each in rates.values())
    replicas, concurrency = min(key for key, each in rates.items() if each.value >= 0.95 * best)
    enough = [count(replicas, "replica")] * (len(sweep.replicas) > 1)
    enough += [f"{count(concurrency, 'request')} in flight"] * (len(sweep.concurrencies) > 1)
    return (
        f"{capital(prose.swept(matter, sweep))}, {rate(rates[replicas, concurrency])} images/s, "
        f"about the most that was reached, take no more than {listing(enough)}."
    )


def _from(matter: Comparisons, pair: Pair) -> str:
    lanes = {pair.lane.lane, pair.base.lane}
    found = [each for each in matter.crossings if {each.slow, each.fast} == lanes]
    return prose.crossing_sentence(matter, found[0]) if found else ""


def _sure(matter: Comparisons) -> Iterator[str]:
    study = matter.study
    yield _spread(matter)
    for pair in matter.pairs[:2]:
        yield _chance(matter, pair)
    known = predictions.accuracy(study.done)
    if known:
        yield (
            f"What {count(known.runs, 'run')} would take was said beforehand, and was off by "
            f"{prose.off(known.median_error)} in the median."
        )
    if study.failed:
        runs = count(len(study.runs), "run")
        one = len(study.failed) == 1
        yield f"{len(study.failed)} of {runs} failed and count{'s' * one} for nothing."


def _chance(matter: Comparisons, pair: Pair) -> str:
    chance = pair.chance
    if chance is None:
        return ""
    groups = (pair.lane, pair.base) if chance >= 0.5 else (pair.base, pair.lane)  # noqa: PLR2004
    ahead, behind = (matter.names.at(group.lane) for group in groups)
    times_s, others_s = (group.values("makespan_s") for group in groups)
    images = count(pair.images, "image")
    if max(times_s) < min(others_s):
        return (
            f"With {images}, each of the {len(times_s)} runs {ahead} was faster than each of the "
            f"{len(others_s)} {behind}."
        )
    share = percent(max(chance, 1 - chance))
    return f"With {images}, the job is faster {ahead} than {behind} in {share} of the resamples."


def _spread(matter: Comparisons) -> str:
    spreads = [
        max(values) / min(values) - 1
        for group in matter.study.groups.values()
        if len(values := group.values("makespan_s")) > 1
    ]
    if not spreads:
        return ""
    return (
        f"In the median of {count(len(spreads), 'cell')}, the slowest repeat takes "
        f"{prose.longer(1 + float(np.median(spreads)))} the fastest; where they differ most, "
        f"{prose.longer(1 + max(spreads))} it."
    )


def _unknown(matter: Comparisons) -> Iterator[str]:
    study = matter.study
    places = study.place_names()
    if not study.done:
        total = count(len(study.runs), "run")
        yield f"None of its {total} came to an end, so it says nothing of time."
        return
    if len(places) == 1:
        yield f"With 1 place ({places[0]}) there is nothing to compare it with."
    elif "remote" not in places:
        yield (
            f"All {len(places)} places are on one machine, so nothing is known of a faster machine "
            "elsewhere nor of a link."
        )
    lost = [place for place in places if not any(run.lane.place == place for run in study.done)]
    for place in lost:
        runs = [run for run in study.runs if run.lane.place == place]
        yield f"Nothing is known of {place}: of its {count(len(runs), 'run')} none came to an end."
    if len(matter.measured) == 1:
        yield (
            f"With jobs of {count(matter.measured[0], 'image')} alone, it is open from how many "
            "images on another place would be faster."
            if len(places) > 1
            else f"All jobs have {count(matter.measured[0], 'image')}, so what start-up and what "
            "an image takes cannot be told apart."
        )
    if study.repeats < _FEW:
        yield (
            f"Each cell was run {count(study.repeats, 'time')} at most, so a small difference may "
            "be chance."
        )
    yield _beyond(matter)


def _beyond(matter: Comparisons) -> str:
    """Jobs and links beyond those measured."""
    limits = []
    if len(matter.measured) > 1:
        limits.append(f"jobs of more than {count(max(matter.measured), 'image')}")
    rates = sorted({
        site.goodput_bytes_per_s
        for lane in matter.study.lanes
        if (site := environment.site(matter.study, lane)).goodput_bytes_per_s
    })  # fmt: skip
    if len(rates) > _FEW:
        limits.append(f"links below {show_rate(rates[0])} or above {show_rate(rates[-1])}")
    elif rates:
        limits.append(f"links other than {listing([show_rate(rate) for rate in rates])}")
    if not limits:
        return ""
    return f"It holds for these machines at that time; {listing(limits)} were not measured."
