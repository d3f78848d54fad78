"""What the test bed's cloud does beyond moto."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from offload.drivers.aws.fleet import policies
from tests.testbed import hypervisor, queues, roles, scaling
from tests.testbed.hypervisor import Hypervisor
from tests.testbed.tokens import remembering

RUN = {"Action": "RunInstances", "ClientToken": "a", "InstanceType": "c7i.large"}


@dataclass
class Ec2:
    """Launches machines, unless it is `full`, and counts them."""

    full: bool = False
    launched: int = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if b"RunInstances" not in environ["wsgi.input"].read() or self.full:
            start_response("500 InsufficientInstanceCapacity" if self.full else "200 OK", [])
            return [b""]
        self.launched += 1
        start_response("200 OK", [])
        return [f"<instanceId>i-{self.launched:017x}</instanceId>".encode()]


def asked(app: Any, words: dict[str, str], region: str = "us-west-2", path: str = "/") -> str:
    """What is answered: the status of a failure, else the document."""
    body, said = urlencode(words).encode(), []
    environ = {
        "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "PATH_INFO": path,
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=x/20261130/{region}/ec2/aws4_request",
    }  # fmt: skip
    answer = b"".join(app(environ, lambda status, _headers: said.append(status)))
    return answer.decode() or said[0]


def test_a_token_gives_one_machine_in_each_region_until_that_has_ended() -> None:
    ec2 = Ec2()
    app = remembering(ec2)
    first = asked(app, RUN)
    assert asked(app, RUN) == first
    assert ec2.launched == 1
    assert asked(app, RUN, "eu-west-1") != first
    assert asked(app, RUN | {"ClientToken": "b"}) != first
    assert "IdempotentParameterMismatch" in asked(app, RUN | {"InstanceType": "c7a.large"})
    asked(app, {"Action": "TerminateInstances", "InstanceId.1": f"i-{1:017x}"})
    assert "IdempotentInstanceTerminated" in asked(app, RUN)
    asked(app, {}, path="/moto-api/reset")
    assert "<instanceId>" in asked(app, RUN)


def test_a_token_of_a_launch_that_failed_is_that_of_no_other_request() -> None:
    ec2 = Ec2(full=True)
    app = remembering(ec2)
    assert "InsufficientInstanceCapacity" in asked(app, RUN)
    ec2.full = False
    assert "IdempotentParameterMismatch" in asked(app, RUN | {"InstanceType": "c7a.large"})
    assert "<instanceId>" in asked(app, RUN)


@dataclass
class Reluctant:
    """A host that does not come up at first."""

    id: str = "i-1"
    dir: Path = Path()
    failures: int = 2
    said: list[str] = field(default_factory=list)

    def boot(self, _who: object, _exited: object) -> None:
        """As a host does, or not."""
        self.said.append("boot")
        if len(self.said) < 2 * self.failures:
            raise RuntimeError("the wire did not start")

    def off(self, *, erase: bool) -> None:
        """Nothing is left of it, but its disk."""
        assert not erase
        self.said.append("off")

    def alive(self) -> bool:
        """What comes up stays."""
        return True

    def firewall(self, _rules: object) -> None:
        """Anybody may come in."""


def test_a_host_that_does_not_come_up_is_switched_on_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, here = Reluctant(), Hypervisor("http://127.0.0.1:9")
    monkeypatch.setattr(hypervisor, "Host", lambda _key: host)
    monkeypatch.setattr(hypervisor, "_AGAIN_S", 0)
    ec2 = SimpleNamespace(
        describe_instance_attribute=lambda **_: {}, describe_images=lambda **_: {"Images": []}
    )
    instance = {
        "InstanceId": host.id, "State": {"Name": "running"}, "ImageId": "ami-1",
        "PublicIpAddress": "198.18.0.1", "PrivateIpAddress": "10.0.0.1",
    }  # fmt: skip
    for _ in range(3):
        here._settle(ec2, instance, [])
        for job in list(here._jobs.values()):
            job.join()
    assert host.said == ["boot", "off", "boot", "off", "boot"]


KEY = "AWS4-HMAC-SHA256 Credential={}/20261130/us-west-2/{}/aws4_request"


def asked_by_role(
    monkeypatch: pytest.MonkeyPatch, service: str, path: str = "/", body: bytes = b"", **more: Any
) -> str:
    """The status of what an instance of a fleet asks for, whose key is `ASIA1`."""
    arn = f"arn:aws:iam::{roles.ACCOUNT}:role/a"
    statements = policies.may(arn, "us-west-2", "photos", "offload-fleet-a")["Statement"]
    monkeypatch.setattr(roles, "_statements", lambda _role: statements)
    said: list[str] = []
    environ = {
        "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "PATH_INFO": path,
        "HTTP_AUTHORIZATION": KEY.format("ASIA1", service), "REQUEST_METHOD": "GET", **more,
    }  # fmt: skip
    app = roles.checking(Ec2(), {"ASIA1": "a"})
    list(app(environ, lambda status, _headers: said.append(status)))
    return said[0]


def test_an_instance_may_do_what_the_policies_of_its_role_say_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def receive(queue: str) -> str:
        body = f'{{"QueueUrl": "http://127.0.0.1/1/{queue}"}}'.encode()
        target = {"HTTP_X_AMZ_TARGET": "AmazonSQS.ReceiveMessage"}
        return asked_by_role(monkeypatch, "sqs", "/", body, **target)

    assert receive("offload-fleet-a") == "200 OK"
    assert receive("offload-fleet-b") == "403 Forbidden"
    put: dict[str, Any] = {"REQUEST_METHOD": "PUT"}
    assert asked_by_role(monkeypatch, "s3", "/photos/in/1/0") == "200 OK"
    assert asked_by_role(monkeypatch, "s3", "/photos/in/1/0", **put) == "403 Forbidden"
    assert asked_by_role(monkeypatch, "s3", "/photos/rows/1/0.json", **put) == "200 OK"
    assert asked_by_role(monkeypatch, "s3", "/photos/fleet.json") == "403 Forbidden"


@dataclass
class Metric:
    """As moto keeps one: what it is called, of what."""

    namespace: str
    metric_name: str
    dimensions: list[Any]


def alarm_of(queries: list[dict[str, Any]]) -> Any:
    """As moto keeps an alarm on metric math."""
    kept = []
    for query in queries:
        asked = query.get("MetricStat", {}).get("Metric", {})
        of = [
            SimpleNamespace(name=d["Name"], value=d["Value"]) for d in asked.get("Dimensions", ())
        ]
        metric = Metric(asked.get("Namespace", ""), asked.get("MetricName", ""), of)
        stat = SimpleNamespace(metric=metric) if asked else None
        words = {"id": query["Id"], "expression": query.get("Expression"), "metric_stat": stat}
        kept.append(SimpleNamespace(**words, return_data=query["ReturnData"]))
    return SimpleNamespace(metric_data_queries=kept)


@pytest.mark.parametrize(
    ("visible", "in_flight", "wanted", "each"),
    [(0, 0, 0, 0), (1, 0, 0, 101), (30, 10, 4, 10), (None, None, None, 0)],
)
def test_the_alarm_of_a_fleet_counts_the_images_ahead_of_each_machine(
    visible: int | None,
    in_flight: int | None,
    wanted: int | None,
    each: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = {
        "ApproximateNumberOfMessagesVisible": visible,
        "ApproximateNumberOfMessagesNotVisible": in_flight,
        "GroupDesiredCapacity": wanted,
    }
    monkeypatch.setattr(scaling, "_metric", lambda _backend, _space, name, _of: said[name])
    assert scaling._value(alarm_of(policies.backlog("a", 100)), None) == each


@dataclass
class Backend:
    """A group that only counts its machines, which are all warm."""

    group: Any

    @property
    def autoscaling_groups(self) -> dict[str, Any]:
        """The one there is."""
        return {"a": self.group}

    def set_desired_capacity(self, _name: str, wanted: int) -> None:
        """As many as that."""
        self.group.desired_capacity = wanted


def test_a_step_policy_adds_what_its_step_says_and_counts_machines_that_warm_up_as_added() -> None:
    group = SimpleNamespace(name="a", desired_capacity=0, max_size=9, instance_states=[])
    policy = SimpleNamespace(
        name="a", auto_scaling_group_name="a", adjustment_type="ChangeInCapacity",
        step_adjustments=policies.steps(100), estimated_instance_warmup=120,
    )  # fmt: skip
    backend = Backend(group)
    for above, wanted in ((1, 1), (50, 1), (150, 2), (1e6, 9)):
        scaling._step(backend, policy, above)
        assert group.desired_capacity == wanted


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """moto's queues, mended, with a share of doubled messages of its own."""
    import boto3
    from moto import mock_aws
    from moto.sqs.models import Queue

    queues.mend()
    monkeypatch.setattr(queues, "STATE", tmp_path)
    monkeypatch.setattr(Queue, "share_doubled", staticmethod(queues.doubled))
    with mock_aws():
        yield boto3.client("sqs", region_name="us-west-2")


