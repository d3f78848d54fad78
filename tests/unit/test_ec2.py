"""EC2 as botocore's own models have it, and as the test bed's does."""

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import ANY

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.machines import EXPIRES, LOGIN, MARK, OWNER, Machine, Offer, Resource, Spec
from offload.drivers.aws import iam
from offload.drivers.aws.calls import NotInPlan, SpentToken
from offload.drivers.aws.ec2 import Cloud
from offload.drivers.host import machine
from tests.stubbed_aws import OPERATIONS, REGION, Aws, aws

__all__ = ["aws"]

SPEC = Spec("bee", REGION, "c7i.large", ("203.0.113.7/32",))
OFFER = Offer(
    SPEC, "ami-1", "x86_64", 2, 4.0, "/dev/xvda", 30, "ec2-user", has_engine=True, vpc="vpc-1"
)
ECS = "/aws/service/ecs/optimized-ami/amazon-linux-2023"
PLAIN = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default"


@pytest.fixture
def cloud(aws: Aws) -> Cloud:
    return Cloud(aws, REGION)


def kind(**changed: Any) -> dict[str, Any]:
    usual = {
        "InstanceType": "c7i.large",
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "VCpuInfo": {"DefaultVCpus": 2},
        "MemoryInfo": {"SizeInMiB": 4096},
        "BurstablePerformanceSupported": False,
    }
    return {"InstanceTypes": [usual | changed]}


def image(**changed: Any) -> dict[str, Any]:
    usual = {
        "ImageId": "ami-1",
        "Name": "al2023-ami-ecs-hvm-2023.0.20260226-kernel-6.1-x86_64",
        "Architecture": "x86_64",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30}}],
    }
    return {"Images": [usual | changed]}


def parameters(*names: str) -> dict[str, Any]:
    found = [{"Name": name, "Value": f"ami-{at}"} for at, name in enumerate(names, 1)]
    return {"Parameters": found}


