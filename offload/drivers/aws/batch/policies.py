"""What AWS is told of a batch: what its machines and its containers may do, and what is retried."""

from collections.abc import Mapping
from typing import Any

from offload.drivers.aws.fleet.policies import allow

_AGENT = (
    "DeregisterContainerInstance DiscoverPollEndpoint Poll RegisterContainerInstance "
    "StartTelemetrySession SubmitAttachmentStateChanges SubmitContainerStateChange "
    "SubmitTaskStateChange UpdateContainerInstancesState"
)
"""What the agent of ECS calls
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/instance_IAM_role.html).
"""
_ATTEMPTS = 5
RETRY = {
    "attempts": _ATTEMPTS,
    "evaluateOnExit": [
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        {"onReason": "CannotPullContainerError*", "action": "RETRY"},
        {"onReason": "OutOfMemoryError*", "action": "EXIT"},
        {"onExitCode": "13*", "action": "RETRY"},
        {"onReason": "*", "action": "EXIT"},
    ],
}
"""A machine that was taken away, a registry with too much to do and a process that was killed are
tried again; an error that we ended with ourselves, or too little memory, would only come again
(https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html).
"""
NEVER_STARTS_S = 1800
HOPELESS = [
    {"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": NEVER_STARTS_S, "action": "CANCEL"}
    for reason in (
        "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
        "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    )
]
"""Jobs that no machine here can ever run do not stay in the queue."""


def machines_may(role: str, region: str, title: str, log: str) -> dict[str, Any]:
    """What the machines may do: join ECS, fetch the image and write the log. `role` is the ARN of
    theirs, `title` what the parts are called, `log` the log group.
    """
    _, partition, _, _, account_id, *_ = role.split(":")

    def arn(service: str, which: str) -> str:
        return f"arn:{partition}:{service}:{region}:{account_id}:{which}"

    return _policy(
        allow("ecs", _AGENT, "*"),
        allow("ec2", "DescribeTags", "*"),
        allow("ecr", "GetAuthorizationToken", "*"),
        allow("ecr", "BatchGetImage GetDownloadUrlForLayer BatchCheckLayerAvailability",
              arn("ecr", f"repository/{title}")),
        allow("logs", "CreateLogStream PutLogEvents", arn("logs", f"log-group:{log}:*")),
    )  # fmt: skip


def containers_may(role: str, source: str, out: str) -> dict[str, Any]:
    """What the containers may do: read what lies below the URL `source`, if that is in S3, and read
    and write below `out`. `role` is the ARN of theirs.

    To look for an object that may be gone takes s3:ListBucket: without it S3 says that the object
    may not be read (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
    """
    partition = role.split(":")[1]
    wanted = {out: "GetObject PutObject DeleteObject AbortMultipartUpload"}
    if source.startswith("s3://") and source != out:
        wanted[source] = "GetObject"
    statements = []
    for url, actions in wanted.items():
        bucket, _, prefix = url.removeprefix("s3://").rstrip("/").partition("/")
        files = f"arn:{partition}:s3:::{bucket}"
        below = f"{files}/{prefix}/*" if prefix else f"{files}/*"
        statements += [allow("s3", "ListBucket", files), allow("s3", actions, below)]
    return _policy(*statements)


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def looks(title: str) -> Mapping[str, tuple[str, str, Mapping[str, Any]]]:
    """By the permission that it takes, a call that looks for a part of a batch."""
    return {
        "batch:DescribeComputeEnvironments": (
            "batch", "describe_compute_environments", {"computeEnvironments": [title]},
        ),
        "batch:DescribeJobDefinitions": (
            "batch", "describe_job_definitions", {"jobDefinitionName": title},
        ),
        "batch:DescribeJobQueues": ("batch", "describe_job_queues", {"jobQueues": [title]}),
        "batch:DescribeJobs": ("batch", "describe_jobs", {"jobs": [title]}),
        "ec2:DescribeSecurityGroups": ("ec2", "describe_security_groups", {}),
        "ec2:DescribeRouteTables": ("ec2", "describe_route_tables", {}),
        "iam:GetInstanceProfile": ("iam", "get_instance_profile", {"InstanceProfileName": title}),
        "iam:GetRole": ("iam", "get_role", {"RoleName": title}),
        "iam:ListRoles": ("iam", "list_roles", {"MaxItems": 1}),
        "logs:DescribeLogGroups": ("logs", "describe_log_groups", {"logGroupNamePrefix": title}),
        "ecr:DescribeRepositories": ("ecr", "describe_repositories", {"repositoryNames": [title]}),
    }  # fmt: skip
