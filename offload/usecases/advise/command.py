"""The command that does what an advice says, and the servers that it is about."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from offload.costmodel.advice import Advice
from offload.costmodel.split import SplitCandidate
from offload.costmodel.terms import Candidate
from offload.detectors import source
from offload.detectors.catalogue import NAMED
from offload.domain.measurements import Condition, Measurement
from offload.domain.places import REMOTE, StartState
from offload.drivers.host import machine
from offload.providers.ec2 import registry
from offload.usecases.advise import workers
from offload.usecases.advise.question import INSTANCE, Question
from offload.usecases.context import Context

_HARDWARE = ("cpu", "cores", "memory_bytes")


def servers(measurements: Sequence[Measurement]) -> Mapping[str, Condition]:
    """The servers that were measured, by the key of their condition."""
    conditions = (m.condition for m in measurements if m.is_of_a_place)
    return {c.key: c for c in conditions if c.url and not c.machine}


def is_here(server: Condition) -> bool:
    """Whether a server is on this very machine: it has an address of ours, and, as a tunnel may
    begin there, our hardware.
    """
    host = urlsplit(server.url or "").hostname or ""
    same = all(server.host.get(name) == server.client.get(name) for name in _HARDWARE)
    return same and machine.is_own(host)


def command(question: Question, found: Advice, known: Sequence[Measurement], of: Context) -> str:
    """What to type. Sources that nobody named are PHOTOS."""
    lane = found.choice.chosen.lane
    there = lane.remote if isinstance(lane, SplitCandidate) else lane
    named = [source for source in question.sources if isinstance(source, str)]
    if there.shards is not None:
        words = ["offload", "batch", *(named or ("PHOTOS",)), "--out", "URL"]
        words += ["--engine", there.place, workers.option(there.place), str(there.shards.workers)]
        return shlex.join([*words, "--model", found.model_option])
    words = ["offload", "detect", *(named or ("PHOTOS",))]
    words += ["-r"] * question.recursive + ["--where", lane.place]
    if there is not lane:
        words += _of_split(there, question)
    words += ["--model", found.model_option]
    if server := servers(known).get(there.key):
        words += ["--url", str(server.url)]
    if there.upload_max_side_px:
        words += ["--upload-max-side", str(there.upload_max_side_px)]
    if server or StartState.ABSENT not in there.traits.start_states:
        return shlex.join(words)
    return " && ".join(map(shlex.join, _rented(words, there, found, of)))


def _of_split(there: Candidate, question: Question) -> Iterator[str]:
    if there.place != REMOTE:
        yield from ("--with", there.place)
    for option, limit in (
        ("--deadline", question.deadline_s), ("--max-cost", question.max_cost_usd),
    ):  # fmt: skip
        if limit is not None:
            yield from (option, f"{limit:f}".rstrip("0").rstrip("."))


def model_option(asked: str | None, measured: str) -> str:
    """The model as it can be named again; FILE, as a history does not know the folder of one."""
    if asked and (asked in NAMED or "/" in asked or source.on_disk(asked)):
        return asked
    return measured if measured in NAMED or "/" in measured else "FILE"


def _rented(
    detect: Sequence[str], there: Candidate, found: Advice, of: Context
) -> Iterator[Sequence[str]]:
    """The commands that have a rented machine ready, if they are more than one."""
    kind, is_split = found.by_hand.kind, there is not found.choice.chosen.lane
    names = [r.spec.name for r in registry.records(of.settings) if r.kind == kind]
    named = ["--machine", names[0]] if names and there.state != StartState.ABSENT else []
    joins = is_split and kind is not None and kind.instance_type == INSTANCE
    if there.state == StartState.ABSENT and kind and not joins:
        of_kind = "--instance-type", kind.instance_type, "--region", kind.region
        yield ("offload", "provision", "ec2", *of_kind)
        yield detect
    else:
        yield [*detect, *named, *(["--provision"] if there.state != StartState.WARM else [])]
