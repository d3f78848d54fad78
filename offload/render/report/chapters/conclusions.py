"""Conclusions, each with its number; what would change them, and what cannot be said."""

from collections.abc import Iterator

import numpy as np

from offload.domain.units import show_rate
from offload.findings import environment, headline, link, phases
from offload.findings.estimates import chance_less
from offload.render.report import prose
from offload.render.report.comparisons import Comparisons, Pair
from offload.render.report.document import Block, listing, paragraph
from offload.render.report.sentences import longer
from offload.render.words import count

_FEW = 3
"""With fewer repeats, all of a place are faster than another's in a third of cases by chance."""
_BUT_KNOBS: dict[str, None] = dict.fromkeys(headline.KNOBS)


def short(compared: Comparisons) -> str:
    """The answer in a sentence or two."""
    away = compared.away
    if away:
        unlike = (away[0].ratio < 1) != (away[-1].ratio < 1)
        variants = {away[0].candidate.lane, away[0].base.lane}
        crossed = [c for c in compared.warm_crossings if {c.slow, c.fast} == variants]
        second = [_verdict(compared, away[-1])] if unlike else []
        second = second or [prose.crossing_sentence(compared, each) for each in crossed[:1]]
        cold = [_verdict(compared, p) for p in compared.cold_pairs[:1] if compared.is_away(p)]
        return " ".join([_verdict(compared, away[0]), *second, *cold])
    if compared.pairs:
        first = [*compared.pairs[:1], *compared.cold_pairs[:1]]
        return " ".join(prose.pair_sentence(compared, pair) for pair in first)
    if compared.sweeps and (told := prose.scaling_sentence(compared, 0)):
        return told
    return prose.alone(compared, compared.groups[-1]) if compared.groups else ""


def conclusions(compared: Comparisons) -> list[Block]:
    """All of them."""
    away = compared.away
    pairs = [*compared.pairs, *compared.cold_pairs]
    worth = [_verdict(compared, pair) for pair in pairs if compared.is_away(pair)]
    worth += [prose.pair_sentence(compared, p) for p in pairs if not compared.is_away(p)]
    if not compared.pairs:
        alone = [prose.alone(compared, group) for group in compared.groups]
        worth = [*alone, _best_throughput(compared)]
    leads = {
        "Is it worth offloading?" if away else "What does it take?": worth,
        "From how many images on?": prose.crossing_sentences(compared),
        "What is the bottleneck?": prose.bottleneck_sentences(compared),
        "What would change it?": _changes(compared),
        "How confident is this?": _confidence(compared),
        "Limits.": _unknown(compared),
    }
    return [block for lead, said in leads.items() for block in paragraph(*said, lead=lead)]


def _verdict(compared: Comparisons, pair: Pair) -> str:
    when = compared.when(pair.column)
    if not pair.clear or round(pair.ratio, 2) == 1:
        unclear = "no clear difference"
        told = "hardly a difference" if pair.clear else unclear
        return compared.say("verdict_same", difference=told, pair=pair, when=when)
    if pair.ratio > 1:
        return compared.say("verdict_no", pair=pair, when=when)
    candidate_s, base_s = pair.seconds
    saved_s = base_s.value - candidate_s.value
    known = {"saved": saved_s, "share": 1 - pair.ratio, "pair": pair}
    return compared.say("verdict_yes", when=when, **known)


def _best_throughput(compared: Comparisons) -> str:
    """The least that it takes for about the best throughput."""
    if not compared.sweeps:
        return ""
    sweep = compared.sweeps[0]
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
    most, where = rates[replicas, concurrency], prose.swept(compared, sweep)
    return compared.say("best_throughput", where=where, throughput=most, enough=enough)


def _changes(compared: Comparisons) -> Iterator[str]:
    told = set()
    for pair in compared.away:
        alike = pair.candidate.lane.but(link_mbit=None, **_BUT_KNOBS)
        if alike not in told and (sentence := _link_sentence(compared, pair)):
            told.add(alike)
            yield sentence
    yield from _uploads(compared)
    for number in range(min(2, len(compared.sweeps))):
        yield prose.scaling_sentence(compared, number)
    yield prose.worth_sentence(compared)


