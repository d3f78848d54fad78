"""What a batch at AWS Batch consists of: image, roles, log group, environments, queue, definition.

All carry our tag; by that and by their names they are found again, and what lacks it is not ours.
Every method may raise OffloadError: AWS refuses, with a reason.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.machines import OWNER, Resource
from offload.drivers.aws import calls
from offload.drivers.aws.batch import routes
from offload.drivers.aws.batch.environments import Environments
from offload.drivers.aws.batch.jobs import BatchJobs
from offload.drivers.aws.batch.policies import containers_may, looks, machines_may
from offload.drivers.aws.batch.spec import BatchSpec, called, definition, log_group
from offload.drivers.aws.calls import NotAllowed
from offload.drivers.aws.fleet import asking
from offload.drivers.aws.fleet.machines import MachineParts
from offload.drivers.aws.fleet.roles import InstanceRole, Role, TaskRole
from offload.drivers.aws.iam import Answer
from offload.drivers.aws.lookup import Clients
from offload.drivers.aws.repositories import Repository
from offload.drivers.host import machine

MARK = "offload:batch"
"""The tag that everything of a batch carries; its value is the batch's name."""
_KEPT_DAYS = 30
_SERVICE, _SERVICE_ROLE = "batch.amazonaws.com", "AWSServiceRoleForBatch"
_NONE = ("NoSuchEntity", "RepositoryNotFoundException")
_THERE = ("ResourceAlreadyExistsException",)
_NO_LOG = ("ResourceNotFoundException",)


def marks(name: str) -> dict[str, str]:
    """The tags of everything that belongs to a batch, and that this computer makes."""
    return {MARK: name, OWNER: machine.owner()}


