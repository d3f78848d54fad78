"""Methodology and approach: what was varied, and what was measured."""

from collections.abc import Iterator

from offload.findings import predictions
from offload.findings.study import Study, levels
from offload.render.report.comparisons import Comparisons
from offload.render.report.document import Block, Table, paragraph
from offload.render.words import count, percent

_FACTORS = {
    "link_mbit": ("link, shaped to", "Mbit/s"),
    "upload_max_side_px": ("longer side of what is sent, at most", "px"),
    "concurrency": ("requests in flight", ""),
    "replicas": ("replicas (containers)", ""),
    "cpus": ("CPUs of each container", ""),
}


def design(matter: Comparisons) -> list[Block]:
    """What was varied, and in which order."""
    study = matter.study
    rows = [*_factors(matter)]
    seed = study.design.get("seed")
    seeded = f" (seed {seed})" if isinstance(seed, int) else ""
    rounds = ", one whole round of repeats after another" if study.attempts > 1 else ""
    seen = "@factors shows what was varied."
    order = (
        f"The {len(study.runs)} runs came in random order{seeded}{rounds}, so that a machine that "
        "grows warm or a network that grows busy slows down all alike."
        if len(study.runs) > 1
        else ""
    )
    same = (
        "A job of N images has the first N of one shuffled list, hence the same images wherever it "
        "runs, and is the very command `offload detect` in a process of its own."
    )
    table = Table("factors", "What was varied.", ("factor", "levels"), rows, numbers=False)
    return [*paragraph(seen, order, same, _starts(study)), table]


def _factors(matter: Comparisons) -> Iterator[tuple[str, str]]:
    study = matter.study
    yield "place", ", ".join(study.place_names())
    yield "images in a job", ", ".join(f"{number:,}" for number in matter.numbers)
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


def _starts(study: Study) -> str:
    warm = {run.lane.place for run in study.runs if not run.lane.cold}
    cold = {run.lane.place for run in study.runs if run.lane.cold}
    told = []
    if warm - {"local"}:
        told.append(
            "Before each warm run in a container or at a server, another process had sent one "
            "image there, so that all was up."
        )
    if warm:
        told.append("What a warm run took to get ready is not part of its makespan.")
    if cold:
        server = " but the server" if "remote" in cold else ""
        told.append(
            f"Before each cold run nothing was up{server}, and getting ready is part of its "
            "makespan."
        )
    return " ".join(told)


def measures(matter: Comparisons) -> list[Block]:
    """How each quantity is defined and taken."""
    study = matter.study
    away = any(run.lane.place != "local" for run in study.runs)
    first = paragraph(
        "runs from the first image being taken to the last result being written; in a cold run "
        "from the first line of the command.",
        lead="Makespan",
    )
    infer = paragraph(
        "is what a detector takes for one image, from its start to its answer. Decoding the file "
        "into pixels is counted apart, and so is waiting for a detector that is free.",
        lead="Inference time",
    )
    transfer = paragraph(
        "of an image runs from its turn on the uplink to the answer's first byte, less what the "
        "server says it spent on waiting, decoding and inference, plus the receiving of the "
        "answer: the way there and back, and what a request costs. Each duration is taken with one "
        "clock; times of two machines are never subtracted from each other.",
        lead="Transfer time",
    )
    response = paragraph(
        "of an image runs from its being taken up to its result, with all waiting in between.",
        lead="Response time",
    )
    return [*first, *infer, *(transfer if away else []), *response, *_statistics(matter)]


def _statistics(matter: Comparisons) -> list[Block]:
    study = matter.study
    text = "Each cell was run 1 time, so numbers have no intervals." if study.repeats == 1 else ""
    if study.repeats > 1:
        text = (
            f"Numbers are medians of up to {study.repeats} repeats. Brackets and bars hold 90 % of "
            f"2,000 medians of resamples (bootstrap){_range(study.repeats)}."
        )
    compared = "A place is called faster than another if its median is so in 90 % of the resamples."
    known = len(predictions.predicted(study.done))
    predicted = (
        f"What {count(known, 'run')} would take was predicted beforehand by the cost model of "
        "`offload advise`."
    )
    told = [text, compared * bool(study.repeats > 1 and matter.pairs), predicted * bool(known)]
    return paragraph(*told, lead="Statistics.")


def _range(repeats: int) -> str:
    """What the interval of few repeats is."""
    if repeats > 3:  # noqa: PLR2004 - the extreme medians are more than a tenth up to there
        return ""
    sure = percent(1 - 0.5 ** (repeats - 1))
    return (
        f"; of {repeats} repeats that is the range, which holds the true median in {sure} of cases"
    )
