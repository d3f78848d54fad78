"""What runs jobs at AWS Batch: compute environments, the queue before them, the job definition."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from offload.domain.errors import PlaceUnavailable
from offload.drivers.aws import calls, patience
from offload.drivers.aws.batch.policies import HOPELESS
from offload.drivers.aws.lookup import Clients

_TRIES, _LOOK_S = 300, 2.0
_GONE = ("DELETED",)
_MOVING = ("CREATING", "UPDATING", "DELETING")
_UNKNOWN = ("nstanceProfile", "nstance profile", "nstanceRole", "does not exist")
"""What Batch says of what was made just now and that it does not know yet."""


class Environments:
    """Those of a batch whose parts have this `title`. Every method may raise OffloadError."""

    def __init__(
        self, clients: Clients, title: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.title = title
        self._batch = clients("batch")
        self._pause = pause

    def make(
        self, kind: str, resources: Mapping[str, Any], service_role: str, tags: Mapping[str, str]
    ) -> str:
        """The ARN of the environment of that `kind`, SPOT or EC2, once it is usable: made if it is
        not there, and changed where it is asked for otherwise. None of its machines runs at first.
        """
        name = f"{self.title}-{kind.lower()}"
        there = self._settled("compute_environment", name)
        if there is None:
            patience.call_once_known(
                self._batch, "create_compute_environment", _UNKNOWN, self._pause,
                computeEnvironmentName=name, type="MANAGED", state="ENABLED",
                serviceRole=service_role, tags=dict(tags),
                computeResources={"type": kind, "minvCpus": 0, **resources, "tags": dict(tags)},
            )  # fmt: skip
        elif any(_differs(there["computeResources"].get(k), v) for k, v in resources.items()):
            self._call(
                "update_compute_environment", computeEnvironment=name, state="ENABLED",
                computeResources=dict(resources),
            )  # fmt: skip
        found = self._settled("compute_environment", name)
        if found is None or found["status"] == "INVALID":
            why = (found or {}).get("statusReason", "it is not there")
            raise PlaceUnavailable(
                f"AWS cannot use the compute environment {name}: {str(why).rstrip('.')}.",
                hint="To look: aws batch describe-compute-environments "
                f"--compute-environments {name}",
            )
        return str(found["computeEnvironmentArn"])

    def queue(self, environments: Sequence[str], tags: Mapping[str, str]) -> None:
        """Have jobs wait for these, the first choice first."""
        order = [
            {"order": number, "computeEnvironment": arn}
            for number, arn in enumerate(environments, 1)
        ]
        wanted = {"priority": 1, "computeEnvironmentOrder": order}
        there = self._settled("job_queue", self.title)
        if there is None:
            self._call(
                "create_job_queue", jobQueueName=self.title, state="ENABLED", tags=dict(tags),
                jobStateTimeLimitActions=HOPELESS, **wanted,
            )  # fmt: skip
        elif there["computeEnvironmentOrder"] != order:
            self._call("update_job_queue", jobQueue=self.title, **wanted)
        self._settled("job_queue", self.title)

    def definition(self, wanted: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Have jobs be so; another revision where the last one is otherwise."""
        for there in self._definitions():
            kept = there["containerProperties"]
            if all(kept.get(k) == v for k, v in wanted["containerProperties"].items()):
                return
        self._call(
            "register_job_definition", jobDefinitionName=self.title, type="container",
            tags=dict(tags), **wanted,
        )  # fmt: skip

    def found(self) -> Iterator[tuple[str, str, Mapping[str, str]]]:
        """What there is of it, in the order to remove it in: its kind, its name and its tags."""
        if (queue := self._there("job_queue", self.title)) is not None:
            yield "job queue", self.title, queue.get("tags", {})
        for kind in ("spot", "ec2"):
            name = f"{self.title}-{kind}"
            if (there := self._there("compute_environment", name)) is not None:
                yield "compute environment", name, there.get("tags", {})
        for each in self._definitions()[:1]:
            yield "job definition", self.title, each.get("tags", {})

    def remove(self, kind: str, key: str) -> None:
        """Remove it; if it is gone already, all the better. The jobs of a queue end with it, and
        the machines of an environment have ended when it has.
        """
        if kind == "job definition":
            for each in self._definitions():
                arn = each["jobDefinitionArn"]
                self._call("deregister_job_definition", jobDefinition=arn)
            return
        what, asked = kind.replace(" ", "_"), {_named(kind): key}
        there = self._settled(what, key)
        if there is None:
            return
        if there["state"] == "ENABLED":
            self._call(f"update_{what}", state="DISABLED", **asked)
            self._settled(what, key)
        self._call(f"delete_{what}", **asked)
        if self._settled(what, key) is not None:
            raise PlaceUnavailable(
                f"The {kind} {key} does not go: {there.get('statusReason') or 'no reason given'}.",
                hint="To go on: the same command again",
            )

    def _settled(self, what: str, name: str) -> dict[str, Any] | None:
        """It, once AWS does nothing more with it; None where it is not there."""
        for _ in range(_TRIES):
            there = self._there(what, name)
            if there is None or there["status"] not in _MOVING:
                return there
            self._pause(_LOOK_S)
        raise PlaceUnavailable(
            f"AWS takes too long with the {what.replace('_', ' ')} {name}.",
            hint="To go on: the same command again",
        )

    def _there(self, what: str, name: str) -> dict[str, Any] | None:
        key = _named(what.replace("_", " ")) + "s"
        found = self._call(f"describe_{what}s", **{key: [name]})[key]
        return next((each for each in found if each["status"] not in _GONE), None)

    def _definitions(self) -> list[dict[str, Any]]:
        asked = {"jobDefinitionName": self.title, "status": "ACTIVE"}
        found: list[dict[str, Any]] = self._call("describe_job_definitions", **asked)[
            "jobDefinitions"
        ]
        return sorted(found, key=lambda each: -int(each["revision"]))

    def _call(self, operation: str, **asked: Any) -> dict[str, Any]:
        return calls.call(self._batch, operation, **asked)


def _named(kind: str) -> str:
    """What a thing of that kind is called in requests: computeEnvironment, jobQueue."""
    first, second = kind.split(" ")
    return first + second.capitalize()


def _differs(there: Any, wanted: Any) -> bool:
    """Whether a value is another; AWS may say an ARN for a name, and a list in another order."""
    if isinstance(wanted, list):
        return sorted(there or ()) != sorted(wanted)
    return bool(there != wanted and not str(there).endswith(f"/{wanted}"))
