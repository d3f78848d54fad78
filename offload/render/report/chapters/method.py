"""Methodology and approach: what was varied, and what was measured."""

from collections.abc import Iterator

from offload.findings import predictions
from offload.findings.study import Study, levels
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Block, Table, paragraph
from offload.render.report.sentences import say
from offload.render.words import count, percent

_FACTORS = {
    "link_mbit": ("link, shaped to", "Mbit/s"),
    "upload_max_side_px": ("longer side of what is sent, at most", "px"),
    "concurrency": ("requests in flight", ""),
    "replicas": ("replicas (containers)", ""),
    "cpus": ("CPUs of each container", ""),
}


def design(compared: Comparisons) -> list[Block]:
    """What was varied, and in which order."""
    study = compared.study
    seed = study.design.get("seed")
    seeded = f" (seed {seed})" if isinstance(seed, int) else ""
    rounds = ", one whole round of repeats after another" if study.attempts > 1 else ""
    runs = len(study.runs) if len(study.runs) > 1 else None
    order = say("order", runs=runs, seeded=seeded, rounds=rounds)
    rows = [*_factors(compared)]
    table = Table("factors", "What was varied.", ("factor", "levels"), rows, numbers=False)
    seen = "@factors shows what was varied."
    return [*paragraph(seen, order, say("same_images"), *_starts(study)), table]


def _factors(compared: Comparisons) -> Iterator[tuple[str, str]]:
    study = compared.study
    yield "place", ", ".join(study.place_names())
    yield "images in a job", ", ".join(f"{number:,}" for number in compared.numbers)
    for name, (title, unit) in _FACTORS.items():
        if values := levels(study.runs, name):
            whole = ", or as it is" if name == "upload_max_side_px" and _sent_whole(study) else ""
            yield title, f"{', '.join(f'{value:g}' for value in values)} {unit}".strip() + whole
    starts = {run.lane.cold for run in study.runs}
    yield "start", "warm, cold" if len(starts) > 1 else "cold" if True in starts else "warm"
    yield "repeats", str(study.attempts)


def _sent_whole(study: Study) -> bool:
    """Whether images were sent as they are where others were made smaller."""
    sides: dict[str, set[int | None]] = {}
    for run in study.runs:
        sides.setdefault(run.lane.place, set()).add(run.lane.upload_max_side_px)
    return any(None in found and len(found) > 1 for found in sides.values())


def _starts(study: Study) -> Iterator[str]:
    warm = {run.lane.place for run in study.runs if not run.lane.cold}
    cold = {run.lane.place for run in study.runs if run.lane.cold}
    if any(not study.places[place].in_process for place in warm):
        yield say("warm_elsewhere")
    if warm:
        yield say("warm")
    if cold:
        away = any(study.places[place].leaves_machine for place in cold)
        yield say("cold", server=" but the server" if away else "")


def measures(compared: Comparisons) -> list[Block]:
    """How each quantity is defined and taken."""
    study = compared.study
    away = any(not compared.traits(run.lane).in_process for run in study.runs)
    quantities = ["Total time", "Inference time", *["Transfer time"] * away, "Response time"]
    defined = {lead: say(lead.lower().replace(" ", "_")) for lead in quantities}
    blocks = [block for lead, text in defined.items() for block in paragraph(text, lead=lead)]
    return [*blocks, *_statistics(compared)]


def _statistics(compared: Comparisons) -> list[Block]:
    repeats, known = compared.study.repeats, len(predictions.predicted(compared.study.done))
    told = [say("no_intervals")] * (repeats == 1)
    if repeats > 1:
        told += [say("intervals", repeats=repeats, range=_range(repeats))]
        told += [say("comparison")] * bool(compared.pairs)
    told += [say("beforehand", runs=count(known, "run"))] * bool(known)
    return paragraph(*told, lead="Statistics.")


def _range(repeats: int) -> str:
    """What the interval of few repeats is."""
    if repeats > 3:  # noqa: PLR2004 - the extreme medians are more than a tenth up to there
        return ""
    return say("range", repeats=repeats, sure=percent(1 - 0.5 ** (repeats - 1)))
