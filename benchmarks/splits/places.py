"""The job, done in one of the ways, and what happens to the remote place meanwhile."""

import json
import shlex
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from decisions.bed import ROOT, RTT_MS, Bed, at_cores, offload
from decisions.materials import Model

from splits.cells import DROPS, FAULTS, GONE, KILLED, LATE, LOCAL, REMOTE, SPLIT, STATIC, Cell, Task
from splits.runs import Event, Row

DROPPED = 0.1
"""Of the uplink, what is left when it drops."""
_LOOK_S = 0.05
_PATIENCE_S = 600.0


class Places:
    """Where the job over a folder of photos is done; results are written below `out`."""

    def __init__(self, bed: Bed, models: Mapping[str, Model], photos: Path, out: Path) -> None:
        self._bed = bed
        self._models = models
        self._photos = sorted(photos.iterdir(), key=lambda path: path.stat().st_size)
        self._out = out
        self._served: tuple[str, int] | None = None

    def profile(self, cell: Cell, where: str, budget: str, data: Path) -> str:
        """Measure a single place into the history in `data`; all samples as JSON."""
        if where == REMOTE:
            self._serve(cell)
        options = ["--budget", budget, *self._options(cell, where), "--json"]
        arguments = ["profile", "run", str(self._photos[0].parent), *options]
        return self._bed.run(cell.cores, arguments, {"OFFLOAD_DATA": str(data)})

    def _options(self, cell: Cell, where: str) -> list[str]:
        model = [] if where == REMOTE else self._models[cell.detector].options()
        url = [] if where == LOCAL else ["--url", self._bed.host.url]
        return ["--where", where, *model, *url]

    def _serve(self, cell: Cell) -> None:
        wanted = cell.detector, cell.uplink_mbit
        if self._served != wanted:
            self._bed.start_server(*wanted)
            self._served = wanted

    def run(self, task: Task, predicted_s: float, history: Path) -> Row:
        """Do a task; a split is remembered, if nothing happens on the way."""
        if task.way != LOCAL:
            self._serve(task.cell)
        if task.way == LATE:
            self._bed.end_server("stop")
        jobs = dict(self._jobs(task))
        both = " & ".join(map(shlex.join, jobs.values()))
        command = at_cores(task.cell.cores, ["sh", "-c", f"{both} & wait"])
        kept = {"OFFLOAD_DATA": str(history)} if task.way == SPLIT else {}
        settings = self._bed.environment(kept or {"OFFLOAD_HISTORY": "false"})
        began_s = time.perf_counter()
        with subprocess.Popen(
            command, env=settings, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True,
        ) as process:  # fmt: skip
            event = self._event(task, process, began_s)
            _, said = process.communicate(timeout=_PATIENCE_S)
        wall_s = time.perf_counter() - began_s
        done = [_document(self._out / where, said) for where in jobs]
        return _row(task, predicted_s, done, wall_s, event)

    def _jobs(self, task: Task) -> Iterator[tuple[str, list[str]]]:
        """Our commands, by the names of the folders that they write to."""
        if not task.way.startswith(STATIC):
            where = SPLIT if task.way.startswith(SPLIT) else task.way
            yield where, self._command(task.cell, where, self._photos)
            return
        there = int(task.way.removeprefix(STATIC))
        for where, photos in (LOCAL, self._photos[there:]), (REMOTE, self._photos[:there]):
            if photos:
                yield where, self._command(task.cell, where, photos)

    def _command(self, cell: Cell, where: str, photos: Sequence[Path]) -> list[str]:
        listed, out = self._out / f"{where}.txt", self._out / where
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        listed.write_text("\n".join(sorted(map(str, photos))))
        return offload("detect", str(listed), "-q", "--out", str(out), *self._options(cell, where))

    def _event(self, task: Task, process: subprocess.Popen[str], began_s: float) -> Event:
        """What is to happen, once half of the images have their answers; a server that is late is
        started at once.
        """
        if task.way not in {*FAULTS, GONE}:
            return Event()
        host, uplink_mbit = self._bed.host, task.cell.uplink_mbit
        self._served = None
        waits = task.way != LATE
        while waits and process.poll() is None and self._left() > len(self._photos) / 2:
            time.sleep(_LOOK_S)
        if task.way == LATE:
            self._bed.start_server(task.cell.detector, uplink_mbit)
        elif task.way == DROPS:
            host.shape(uplink_mbit * DROPPED, RTT_MS)
        elif task.way == KILLED:
            self._bed.end_server("kill")
        else:
            host.terminate()
        return Event(time.perf_counter() - began_s, self._left())

    def _left(self) -> int:
        return len(self._photos) - len(_rows(self._out / SPLIT))


def _row(task: Task, predicted_s: float, done: Sequence[Any], wall_s: float, event: Event) -> Row:
    totals = [document["totals"] for document in done]
    actual_s, startup_s = max((t["startup_s"] + t["detect_s"], t["startup_s"]) for t in totals)
    images = sum((Counter(t["images_by_place"]) for t in totals), Counter[str]())
    return Row(
        detector=task.cell.detector,
        uplink_mbit=task.cell.uplink_mbit,
        cores=task.cell.cores,
        way=task.way,
        repeat=task.repeat,
        predicted_s=predicted_s,
        actual_s=actual_s,
        startup_s=startup_s,
        wall_s=wall_s,
        here=images[LOCAL],
        there=images[REMOTE],
        duplicate_uploads=sum(len(document.get("also_sent", ())) for document in done),
        event_s=event.at_s,
        event_left=event.left,
    )


def _rows(out: Path) -> list[str]:
    """The lines that are whole."""
    log = out / "detections.jsonl"
    return log.read_text().split("\n")[:-1] if log.exists() else []


def _document(out: Path, said: str) -> Any:
    file = out / "run.json"
    document = json.loads(file.read_text()) if file.exists() else {}
    if not document.get("complete"):
        raise SystemExit(f"{out.name} did not do all:\n{said}")
    return document
