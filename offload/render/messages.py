"""Sentences on standard error."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from offload.domain import events
from offload.domain.events import Event, Failed, ImageFailed, Noted, PhaseBegan, Stepped, Warned
from offload.domain.units import show_s, show_usd
from offload.render.split_messages import worded
from offload.render.words import count

if TYPE_CHECKING:
    from offload.domain.measurements import Outcome
    from offload.domain.results import Row
    from offload.usecases.detect.rows import Summary
    from offload.usecases.serve import Serving
    from offload.usecases.split.forecast import View


def shown(path: str) -> str:
    """`path`, or any text from elsewhere, as a terminal may get it: control characters escaped."""
    if path.isprintable():
        return path
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)


class Messages:
    """What a command says beside its results, as much of it as was asked for."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose

    def hear(self, event: Event) -> None:
        """Say what happened: failures always, steps and phases with -v, the rest unless quiet."""
        event = worded(event)
        match event:
            case Failed(text, hint):
                say_lines(f"error: {text}", *([f"  {hint}"] if hint else []))
            case Stepped(text) if self.verbose:
                say_lines(f"  {text}")
            case PhaseBegan() if self.verbose:
                from offload.render.phases import phase

                say_lines(f"  {phase(event)} …")
            case Warned(text) if not self.quiet:
                say_lines(f"warning: {text}")
            case Noted(text) if not self.quiet:
                say_lines(text)
            case ImageFailed(path, reason) if not self.quiet:
                say_lines(f"failed: {path}: {reason}")

    def serving(self, opens: str, serving: "Serving") -> None:
        """A server is ready; `opens` is the command that lets other computers in. A token that was
        made must be told, or nobody could connect.
        """
        model, url = serving.info.identity, serving.url
        if not self.quiet:
            say_lines(
                f"Serving {model.name} ({model.runtime}, SHA-256 {model.sha256[:12]}…) at "
                f"{url}, {count(serving.info.workers, 'detector')}; Ctrl-C ends it"
            )
            if serving.is_private:
                say_lines(f"Only this computer can connect. To let others in: {opens}")
        if serving.new_token or not (self.quiet or serving.is_private):
            token = serving.new_token or "…"
            say_lines(
                "On the other computer:",
                f"  OFFLOAD_TOKEN={token} offload detect ./photos --where remote --url {url}",
            )

    def row(self, row: "Row") -> None:
        """A row that failed or has a note; every row with -v."""
        if row.note is not None:
            self.hear(Noted(f"{row.path}: {row.note}"))
        if row.error is not None:
            self.hear(ImageFailed(row.path, row.error))
        elif self.verbose and not self.quiet:
            from offload.places import known

            whole = known()[row.where].in_process
            spent = [
                f"{name.removesuffix('_s')} {_ms(seconds)}"
                for name, seconds in asdict(row.durations).items()
                if seconds or whole
            ]
            say_lines(f"{shown(row.path)}: {', '.join(spent)}")

    def summary(self, lines: Iterable[str]) -> None:
        """What a run came to, as `summary_lines` has it."""
        if not self.quiet:
            say_lines(*lines)


class EventLines(Messages):
    """What another process is to know, a line of JSON for each event."""

    def __init__(self) -> None:
        super().__init__(quiet=True)

    def hear(self, event: Event) -> None:
        """Write the event, if it crosses."""
        if line := events.to_line(worded(event)):
            say_lines(line)


def chosen(*, quiet: bool = False, verbose: bool = False) -> Messages:
    """Sentences for people, or events for the process that started this one and asks for them."""
    if os.environ.get(events.VARIABLE) == events.AS_LINES:
        return EventLines()
    return Messages(quiet=quiet, verbose=verbose)


def summary_lines(
    summary: "Summary",
    out: str | None,
    outcome: "Outcome | None" = None,
    split: "View | None" = None,
    duplicate_uploads: int = 0,
) -> Sequence[str]:
    """What a run came to, what was predicted of it, and how one over places stood at its end."""
    model = summary.model
    kept = f", {summary.kept} done before" if summary.kept else ""
    objects = ", ".join(f"{n} {label}" for label, n in list(summary.objects_by_label.items())[:8])
    found = f" ({objects})" if objects else ""
    images, things = count(summary.images, "image"), count(summary.objects, "object")
    lines = [
        f"{images}{kept}, {summary.failed} failed, {things}{found}",
        f"{model.name} ({model.runtime}, SHA-256 {model.sha256[:12]}…) at {summary.where}",
    ]
    if summary.infer is not None:
        first = f"first inference {_ms(summary.first_infer_s)}"
        phases = [f"{name} {seconds:.2f}" for name, seconds in summary.phases.items()]
        parts = f" ({', '.join(phases)})" if len(phases) > 1 else ""
        lines.append(f"start-up {summary.startup_s:.2f} s{parts}, {first}")
        spread = asdict(summary.infer).items()
        infer = ", ".join(f"{name} {_ms(seconds)}" for name, seconds in spread)
        lines.append(f"inference {infer}, {summary.concurrency} at a time")
    if summary.images_per_s is not None:
        lines.append(f"{summary.images_per_s:.1f} images/s over {summary.detect_s:.2f} s")
    if summary.sent_bytes:
        lines.append(f"{summary.sent_bytes / 1e6:.1f} MB sent")
    if split is not None:
        lines += _split_lines(split, duplicate_uploads)
    if summary.fallen_back:
        lines.append(f"{count(summary.fallen_back, 'image')} detected here for want of an answer")
    if out is not None:
        lines.append(f"results in {out}")
    if outcome is not None:
        usd = f"; {show_usd(outcome.actual_usd)}, predicted {show_usd(outcome.predicted_usd)}"
        lines.append(
            f"{outcome.actual_s:.2f} s in all, predicted {outcome.predicted_s:.2f} s "
            f"({outcome.low_s:.2f} to {outcome.high_s:.2f}){usd if outcome.actual_usd else ''}"
        )
    return lines


def _split_lines(split: "View", duplicate_uploads: int) -> Iterator[str]:
    if any(place.done for place in split.places):
        yield "images: " + ", ".join(f"{place.done} at {place.name}" for place in split.places)
    if duplicate_uploads:
        were = "was" if duplicate_uploads == 1 else "were"
        more = count(duplicate_uploads, "more image")
        yield f"{more} {were} sent, and no answer from there was used"
    limits, spent_usd = split.limits, sum(split.usd.values())
    if split.usd:
        each = ", ".join(f"{name} {show_usd(usd)}" for name, usd in split.usd.items())
        parts = f" ({each})" if len(split.usd) > 1 else ""
        within = "" if limits.max_usd is None else f" of the {show_usd(limits.max_usd)} allowed"
        if limits.max_usd is not None and spent_usd > limits.max_usd:
            more = show_usd(spent_usd - limits.max_usd)
            within = f", {more} more than the {show_usd(limits.max_usd)} allowed"
        yield f"{show_usd(spent_usd)} spent{parts}{within}"
    if limits.deadline_s is not None and not split.undone:
        late_s = split.spent_s - limits.deadline_s
        by = show_s(abs(late_s))
        kept = f"missed by {by}" if late_s > 0 else f"kept, {by} to spare"
        yield f"deadline of {show_s(limits.deadline_s)} {kept}"


def _ms(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds * 1000:.1f} ms"


def say_lines(*lines: str) -> None:
    """Lines on standard error, control characters escaped."""
    for line in lines:
        sys.stderr.write(f"{shown(line)}\n")  # at once, or those of two threads would mix
        sys.stderr.flush()
