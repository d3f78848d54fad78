"""Why jobs wait that no machine has begun: what AWS Batch, Auto Scaling and ECS say of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.drivers.aws import calls
from offload.drivers.aws.batch import routes
from offload.drivers.aws.batch.jobs import BatchJobs, SentJob
from offload.drivers.aws.fleet.watching import activities
from offload.drivers.aws.lookup import Clients


class Trouble(NamedTuple):
    """Why jobs wait; a `final` reason does not pass by itself."""

    error: OffloadError
    final: bool = False


_TYPES = "For other machines: the same command with --instance-type TYPE"
_REASONS = {
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY": (
        "AWS has no such machines available there now",
        "For more kinds: the same command with --instance-type A,B,C; else wait",
    ),
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": (
        "a job asks for more vCPUs than all machines together may have",
        "For more: the same command with --max N",
    ),
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": (
        "a job asks for more memory or vCPUs than a machine has left beside its system", _TYPES,
    ),
    "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED": (
        "EC2 does not have such machines in these subnets, or with this image", _TYPES,
    ),
    "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS": (
        "the account's service role lacks permissions",
        "To see them: aws iam get-role --role-name AWSServiceRoleForBatch",
    ),
    "ACTION_REQUIRED": (
        "the compute environments are invalid",
        "To see why: aws batch describe-compute-environments",
    ),
}  # fmt: skip
"""What `statusReason` begins with -> what it means, and what to do
(https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html).
"""
_FAILURES = {
    "CannotPullContainerError": (
        "the machine cannot fetch the image, or it is for another processor"
    ),
    "exec format error": "the image is for another processor than the machines have",
    "OutOfMemoryError": "the container took more memory than a machine has",
    "Host EC2": "its machine was taken away too often",
}


def troubles(clients: Clients, jobs: BatchJobs, job: SentJob, since: datetime) -> Iterator[Trouble]:
    """Why no machine has begun with any of a job, the surest reason first. `since` is when it was
    sent.
    """
    environments = jobs.environments()
    yield from _unusable(environments)
    yield from _said(jobs.runnable(job))
    for each in environments:
        yield from _refused(clients, each["computeEnvironmentName"], since)
        yield from _unheard(clients, each)


def explained(reason: str) -> str:
    """What a container died of, with what it means where that is not plain."""
    found = next((text for sign, text in _FAILURES.items() if sign in reason), None)
    return f"{reason}: {found}" if found else reason


def _unusable(environments: Sequence[dict[str, Any]]) -> Iterator[Trouble]:
    """What is invalid or disabled; that is final where no other is left."""
    wrong: dict[str, tuple[str, str]] = {}
    for each in environments:
        name = each["computeEnvironmentName"]
        if each["status"] == "INVALID":
            why = str(each.get("statusReason", "")).rstrip(".")
            look = "To look: aws batch describe-compute-environments --compute-environments"
            wrong[name] = f"is invalid: {why}.", f"{look} {name}"
        elif each["state"] == "DISABLED":
            enable = "To enable it: aws batch update-compute-environment --state ENABLED"
            wrong[name] = "is disabled.", f"{enable} --compute-environment {name}"
    final = len(wrong) == len(environments)
    for name, (what, hint) in wrong.items():
        said = f"The compute environment {name} {what}"
        yield Trouble(PlaceUnavailable(said, hint=hint), final)


def _said(reason: str) -> Iterator[Trouble]:
    """What AWS says of a job at the head of the queue, in our words."""
    for code, (text, hint) in _REASONS.items():
        if reason.startswith(code):
            final = code.startswith("MISCONFIGURATION")
            yield Trouble(PlaceUnavailable(f"No job starts: {text} ({reason}).", hint=hint), final)
            return


def _refused(clients: Clients, environment: str, since: datetime) -> Iterator[Trouble]:
    """Why machines did not come, as the groups say that Batch has for an environment."""
    found = calls.each(clients("autoscaling"), "describe_auto_scaling_groups", "AutoScalingGroups")
    for group in found:
        name = str(group["AutoScalingGroupName"])
        if not name.startswith(environment):
            continue
        for activity in activities(clients, name, since):
            if activity.failure is not None:
                yield Trouble(activity.failure)
                return


def _unheard(clients: Clients, environment: dict[str, Any]) -> Iterator[Trouble]:
    """Machines that run and that ECS has not heard of."""
    named = {"Name": "tag:aws:batch:compute-environment", "Values": [_name(environment)]}
    filters = [named, {"Name": "instance-state-name", "Values": ["running"]}]
    running = calls.each(clients("ec2"), "describe_instances", "Reservations", Filters=filters)
    machines = [each for there in running for each in there["Instances"]]
    cluster = environment.get("ecsClusterArn")
    if not machines or not cluster:
        return
    (said,) = calls.call(clients("ecs"), "describe_clusters", clusters=[cluster])["clusters"]
    if said.get("registeredContainerInstancesCount"):
        return
    subnets = sorted({str(each["SubnetId"]) for each in machines if "SubnetId" in each})
    why = list(routes.stranded(clients, subnets)) or [
        "Its instance profile may not join ECS, or its subnet lets nothing out."
    ]
    yield Trouble(PlaceUnavailable(
        f"{len(machines)} machines run and none of them has reached ECS. {' '.join(why)}",
        hint="For another network: the same command with --subnet ID",
    ))  # fmt: skip


def _name(environment: dict[str, Any]) -> str:
    return str(environment["computeEnvironmentName"])
