"""What AWS is told of a function's parts: who may do what with them, and how long they are kept."""

from typing import Any

from offload.drivers.aws.function.drops import DROPPED
from offload.drivers.aws.parts import Looks


def writes_log(role: str, region: str, group: str) -> dict[str, Any]:
    """That whoever has the role with that ARN may write a log group."""
    _, partition, _, _, account_id, *_ = role.split(":")
    return {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"arn:{partition}:logs:{region}:{account_id}:log-group:{group}:*",
    }


def rights(bucket: str, table: str, queue: str) -> list[dict[str, Any]]:
    """What the function of a drop box may do besides: read what was dropped, write rows, and have
    what failed kept.
    """
    partition = table.split(":")[1]
    dropped = f"arn:{partition}:s3:::{bucket}/{DROPPED}*"
    may = {"s3:GetObject": dropped, "dynamodb:PutItem": table, "sqs:SendMessage": queue}
    return [{"Effect": "Allow", "Action": k, "Resource": v} for k, v in may.items()]


def looks(name: str) -> Looks:
    """By the permission that it takes, a call that looks for a part of a function."""
    return {
        "lambda:GetFunction": ("lambda", "get_function", {"FunctionName": name}),
        "lambda:ListFunctions": ("lambda", "list_functions", {"MaxItems": 1}),
        "lambda:GetAccountSettings": ("lambda", "get_account_settings", {}),
        "logs:DescribeLogGroups": ("logs", "describe_log_groups", {"limit": 1}),
        "iam:GetRole": ("iam", "get_role", {"RoleName": name}),
        "ecr:DescribeRepositories": ("ecr", "describe_repositories", {"repositoryNames": [name]}),
        "s3:ListAllMyBuckets": ("s3", "list_buckets", {}),
        "dynamodb:DescribeTable": ("dynamodb", "describe_table", {"TableName": name}),
        "sqs:GetQueueUrl": ("sqs", "get_queue_url", {"QueueName": name}),
    }
