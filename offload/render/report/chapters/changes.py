"""Conclusions: what would change the answer."""

from collections.abc import Iterator

from offload.domain.units import show_rate, show_s
from offload.findings import environment, headline, link, phases
from offload.render.report import prose
from offload.render.report.comparisons import Comparisons, Pair, took
from offload.render.report.sentences import say
from offload.render.words import capital, count, percent

_BUT_KNOBS: dict[str, None] = dict.fromkeys(headline.KNOBS)


def changes(compared: Comparisons) -> Iterator[str]:
    """Another link, smaller uploads, more replicas, an hour that is worth more."""
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
    site = environment.site(compared.study, variant)
    cores = site.host.usable_cores if site.host else None
    needed = link.needed(compared.study, variant, pair.base, site.goodput_bytes_per_s, cores)
    if needed is None:
        return _no_link_sentence(compared, pair)
    if not (needed.swept or pair.clear):  # the rate would be the one that there is
        return ""
    name = compared.names.spoken(variant, "link_mbit")
    base = compared.names.spoken(pair.base.lane)
    known = {"name": name, "base": base, "images": count(needed.images, "image")}
    if needed.bytes_per_s is None:
        rest, base_s = show_s(needed.rest_s), show_s(needed.base_s)
        return say("link_never", rest=rest, base_s=base_s, **known)
    rate, measured = show_rate(needed.bytes_per_s), show_rate(needed.measured_bytes_per_s)
    if needed.swept:
        return say("link_swept", rate=rate, **known)
    more = needed.bytes_per_s > needed.measured_bytes_per_s
    which = "link_needed" if more else "link_enough"
    return say(which, rate=rate, measured=measured, Name=capital(name), **known)


def _no_link_sentence(compared: Comparisons, pair: Pair) -> str:
    found, spent = phases.binding(pair.candidate), phases.of(pair.candidate)
    if found is None or found[0] != "detector":
        return ""
    on_link = sum(spent.get(phase, 0.0) for phase in phases.STAGES["link"]) / sum(spent.values())
    at = capital(compared.names.at(pair.candidate.lane))
    return say("link_useless", at=at, link=percent(on_link), detector=percent(found[1]))


def _uploads(compared: Comparisons) -> Iterator[str]:
    whole = {
        variant.but(**_BUT_KNOBS): compared.study.series(variant)
        for variant in compared.variants
        if variant.upload_max_side_px is None
    }
    for variant in compared.variants:
        one = compared.study.series(variant)
        other = whole.get(variant.but(upload_max_side_px=None, **_BUT_KNOBS), {})
        both = set(one) & set(other)
        if variant.upload_max_side_px is not None and both:
            yield _upload_sentence(compared, Pair(one[max(both)], other[max(both)]))


def _upload_sentence(compared: Comparisons, pair: Pair) -> str:
    small_s, whole_s = pair.seconds
    variant = pair.candidate.lane
    return say(
        "uploads",
        at=capital(compared.names.at(variant, "upload_max_side_px")),
        px=variant.upload_max_side_px,
        small=took(small_s),
        images=count(pair.images, "image"),
        how=f"{prose.longer(pair.ratio.value)} " if pair.clear else "not to be told apart from ",
        whole=took(whole_s),
    )
