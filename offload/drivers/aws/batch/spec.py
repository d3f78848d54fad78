"""A batch at AWS Batch as it is asked for, what its parts are called, and how its jobs run."""

import hashlib
import os
import re
from dataclasses import dataclass
from typing import Any

from offload.domain.machines import Offer
from offload.drivers.aws.batch.policies import RETRY

_LONGEST = 24
"""Names of roles end after 64 characters, and the region is in them too."""
_LONGEST_SHARD_S = 4 * 3600
_CACHE = "/tmp/cache"  # noqa: S108 - in the container, which has it for itself
"""The cache in the image cannot be written to."""
_SYSTEM = 0.85, 256
"""Of a machine's memory, the share that a container may ask for, and the MiB that stay besides: the
system and the agent of ECS take some, and what a job asks for has to be free.
"""


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """A batch as it is asked for: up to `spot` machines at spot prices and `on_demand` others, of
    what is offered, best first, that run the container `image`. They read below the URL `source`
    and write below `out`. None leaves the instance profile to us; with another, containers may do
    what it says. No subnets mean those of the default network.
    """

    name: str
    image: str
    source: str
    out: str
    offers: tuple[Offer, ...]
    spot: int
    on_demand: int
    instance_profile: str | None = None
    subnets: tuple[str, ...] = ()


def called(name: str) -> str:
    """What the parts of a batch are called; a name that AWS would not take is shortened to one."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain != name or len(plain) > _LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:6]
        plain = f"{plain[: _LONGEST - 7].rstrip('-')}-{digest}".lstrip("-")
    return f"offload-batch-{plain}"


def log_group(title: str) -> str:
    """Where the containers of a batch log."""
    return f"/offload/{title}"


def memory_mib(offers: tuple[Offer, ...]) -> int:
    """What a container asks for, so that any of these machines has it."""
    share, rest = _SYSTEM
    least = min(offer.memory_gib for offer in offers) * 1024
    return int(min(least * share, least - rest))


def definition(spec: BatchSpec, title: str, region: str, role: str | None) -> dict[str, Any]:
    """How a job runs: the container, which has a machine for itself and the role with that ARN."""
    offer = spec.offers[0]
    variables = {"AWS_DEFAULT_REGION": region, "AWS_REGION": region, "OFFLOAD_CACHE": _CACHE}
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        variables["AWS_ENDPOINT_URL"] = endpoint
    needs = {"VCPU": offer.vcpus, "MEMORY": memory_mib(spec.offers)}
    logs = {
        "awslogs-group": log_group(title),
        "awslogs-region": region,
        "awslogs-stream-prefix": "shard",
    }
    container: dict[str, Any] = {
        "image": spec.image,
        "resourceRequirements": [{"type": k, "value": str(v)} for k, v in needs.items()],
        "environment": [{"name": k, "value": v} for k, v in variables.items()],
        "logConfiguration": {"logDriver": "awslogs", "options": logs},
    }
    if role is not None:
        container["jobRoleArn"] = role
    return {
        "containerProperties": container,
        "retryStrategy": RETRY,
        "timeout": {"attemptDurationSeconds": _LONGEST_SHARD_S},
        "platformCapabilities": ["EC2"],
    }
