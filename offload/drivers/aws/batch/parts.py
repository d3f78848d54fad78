"""What a batch at AWS Batch consists of: image, roles, log group, environments, queue, definition.

All carry our tag; by that and by their names they are found again, and what lacks it is not ours.
Every method may raise OffloadError: AWS refuses, with a reason.
"""

from collections.abc import Iterator, Mapping, Sequence

from offload.domain.errors import PlaceUnavailable
from offload.domain.machines import Resource
from offload.drivers.aws.batch import routes
from offload.drivers.aws.batch.environments import Environments
from offload.drivers.aws.batch.jobs import BatchJobs
from offload.drivers.aws.batch.policies import containers_may, looks, machines_may
from offload.drivers.aws.batch.spec import BatchSpec, called, definition, log_group
from offload.drivers.aws.calls import NotAllowed
from offload.drivers.aws.fleet.machines import MachineParts
from offload.drivers.aws.fleet.roles import InstanceRole, Role, TaskRole
from offload.drivers.aws.parts import Found, Looks, Parts
from offload.drivers.aws.tagging import tags_of

_KEPT_DAYS = 30
_SERVICE, _SERVICE_ROLE = "batch.amazonaws.com", "AWSServiceRoleForBatch"


class BatchParts(Parts):
    """Those of batches in one account and region."""

    MARK, COMMAND = "offload:batch", "batch …"

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
            self._check(kind, key, name, tags)
        return any(kind == "job queue" for kind, _, _ in found)

    def stranded(self, subnets: Sequence[str]) -> list[str]:
        """Why machines in one of these subnets reach nobody."""
        return list(routes.stranded(self._clients, subnets)) if subnets else []

    def bring_up(self, spec: BatchSpec, tags: Mapping[str, str]) -> None:
        """Have all that jobs take; made where it is not there, and changed where it is asked for
        otherwise. No machine runs yet.
        """
        title, offer = called(spec.name), spec.offers[0]
        service = self._service_role()
        self._make_log(log_group(title), tags, _KEPT_DAYS)
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

    def _title(self, name: str) -> str:
        return called(name)

    def _looks(self, name: str) -> Looks:
        return looks(called(name))

    def _found(self, name: str) -> Iterator[Found]:
        title = called(name)
        yield from Environments(self._clients, title, self._pause).found()
        for each in self._machines(title).security_groups():
            yield "security group", str(each["GroupId"]), tags_of(each)
        for role in self._roles(title):
            yield from role.found()
        yield from self._log(log_group(title))
        yield from self._image(name)

    def _remove_own(self, resource: Resource) -> None:
        key, title = resource.id, called(resource.name)
        match resource.kind:
            case "instance profile" | "role":
                for role in self._roles(title):
                    if role.name == key:
                        role.remove(resource.kind)
            case "security group":
                self._machines(title).remove("security group", key)
            case kind:
                Environments(self._clients, title, self._pause).remove(kind, key)

    def _machines(self, title: str) -> MachineParts:
        return MachineParts(self._clients, title, self._pause)

    def _roles(self, title: str) -> tuple[Role, Role]:
        """That of machines and that of containers; roles are of all regions."""
        name = f"{title}-{self.region}"
        return (
            InstanceRole(self._clients, name, self._pause),
            TaskRole(self._clients, f"{name}-job", self._pause),
        )


marks = BatchParts.marks
