"""IAM: what a function or machines may do, as a role; that of machines is in a profile."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from offload.drivers.aws import calls, patience
from offload.drivers.aws.iam import assumed_by
from offload.drivers.aws.lookup import Clients
from offload.drivers.aws.tagging import pairs, tags_of

Policy = Callable[[str], Mapping[str, Any]]
"""What the role with a given ARN may do."""
_THERE = ("EntityAlreadyExists",)
_NONE = ("NoSuchEntity",)
_UNSEEN = (*_NONE, "AccessDenied")
"""Who may not even look has made none."""
_UNKNOWN = ("cannot be found",)


class Role:
    """The role of that name, whether or not it is there. Every method may raise OffloadError.
    `clients` makes boto3's client of a service.
    """

    def __init__(
        self, clients: Clients, name: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = name
        self._iam = clients("iam")
        self._pause = pause

    def make(self, service: str, tags: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
        """Make it if it is not there, for a service of AWS to take on; its ARN and its tags."""
        made = self._call(
            "create_role", _THERE, RoleName=self.name, Tags=pairs(tags),
            AssumeRolePolicyDocument=json.dumps(assumed_by(service)),
        )  # fmt: skip
        role = made.get("Role") or self._call("get_role", RoleName=self.name)["Role"]
        return str(role["Arn"]), tags if made else tags_of(role)

    def permit(self, policy: Mapping[str, Any], name: str = "own") -> None:
        """Have it do what the policy says, in place of the last one of that name."""
        text = json.dumps(policy)
        self._known("put_role_policy", RoleName=self.name, PolicyName=name, PolicyDocument=text)

    def found(self) -> Iterator[tuple[str, str, Mapping[str, str]]]:
        """What there is of it, in the order to remove it in: its kind, its name and its tags."""
        if said := self._call("get_role", _UNSEEN, RoleName=self.name):
            yield "role", self.name, tags_of(said["Role"])

    def remove(self) -> None:
        """Remove it; if it is gone already, all the better."""
        listed = self._call("list_role_policies", _NONE, RoleName=self.name)
        for policy in listed.get("PolicyNames", ()):
            self._call("delete_role_policy", _NONE, PolicyName=policy, RoleName=self.name)
        self._call("delete_role", _NONE, RoleName=self.name)

    def _known(self, operation: str, **asked: Any) -> None:
        patience.call_once_known(self._iam, operation, _UNKNOWN, self._pause, **asked)

    def _call(self, operation: str, fine: tuple[str, ...] = (), **asked: Any) -> dict[str, Any]:
        return calls.call(self._iam, operation, fine=fine, **asked)


class InstanceRole(Role):
    """A role and its instance profile."""

    def make_for_machines(self, policy: Policy, tags: Mapping[str, str]) -> None:
        """Have machines with the profile do what the policy says, and nothing else."""
        arn, _ = self.make("ec2.amazonaws.com", tags)
        self.permit(policy(arn))
        profile = {"InstanceProfileName": self.name}
        made = self._call(
            "create_instance_profile", _THERE, Tags=pairs(tags), **profile
        ) or self._call("get_instance_profile", InstanceProfileName=self.name)
        if not made["InstanceProfile"]["Roles"]:
            self._known("add_role_to_instance_profile", RoleName=self.name, **profile)

    def found(self) -> Iterator[tuple[str, str, Mapping[str, str]]]:
        """The profile before the role."""
        if said := self._call("get_instance_profile", _UNSEEN, InstanceProfileName=self.name):
            yield "instance profile", self.name, tags_of(said["InstanceProfile"])
        yield from super().found()

    def remove_profile(self) -> None:
        """Remove the profile alone; if it is gone already, all the better."""
        profile = {"InstanceProfileName": self.name}
        self._call("remove_role_from_instance_profile", _NONE, RoleName=self.name, **profile)
        self._call("delete_instance_profile", _NONE, **profile)
