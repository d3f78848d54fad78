"""The jobs of a batch at AWS Batch: sent, looked at, ended, and what they logged.

Every method may raise OffloadError: AWS refuses, with a reason.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offload.domain.errors import PlaceUnavailable
from offload.drivers.aws import calls
from offload.drivers.aws.lookup import Clients

MOST_CHILDREN = 10_000
"""An array job has from 2 to so many (https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html)."""
_ENDED = ("SUCCEEDED", "FAILED")
_BEGUN = ("STARTING", "RUNNING", *_ENDED)
_TODO = "todo"
_ASKED_AT_ONCE = 100
_NO_GROUP = ("ResourceNotFoundException",)


@dataclass(frozen=True, slots=True)
class SentJob:
    """A job that works on the shards that its object `todo` lists: an array of `size` children, or
    one by itself. `counts` says how many of them are in which state.
    """

    id: str
    todo: str
    size: int
    counts: Mapping[str, int]
    why: str = ""
    created_at_s: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether all of it has ended."""
        return sum(self.counts.get(state, 0) for state in _ENDED) >= self.size

    @property
    def has_begun(self) -> bool:
        """Whether any of it came to a machine."""
        return any(self.counts.get(state) for state in _BEGUN)


class BatchJobs:
    """Those of the queue and job definition `title`, whose log group is `log`. `clients` makes
    boto3's client of a service.
    """

    def __init__(self, clients: Clients, title: str, log: str) -> None:
        self.title = title
        self._log = log
        self._batch = clients("batch")
        self._logs = clients("logs")

    def queue(self) -> dict[str, Any] | None:
        """The queue as AWS describes it; None if there is none."""
        found = calls.call(self._batch, "describe_job_queues", jobQueues=[self.title])
        return next(iter(found["jobQueues"]), None)

    def environments(self) -> list[dict[str, Any]]:
        """The compute environments of the queue, the first choice first."""
        order = (self.queue() or {}).get("computeEnvironmentOrder", ())
        names = [e["computeEnvironment"] for e in sorted(order, key=lambda e: int(e["order"]))]
        if not names:
            return []
        asked = {"computeEnvironments": names}
        said = calls.call(self._batch, "describe_compute_environments", **asked)
        found: list[dict[str, Any]] = said["computeEnvironments"]
        return found

    def send(self, command: Sequence[str], todo: str, size: int) -> str:
        """Have so many shards be worked on, which `todo` lists; the job's id."""
        own = [*command, "--todo", todo, *(("--index", "0") if size == 1 else ())]
        asked: dict[str, Any] = {"containerOverrides": {"command": own}}
        if size > 1:
            asked["arrayProperties"] = {"size": size}
        sent = calls.call(
            self._batch, "submit_job", jobName=self.title, jobQueue=self.title,
            jobDefinition=self.title, parameters={_TODO: todo}, **asked,
        )  # fmt: skip
        return str(sent["jobId"])

    def living(self) -> list[SentJob]:
        """Those that have not ended."""
        wanted = [{"name": "JOB_NAME", "values": [self.title]}]
        listed = self._pages("list_jobs", "jobSummaryList", jobQueue=self.title, filters=wanted)
        ids = [j["jobId"] for j in listed if ":" not in j["jobId"] and j["status"] not in _ENDED]
        return [job for job in self.described(ids) if not job.is_over]

    def described(self, ids: Sequence[str]) -> list[SentJob]:
        """As they are now."""
        return [_sent(each) for each in self._described(ids)]

    def failed(self, job: SentJob) -> Iterator[tuple[str, str]]:
        """The id of each of its children that failed, or its own, and why."""
        if not job.counts.get("FAILED"):
            return
        if job.size == 1:
            yield job.id, job.why
            return
        asked = {"arrayJobId": job.id, "jobStatus": "FAILED"}
        ids = [each["jobId"] for each in self._pages("list_jobs", "jobSummaryList", **asked)]
        for each in self._described(ids):
            yield each["jobId"], _why(each)

    def took_s(self, ids: Sequence[str]) -> dict[str, float]:
        """How long each of these jobs or children ran, by its id; until now, if it still does."""
        now_ms = time.time() * 1000
        return {
            each["jobId"]: max(0.0, each.get("stoppedAt", now_ms) - each["startedAt"]) / 1000
            for each in self._described(ids)
            if "startedAt" in each
        }

    def runnable(self, job: SentJob) -> str:
        """What AWS says of why a job or a child of it waits; empty where it says nothing."""
        if job.size == 1:
            return job.why
        asked: dict[str, Any] = {"arrayJobId": job.id, "jobStatus": "RUNNABLE", "maxResults": 1}
        for each in calls.call(self._batch, "list_jobs", **asked)["jobSummaryList"]:
            return str(each.get("statusReason") or "")
        return ""

    def end(self, job: SentJob, reason: str) -> None:
        """End a job and all its children."""
        calls.call(self._batch, "terminate_job", jobId=job.id, reason=reason)

    def log(self) -> Iterator[tuple[int, str, str]]:
        """Every line that was logged: milliseconds since 1970, the stream, the text."""
        asked: dict[str, Any] = {"logGroupName": self._log}
        while True:
            said = calls.call(self._logs, "filter_log_events", fine=_NO_GROUP, **asked)
            if not said:
                raise PlaceUnavailable(
                    f"There is no log group {self._log}.",
                    hint="To see those there are: aws logs describe-log-groups",
                )
            for each in said.get("events", ()):
                yield int(each["timestamp"]), str(each["logStreamName"]), str(each["message"])
            if "nextToken" not in said:
                return
            asked["nextToken"] = said["nextToken"]

    def _described(self, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        for first in range(0, len(ids), _ASKED_AT_ONCE):
            some = list(ids[first : first + _ASKED_AT_ONCE])
            yield from calls.call(self._batch, "describe_jobs", jobs=some)["jobs"]

    def _pages(self, operation: str, key: str, **asked: Any) -> list[dict[str, Any]]:
        with calls.explaining():
            pages = self._batch.get_paginator(operation).paginate(**asked)
            found: list[dict[str, Any]] = pages.build_full_result().get(key, [])
        return found


def _sent(said: Mapping[str, Any]) -> SentJob:
    array = said.get("arrayProperties", {})
    size = int(array.get("size", 1))
    counts = array.get("statusSummary") if size > 1 else {said["status"]: 1}
    return SentJob(
        id=said["jobId"],
        todo=said.get("parameters", {}).get(_TODO, ""),
        size=size,
        counts=counts or {},
        why=_why(said),
        created_at_s=said.get("createdAt", 0) / 1000,
    )


def _why(said: Mapping[str, Any]) -> str:
    """Why it is as it is, of a container that ended too."""
    container = said.get("container", {})
    reason = str(container.get("reason") or said.get("statusReason") or "")
    if (code := container.get("exitCode")) is not None:
        return f"it ended with {code}" + (f" ({reason})" if reason else "")
    return reason