def filled(sqs: Any, messages: int, **attributes: str) -> str:
    """A queue with so many messages."""
    url: str = sqs.create_queue(QueueName="a", Attributes=attributes)["QueueUrl"]
    for number in range(messages):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    return url


def received(sqs: Any, url: str) -> list[Any]:
    """A message of it, if there is one."""
    answer = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])
    messages: list[Any] = answer.get("Messages", [])
    return messages


def test_a_message_goes_to_one_of_many_consumers(sqs: Any) -> None:
    url = filled(sqs, 40)
    with ThreadPoolExecutor(8) as consumers:
        found = list(consumers.map(lambda _: received(sqs, url), range(48)))
    assert Counter(m["Body"] for some in found for m in some) == Counter(map(str, range(40)))
    for [message] in filter(None, found):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert sqs.list_dead_letter_source_queues(QueueUrl=url)["queueUrls"] == []


def test_a_message_is_hidden_until_it_is_given_back_and_ends_among_the_dead(sqs: Any) -> None:
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = f'{{"deadLetterTargetArn": "{arn["QueueArn"]}", "maxReceiveCount": 2}}'
    url = filled(sqs, 1, RedrivePolicy=policy)
    for receives in ("1", "2"):
        [message] = received(sqs, url)
        assert message["Attributes"]["ApproximateReceiveCount"] == receives
        assert not received(sqs, url)
        handle = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
        sqs.change_message_visibility(**handle, VisibilityTimeout=0)
    assert not received(sqs, url)
    assert len(received(sqs, dead)) == 1
    with pytest.raises(sqs.exceptions.ClientError, match="does not exist"):
        sqs.change_message_visibility(**handle, VisibilityTimeout=0)


def test_a_share_of_the_messages_is_given_twice_on_purpose(sqs: Any) -> None:
    url = filled(sqs, 3)
    queues.double(1.0)
    found = Counter(m["Body"] for _ in range(8) for m in received(sqs, url))
    assert found == {"0": 2, "1": 2, "2": 2}