class TestOffer:
    def looked_up(
        self,
        aws: Aws,
        *,
        arch: str = "x86_64",
        names: Sequence[str] = (f"{ECS}/recommended/image_id", f"{PLAIN}-x86_64"),
        vpc: str | None = "vpc-1",
        quota: float | None = 32.0,
        code: str = "L-1216C47A",
        **about_image: Any,
    ) -> None:
        processor = {"SupportedArchitectures": [arch]}
        aws.says("describe_instance_types", kind(ProcessorInfo=processor), {"InstanceTypes": ANY})
        aws.says("get_parameters", parameters(*names), {"Names": ANY}, of="ssm")
        aws.says(
            "describe_images", image(Architecture=arch, **about_image), {"ImageIds": ["ami-1"]}
        )
        default = {"Filters": [{"Name": "is-default", "Values": ["true"]}]}
        aws.says("describe_vpcs", {"Vpcs": [{"VpcId": vpc}] if vpc else []}, default)
        question = {"ServiceCode": "ec2", "QuotaCode": code}
        if quota is None:
            aws.refuses("get_service_quota", "AccessDeniedException", of="service-quotas")
        else:
            answer = {"Quota": {"Value": quota}}
            aws.says("get_service_quota", answer, question, of="service-quotas")

    def test_it_is_all_that_can_be_known_before(self, aws: Aws, cloud: Cloud) -> None:
        self.looked_up(aws)
        assert cloud.offer(SPEC) == OFFER
        aws.was_asked_everything()

    def test_the_image_fits_the_processor(self, aws: Aws, cloud: Cloud) -> None:
        names = [f"{ECS}/arm64/recommended/image_id", f"{PLAIN}-arm64"]
        aws.says(
            "describe_instance_types", kind(ProcessorInfo={"SupportedArchitectures": ["arm64"]})
        )
        aws.says("get_parameters", parameters(*names), {"Names": names}, of="ssm")
        aws.says("describe_images", image(Architecture="arm64"))
        aws.says("describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1"}]})
        aws.refuses("get_service_quota", "NoSuchResourceException", of="service-quotas")
        assert cloud.offer(replace(SPEC, instance_type="c7g.large")).arch == "arm64"

    def test_where_no_image_has_docker_a_plain_one_is_taken(self, aws: Aws, cloud: Cloud) -> None:
        about: dict[str, Any] = {
            "Name": "al2023-ami-2023.11.20260427.1-kernel-6.1-x86_64",
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}],
        }
        self.looked_up(aws, names=[f"{PLAIN}-x86_64"], **about)
        found = cloud.offer(SPEC)
        assert (found.ami, found.has_engine, found.disk_gb) == ("ami-1", False, 16)

    def test_who_may_not_ask_which_image_is_recommended_gets_the_newest(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        aws.says("describe_instance_types", kind(FreeTierEligible=True))
        aws.refuses("get_parameters", "AccessDeniedException", of="ssm")
        filters = [
            {"Name": "name", "Values": ["al2023-ami-ecs-hvm-*"]},
            {"Name": "architecture", "Values": ["x86_64"]},
            {"Name": "state", "Values": ["available"]},
        ]
        (older,) = image(ImageId="ami-0", CreationDate="2026-01-02T00:00:00.000Z")["Images"]
        (newer,) = image(CreationDate="2026-02-26T00:00:00.000Z")["Images"]
        asked = {"Owners": ["amazon"], "Filters": filters}
        aws.says("describe_images", {"Images": [older, newer, older]}, asked)
        aws.says("describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1"}]})
        aws.refuses("get_service_quota", "NoSuchResourceException", of="service-quotas")
        assert cloud.offer(SPEC) == replace(OFFER, in_free_plan=True)

    def test_where_there_is_no_image_at_all_one_has_to_be_named(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        aws.says("describe_instance_types", kind())
        aws.says("get_parameters", parameters(), of="ssm")
        aws.says("describe_images", {"Images": []})
        with pytest.raises(PlaceUnavailable, match="no Amazon Linux 2023") as no:
            cloud.offer(SPEC)
        assert "--ami" in no.value.hint

    @pytest.mark.parametrize(
        ("name", "login"),
        [
            ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260101", "ubuntu"),
            ("debian-12-amd64-20260101-1234", "admin"),
            ("al2023-ami-2023.11.20260427.1-kernel-6.1-x86_64", "ec2-user"),
        ],
    )
    def test_an_image_says_whom_it_lets_in(
        self, aws: Aws, cloud: Cloud, name: str, login: str
    ) -> None:
        aws.says("describe_instance_types", kind())
        aws.says("describe_images", image(Name=name), {"ImageIds": ["ami-1"]})
        aws.says("describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1"}]})
        aws.says("get_service_quota", {"Quota": {"Value": 5.0}}, of="service-quotas")
        assert cloud.offer(replace(SPEC, ami="ami-1")).login == login
        aws.says("describe_instance_types", kind())
        aws.says("describe_images", image(Name=name))
        aws.says("describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1"}]})
        aws.refuses("get_service_quota", "NoSuchResourceException", of="service-quotas")
        assert cloud.offer(replace(SPEC, ami="ami-1", login="rocky")).login == "rocky"

    def test_an_image_for_another_processor_is_refused(self, aws: Aws, cloud: Cloud) -> None:
        aws.says("describe_instance_types", kind())
        aws.says("describe_images", image(Architecture="arm64"))
        with pytest.raises(UsageError, match=r"ami-1 is for arm64, a c7i\.large is x86_64") as no:
            cloud.offer(replace(SPEC, ami="ami-1"))
        assert "--ami" in no.value.hint
        assert "--instance-type c7g.large" in no.value.hint

    def test_windows_is_refused(self, aws: Aws, cloud: Cloud) -> None:
        aws.says("describe_instance_types", kind())
        aws.says("describe_images", image(Platform="windows"))
        with pytest.raises(UsageError, match="Windows"):
            cloud.offer(replace(SPEC, ami="ami-1"))

    def test_a_disk_smaller_than_the_image_is_refused(self, aws: Aws, cloud: Cloud) -> None:
        aws.says("describe_instance_types", kind())
        aws.says("describe_images", image())
        with pytest.raises(UsageError, match="needs 30 GB, more than the 8") as no:
            cloud.offer(replace(SPEC, ami="ami-1", disk_gb=8))
        assert "--disk-gb 30" in no.value.hint

    def test_an_unknown_type_is_refused(self, aws: Aws, cloud: Cloud) -> None:
        said = "The following supplied instance types do not exist: [c7i.huge]"
        aws.refuses("describe_instance_types", "InvalidInstanceType", said)
        with pytest.raises(UsageError, match=r"no such instance type: .*c7i\.huge"):
            cloud.offer(replace(SPEC, instance_type="c7i.huge"))

    def test_an_apple_is_refused(self, aws: Aws, cloud: Cloud) -> None:
        aws.says(
            "describe_instance_types", kind(ProcessorInfo={"SupportedArchitectures": ["arm64_mac"]})
        )
        with pytest.raises(UsageError, match="is arm64_mac; offload knows x86_64, arm64"):
            cloud.offer(SPEC)

    def test_an_image_that_is_not_there_is_refused(self, aws: Aws, cloud: Cloud) -> None:
        aws.says("describe_instance_types", kind())
        aws.says("describe_images", {"Images": []})
        with pytest.raises(UsageError, match="no such AMI: ami-9"):
            cloud.offer(replace(SPEC, ami="ami-9"))

    def test_a_region_without_a_default_network(self, aws: Aws, cloud: Cloud) -> None:
        self.looked_up(aws, vpc=None)
        with pytest.raises(PlaceUnavailable, match="no default network") as no:
            cloud.offer(SPEC)
        assert f"aws ec2 create-default-vpc --region {REGION}" in no.value.hint
        assert "--subnet" in no.value.hint

    def test_a_subnet_brings_its_network(self, aws: Aws, cloud: Cloud) -> None:
        aws.says("describe_instance_types", kind())
        aws.says("describe_images", image())
        subnet = {"VpcId": "vpc-2", "AvailabilityZone": "eu-central-1b"}
        aws.says("describe_subnets", {"Subnets": [subnet]}, {"SubnetIds": ["subnet-1"]})
        aws.says("get_service_quota", {"Quota": {"Value": 5.0}}, of="service-quotas")
        found = cloud.offer(replace(SPEC, ami="ami-1", subnet="subnet-1"))
        assert (found.vpc, found.subnet) == ("vpc-2", "subnet-1")

    def test_a_subnet_in_another_zone_is_refused(self, aws: Aws, cloud: Cloud) -> None:
        aws.says("describe_instance_types", kind())
        aws.says("describe_images", image())
        subnet = {"VpcId": "vpc-2", "AvailabilityZone": "eu-central-1b"}
        aws.says("describe_subnets", {"Subnets": [subnet]})
        with pytest.raises(UsageError, match="is in eu-central-1b, not in eu-central-1a"):
            cloud.offer(replace(SPEC, ami="ami-1", subnet="subnet-1", zone="eu-central-1a"))

    @pytest.mark.parametrize(("spot", "code"), [(False, "L-1216C47A"), (True, "L-34B43A08")])
    def test_a_quota_of_zero_is_told_before_anything_is_created(
        self, aws: Aws, cloud: Cloud, spot: bool, code: str
    ) -> None:
        self.looked_up(aws, quota=0.0, code=code)
        with pytest.raises(PlaceUnavailable, match=r"quota is 0 vCPUs .* takes 2\.") as no:
            cloud.offer(replace(SPEC, spot=spot))
        assert f"--quota-code {code} --desired-value 2" in no.value.hint

    def test_who_may_not_ask_for_quotas_goes_on(self, aws: Aws, cloud: Cloud) -> None:
        self.looked_up(aws, quota=None)
        assert cloud.offer(SPEC) == OFFER

    def test_types_of_other_quotas_are_not_judged_by_the_usual_one(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        aws.says("describe_instance_types", kind(InstanceType="x2idn.16xlarge"))
        aws.says("describe_images", image())
        aws.says("describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1"}]})
        cloud.offer(replace(SPEC, ami="ami-1", instance_type="x2idn.16xlarge"))
        assert "service-quotas" not in aws.stubbers

    def test_burstable_machines_are_told(self, aws: Aws, cloud: Cloud) -> None:
        aws.says("describe_instance_types", kind(BurstablePerformanceSupported=True))
        aws.says("describe_images", image())
        aws.says("describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1"}]})
        aws.says("get_service_quota", {"Quota": {"Value": 5.0}}, of="service-quotas")
        assert cloud.offer(replace(SPEC, ami="ami-1")).burstable


