"""A fleet at moto's AWS, whose machines are rows of a table."""

from offload import bootstrap
from offload.detectors.catalogue import BUILTIN
from offload.domain.machines import FleetInfo
from offload.drivers import settings
from offload.drivers.aws.fleet.objects import store_of, write_info
from offload.version import __version__
from tests.functions.aws import REGION, Account


def made(aws: Account, name: str = "offload") -> FleetInfo:
    """One of at most three machines that nobody has used, with the model that is part of us."""
    ec2, scaling, sqs = map(aws.client, ("ec2", "autoscaling", "sqs"))
    called = f"offload-fleet-{name}"
    image = ec2.describe_images()["Images"][0]["ImageId"]
    template = {"ImageId": image, "InstanceType": "c7i.large"}
    ec2.create_launch_template(LaunchTemplateName=called, LaunchTemplateData=template)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=called, MinSize=0, MaxSize=3, DesiredCapacity=0,
        LaunchTemplate={"LaunchTemplateName": called}, AvailabilityZones=[f"{REGION}a"],
    )  # fmt: skip
    store = store_of(aws.client, name, REGION)
    aws.client("s3").create_bucket(Bucket=store.bucket)
    queues = [sqs.create_queue(QueueName=each)["QueueUrl"] for each in (called, f"{called}-dead")]
    model = bootstrap.context(configured=settings.load({})).hub.pull(BUILTIN)
    info = FleetInfo(
        name, REGION, __version__, model.identity, model.labels, model.min_score, ("c7i.large",),
        2, 0.36, True, 3, store.bucket, *queues,
    )  # fmt: skip
    write_info(store, info)
    return info
