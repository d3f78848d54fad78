"""Introduction and problem overview."""

from datetime import datetime

import numpy as np

from offload.domain.places import PlaceTraits
from offload.domain.units import show_rate, show_s
from offload.findings import environment, phases
from offload.findings.environment import Facts
from offload.findings.study import Group, Study, Variant
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Block, listing, paragraph
from offload.render.words import capital, count

_MOST_NUMBERS = 12


def title(compared: Comparisons) -> str:
    """What the study is about."""
    places = compared.study.place_names()
    if len(places) > 1:
        return f"Where to detect objects: {listing(places)} compared"
    what = "replicas and requests in flight" if compared.sweeps else "what a job takes"
    return f"Detecting objects {compared.named().at(Variant(places[0]))}: {what}"


def subtitle(study: Study) -> str:
    """Which software, and when."""
    version = environment.of(study).text("versions", "offload")
    version = version or Facts(study.design).text("version")
    when = _moment(study, "started_at")
    parts = [f"offload {version}".strip(), f"{when.day} {when:%B %Y}" if when else ""]
    return "A study made with " + ", ".join(filter(None, parts))


def introduction(compared: Comparisons, short: str) -> list[Block]:
    """What was asked and what was done; `short` is the answer in a sentence."""
    study, say = compared.study, compared.say
    places = [study.places[name] for name in study.place_names()]
    numbers = listing([f"{number:,}" for number in compared.numbers])
    if len(compared.numbers) > _MOST_NUMBERS:
        numbers = f"jobs of {min(compared.numbers)} to {max(compared.numbers):,}"
    name = Facts(study.design).text("model")
    model = f" of the model `{name}`" if name else ""
    question = "away_asked" if any(each.leaves_machine for each in places) else "here_asked"
    asked = say(
        question if len(places) > 1 else "one_place_asked",
        at=compared.named().at(Variant(places[0].name)),
        measured=f"This study measures it with {count(len(study.runs), 'run')}{model}",
        places=len(places),
        over=f"over {numbers} {'image' if compared.numbers == [1] else 'images'}",
    )
    meant = capital("; ".join(say(_kind(traits), place=traits.name) for traits in places)) + "."
    return [
        *paragraph(asked, _when(study), _ended(study), meant),
        *paragraph(short, lead="In short." if short else ""),
    ]


def _kind(traits: PlaceTraits) -> str:
    if traits.in_process:
        return "is_in_process"
    return "is_away" if traits.leaves_machine else "is_here"


def _when(study: Study) -> str:
    start, end = _moment(study, "started_at"), _moment(study, "ended_at")
    if start is None or end is None:
        return ""
    day = f"{start.day} {start:%B %Y}"
    last = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%H:%M} on {end.day} {end:%B}"
    if f"{start:%H:%M}" == last:
        return f"That was on {day} at {last} UTC."
    return f"That was on {day}, between {start:%H:%M} and {last} UTC."


def _ended(study: Study) -> str:
    runs, failed = len(study.runs), len(study.failed)
    planned = study.design.get("cells")
    if isinstance(planned, int) and planned > runs:
        return f"Of {count(planned, 'planned run')}, {runs - failed} finished so far."
    if failed == runs:
        return f"None of the {count(runs, 'run')} finished."
    if failed:
        return f"Of these, {failed} failed and {runs - failed} finished."
    return f"All {runs} finished." if runs > 1 else "The 1 run finished."


def _moment(study: Study, name: str) -> datetime | None:
    try:
        return datetime.fromisoformat(environment.of(study).text(name))
    except ValueError:
        return None


def problem(compared: Comparisons) -> list[Block]:
    """Why the answer is not obvious, in this study's own numbers."""
    study, say = compared.study, compared.say
    links = compared.link_rates(v for v in compared.variants if compared.traits(v).uses_link)
    text = ""
    if weight := _weight(study):
        carried = [f"{show_rate(rate)} carries in {show_s(weight / rate)}" for rate in links]
        name, known = "weight_links" if links else "weight", listing(carried, "and one of")
        text = say(name, weight=weight, links=known)
    away = any(study.places[place].leaves_machine for place in study.place_names())
    trade = say("trade_away" if away else "trade_here")
    least, most = min(compared.numbers), max(compared.numbers)
    looked = say("looked_at_one" if least == most else "looked_at_many", images=least, most=most)
    return [
        *paragraph(trade, text, say("work", parts=_work(compared))),
        *paragraph(say("overlap", looked=looked)),
    ]


def _weight(study: Study) -> float | None:
    sizes = [photo.bytes for photo in study.photos if photo.bytes]
    if sizes:
        return float(np.mean(sizes))
    sent = [run.numbers["sent_bytes"] / run.images for run in study.done
            if run.numbers.get("sent_bytes") and not run.lane.upload_max_side_px]  # fmt: skip
    return float(np.mean(sent)) if sent else None


def _work(compared: Comparisons) -> list[str]:
    """`60 ms at the remote server`, decoding and inference of an image at each place."""
    firsts: dict[str, Group] = {}
    for group in compared.groups:
        firsts.setdefault(group.lane.place, group)
    parts = []
    for group in firsts.values():
        spent = phases.of(group)
        work_s = spent.get("decoding", 0.0) + spent.get("inference", 0.0)
        if work_s:
            parts.append(f"{show_s(work_s)} {compared.named().at(group.lane)}")
    return parts