def instance(**changed: Any) -> dict[str, Any]:
    usual = {
        "InstanceId": "i-1",
        "InstanceType": "c7i.large",
        "State": {"Name": "running"},
        "LaunchTime": datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC),
        "PublicIpAddress": "198.51.100.4",
        "Placement": {"AvailabilityZone": "eu-central-1a"},
        "Tags": [{"Key": MARK, "Value": "bee"}, {"Key": LOGIN, "Value": "admin"}],
    }
    return usual | changed


MARKS = [{"Key": MARK, "Value": "bee"}, {"Key": OWNER, "Value": machine.owner()}]
GROUP = {"SecurityGroups": [{"GroupId": "sg-1"}]}
IN_VPC = {
    "Filters": [
        {"Name": f"tag:{MARK}", "Values": ["bee"]},
        {"Name": "group-name", "Values": ["offload-bee"]},
        {"Name": "vpc-id", "Values": ["vpc-1"]},
    ]
}
CARD = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "DeleteOnTermination": True}
REQUEST: dict[str, Any] = {
    "ImageId": "ami-1",
    "InstanceType": "c7i.large",
    "MinCount": 1,
    "MaxCount": 1,
    "BlockDeviceMappings": [
        {
            "DeviceName": "/dev/xvda",
            "Ebs": {
                "VolumeSize": 30,
                "VolumeType": "gp3",
                "Encrypted": True,
                "DeleteOnTermination": True,
            },
        }
    ],
    "MetadataOptions": {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    },
    "InstanceInitiatedShutdownBehavior": "terminate",
    "NetworkInterfaces": [CARD],
    "TagSpecifications": [
        {
            "ResourceType": "instance",
            "Tags": [
                {"Key": "Name", "Value": "offload-bee"},
                {"Key": LOGIN, "Value": "ec2-user"},
                *MARKS,
            ],
        },
        {"ResourceType": "volume", "Tags": MARKS},
        {"ResourceType": "network-interface", "Tags": MARKS},
    ],
}
ASKED = REQUEST | {
    "KeyName": "offload-bee",
    "UserData": "#!/bin/bash\n",
    "ClientToken": ANY,
    "NetworkInterfaces": [CARD | {"Groups": ["sg-1"]}],
}


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class TestLaunch:
    def launched(self, aws: Aws, cloud: Cloud, offer: Offer, asked: dict[str, Any]) -> Machine:
        aws.says("run_instances", {"Instances": [instance()]}, asked)
        found = cloud.launch(offer, "sg-1", "#!/bin/bash\n", "attempt")
        aws.was_asked_everything()
        return found

    def test_everything_that_keeps_it_safe_is_in_the_one_request(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        assert self.launched(aws, cloud, OFFER, ASKED) == Machine(
            "i-1", "bee", REGION, "running", "c7i.large", "2026-11-21T12:00:00+00:00",
            "198.51.100.4", "admin", None, "eu-central-1a",
        )  # fmt: skip

    def test_a_users_tags_are_on_everything_and_do_not_displace_ours(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        offer = replace(OFFER, spec=replace(SPEC, tags={"team": "bees", MARK: "x", EXPIRES: "z"}))
        ours = {MARK: "bee", EXPIRES: "z", "Name": "offload-bee", LOGIN: "ec2-user"}
        ours[OWNER] = machine.owner()
        mark = {MARK: "bee", OWNER: machine.owner()}
        kinds = {"instance": ours, "volume": mark, "network-interface": mark}
        wanted = [
            {
                "ResourceType": kind,
                "Tags": pairs({"team": "bees", MARK: "bee", EXPIRES: "z"} | tags),
            }
            for kind, tags in kinds.items()
        ]
        self.launched(aws, cloud, offer, ASKED | {"TagSpecifications": wanted})

    def test_a_zone_is_named_only_if_it_is_asked_for(self, aws: Aws, cloud: Cloud) -> None:
        offer = replace(OFFER, spec=replace(SPEC, zone="eu-central-1b"))
        placed = {"Placement": {"AvailabilityZone": "eu-central-1b"}}
        self.launched(aws, cloud, offer, ASKED | placed)

    def test_a_spot_machine_ends_rather_than_stops(self, aws: Aws, cloud: Cloud) -> None:
        offer = replace(OFFER, spec=replace(SPEC, spot=True))
        once = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        mark = {"ResourceType": "spot-instances-request", "Tags": MARKS}
        more = {
            "InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": once},
            "TagSpecifications": [*REQUEST["TagSpecifications"], mark],
        }
        self.launched(aws, cloud, offer, ASKED | more)

    def test_a_public_address_is_asked_for_in_every_subnet(self, aws: Aws, cloud: Cloud) -> None:
        offer = replace(OFFER, spec=replace(SPEC, subnet="subnet-1"), subnet="subnet-1")
        card = CARD | {"SubnetId": "subnet-1", "Groups": ["sg-1"]}
        self.launched(aws, cloud, offer, ASKED | {"NetworkInterfaces": [card]})

    def test_a_burstable_machine_costs_no_more_than_its_price(self, aws: Aws, cloud: Cloud) -> None:
        standard = {"CreditSpecification": {"CpuCredits": "standard"}}
        self.launched(aws, cloud, replace(OFFER, burstable=True), ASKED | standard)

    def test_a_token_is_of_one_request_only(self, aws: Aws, cloud: Cloud) -> None:
        tokens = []
        for types in ("c7i.large", "c7i.large", "c7a.large"):
            aws.says("run_instances", {"Instances": [instance()]})
            client, offer = aws("ec2"), replace(OFFER, spec=replace(SPEC, instance_type=types))
            before = "before-parameter-build.ec2.RunInstances"
            keep = lambda params, **_: tokens.append(params["ClientToken"])  # noqa: E731
            client.meta.events.register(before, keep)
            cloud.launch(offer, "sg-1", "", "attempt")
            client.meta.events.unregister(before, keep)
        assert tokens[0] == tokens[1] != tokens[2]
        assert all(len(token) == 64 for token in tokens), "as many characters as EC2 takes"

    @pytest.mark.parametrize(
        "code", ["IdempotentParameterMismatch", "IdempotentInstanceTerminated"]
    )
    def test_a_token_that_is_spent_is_known_by_both_of_its_codes(
        self, aws: Aws, cloud: Cloud, code: str
    ) -> None:
        aws.refuses("run_instances", code)
        with pytest.raises(SpentToken):
            cloud.launch(OFFER, "sg-1", "", "attempt")
        aws.says("run_instances", {"Instances": [instance(State={"Name": "terminated"})]})
        with pytest.raises(SpentToken, match="i-1 has ended"):
            cloud.launch(OFFER, "sg-1", "", "attempt")

    @pytest.mark.parametrize(
        ("code", "says"),
        [("VcpuLimitExceeded", "quota"), ("InsufficientInstanceCapacity", "available there now")],
    )
    def test_quota_and_capacity_are_told_apart(
        self, aws: Aws, cloud: Cloud, code: str, says: str
    ) -> None:
        aws.refuses("run_instances", code)
        with pytest.raises(PlaceUnavailable, match=says):
            cloud.launch(OFFER, "sg-1", "", "attempt")

    @pytest.mark.parametrize(
        ("kind", "quota", "hint"),
        [
            ("g5.xlarge", 4.0, "--quota-code L-DB2E81BA --desired-value 6 --region eu-central-1"),
            ("c7i.large", None, "--quota-code L-1216C47A --desired-value 32 --region"),
            ("p5.48xlarge", None, "aws service-quotas list-service-quotas"),
        ],
    )
    def test_a_quota_that_is_used_up_is_named_as_that_of_the_type(
        self, aws: Aws, cloud: Cloud, kind: str, quota: float | None, hint: str
    ) -> None:
        aws.refuses("run_instances", "VcpuLimitExceeded")
        if quota is not None:
            aws.says("get_service_quota", {"Quota": {"Value": quota}}, of="service-quotas")
        offer = replace(OFFER, spec=replace(SPEC, instance_type=kind))
        with pytest.raises(PlaceUnavailable, match="quota is used up") as no:
            cloud.launch(offer, "sg-1", "", "attempt")
        assert hint in no.value.hint

    def test_what_a_free_plan_does_not_have_is_no_puzzle(self, aws: Aws, cloud: Cloud) -> None:
        said = (
            "The specified {} is not eligible for Free Tier. For a list of Free Tier {}s, run ..."
        )
        refused = "InvalidParameterCombination"
        aws.refuses("run_instances", refused, said.format("instance type", "instance type"))
        with pytest.raises(NotInPlan, match="Free plan does not have that") as no:
            cloud.allowed(OFFER)
        assert "--instance-type c7i-flex.large" in no.value.hint
        aws.refuses("run_instances", refused, said.format("image", "image"))
        with pytest.raises(UsageError, match="Free plan does not have that") as neither:
            cloud.allowed(OFFER)
        assert "--ami AMI" in neither.value.hint

    def test_the_best_type_of_a_free_plan_is_fast_for_good(self, aws: Aws, cloud: Cloud) -> None:
        sizes = [("t3.micro", 1, True), ("m7i-flex.large", 8, False), ("c7i-flex.large", 4, False)]
        kinds = [
            kind(
                InstanceType=name,
                MemoryInfo={"SizeInMiB": gib * 1024},
                BurstablePerformanceSupported=burstable,
            )["InstanceTypes"][0]
            for name, gib, burstable in sizes
        ]
        filters = [{"Name": "free-tier-eligible", "Values": ["true"]}, ANY]
        aws.says("describe_instance_types", {"InstanceTypes": kinds}, {"Filters": filters})
        assert cloud.in_free_plan(OFFER) == "c7i-flex.large"
        aws.says("describe_instance_types", {"InstanceTypes": kinds[:1]})
        assert cloud.in_free_plan(OFFER) == "t3.micro"
        aws.says("describe_instance_types", {"InstanceTypes": []})
        assert cloud.in_free_plan(OFFER) is None

    def test_a_dry_run_that_would_do_it_is_a_yes(self, aws: Aws, cloud: Cloud) -> None:
        aws.refuses("run_instances", "DryRunOperation", asked=REQUEST | {"DryRun": True})
        cloud.allowed(OFFER)

    def test_a_dry_run_that_would_not_is_explained(self, aws: Aws, cloud: Cloud) -> None:
        aws.refuses("run_instances", "UnauthorizedOperation")
        with pytest.raises(PlaceUnavailable, match="may not RunInstances") as no:
            cloud.allowed(OFFER)
        assert "offload doctor aws" in no.value.hint


class TestMachines:
    def test_they_are_found_by_tag_newest_first_over_all_pages(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        living = ["pending", "running", "stopping", "stopped"]
        filters = [
            {"Name": "tag-key", "Values": [MARK]},
            {"Name": "instance-state-name", "Values": living},
        ]
        older = instance(LaunchTime=datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC))
        answer = {"Reservations": [{"Instances": [older | {"InstanceId": "i-2"}]}]}
        asked = {"Filters": filters}
        aws.says("describe_instances", answer | {"NextToken": "more"}, asked)
        newer = {"Reservations": [{"Instances": [instance()]}]}
        aws.says("describe_instances", newer, asked | {"NextToken": "more"})
        assert [machine.id for machine in cloud.machines()] == ["i-1", "i-2"]

    def test_of_a_name_are_those_whose_key_is_called_so(self, aws: Aws, cloud: Cloud) -> None:
        by_key = {"Name": "key-name", "Values": ["offload-bee"]}
        by_tag = {"Name": f"tag:{MARK}", "Values": ["bee"]}
        answer: dict[str, Any] = {"Reservations": []}
        aws.says("describe_instances", answer, {"Filters": [by_tag, ANY, by_key]})
        assert cloud.machines("bee") == []

    @pytest.mark.parametrize(
        ("state", "is_"),
        [("pending", "pending"), ("shutting-down", "ending"), ("terminated", "gone")],
    )
    def test_states_are_ours(self, aws: Aws, cloud: Cloud, state: str, is_: str) -> None:
        found = instance(State={"Name": state}, PublicIpAddress="", InstanceLifecycle="spot")
        found["StateReason"] = {"Message": "It was so."}
        found["Tags"] = [{"Key": MARK, "Value": "bee"}, {"Key": EXPIRES, "Value": "never"}]
        aws.says("describe_instances", {"Reservations": [{"Instances": [found]}]})
        (machine,) = cloud.machines("bee", gone=True)
        assert machine.why_ended == ("It was so." if state != "pending" else None)
        assert (machine.state, machine.address, machine.spot) == (is_, None, True)
        assert (machine.login, machine.expires_at) == ("ec2-user", "never")

    @pytest.mark.parametrize(
        ("status", "told"),
        [
            ({"Code": "fulfilled", "Message": "Your Spot request is fulfilled."}, None),
            ({"Code": "marked-for-termination", "Message": "It is marked."}, "It is marked."),
            ({"Code": "marked-for-stop"}, "marked-for-stop"),
            ({"Code": "instance-terminated-no-capacity", "Message": "None."}, "None."),
            ({"Code": "instance-terminated-by-price"}, "instance-terminated-by-price"),
            ({"Code": "instance-terminated-by-user"}, None),
        ],
    )
    def test_a_spot_machine_that_is_about_to_be_taken_away_has_a_notice(
        self, aws: Aws, cloud: Cloud, status: dict[str, str], told: str | None
    ) -> None:
        request = {"SpotInstanceRequestId": "sir-1", "InstanceId": "i-1", "Status": status}
        asked = {"Filters": [{"Name": "instance-id", "Values": ["i-1"]}]}
        aws.says("describe_spot_instance_requests", {"SpotInstanceRequests": [request]}, asked)
        assert cloud.notice("i-1") == told

    def test_a_stopped_spot_machine_is_no_bug_of_ours(self, aws: Aws, cloud: Cloud) -> None:
        said = "You can't stop the Spot Instance 'i-1' because it is one-time."
        aws.refuses("stop_instances", "UnsupportedOperation", said, {"InstanceIds": ["i-1"]})
        with pytest.raises(OffloadError, match="can't stop the Spot"):
            cloud.stop("i-1")

    def test_ending_what_is_gone_is_fine(self, aws: Aws, cloud: Cloud) -> None:
        aws.refuses("terminate_instances", "InvalidInstanceID.NotFound")
        cloud.remove(Resource("instance", "i-1", "bee", REGION))


class TestKeys:
    def test_a_key_of_that_name_that_is_not_ours_is_told(self, aws: Aws, cloud: Cloud) -> None:
        tags = {"ResourceType": "key-pair", "Tags": [*pairs({"team": "bees"}), *MARKS]}
        asked = {"KeyName": "offload-bee", "PublicKeyMaterial": ANY, "TagSpecifications": [tags]}
        said = "'offload-bee' already exists"
        aws.refuses("import_key_pair", "InvalidKeyPair.Duplicate", said, asked)
        with pytest.raises(OffloadError, match="name is taken"):
            cloud.add_key("bee", "ssh-ed25519 AAAA", {"team": "bees"})

    def test_the_cloud_says_which_key_it_has(self, aws: Aws, cloud: Cloud) -> None:
        filters = [
            {"Name": f"tag:{MARK}", "Values": ["bee"]},
            {"Name": "key-name", "Values": ["offload-bee"]},
        ]
        answer = {"KeyPairs": [{"PublicKey": "ssh-ed25519 AAAA offload-bee"}]}
        asked = {"Filters": filters, "IncludePublicKey": True}
        aws.says("describe_key_pairs", answer, asked)
        assert cloud.key_of("bee") == "ssh-ed25519 AAAA"
        aws.says("describe_key_pairs", {"KeyPairs": []}, asked)
        assert cloud.key_of("bee") is None


def rule(id_: str, **changed: Any) -> dict[str, Any]:
    usual = {"IsEgress": False, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    return {"SecurityGroupRuleId": id_} | usual | changed


class TestGroups:
    def test_two_who_make_the_group_at_once_share_it(self, aws: Aws, cloud: Cloud) -> None:
        aws.says("describe_security_groups", {"SecurityGroups": []}, IN_VPC)
        aws.refuses("create_security_group", "InvalidGroup.Duplicate")
        aws.says("describe_security_groups", GROUP, IN_VPC)
        aws.says("describe_security_group_rules", {"SecurityGroupRules": []})
        aws.refuses("authorize_security_group_ingress", "InvalidPermission.Duplicate")
        assert cloud.open_to("vpc-1", "bee", ["203.0.113.7/32"]) == "sg-1"

    def test_a_new_group_is_filled_once_it_is_known(self, aws: Aws, cloud: Cloud) -> None:
        aws.says("describe_security_groups", {"SecurityGroups": []}, IN_VPC)
        aws.says("create_security_group", {"GroupId": "sg-1"}, {
            "GroupName": "offload-bee",
            "Description": ANY,
            "VpcId": "vpc-1",
            "TagSpecifications": [
                {"ResourceType": "security-group", "Tags": [*pairs({"team": "bees"}), *MARKS]}
            ],
        })  # fmt: skip
        aws.says("describe_security_groups", GROUP, {"GroupIds": ["sg-1"]})
        aws.says("describe_security_group_rules", {"SecurityGroupRules": []})
        aws.says("authorize_security_group_ingress", {"Return": True})
        assert cloud.open_to("vpc-1", "bee", ["203.0.113.7/32"], {"team": "bees"}) == "sg-1"
        aws.was_asked_everything()

    def test_a_group_of_that_name_that_is_not_ours_is_left_alone(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        aws.says("describe_security_groups", {"SecurityGroups": []}, IN_VPC)
        aws.refuses("create_security_group", "InvalidGroup.Duplicate")
        aws.says("describe_security_groups", {"SecurityGroups": []}, IN_VPC)
        with pytest.raises(OffloadError, match="that offload did not create"):
            cloud.open_to("vpc-1", "bee", ["203.0.113.7/32"])

    def test_only_ssh_from_the_named_addresses_stays_and_is_added_first(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        rules = [
            rule("sgr-0", IsEgress=True, IpProtocol="-1", CidrIpv4="0.0.0.0/0"),
            rule("sgr-1", CidrIpv4="203.0.113.0/24"),
            rule("sgr-2", CidrIpv4="198.51.100.0/24"),
            rule("sgr-3", FromPort=8080, ToPort=8080, CidrIpv4="203.0.113.0/24"),
            rule("sgr-4", ReferencedGroupInfo={"GroupId": "sg-9"}),
        ]
        aws.says("describe_security_groups", GROUP, IN_VPC)
        aws.says("describe_security_group_rules", {"SecurityGroupRules": rules})
        ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
        from_six = [{"CidrIpv6": "2001:db8::/64", "Description": "offload"}]
        allowed = {"GroupId": "sg-1", "IpPermissions": [ssh | {"Ipv6Ranges": from_six}]}
        aws.says("authorize_security_group_ingress", {"Return": True}, allowed)
        revoked = {"GroupId": "sg-1", "SecurityGroupRuleIds": ["sgr-2", "sgr-3", "sgr-4"]}
        aws.says("revoke_security_group_ingress", {"Return": True}, revoked)
        cloud.open_to("vpc-1", "bee", ["203.0.113.7/24", "2001:db8::7/64"])
        aws.was_asked_everything()

    def test_what_is_no_address_is_refused_before_anything_is_changed(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        with pytest.raises(UsageError, match="'everywhere' is not an address range"):
            cloud.open_to("vpc-1", "bee", ["everywhere"])


class TestResources:
    def test_every_kind_is_found_with_its_ties_and_removed_by_its_own_call(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        tags = {"Tags": [{"Key": MARK, "Value": "bee"}, {"Key": OWNER, "Value": "ana-laptop"}]}
        group = {"GroupId": "sg-1"}
        asked = {"KeyName": "offload-bee", "SecurityGroups": [group]}
        request = {"SpotInstanceRequestId": "sir-1", "LaunchSpecification": asked}
        aws.says("describe_spot_instance_requests", {"SpotInstanceRequests": [request | tags]})
        machine = instance() | tags | asked
        aws.says("describe_instances", {"Reservations": [{"Instances": [machine]}]})
        at = {"InstanceId": "i-1"}
        volume = {"VolumeId": "vol-1", "Attachments": [at]}
        aws.says("describe_volumes", {"Volumes": [volume | tags]})
        card = {"NetworkInterfaceId": "eni-1", "Groups": [group], "Attachment": at}
        card["TagSet"] = tags["Tags"]
        aws.says("describe_network_interfaces", {"NetworkInterfaces": [card]})
        named = group | {"GroupName": "offload-bee"}
        aws.says("describe_security_groups", {"SecurityGroups": [named | tags]})
        aws.says("describe_key_pairs", {"KeyPairs": [{"KeyName": "offload-bee"} | tags]})
        found = cloud.resources("bee")
        ours = ("bee", REGION, "ana-laptop")
        assert found == [
            Resource("spot request", "sir-1", *ours, frozenset(["offload-bee"])),
            Resource("instance", "i-1", *ours, frozenset(["offload-bee", "sg-1", "i-1"])),
            Resource("volume", "vol-1", *ours, frozenset(["i-1"])),
            Resource("network interface", "eni-1", *ours, frozenset(["sg-1", "i-1"])),
            Resource("security group", "sg-1", *ours, frozenset(["offload-bee"])),
            Resource("key pair", "offload-bee", *ours, frozenset(["offload-bee"])),
        ]
        gone = "InvalidSpotInstanceRequestID.NotFound"
        asked = {"SpotInstanceRequestIds": ["sir-1"]}
        aws.refuses("cancel_spot_instance_requests", gone, asked=asked)
        aws.says("terminate_instances", {}, {"InstanceIds": ["i-1"]})
        aws.says("delete_volume", {}, {"VolumeId": "vol-1"})
        aws.says("delete_network_interface", {}, {"NetworkInterfaceId": "eni-1"})
        aws.refuses("delete_security_group", "DependencyViolation", asked={"GroupId": "sg-1"})
        aws.says("delete_key_pair", {}, {"KeyName": "offload-bee"})
        for resource in found:
            if resource.kind == "security group":
                with pytest.raises(OffloadError, match="A machine still uses it"):
                    cloud.remove(resource)
            else:
                cloud.remove(resource)
        aws.was_asked_everything()

    def test_a_star_that_others_gave_as_a_name_is_no_other_name(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        theirs = {"GroupId": "sg-1", "Tags": [{"Key": MARK, "Value": "*"}]}
        aws.says("describe_spot_instance_requests", {})
        aws.says("describe_instances", {"Reservations": [{"Instances": [instance()]}]})
        aws.says("describe_volumes", {})
        aws.says("describe_network_interfaces", {})
        aws.says("describe_security_groups", {"SecurityGroups": [theirs]})
        aws.says("describe_key_pairs", {})
        assert cloud.resources("*") == [Resource("security group", "sg-1", "*", REGION)]


class TestPermissions:
    def answers(self, aws: Aws, cloud: Cloud, ours: list[Resource], denied: set[str]) -> Any:
        for _, operation in OPERATIONS:
            code = "UnauthorizedOperation" if operation in denied else "DryRunOperation"
            aws.refuses(operation, code)
        return iam.asked(cloud.clients("ec2"), OFFER, ours)

    def test_each_call_is_tried_without_doing_it(self, aws: Aws, cloud: Cloud) -> None:
        found = self.answers(aws, cloud, [], set())
        assert found == {f"ec2:{action}": "allowed" for action, _ in OPERATIONS}
        aws.was_asked_everything()

    def test_what_is_missing_is_named(self, aws: Aws, cloud: Cloud) -> None:
        found = self.answers(aws, cloud, [], {"run_instances", "describe_volumes"})
        missing = {action for action, answer in found.items() if answer == "missing"}
        assert missing == {"ec2:RunInstances", "ec2:DescribeVolumes"}

    def test_what_is_allowed_for_our_things_is_known_once_there_are_some(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        denied = {"terminate_instances", "delete_volume"}
        ours = [Resource("instance", "i-1", "bee", REGION)]
        found = self.answers(aws, cloud, ours, denied)
        assert found["ec2:TerminateInstances"] == "missing"
        assert found["ec2:DeleteVolume"] == "unknown"

    def test_who_may_launch_but_not_tag_what_is_launched_is_told_so(
        self, aws: Aws, cloud: Cloud
    ) -> None:
        said = "not authorized to perform: ec2:CreateTags on resource: arn:aws:ec2:x:1:volume/*"
        for _, operation in OPERATIONS:
            launch = operation == "run_instances"
            aws.refuses(
                operation, *(("UnauthorizedOperation", said) if launch else ("DryRunOperation",))
            )
        found = iam.asked(cloud.clients("ec2"), OFFER, [])
        assert {name for name, answer in found.items() if answer == "missing"} == {"ec2:CreateTags"}
        assert found["ec2:RunInstances"] == "unknown"

    def test_the_policy_allows_every_call_there_is_and_touches_ours_only(self) -> None:
        policy = iam.policy()
        granted: set[str] = set()
        for statement in policy["Statement"]:
            actions = statement["Action"]
            granted |= {actions} if isinstance(actions, str) else set(actions)
        assert {f"ec2:{action}" for action, _ in OPERATIONS} <= granted
        assert {"ssm:GetParameters", "pricing:GetProducts"} <= granted
        (ending,) = (s for s in policy["Statement"] if "ec2:TerminateInstances" in s["Action"])
        owner = machine.owner()
        assert ending["Condition"] == {"StringEquals": {f"ec2:ResourceTag/{OWNER}": owner}}
        (tagging,) = (s for s in policy["Statement"] if s["Sid"] == "TagWhatIsMade")
        assert tagging["Condition"]["StringEquals"][f"aws:RequestTag/{OWNER}"] == owner
        launching = [s for s in policy["Statement"] if "ec2:RunInstances" in s["Action"]]
        (machines,) = (s for s in launching if "arn:aws:ec2:*:*:instance/*" in s["Resource"])
        assert machines["Condition"] == {"StringEquals": {f"aws:RequestTag/{OWNER}": owner}}
        assert "*" not in [each for s in launching for each in s["Resource"]]
