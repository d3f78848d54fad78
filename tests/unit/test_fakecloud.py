"""What the test bed's cloud does beyond moto."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.testbed import hypervisor
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
