"""EC2: the life of a machine, in one account and one region."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from offload.domain.errors import OffloadError
from offload.domain.machines import EXPIRES, LOGIN, MARK, Machine, Offer, Resource, Spec, State
from offload.drivers.aws import account, calls, groups, lookup, tagging
from offload.drivers.aws.lookup import Clients

_STATES: Mapping[str, State] = {
    "pending": "pending",
    "running": "running",
    "stopping": "stopping",
    "stopped": "stopped",
    "shutting-down": "ending",
    "terminated": "gone",
}
_USUAL_QUOTA = 32
_LIVING = list(_STATES)[:4]
_ENDED = ("ending", "gone")
_NOTICES = ("marked-for-", "instance-terminated-")
"""What a spot request's status begins with once its machine is taken away. Where that ends it, the
request is `instance-terminated-no-capacity` at once, while it runs for two more minutes.
"""

Tags = Mapping[str, str]
_NONE: Tags = {}


class Cloud:
    """One account in one region. Every method may raise OffloadError: AWS refuses, with a reason.

    `clients` makes boto3's client of a service.
    """

    def __init__(self, clients: Clients, region: str) -> None:
        self.region = region
        self.clients = clients
        self._ec2 = clients("ec2")

    @classmethod
    def connected(cls, region: str | None = None, profile: str | None = None) -> "Cloud":
        """The account and region of AWS' standard configuration, or those that are named.

        Raises:
            PlaceUnavailable: no credentials, or no region.
            UsageError: there is no such profile, or no region can be called so.
        """
        return cls(*account.connected(region, profile))

    def who(self) -> str:
        """Whose credentials these are: an ARN."""
        return str(calls.call(self.clients("sts"), "get_caller_identity")["Arn"])

    def regions(self) -> list[str]:
        """Those that are enabled for the account."""
        found = calls.each(self._ec2, "describe_regions", "Regions")
        return sorted(region["RegionName"] for region in found)

    def offer(self, spec: Spec) -> Offer:
        """What there would be; nothing is created.

        Raises:
            UsageError: type, image, subnet and zone do not fit together, or there are none such;
                or an address that is to be let in is none.
            PlaceUnavailable: no default network, no quota, or AWS does not answer.
        """
        groups.ranges(spec.allow_cidrs)
        return lookup.offer(self.clients, spec)

    def allowed(self, offer: Offer) -> None:
        """Ask EC2 to refuse what it would refuse to create; it creates nothing."""
        wanted = launch_request(offer)
        self._run(offer, fine=[calls.WOULD], DryRun=True, **wanted)

    def in_free_plan(self, offer: Offer) -> str | None:
        """The best instance type that AWS' Free plan has instead of what was offered, if any."""
        return lookup.in_free_plan(self._ec2, offer.arch if offer.spec.ami else None)

    def machines(self, name: str | None = None, *, gone: bool = False) -> list[Machine]:
        """Those that there are, newest first; those that have just ended too, if `gone`. One whose
        key is called otherwise has that name from a copied tag.
        """
        states = {"Name": "instance-state-name", "Values": list(_STATES) if gone else _LIVING}
        filters = [tagging.marked(name), states]
        if name is not None:
            filters.append({"Name": "key-name", "Values": [tagging.called(name)]})
        found = calls.each(self._ec2, "describe_instances", "Reservations", Filters=filters)
        machines = [self._machine(each) for some in found for each in some["Instances"]]
        return sorted(machines, key=lambda machine: machine.launched_at, reverse=True)

    def notice(self, machine: str) -> str | None:
        """What EC2 says of taking a spot machine away, which it does two minutes after; None as
        long as it does not.
        """
        filters = [{"Name": "instance-id", "Values": [machine]}]
        operation, key = "describe_spot_instance_requests", "SpotInstanceRequests"
        for request in calls.each(self._ec2, operation, key, Filters=filters):
            told = request.get("Status", {})
            code = told.get("Code", "")
            if code.startswith(_NOTICES) and code != "instance-terminated-by-user":
                return str(told.get("Message") or code)
        return None

    def key_of(self, name: str) -> str | None:
        """The public key that a machine was given, without its comment; None if there is none of
        ours.
        """
        filters = [tagging.marked(name), {"Name": "key-name", "Values": [tagging.called(name)]}]
        found = calls.call(self._ec2, "describe_key_pairs", Filters=filters, IncludePublicKey=True)
        keys = [key["PublicKey"] for key in found["KeyPairs"]]
        return " ".join(keys[0].split()[:2]) if keys else None

    def add_key(self, name: str, public: str, tags: Tags = _NONE) -> None:
        """Give a machine that is to be launched its public key, with the user's tags; there must be
        none of its name.
        """
        calls.call(
            self._ec2,
            "import_key_pair",
            KeyName=tagging.called(name),
            PublicKeyMaterial=public.encode(),
            TagSpecifications=[tagging.tagged("key-pair", {**tags, **tagging.marks(name)})],
        )

    def open_to(self, vpc: str | None, name: str, cidrs: Sequence[str], tags: Tags = _NONE) -> str:
        """Let SSH in from `cidrs`, and nothing else; the id of the security group that does so.

        It is created in the network `vpc`, with the user's tags, if there is none; None is wherever
        the machine's is.
        UsageError says that one of them is not an address range.
        """
        wanted = groups.ranges(cidrs)
        group = groups.made(self._ec2, name, vpc, tags) if vpc else self._group(name)
        groups.open_to(self._ec2, group, wanted)
        return group

    def cidrs(self, name: str) -> tuple[str, ...]:
        """From where a machine lets SSH in."""
        return groups.cidrs(self._ec2, name)

    def launch(
        self, offer: Offer, group: str, user_data: str, attempt: str, expires_at: str | None = None
    ) -> Machine:
        """A new machine in a security group; asked again for the same with the same `attempt`, the
        same machine. Its tag says when it ends by itself at the latest.

        Its key must be there.

        Raises:
            NoCapacity: another type or zone may do.
            NotKnownYet: the key or the group are too new.
            SpentToken: that machine has ended.
        """
        wanted = launch_request(offer, group, expires_at)
        wanted |= {"KeyName": tagging.called(offer.spec.name), "UserData": user_data}
        # EC2 remembers the token of a launch that failed, and takes it for nothing else.
        text = f"{attempt} {json.dumps(wanted, sort_keys=True)}"
        token = hashlib.sha256(text.encode()).hexdigest()
        answer = self._run(offer, ClientToken=token, **wanted)
        machine = self._machine(answer["Instances"][0])
        if machine.state in _ENDED:
            raise calls.SpentToken(f"The machine {machine.id} has ended.")
        return machine

    def _run(self, offer: Offer, fine: Sequence[str] = (), **asked: Any) -> dict[str, Any]:
        try:
            return calls.call(self._ec2, "run_instances", fine=fine, **asked)
        except calls.QuotaUsedUp as error:
            most = lookup.quota(self.clients, offer.spec.instance_type, spot=offer.spec.spot)
            wanted = _USUAL_QUOTA if most is None else round(most) + offer.vcpus
            hint = lookup.more_quota(offer.spec, wanted)
            raise calls.QuotaUsedUp(str(error), hint=hint) from error

    def start(self, machine_id: str) -> None:
        """Switch a stopped machine on."""
        calls.call(self._ec2, "start_instances", InstanceIds=[machine_id])

    def stop(self, machine_id: str) -> None:
        """Switch a machine off; its disk stays."""
        calls.call(self._ec2, "stop_instances", InstanceIds=[machine_id])

    def retag(self, machine_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a machine; the others stay."""
        wanted = tagging.tagged("instance", tags)["Tags"]
        calls.call(self._ec2, "create_tags", Resources=[machine_id], Tags=wanted)

    def resources(self, name: str | None = None) -> list[Resource]:
        """Everything that carries our mark and is not gone, in the order to remove it in."""
        found = []
        for kind in tagging.KINDS:
            living = [{"Name": key, "Values": list(wanted)} for key, wanted in kind.living.items()]
            filters = [tagging.marked(name), *living]
            for thing in calls.each(self._ec2, kind.list, kind.key, Filters=filters):
                for each in thing.get("Instances", [thing]):
                    resource = tagging.resource(kind, each, self.region)
                    # To a filter, a * that others gave is any name.
                    if name in {None, resource.name}:
                        found.append(resource)
        return found

    def remove(self, resource: Resource) -> None:
        """Remove it, which nothing may use any more; if it is gone already, all the better."""
        kind = next(each for each in tagging.KINDS if each.name == resource.kind)
        wanted = {kind.id: resource.id} if kind.one_by_one else {f"{kind.id}s": [resource.id]}
        calls.call(self._ec2, kind.remove, fine=[kind.gone], **wanted)

    def _group(self, name: str) -> str:
        if found := groups.of(self._ec2, name):
            return found[0]
        raise OffloadError(
            f"The machine {name} has no security group.",
            hint=f"To make one: offload provision ec2 --name {name}",
        )

    def _machine(self, instance: Mapping[str, Any]) -> Machine:
        return described(instance, tagging.tags_of(instance).get(MARK, ""), self.region)


def described(instance: Mapping[str, Any], name: str, region: str) -> Machine:
    """A machine of that name as EC2 describes it."""
    tags, state = tagging.tags_of(instance), _STATES[instance["State"]["Name"]]
    reason = instance.get("StateReason", {}).get("Message")
    return Machine(
        id=instance["InstanceId"],
        name=name,
        region=region,
        state=state,
        instance_type=instance["InstanceType"],
        launched_at=instance["LaunchTime"].isoformat(timespec="seconds"),
        address=instance.get("PublicIpAddress") or None,
        login=tags.get(LOGIN, lookup.USUAL_LOGIN),
        expires_at=tags.get(EXPIRES),
        zone=instance.get("Placement", {}).get("AvailabilityZone"),
        spot=instance.get("InstanceLifecycle") == "spot",
        why_ended=reason or None if state in _ENDED else None,
    )


def launch_request(
    offer: Offer, group: str | None = None, expires_at: str | None = None
) -> dict[str, Any]:
    """The parameters of RunInstances, but for key, user data and token."""
    spec = offer.spec
    disk = {"VolumeSize": offer.disk_gb, "VolumeType": "gp3", "Encrypted": True}
    disk["DeleteOnTermination"] = True
    wanted: dict[str, Any] = {
        "ImageId": offer.ami,
        "InstanceType": spec.instance_type,
        "MinCount": 1,
        "MaxCount": 1,
        "BlockDeviceMappings": [{"DeviceName": offer.root_device, "Ebs": disk}],
        # Hop limit 1: containers on the machine do not reach the metadata service.
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        },
        "InstanceInitiatedShutdownBehavior": "terminate",
        "TagSpecifications": list(_tags(offer, expires_at)),
    }
    # A subnet need not give a public address unasked, a default one neither.
    card: dict[str, Any] = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
    card |= {"DeleteOnTermination": True}
    card |= {"SubnetId": spec.subnet} if spec.subnet else {}
    card |= {"Groups": [group]} if group else {}
    wanted["NetworkInterfaces"] = [card]
    if offer.burstable:  # else T3 and T4g run on, and bill it, when their credits are used up
        wanted["CreditSpecification"] = {"CpuCredits": "standard"}
    if spec.zone:
        wanted["Placement"] = {"AvailabilityZone": spec.zone}
    if spec.spot:
        once = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        wanted["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": once}
    return wanted


def _tags(offer: Offer, expires_at: str | None) -> Iterator[dict[str, Any]]:
    mark = tagging.marks(offer.spec.name)
    ours = {"Name": tagging.called(offer.spec.name), LOGIN: offer.login} | mark
    if expires_at is not None:
        ours[EXPIRES] = expires_at
    yield tagging.tagged("instance", {**offer.spec.tags, **ours})
    spot = ["spot-instances-request"] if offer.spec.spot else []
    for kind in ("volume", "network-interface", *spot):
        yield tagging.tagged(kind, {**offer.spec.tags, **mark})


Clouds = Callable[[str | None, str | None], Cloud]
"""Gives the cloud of a region and a profile; None for those of AWS' standard configuration."""
