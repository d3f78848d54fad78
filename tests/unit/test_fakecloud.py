"""What the test bed's cloud does beyond moto."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

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