def _link_sentence(compared: Comparisons, pair: Pair) -> str:
    variant = pair.candidate.lane
    cores = environment.site(compared.study, variant).number("host", "usable_cores")
    needed = link.needed(compared.study, variant, pair.base, compared.goodput(variant), cores)
    if needed is None:
        return _no_link_sentence(compared, pair)
    if not (needed.swept or pair.clear):  # the rate would be the one that there is
        return ""
    rate = needed.bytes_per_s
    more = rate is not None and rate > needed.measured_bytes_per_s
    which = "link_needed" if more else "link_enough"
    which = "link_never" if rate is None else "link_swept" if needed.swept else which
    name = compared.names.spoken(variant, "link_mbit")
    return compared.say(which, needed=needed, name=name, base=pair.base.lane)


def _no_link_sentence(compared: Comparisons, pair: Pair) -> str:
    found, spent = phases.bottleneck(pair.candidate), phases.of(pair.candidate)
    if found is None or found[0] != "detector":
        return ""
    on_link = sum(spent.get(phase, 0.0) for phase in phases.STAGES["link"]) / sum(spent.values())
    lane = pair.candidate.lane
    return compared.say("link_useless", lane=lane, link=on_link, detector=found[1])


def _uploads(compared: Comparisons) -> Iterator[str]:
    """What smaller copies take beside full-size images."""
    full = {
        variant.but(**_BUT_KNOBS): compared.study.series(variant)
        for variant in compared.variants
        if variant.upload_max_side_px is None
    }
    for variant in compared.variants:
        one = compared.study.series(variant)
        other = full.get(variant.but(upload_max_side_px=None, **_BUT_KNOBS), {})
        both = set(one) & set(other)
        if variant.upload_max_side_px is not None and both:
            pair = Pair(one[max(both)], other[max(both)])
            at = compared.names.at(variant, "upload_max_side_px")
            how = f"{longer(pair.ratio)} " if pair.clear else "not clearly different from "
            yield compared.say("uploads", at=at, pair=pair, how=how)


def _confidence(compared: Comparisons) -> Iterator[str]:
    study = compared.study
    timed = [group.values("makespan_s") for group in study.groups.values()]
    spreads = [max(values) / min(values) for values in timed if len(values) > 1]
    if spreads:
        usual, most = float(np.median(spreads)), max(spreads)
        yield compared.say("spread", cells=len(spreads), usual=usual, most=most)
    for pair in compared.pairs[:2]:
        yield _chance(compared, pair)


def _chance(compared: Comparisons, pair: Pair) -> str:
    chance = chance_less(*pair.values)
    if chance is None:
        return ""
    order = pair if chance >= 0.5 else Pair(pair.base, pair.candidate)  # noqa: PLR2004
    times_s, others_s = order.values
    known = {"ahead": order.candidate, "behind": order.base}
    if max(times_s) < min(others_s):
        return compared.say("order_certain", runs=len(times_s), others=len(others_s), **known)
    return compared.say("order_likely", share=max(chance, 1 - chance), **known)


def _unknown(compared: Comparisons) -> Iterator[str]:
    study, say = compared.study, compared.say
    places = study.place_names()
    if not study.done:
        yield say("nothing_done", runs=len(study.runs))
        return
    if len(places) == 1:
        yield say("one_place", place=places[0])
    elif not any(study.places[place].leaves_machine for place in places):
        yield say("one_machine", places=len(places))
    done = {run.lane.place for run in study.done}
    for place in (place for place in places if place not in done):
        yield say("lost_place", place=place, runs=sum(r.lane.place == place for r in study.runs))
    if len(compared.measured) == 1:
        which = "one_number" if len(places) > 1 else "one_number_alone"
        yield say(which, images=compared.measured[0])
    if study.repeats < _FEW:
        yield say("few_repeats", times=study.repeats)
    yield say("beyond", limits=list(_limits(compared)))


def _limits(compared: Comparisons) -> Iterator[str]:
    if len(compared.measured) > 1:
        yield f"jobs of more than {count(max(compared.measured), 'image')}"
    rates = compared.link_rates(compared.study.lanes)
    if len(rates) > _FEW:
        yield f"links below {show_rate(rates[0])} or above {show_rate(rates[-1])}"
    elif rates:
        yield f"links other than {listing([show_rate(rate) for rate in rates])}"
