"""What AWS is told of a fleet: what its machines may do, and when more of them come."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from offload.domain.machines import IMAGES, ROWS
from offload.drivers.aws.parts import Looks

_PERIOD_S = 60
_COUNTS = {
    "visible": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
    "flying": ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName"),
    "wanted": ("AWS/AutoScaling", "GroupDesiredCapacity", "AutoScalingGroupName"),
}
"""By its name in the sums below, what CloudWatch counts once a minute."""
_TIMES_ENOUGH = (1, 2, 4, 8, 16)


def may(role: str, region: str, bucket: str, title: str) -> dict[str, Any]:
    """What the machines of a fleet may do, and only with what is the fleet's. `role` is the ARN of
    theirs, `title` what the parts are called.

    To look for an object that may be gone takes s3:ListBucket: without it S3 says that the object
    may not be read (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
    """
    _, partition, _, _, account_id, *_ = role.split(":")
    files = f"arn:{partition}:s3:::{bucket}"

    def arn(service: str, which: str) -> str:
        return f"arn:{partition}:{service}:{region}:{account_id}:{which}"

    statements = [
        allow("sqs", "ReceiveMessage DeleteMessage ChangeMessageVisibility GetQueueAttributes",
               arn("sqs", title)),
        allow("sqs", "SendMessage", arn("sqs", f"{title}-answers-*"), arn("sqs", f"{title}-dead")),
        allow("s3", "ListBucket", files),
        allow("s3", "GetObject", f"{files}/{IMAGES}*", f"{files}/{ROWS}*"),
        allow("s3", "PutObject", f"{files}/{ROWS}*"),
        allow("ecr", "GetAuthorizationToken", "*"),
        allow("ecr", "BatchGetImage GetDownloadUrlForLayer", arn("ecr", f"repository/{title}")),
        allow("autoscaling", "TerminateInstanceInAutoScalingGroup",
               arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{title}")),
    ]  # fmt: skip
    return {"Version": "2012-10-17", "Statement": statements}


def allow(service: str, actions: str, *resources: str) -> dict[str, Any]:
    """A statement of a policy: these actions of a service, with spaces between."""
    named = [f"{service}:{action}" for action in actions.split()]
    return {"Effect": "Allow", "Action": named, "Resource": list(resources)}


def looks(title: str) -> Looks:
    """By the permission that it takes, a call that looks for a part of a fleet."""
    return {
        "autoscaling:DescribeAutoScalingGroups": (
            "autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroupNames": [title]},
        ),
        "cloudwatch:DescribeAlarms": ("cloudwatch", "describe_alarms", {"AlarmNames": [title]}),
        "ec2:DescribeLaunchTemplates": ("ec2", "describe_launch_templates", {}),
        "ec2:DescribeSecurityGroups": ("ec2", "describe_security_groups", {}),
        "iam:GetInstanceProfile": (
            "iam", "get_instance_profile", {"InstanceProfileName": title},
        ),
        "iam:GetRole": ("iam", "get_role", {"RoleName": title}),
        "s3:ListAllMyBuckets": ("s3", "list_buckets", {}),
        "sqs:ListQueues": ("sqs", "list_queues", {"QueueNamePrefix": title}),
        "ecr:DescribeRepositories": ("ecr", "describe_repositories", {"repositoryNames": [title]}),
    }  # fmt: skip


def backlog(title: str, enough: int) -> list[dict[str, Any]]:
    """CloudWatch's sums for the images ahead of each machine that is wanted; while none is, the
    first image counts as `enough` besides, so that it brings one. What holds is 1 in a sum, what
    does not 0 (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html).
    """
    counts = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": space,
                    "MetricName": metric,
                    "Dimensions": [{"Name": dimension, "Value": title}],
                },
                "Period": _PERIOD_S,
                "Stat": "Maximum",
            },
            "ReturnData": False,
        }
        for name, (space, metric, dimension) in _COUNTS.items()
    ]
    sums = {
        "ahead": "FILL(visible, 0) + FILL(flying, 0)",
        "machines": "FILL(wanted, 0)",
        "each": "ahead / (machines + (machines < 1)) + "
        f"{enough} * (machines < 1) * (ahead > 0)",
    }  # fmt: skip
    added = [
        {"Id": name, "Expression": text, "ReturnData": name == "each"}
        for name, text in sums.items()
    ]
    return [*counts, *added]


def steps(enough: int) -> Sequence[dict[str, Any]]:
    """How many machines come where `enough` for one is ahead of each, or a multiple of it; bounds
    are above that threshold.
    """
    bounds = [*_TIMES_ENOUGH, None]
    return [
        {
            "MetricIntervalLowerBound": float((low - 1) * enough),
            **({"MetricIntervalUpperBound": float((high - 1) * enough)} if high else {}),
            "ScalingAdjustment": low,
        }
        for low, high in pairwise(bounds)
        if low
    ]
