"""What tests and benchmarks do with the bed: rent a host, ship our image to it, shape its link."""

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tests.testbed.host import EDGE
from tests.testbed.machine import STATE

HERE = Path(__file__).parent
ENDPOINT = "http://127.0.0.1:5599"
EVERYWHERE = f"http://{EDGE}:5599"
"""The same as instances reach it, too."""
PORT = 8080


@dataclass(frozen=True)
class Host:
    """A rented host that serves our image on port 8080, to whoever knows the token."""

    instance_id: str
    address: str
    key: Path
    token: str

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://{self.address}:{PORT}"

    def ssh(self, command: str, data: "int | None" = None) -> str:
        """Run a command there, `data` its standard input; what it says."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        to = ["-i", str(self.key), *options, "-o", "LogLevel=ERROR", f"ec2-user@{self.address}"]
        done = subprocess.run(
            ["ssh", *to, command], stdin=data, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shape(self, rate_mbit: float | None = None, rtt_ms: float = 0) -> None:
        """Give its link a rate in Mbit/s (None: as fast as it goes) and a round trip in ms."""
        limits = ["--rate", str(rate_mbit or 0), "--rtt", str(rtt_ms)]
        _run([str(HERE / "fakecloud"), "shape", self.instance_id, *limits])

    def terminate(self) -> None:
        """End it at once and for good."""
        client("ec2").terminate_instances(InstanceIds=[self.instance_id])


def is_up() -> bool:
    """Whether the bed answers."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{ENDPOINT}/moto-api/config", timeout=2):
            return True
    except OSError:
        return False


def last_words(lines: int = 60) -> str:
    """The end of its log, without the calls it answered."""
    with suppress(OSError):
        said = (STATE / "fakecloud.log").read_text(errors="replace").splitlines()
        return "\n".join([line for line in said if "HTTP/1" not in line][-lines:])
    return ""


def make_disk(images: str, key: str) -> None:
    """Have instances start with these in their engines; the key tells their states apart."""
    _run([str(HERE / "mkdisk"), images, key])


def take_back(instance_id: str) -> None:
    """Have its metadata service say that it is about to be taken away, as of a spot instance."""
    soon = datetime.now(UTC) + timedelta(minutes=2)
    notice = {"action": "terminate", "time": soon.strftime("%Y-%m-%dT%H:%M:%SZ")}
    (STATE / "hosts" / instance_id / "notice").write_text(json.dumps(notice))


@contextmanager
def serving_host(
    image: str, mounted: Sequence[Path], environment: dict[str, str]
) -> Iterator[Host]:
    """A rented host that serves `image`, with files of ours below /model; given back after."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        host = rented(stack, scratch, f"lab-{time.time_ns()}", (PORT, PORT))
        if not host.ssh(f"docker image ls -q {image}"):
            _ship(host, image)
        for file in mounted:
            with file.open("rb") as data:
                host.ssh(f"mkdir -p model && cat > model/{file.name}", data.fileno())
        settings = " ".join(
            f"-e {name}={value}"
            for name, value in {"OFFLOAD_TOKEN": host.token, **environment}.items()
        )
        host.ssh(
            f"docker run -d --read-only --tmpfs /tmp -p {PORT}:8080 -v $PWD/model:/model:ro "
            f"{settings} {image}"
        )
        _until_ready(host)
        yield host


def rented(stack: ExitStack, scratch: Path, name: str, *ports: tuple[int, int]) -> Host:
    """A host with an engine that lets us in by SSH and anyone by these ranges of ports; the stack
    gives it back. Its key is left in `scratch`.
    """
    ec2 = client("ec2")
    key = scratch / "key.pem"
    key.write_text(ec2.create_key_pair(KeyName=name, KeyType="ed25519")["KeyMaterial"])
    key.chmod(0o600)
    stack.callback(ec2.delete_key_pair, KeyName=name)
    group = ec2.create_security_group(GroupName=name, Description="a laboratory's")["GroupId"]
    anyone = [{"CidrIp": "0.0.0.0/0"}]
    rules = [
        {"IpProtocol": "tcp", "FromPort": first, "ToPort": last, "IpRanges": anyone}
        for first, last in ((22, 22), *ports)
    ]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
    latest = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    ami = client("ssm").get_parameter(Name=latest)["Parameter"]["Value"]
    run = ec2.run_instances(
        ImageId=ami, InstanceType="c5.large", MinCount=1, MaxCount=1, KeyName=name,
        SecurityGroupIds=[group], UserData="#!/bin/sh\nusermod -aG docker ec2-user\n",
    )  # fmt: skip
    instance_id = run["Instances"][0]["InstanceId"]
    stack.callback(ec2.delete_security_group, GroupId=group)
    stack.callback(ec2.terminate_instances, InstanceIds=[instance_id])
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance_id])
    (reservation,) = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    address = reservation["Instances"][0]["PublicIpAddress"]
    host = Host(instance_id, address, key, os.urandom(16).hex())
    for _ in range(100):
        try:
            host.ssh("cloud-init status --wait && docker version")
            return host
        except AssertionError:
            time.sleep(0.2)
    raise AssertionError(f"{address} does not let us in")


@cache
def client(service: str, region: str = "us-east-1") -> Any:
    """boto3's, for the bed's cloud."""
    import boto3

    return boto3.client(
        service, region_name=region, endpoint_url=ENDPOINT,
        aws_access_key_id="testing", aws_secret_access_key="testing",
    )  # fmt: skip


def _ship(host: Host, image: str) -> None:
    save = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
    pack = subprocess.Popen(["gzip", "-1"], stdin=save.stdout, stdout=subprocess.PIPE)
    assert save.stdout is not None
    assert pack.stdout is not None
    save.stdout.close()
    host.ssh("docker load", pack.stdout.fileno())
    pack.stdout.close()
    assert (save.wait(), pack.wait()) == (0, 0)


def _until_ready(host: Host) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(300):
        try:
            with opener.open(f"{host.url}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    said = host.ssh("docker logs $(docker ps -lq) 2>&1")
    raise AssertionError(f"{host.url} is not ready: {json.dumps(said)}")


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
