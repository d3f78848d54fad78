"""IAM: what machines and containers may do, as a role of theirs."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from offload.drivers.aws import calls, patience
from offload.drivers.aws.iam import assumed_by
from offload.drivers.aws.lookup import Clients
from offload.drivers.aws.tagging import pairs, tags_of

_THERE = ("EntityAlreadyExists",)
_NONE = ("NoSuchEntity",)
_UNSEEN = (*_NONE, "AccessDenied")
"""Who may not even look has made none."""
_UNKNOWN = ("cannot be found",)


class Role:
    """The role of that name, whether or not it is there. Every method may raise OffloadError.
    `clients` makes boto3's client of a service, which is who may take the role on.
    """

    service = "ec2.amazonaws.com"

    def __init__(
        self, clients: Clients, name: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = name
        self._iam = clients("iam")
        self._pause = pause

    def make(self, policy: Callable[[str], Mapping[str, Any]], tags: Mapping[str, str]) -> str:
        """Its ARN. Who takes it on may do what the policy of the role with a given ARN says, and
        nothing else.
        """
        assumes = json.dumps(assumed_by(self.service))
        made = self._call(
            "create_role", _THERE, RoleName=self.name, AssumeRolePolicyDocument=assumes,
            Tags=pairs(tags),
        ) or self._call("get_role", RoleName=self.name)  # fmt: skip
        arn = str(made["Role"]["Arn"])
        text = json.dumps(policy(arn))
        self._known("put_role_policy", RoleName=self.name, PolicyName="own", PolicyDocument=text)
        return arn

    def found(self) -> Iterator[tuple[str, str, Mapping[str, str]]]:
        """What there is of it, in the order to remove it in: its kind, its name and its tags."""
        if said := self._call("get_role", _UNSEEN, RoleName=self.name):
            yield "role", self.name, tags_of(said["Role"])

    def remove(self, kind: str) -> None:
        """Remove what is of that kind; if it is gone already, all the better."""
        del kind
        role = {"RoleName": self.name}
        listed = self._call("list_role_policies", _NONE, **role)
        for policy in listed.get("PolicyNames", ()):
            self._call("delete_role_policy", _NONE, PolicyName=policy, **role)
        self._call("delete_role", _NONE, **role)

    def _known(self, operation: str, **asked: Any) -> None:
        patience.call_once_known(self._iam, operation, _UNKNOWN, self._pause, **asked)

    def _call(self, operation: str, fine: tuple[str, ...] = (), **asked: Any) -> dict[str, Any]:
        return calls.call(self._iam, operation, fine=fine, **asked)


class InstanceRole(Role):
    """That of machines, which have it by the instance profile of the same name."""

    def make(self, policy: Callable[[str], Mapping[str, Any]], tags: Mapping[str, str]) -> str:
        """The role and the profile; the ARN of the role."""
        arn = super().make(policy, tags)
        profile = {"InstanceProfileName": self.name}
        made = self._call(
            "create_instance_profile", _THERE, Tags=pairs(tags), **profile
        ) or self._call("get_instance_profile", InstanceProfileName=self.name)
        if not made["InstanceProfile"]["Roles"]:
            self._known("add_role_to_instance_profile", RoleName=self.name, **profile)
        return arn

    def found(self) -> Iterator[tuple[str, str, Mapping[str, str]]]:
        """The profile, then the role."""
        if said := self._call("get_instance_profile", _UNSEEN, InstanceProfileName=self.name):
            yield "instance profile", self.name, tags_of(said["InstanceProfile"])
        yield from super().found()

    def remove(self, kind: str) -> None:
        """Remove it; if it is gone already, all the better."""
        if kind == "role":
            super().remove(kind)
            return
        profile = {"InstanceProfileName": self.name}
        self._call("remove_role_from_instance_profile", _NONE, RoleName=self.name, **profile)
        self._call("delete_instance_profile", _NONE, **profile)


class TaskRole(Role):
    """That of containers which ECS runs."""

    service = "ecs-tasks.amazonaws.com"
