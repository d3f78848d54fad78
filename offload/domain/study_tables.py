"""A study's two tables: a line for each run, and one for each image of each run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from offload.domain.studies import LEVELS, CellOutcome, CellRun
from offload.domain.timing import Durations, Spread, spread

PEOPLES = (
    "Date", "Total Images", "Payload Size (MB)", "Transfer Speed (MB/s)",
    "Total Execution time on server (s)", "Avg Inference Time (s)", "Location",
)  # fmt: skip
"""The columns of tables that people keep by hand, with the units that their cells go without;
`costmodel.runs_table` reads them.
"""
PHASES = tuple(each.name for each in fields(Durations))
_ON_THE_WAY = ("upload_wait_s", "upload_s", "download_s")
NUMBERS = (
    "makespan_s", "startup_s", "detect_s", "images_per_s", "infer_mean_s", "infer_p50_s",
    "infer_p95_s", "response_p50_s", "response_p95_s", *PHASES, "sent_bytes", "failed",
    "predicted_s", "predicted_low_s", "predicted_high_s", "predicted_usd", "usd",
)  # fmt: skip
"""What came of a run."""
RUNS = (
    *PEOPLES, "cell", "round", "place", "label", "images", *LEVELS, "cold", *NUMBERS, "assumed",
    "error",
)  # fmt: skip
PER_IMAGE = ("cell", "path", "bytes", "sent_bytes", *PHASES)

HINT = "To make a study: offload experiment PHOTOS --images 1,10,100 -o STUDY"

Line = Mapping[str, Any]


def run_line(run: CellRun) -> Line:
    """The line of a run in the columns `RUNS`; a failed one has no numbers but those predicted."""
    cell, predicted = run.cell, run.predicted
    line: dict[str, Any] = {
        "Date": run.at,
        "Total Images": cell.images,
        "Location": _location(run),
        "cell": cell.number,
        "round": cell.round,
        "place": cell.place,
        "label": run.label,
        "images": cell.images,
        **cell.varied,
        "cold": cell.cold,
        "error": run.error,
    }
    if predicted is not None:
        line |= {
            "predicted_s": predicted.seconds,
            "predicted_low_s": predicted.low_s,
            "predicted_high_s": predicted.high_s,
            "predicted_usd": predicted.usd,
            "assumed": predicted.assumed,
        }
    if run.outcome is not None:
        line |= _measured(run, run.outcome)
    return line


def image_lines(run: CellRun) -> Iterator[Line]:
    """The lines of a run's images in the columns `PER_IMAGE`, in order of completion."""
    for photo in run.outcome.photos if run.outcome else ():
        sizes = {"path": photo.path, "bytes": photo.bytes, "sent_bytes": photo.sent_bytes}
        yield {"cell": run.cell.number, **sizes, **asdict(photo.durations)}


def _measured(run: CellRun, outcome: CellOutcome) -> Line:
    photos, infer = outcome.photos, outcome.infer or _NONE
    means = {name: _of([getattr(each.durations, name) for each in photos]).mean for name in PHASES}
    response = _of([photo.durations.total_s for photo in photos])
    return {
        **_as_by_hand(run, outcome, means),
        "makespan_s": run.makespan_s,
        "startup_s": outcome.startup_s,
        "detect_s": outcome.detect_s,
        "images_per_s": len(photos) / outcome.detect_s if outcome.detect_s else None,
        "infer_mean_s": infer.mean,
        "infer_p50_s": infer.median,
        "infer_p95_s": infer.p95,
        "response_p50_s": response.median,
        "response_p95_s": response.p95,
        **means,
        "sent_bytes": outcome.sent_bytes,
        "failed": outcome.failed,
        "usd": run.usd,
    }


def _as_by_hand(run: CellRun, outcome: CellOutcome, means: Mapping[str, float]) -> Line:
    """Where a transfer is followed by an execution, while here both go on at a time: what the
    payload takes at the link's goodput, so that a line through the runs has that for its slope, and
    the rest. If the link was not probed, the share of the makespan that images were on their way.
    """
    away, makespan_s = run.cell.traits.uses_link, run.makespan_s or 0.0
    payload_bytes = sum(each.sent_bytes if away else each.bytes or 0 for each in outcome.photos)
    latency_s, all_s = sum(means[name] for name in _ON_THE_WAY), sum(means.values())
    transfer_s = makespan_s * latency_s / all_s if away and all_s else 0.0
    rest_s = makespan_s - means["decode_s"] - means["infer_s"]
    if away and run.goodput_bytes_per_s and rest_s > 0:
        transfer_s = min(payload_bytes / run.goodput_bytes_per_s, rest_s)
    return {
        "Payload Size (MB)": payload_bytes / 1e6,
        "Transfer Speed (MB/s)": payload_bytes / transfer_s / 1e6 if transfer_s else None,
        "Total Execution time on server (s)": makespan_s - transfer_s,
        "Avg Inference Time (s)": means["infer_s"],
    }


def _location(run: CellRun) -> str:
    if not run.cell.traits.uses_link:
        return run.cell.place
    return run.label if "://" in run.label else f"AWS {run.label}".rstrip()


_NONE = Spread(0.0, 0.0, 0.0)


def _of(values: Sequence[float]) -> Spread:
    return spread(values) or _NONE


def shown(value: Any) -> str:
    """A value as a cell of a table: one line, numbers without an exponent."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.9f}".rstrip("0").rstrip(".")
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
