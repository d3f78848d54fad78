"""What a fleet consists of: bucket, queues, role, repository, and the group of its machines.

All carry our tag; by that and by their names they are found again, and what lacks it is not ours.
Every method may raise OffloadError: AWS refuses, with a reason.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from offload.domain.errors import PlaceUnavailable
from offload.domain.machines import IMAGES, ROWS, FleetInfo, Machine, Offer, Resource
from offload.drivers.aws import calls, patience
from offload.drivers.aws.calls import NotAllowed
from offload.drivers.aws.ec2 import described
from offload.drivers.aws.fleet.machines import MachineParts
from offload.drivers.aws.fleet.objects import S3Store, read_info, write_info
from offload.drivers.aws.fleet.policies import looks, may
from offload.drivers.aws.fleet.roles import InstanceRole
from offload.drivers.aws.fleet.template import Boot
from offload.drivers.aws.parts import NO_QUEUE, Found, Looks, Parts
from offload.drivers.aws.repositories import Repository
from offload.drivers.aws.tagging import tags_of

_KEPT_DAYS = 7
_DAY_S = 86400
_HIDDEN_S, _MOST_RECEIVES = 60, 20
"""Workers give up a message themselves, with a row; what SQS takes away has none. It counts all who
received it, also those who gave it back or never came to it.
"""
_JUST_GONE = ("60 seconds",)
"""What SQS says of a queue whose name was one that was deleted within a minute."""
_OWN_ROLE = "To use one that is there: --instance-profile NAME"


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """A fleet as it is asked for: up to `most` machines of what is offered, best first, at spot
    prices or not, which run the container `image`. None leaves the instance profile to us, and no
    subnets mean those of the default network. The first `on_demand` are so in a fleet at spot
    prices too. Without anybody who decides how many there are, one more comes where `enough` images
    are ahead of each core; that takes `start_s`. A job keeps fewer in the queue, and decides.
    """

    name: str
    image: str
    offers: tuple[Offer, ...]
    most: int
    spot: bool
    instance_profile: str | None = None
    subnets: tuple[str, ...] = ()
    on_demand: int = 0
    enough: int = 50
    start_s: int = 120


def called(name: str) -> str:
    """What the parts of a fleet are called."""
    return f"offload-fleet-{name}"


class FleetParts(Parts):
    """Those of fleets in one account and region."""

    MARK, COMMAND, BUCKET = "offload:fleet", "provision fleet", "offload-fleet"

    def info(self, name: str) -> FleetInfo | None:
        """What a fleet says that it is; None if there is none, or it was not completed.

        Raises:
            UsageError: something that is called like it is not ours.
        """
        for kind, key, tags in self._found(name):
            self._check(kind, key, name, tags)
        return self._said(name)

    def _said(self, name: str) -> FleetInfo | None:
        try:
            return read_info(self._store(name))
        except NotAllowed:
            raise
        except PlaceUnavailable:
            return None

    def tell(self, info: FleetInfo) -> None:
        """Have its bucket say what it is."""
        write_info(self._store(info.name), info)

    def fleets(self) -> list[FleetInfo]:
        """Every fleet that says what it is."""
        asked = {"Filters": [{"Name": "tag-key", "Values": [self.MARK]}]}
        groups = calls.each(
            self._clients("autoscaling"), "describe_auto_scaling_groups", "AutoScalingGroups",
            **asked,
        )  # fmt: skip
        names = sorted(tags_of(group)[self.MARK] for group in groups)
        return [info for name in names if (info := self._said(name)) is not None]

    def machines(self, name: str) -> list[Machine]:
        """Those that a fleet has now."""
        living = self._machines(name).living()
        return [described(each, name, self.region) for each in living]

    def bring_up(self, spec: FleetSpec, tags: Mapping[str, str]) -> tuple[str, str, str]:
        """Its bucket, the URLs of its queue and of that of what was given up; all is made that is
        not there, and changed that is asked for otherwise.
        """
        name, parts, offer = spec.name, self._machines(spec.name), spec.offers[0]
        bucket = self._bucket(name)
        bucket.make(tags, _KEPT_DAYS, (IMAGES, ROWS))
        queue_url, dead_url = self._queues(name, tags)
        profile = spec.instance_profile or self._instance_profile(name, tags)
        group = parts.security_group(offer.vpc, tags)
        boot = self._boot(spec, queue_url, dead_url, bucket.name)
        template = parts.template(spec.offers, group, profile, boot.user_data(), tags)
        types = [each.spec.instance_type for each in spec.offers]
        subnets = spec.subnets or parts.subnets(offer.vpc)
        on_demand = spec.on_demand if spec.spot else None
        parts.group(template, types, subnets, spec.most, on_demand, tags)
        parts.growth(spec.enough * offer.vcpus, spec.start_s, tags)
        return bucket.name, queue_url, dead_url

    def _boot(self, spec: FleetSpec, queue_url: str, dead_url: str, bucket: str) -> Boot:
        registry = spec.image.partition("/")[0]
        login = Repository(self._clients, called(spec.name)).is_home_of(spec.image)
        return Boot(
            group=called(spec.name),
            image=spec.image,
            region=self.region,
            queue_url=queue_url,
            dead_url=dead_url,
            out=f"s3://{bucket}/{ROWS.rstrip('/')}",
            ecr_url=self._clients("ecr").meta.endpoint_url,
            autoscaling_url=self._clients("autoscaling").meta.endpoint_url,
            registry=registry if login else None,
            endpoint=os.environ.get("AWS_ENDPOINT_URL"),
        )

    def _queues(self, name: str, tags: Mapping[str, str]) -> tuple[str, str]:
        """The URLs of the queue of images, and of that of what was given up; made if they are not
        there.
        """
        title = called(name)
        dead_url = self._queue(f"{title}-dead", {"MessageRetentionPeriod": 14 * _DAY_S}, tags)
        asked = {"QueueUrl": dead_url, "AttributeNames": ["QueueArn"]}
        arn = self._call("sqs", "get_queue_attributes", **asked)["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": _MOST_RECEIVES}
        wanted = {
            "VisibilityTimeout": _HIDDEN_S,
            "MessageRetentionPeriod": _KEPT_DAYS * _DAY_S,
            "ReceiveMessageWaitTimeSeconds": 20,
            "RedrivePolicy": json.dumps(redrive),
        }
        return self._queue(title, wanted, tags), dead_url

    def _queue(self, title: str, wanted: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        sqs = self._clients("sqs")
        # One that is there is not asked for again: CreateQueue compares all that is said of it.
        there = calls.call(sqs, "get_queue_url", fine=NO_QUEUE, QueueName=title)
        there = there or patience.call_once_known(
            sqs, "create_queue", _JUST_GONE, self._pause, QueueName=title, tags=dict(tags)
        )
        attributes = {key: str(value) for key, value in wanted.items()}
        calls.call(sqs, "set_queue_attributes", QueueUrl=there["QueueUrl"], Attributes=attributes)
        return str(there["QueueUrl"])

    def _instance_profile(self, name: str, tags: Mapping[str, str]) -> str:
        """What its machines are, so that they may use what is the fleet's, and nothing else."""
        role, bucket = self._role(name), self._bucket(name).name
        try:
            role.make(lambda arn: may(arn, self.region, bucket, called(name)), tags)
        except NotAllowed as error:
            raise PlaceUnavailable(str(error), hint=_OWN_ROLE) from error
        return role.name

    def _title(self, name: str) -> str:
        return called(name)

    def _looks(self, name: str) -> Looks:
        return looks(called(name))

    def _found(self, name: str) -> Iterator[Found]:
        yield from self._machines(name).found()
        yield from self._role(name).found()
        for url in self._queue_urls(name):
            said = self._call("sqs", "list_queue_tags", fine=NO_QUEUE, QueueUrl=url)
            yield "queue", url, said.get("Tags", {})
        yield from self._kept(name)

    def _queue_urls(self, name: str) -> list[str]:
        """Of its own two queues, and of those of clients that are gone."""
        title = called(name)
        with calls.explaining():
            pages = self._clients("sqs").get_paginator("list_queues")
            found = pages.paginate(QueueNamePrefix=title, PaginationConfig={"PageSize": 1000})
            urls = found.build_full_result().get("QueueUrls", [])
        names = {url: url.rpartition("/")[2] for url in urls}
        own = {title, f"{title}-dead"}
        return [u for u, n in names.items() if n in own or n.startswith(f"{title}-answers-")]

    def _remove_own(self, resource: Resource) -> None:
        """Machines have ended when their group is removed."""
        if resource.kind in {"instance profile", "role"}:
            InstanceRole(self._clients, resource.id).remove(resource.kind)
        else:
            self._machines(resource.name).remove(resource.kind, resource.id)

    def _machines(self, name: str) -> MachineParts:
        return MachineParts(self._clients, called(name), self._pause)

    def _store(self, name: str) -> S3Store:
        return S3Store(self._clients("s3"), self._bucket(name).name)

    def _role(self, name: str) -> InstanceRole:
        # Roles are of all regions.
        return InstanceRole(self._clients, f"{called(name)}-{self.region}", self._pause)


marks = FleetParts.marks
