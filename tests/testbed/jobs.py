"""moto's AWS Batch with jobs that run: so many at a time, and again where their definition says so.

moto starts all children of an array at once, each in a container, never again, and leaves them
alone where their array is ended. What starts a program is handed in: a process here, a container
elsewhere.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Protocol

_TICK_S = 0.02
_SIGNALS = 128
_EXITED = "Essential container in task exited"
LOST = "Host EC2 (instance i-0123456789abcdef0) terminated."


class Program(Protocol):
    """What runs in a container."""

    def poll(self) -> int | None:
        """How it ended, negative by a signal; None while it runs."""

    def kill(self) -> None:
        """End it at once."""

    def said(self) -> Sequence[str]:
        """Its lines, once it has ended."""


Launch = Callable[[str, Sequence[str], Mapping[str, str]], Program]
"""Starts a command in an image with these variables."""


@dataclass
class Jobs:
    """What becomes of jobs: `most` run at a time. While it `holds`, none begins, for that `reason`.
    Those whose machines are to be lost next are in `lost`, by the index of the child.
    """

    launch: Launch
    most: int = 2
    holds: bool = False
    reason: str = ""
    lost: set[int] = field(default_factory=set)
    attempts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Nothing runs yet."""
        self._slots = threading.Semaphore(self.most)

    @contextmanager
    def mended(self) -> Iterator["Jobs"]:
        """Meanwhile moto's jobs run so."""
        from moto.batch import models

        def run(job: Any) -> None:
            self._run(job)

        before = models.Job.run, models.Job.terminate
        models.Job.run, models.Job.terminate = run, _terminate
        try:
            yield self
        finally:
            models.Job.run, models.Job.terminate = before

    def _run(self, job: Any) -> None:
        strategy = job.job_definition.retry_strategy or {}
        job.status, job.job_stopped_reason = "RUNNABLE", self.reason or None
        code, said = 1, "Job terminated"
        for _ in range(int(strategy.get("attempts", 1))):
            while self.holds and not job.stop:
                time.sleep(_TICK_S)
            with self._slots:
                if job.stop:
                    break
                code, said = self._attempted(job)
            if not code or job.stop or not is_tried_again(strategy, said, code):
                break
            job.status = "RUNNABLE"
        job.exit_code, job.job_stopped_reason = code, job.job_stopped_reason or said
        job._mark_stopped(success=code == 0 and not job.stop)

    def _attempted(self, job: Any) -> tuple[int, str]:
        """The exit code of a container, and what Batch says of its end."""
        job.status, job.job_started_at = "RUNNING", datetime.now()
        job.job_stopped_reason = None
        properties = job.job_definition.container_properties
        variables = {each["name"]: each["value"] for each in properties["environment"]}
        index = job.array_properties.get("index")
        if index is not None:
            variables["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
        self.attempts.append(index or 0)
        command = job.container_overrides.get("command") or properties["command"]
        program = self.launch(properties["image"], command, variables)
        lost = (index or 0) in self.lost
        self.lost.discard(index or 0)
        while (code := program.poll()) is None:
            if job.stop or lost:
                program.kill()
            time.sleep(_TICK_S)
        _log(job, properties["logConfiguration"]["options"], program.said())
        code = code if code >= 0 else _SIGNALS - code
        return code, LOST if lost else _EXITED


def is_tried_again(strategy: Mapping[str, Any], status_reason: str, code: int) -> bool:
    """What the first condition that matches says; where none does, it is."""
    for each in strategy.get("evaluateOnExit", ()):
        found = {"onStatusReason": status_reason, "onReason": "", "onExitCode": str(code)}
        asked = {key: pattern for key, pattern in each.items() if key != "action"}
        if all(fnmatchcase(found[key], pattern) for key, pattern in asked.items()):
            return bool(each["action"].upper() == "RETRY")
    return True


def _terminate(job: Any, reason: str) -> None:
    """End a job, and with an array its children."""
    for each in (job, *(job._child_jobs or ())):
        if not each.stop and not each.job_stopped:
            each.stop, each.job_stopped_reason = True, reason


def _log(job: Any, options: Mapping[str, str], lines: Sequence[str]) -> None:
    """As the driver of the container logs, which makes no group."""
    group, logs = options["awslogs-group"], job._log_backend
    if group not in logs.groups:
        return
    stream = f"{options['awslogs-stream-prefix']}/default/{job.job_id.replace(':', '-')}"
    now_ms = int(time.time() * 1000)
    logs.ensure_log_stream(group, stream)
    events = [{"timestamp": now_ms, "message": line} for line in lines]
    if events:
        logs.put_log_events(group, stream, events)
    job.log_stream_name = stream