class BatchParts:
    """Those of batches in one account and region. `clients` makes boto3's client of a service."""

    def __init__(
        self, clients: Clients, region: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.region = region
        self._clients = clients
        self._pause = pause

    @classmethod
    def connected(cls, region: str | None = None, profile: str | None = None) -> "BatchParts":
        """The account and region of AWS' standard configuration, or those that are named."""
        return cls(*asking.connected(region, profile))

    def jobs(self, name: str) -> BatchJobs:
        """The jobs of a batch."""
        return BatchJobs(self._clients, called(name), log_group(called(name)))

    def is_there(self, name: str) -> bool:
        """Whether there is a queue for it.

        Raises:
            UsageError: something that is called like it is not ours.
        """
        found = list(self._found(name))
        for kind, key, tags in found:
            if tags.get(MARK) != name:
                raise UsageError(
                    f"There is a {kind} {key} in {self.region} that offload did not make.",
                    hint="For another name: offload batch … --name NAME",
                )
        return any(kind == "job queue" for kind, _, _ in found)

    def stranded(self, subnets: Sequence[str]) -> list[str]:
        """Why machines in one of these subnets reach nobody."""
        return list(routes.stranded(self._clients, subnets)) if subnets else []

    def repository(self, name: str, tags: Mapping[str, str]) -> Repository:
        """Where its image belongs, made if it is not there."""
        there = Repository(self._clients, called(name))
        there.make(tags)
        there.keep_few()
        return there

    def bring_up(self, spec: BatchSpec, tags: Mapping[str, str]) -> None:
        """Have all that jobs take; made where it is not there, and changed where it is asked for
        otherwise. No machine runs yet.
        """
        title, offer = called(spec.name), spec.offers[0]
        service = self._service_role()
        self._log_group(title, tags)
        profile, role = spec.instance_profile, None
        if profile is None:
            profile, role = self._own_roles(spec, title, tags)
        machines = self._machines(title)
        group = machines.security_group(offer.vpc, tags)
        resources = {
            "instanceTypes": [each.spec.instance_type for each in spec.offers],
            "subnets": list(spec.subnets) or machines.subnets(offer.vpc),
            "securityGroupIds": [group],
            "instanceRole": profile,
        }
        environments = Environments(self._clients, title, self._pause)
        kinds = {
            "SPOT": (spec.spot, "SPOT_PRICE_CAPACITY_OPTIMIZED"),
            "EC2": (spec.on_demand, "BEST_FIT_PROGRESSIVE"),
        }
        made = []
        for kind, (most, strategy) in kinds.items():
            limits = {"maxvCpus": most * offer.vcpus, "allocationStrategy": strategy}
            if most:
                made.append(environments.make(kind, resources | limits, service, tags))
        environments.queue(made, tags)
        environments.definition(definition(spec, title, self.region, role), tags)

    def _service_role(self) -> str:
        """The ARN of the role by which Batch acts for the account, which has one for all.

        Raises:
            PlaceUnavailable: there is none, and these credentials may not make it.
        """
        asked = {"PathPrefix": f"/aws-service-role/{_SERVICE}/"}
        role = next(iter(self._call("iam", "list_roles", **asked)["Roles"]), None)
        if role is None:
            try:
                made = self._call("iam", "create_service_linked_role", AWSServiceName=_SERVICE)
                role = made["Role"]
            except NotAllowed as error:
                raise PlaceUnavailable(
                    f"The account lacks the role {_SERVICE_ROLE}, by which AWS Batch starts "
                    "machines, and these credentials may not create it.",
                    hint="For somebody who may: aws iam create-service-linked-role "
                    f"--aws-service-name {_SERVICE}",
                ) from error
        return str(role["Arn"])

    def _own_roles(
        self, spec: BatchSpec, title: str, tags: Mapping[str, str]
    ) -> tuple[str, str | None]:
        """The instance profile of its machines and the role of its containers, so that they may do
        what takes this batch, and nothing else.
        """
        machines, containers = self._roles(title)
        log = log_group(title)
        try:
            machines.make(lambda arn: machines_may(arn, self.region, title, log), tags)
            role = containers.make(lambda arn: containers_may(arn, spec.source, spec.out), tags)
        except NotAllowed as error:
            hint = "To use one that is there: --instance-profile NAME"
            raise PlaceUnavailable(str(error), hint=hint) from error
        return machines.name, role

    def _log_group(self, title: str, tags: Mapping[str, str]) -> None:
        name = {"logGroupName": log_group(title)}
        self._call("logs", "create_log_group", fine=_THERE, tags=dict(tags), **name)
        self._call("logs", "put_retention_policy", retentionInDays=_KEPT_DAYS, **name)

    def resources(self, name: str) -> Iterator[Resource]:
        """What there is of a batch and carries our tag, in the order to remove it in."""
        for kind, key, tags in self._found(name):
            if tags.get(MARK) == name:
                yield Resource(kind, key, name, self.region, tags.get(OWNER))

    def _found(self, name: str) -> Iterator[tuple[str, str, Mapping[str, str]]]:
        """What there is that is called like a batch's: of which kind, its name and its tags."""
        title = called(name)
        yield from Environments(self._clients, title, self._pause).found()
        for each in self._machines(title).security_groups():
            tags = {tag["Key"]: tag["Value"] for tag in each.get("Tags", ())}
            yield "security group", str(each["GroupId"]), tags
        for role in self._roles(title):
            yield from role.found()
        groups = self._call("logs", "describe_log_groups", logGroupNamePrefix=log_group(title))
        for group in groups["logGroups"]:
            if group["logGroupName"] == log_group(title):
                arn = str(group["arn"]).removesuffix(":*")
                said = self._call("logs", "list_tags_for_resource", resourceArn=arn)
                yield "log group", log_group(title), said.get("tags", {})
        if (known := Repository(self._clients, title).tags()) is not None:
            yield "repository", title, known

    def remove(self, resource: Resource) -> None:
        """Remove it; if it is gone already, all the better."""
        key, title = resource.id, called(resource.name)
        match resource.kind:
            case "instance profile" | "role":
                for role in self._roles(title):
                    if role.name == key:
                        role.remove(resource.kind)
            case "log group":
                self._call("logs", "delete_log_group", fine=_NO_LOG, logGroupName=key)
            case "repository":
                Repository(self._clients, key).remove()
            case "security group":
                self._machines(title).remove("security group", key)
            case kind:
                Environments(self._clients, title, self._pause).remove(kind, key)

    def permissions(self, name: str) -> dict[str, Answer]:
        """Each permission that looking for a batch and what is its own takes. Nothing is done."""
        found: dict[str, Answer] = {}
        for permission, (service, operation, asked) in looks(called(name)).items():
            try:
                self._call(service, operation, fine=_NONE, **asked)
                found[permission] = "allowed"
            except OffloadError as error:
                found[permission] = "missing" if isinstance(error, NotAllowed) else "unknown"
        return found

    def _machines(self, title: str) -> MachineParts:
        return MachineParts(self._clients, title, self._pause)

    def _roles(self, title: str) -> tuple[Role, Role]:
        """That of machines and that of containers; roles are of all regions."""
        name = f"{title}-{self.region}"
        return (
            InstanceRole(self._clients, name, self._pause),
            TaskRole(self._clients, f"{name}-job", self._pause),
        )

    def _call(self, service: str, operation: str, **asked: Any) -> dict[str, Any]:
        return calls.call(self._clients(service), operation, **asked)
