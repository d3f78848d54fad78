"""Sentences on standard error."""

import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from offload.domain import events
from offload.domain.events import (
    Event,
    Failed,
    ImageFailed,
    MachinesAtWork,
    MachinesWanted,
    Noted,
    PhaseBegan,
    Stepped,
    Warned,
)
from offload.domain.units import show_s, show_usd
from offload.render.split_messages import worded
from offload.render.words import count

if TYPE_CHECKING:
    from offload.domain.results import Row
    from offload.usecases.serve import Serving
    from offload.usecases.work import Working


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
            case MachinesWanted(fleet, machines, seconds, usd) if not self.quiet:
                what_for = f"about {show_s(seconds)} and {show_usd(usd)} for this job"
                say_lines(f"The fleet {fleet} gets {count(machines, 'machine')}: {what_for}")
            case MachinesAtWork(fleet, machines, wanted) if not self.quiet:
                of = count(wanted, "machine")
                say_lines(f"{machines} of {of} of the fleet {fleet} at work")
            case ImageFailed(path, reason) if not self.quiet:
                say_lines(f"failed: {path}: {reason}")

    def serving(self, opens: str, serving: "Serving") -> None:
        """A server is ready; `opens` is the command that lets other computers in. A token that was
        made must be told, or nobody could connect.
        """
        model, url = serving.info.identity, serving.url
        by = serving.via or count(serving.info.workers, "detector")
        if not self.quiet:
            say_lines(
                f"Serving {model.name} ({model.runtime}, SHA-256 {model.sha256[:12]}…) at "
                f"{url}, {by}; Ctrl-C ends it"
            )
            if serving.is_private:
                say_lines(f"Only this computer can connect. To let others connect: {opens}")
        if serving.new_token or not (self.quiet or serving.is_private):
            token = serving.new_token or "…"
            say_lines(
                "On the other computer:",
                f"  OFFLOAD_TOKEN={token} offload detect ./photos --where remote --url {url}",
            )

    def working(self, working: "Working") -> None:
        """A worker is ready."""
        self.hear(
            Noted(
                f"{working.worker} works for {working.queue} with {working.model.name} (SHA-256 "
                f"{working.model.sha256[:12]}…), {count(working.slots, 'detector')}; Ctrl-C ends it"
            )
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
                f"{name.removesuffix('_s')} {show_ms(seconds)}"
                for name, seconds in asdict(row.durations).items()
                if seconds or whole
            ]
            say_lines(f"{shown(row.path)}: {', '.join(spent)}")

    def lines(self, lines: Iterable[str]) -> None:
        """Say them unless quiet."""
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


def show_ms(seconds: float) -> str:
    """`6.5 ms`."""
    return f"{seconds * 1000:.1f} ms"


def say_lines(*lines: str) -> None:
    """Lines on standard error, control characters escaped."""
    for line in lines:
        sys.stderr.write(f"{shown(line)}\n")  # at once, or those of two threads would mix
        sys.stderr.flush()
