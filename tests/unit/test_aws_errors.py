"""What AWS says when something is wrong, and what people are told."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.drivers.aws import account, calls
from offload.drivers.aws.calls import (
    NoCapacity,
    NotAllowed,
    NotKnownYet,
    QuotaUsedUp,
    SpentToken,
    explained,
)
from offload.drivers.aws.ec2 import Cloud

DENIED = (
    "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/bob is "
    "not authorized to perform: {action} on resource: arn:aws:ec2:eu-central-1:123456789012:{on} "
    "because no identity-based policy allows the {action} action. Encoded authorization failure "
    "message: 4jX_secret"
)


def refusal(code: str, message: str = "It said so.", operation: str = "RunInstances") -> Any:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class TestCodes:
    @pytest.mark.parametrize(
        ("code", "kind", "says", "types"),
        [
            ("AuthFailure", PlaceUnavailable, "does not accept these credentials", "aws configure"),
            ("InvalidClientTokenId", PlaceUnavailable, "not accept", "aws sts get-caller-identity"),
            ("ExpiredToken", PlaceUnavailable, "session has expired", "aws sso login"),
            ("UnauthorizedOperation", NotAllowed, "may not", "offload doctor aws"),
            ("RequestExpired", PlaceUnavailable, "session has expired", "Learner Lab: start it"),
            ("RequestTimeTooSkewed", PlaceUnavailable, "clock is wrong", "timedatectl"),
            ("VcpuLimitExceeded", QuotaUsedUp, "quota", "--instance-type"),
            ("MaxSpotInstanceCountExceeded", QuotaUsedUp, "quota", "--instance-type"),
            ("InsufficientInstanceCapacity", NoCapacity, "available there now", "--zone"),
            ("SpotMaxPriceTooLow", NoCapacity, "available there now", "--instance-type"),
            ("InvalidInstanceType", UsageError, "no such instance type", "offerings"),
            ("Unsupported", NoCapacity, "does not offer that", "--zone"),
            ("InvalidAMIID.NotFound", UsageError, "no such AMI", "--ami"),
            ("InvalidAMIID.Malformed", UsageError, "no such AMI", "--ami"),
            ("OptInRequired", PlaceUnavailable, "not subscribed", "--ami"),
            ("RequestLimitExceeded", PlaceUnavailable, "Too many requests", "again"),
            ("VPCIdNotSpecified", PlaceUnavailable, "no default network", "create-default-vpc"),
            ("MissingInput", PlaceUnavailable, "no subnet", "--subnet"),
            ("InvalidSubnetID.NotFound", UsageError, "no such subnet", "describe-subnets"),
            ("InvalidInstanceID.NotFound", OffloadError, "no such machine", "offload machines"),
            ("UnsupportedOperation", OffloadError, "not do that now", "offload machines"),
            ("DependencyViolation", OffloadError, "still uses it", "again"),
            ("InvalidKeyPair.Duplicate", OffloadError, "name is taken", "offload down"),
            ("InvalidGroup.NotFound", NotKnownYet, "does not know everywhere yet", "try again"),
            ("IdempotentParameterMismatch", SpentToken, "earlier attempt", "offload down"),
            ("InternalError", PlaceUnavailable, "problem of its own", "again"),
            ("SomethingNew", OffloadError, "AWS refuses RunInstances", "offload doctor aws"),
        ],
    )
    def test_each_is_one_sentence_and_a_command(
        self, code: str, kind: type[OffloadError], says: str, types: str
    ) -> None:
        error = explained(refusal(code))
        assert type(error) is kind
        assert says in str(error)
        assert types in error.hint
        assert str(error).endswith(".")
        assert not str(error).endswith("..")

    def test_a_learner_lab_is_known_by_its_role(self) -> None:
        user = "arn:aws:sts::123456789012:assumed-role/voclabs/user123=bob"
        said = DENIED.format(action="ec2:RunInstances", on="instance/*")
        said = said.replace("arn:aws:iam::123456789012:user/bob", user)
        error = explained(refusal("UnauthorizedOperation", said))
        assert str(error) == "A Learner Lab does not permit that: ec2:RunInstances."
        assert "--on-demand" in error.hint

    def test_a_clock_that_is_wrong_is_not_taken_for_wrong_keys(self) -> None:
        said = "Signature expired: 20261130T120000Z is now earlier than 20261130T130000Z"
        error = explained(refusal("SignatureDoesNotMatch", said))
        assert "This computer's clock is wrong, says AWS: Signature expired" in str(error)

    def test_quota_and_capacity_are_told_apart(self) -> None:
        quota, capacity = refusal("VcpuLimitExceeded"), refusal("InsufficientInstanceCapacity")
        assert explained(quota).hint != explained(capacity).hint

    def test_the_lacking_permission_is_named(self) -> None:
        said = DENIED.format(action="ec2:RunInstances", on="instance/*")
        error = explained(refusal("UnauthorizedOperation", said))
        assert str(error) == "These credentials may not ec2:RunInstances."

    def test_where_tagging_at_creation_is_denied_that_is_said(self) -> None:
        said = DENIED.format(action="ec2:CreateTags", on="volume/*")
        error = explained(refusal("UnauthorizedOperation", said))
        assert str(error) == (
            "These credentials may not tag the volume that RunInstances creates (ec2:CreateTags)."
        )

    def test_the_permission_of_another_service_is_named(self) -> None:
        said = "User: bob is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm"
        error = explained(refusal("AccessDeniedException", said, "GetParameters"))
        assert str(error) == "These credentials may not ssm:GetParameters."

    def test_an_old_refusal_names_the_call(self) -> None:
        error = explained(refusal("UnauthorizedOperation", "You are not authorized.", "StopX"))
        assert str(error) == "These credentials may not StopX."

    def test_what_only_aws_can_read_is_left_out(self) -> None:
        error = explained(refusal("New", DENIED.format(action="ec2:X", on="instance/*")))
        assert "4jX_secret" not in str(error)


class TestExceptions:
    @pytest.mark.parametrize(
        ("raised", "kind", "says", "types"),
        [
            (exceptions.NoCredentialsError(), PlaceUnavailable, "no AWS credentials", "configure"),
            (exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
             PlaceUnavailable, "env lacks AWS_SECRET_ACCESS_KEY", "aws configure"),
            (exceptions.UnauthorizedSSOTokenError(), PlaceUnavailable, "expired", "aws sso login"),
            (exceptions.SSOTokenLoadError(error_msg="none"), PlaceUnavailable, "expired", "sso"),
            (exceptions.TokenRetrievalError(provider="sso", error_msg="old"), PlaceUnavailable,
             "expired", "aws sso login"),
            (exceptions.CredentialRetrievalError(provider="process", error_msg="no such file"),
             PlaceUnavailable, "cannot be fetched: no such file", "aws"),
            (exceptions.ProfileNotFound(profile="wrk"), UsageError, "'wrk'", "list-profiles"),
            (exceptions.NoRegionError(), PlaceUnavailable, "No AWS region", "AWS_REGION"),
            (exceptions.InvalidRegionError(region_name="a b"), UsageError, "'a b'", "regions"),
            (exceptions.EndpointConnectionError(endpoint_url="https://ec2.mars-1.amazonaws.com"),
             PlaceUnavailable, "ec2.mars-1.amazonaws.com", "describe-regions"),
            (exceptions.ConnectTimeoutError(endpoint_url="https://x"), PlaceUnavailable,
             "does not answer", "describe-regions"),
            (exceptions.ReadTimeoutError(endpoint_url="https://x"), PlaceUnavailable,
             "does not answer", "describe-regions"),
            (exceptions.ConfigParseError(path="/x"), PlaceUnavailable, "/x", "offload doctor aws"),
        ],
    )  # fmt: skip
    def test_each_is_one_sentence_and_a_command(
        self, raised: Exception, kind: type[OffloadError], says: str, types: str
    ) -> None:
        error = explained(raised)
        assert type(error) is kind
        assert says in str(error)
        assert types in error.hint
        assert "\n" not in str(error)


class TestConnecting:
    def keys(self, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
        usual = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
        for name, value in {**usual, "AWS_MAX_ATTEMPTS": "1", **more}.items():
            monkeypatch.setenv(name, value)

    def test_without_credentials(self) -> None:
        with pytest.raises(PlaceUnavailable, match="no AWS credentials"):
            Cloud.connected("eu-central-1")

    def test_without_a_region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys(monkeypatch)
        with pytest.raises(PlaceUnavailable, match="No AWS region is chosen"):
            Cloud.connected()

    def test_the_region_is_the_one_named_before_those_configured(
        self, monkeypatch: pytest.MonkeyPatch, home: Path
    ) -> None:
        (home / ".aws").mkdir()
        (home / ".aws" / "config").write_text("[profile work]\nregion = eu-north-1\n")
        self.keys(monkeypatch)
        assert Cloud.connected(profile=None, region="eu-west-3").region == "eu-west-3"
        assert account.session(profile="work").region_name == "eu-north-1"
        self.keys(monkeypatch, AWS_DEFAULT_REGION="us-east-2")
        assert Cloud.connected().region == "us-east-2"
        self.keys(monkeypatch, AWS_REGION="us-west-2")
        assert Cloud.connected().region == "us-west-2"
        assert Cloud.connected("eu-west-3").region == "eu-west-3"

    def test_an_unknown_profile(self) -> None:
        with pytest.raises(UsageError, match="no AWS profile 'wrk'"):
            Cloud.connected("eu-central-1", "wrk")

    def test_what_is_no_region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys(monkeypatch)
        with pytest.raises(UsageError, match="'a b' is not a valid AWS region"):
            Cloud.connected("a b")

    def test_an_endpoint_that_is_no_url(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys(monkeypatch, AWS_ENDPOINT_URL="nonsense")
        with pytest.raises(PlaceUnavailable, match="nonsense"):
            Cloud.connected("eu-central-1")

    def test_an_endpoint_where_nobody_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys(monkeypatch, AWS_ENDPOINT_URL="http://127.0.0.1:9")
        session = account.session("eu-central-1")
        with pytest.raises(PlaceUnavailable, match=r"does not answer .*127\.0\.0\.1:9"):
            calls.call(account.client(session, "ec2", attempts=1), "describe_regions")

    @pytest.mark.parametrize(
        ("service", "question"), [("ec2", "describe_regions"), ("sts", "get_caller_identity")]
    )
    def test_a_network_that_answers_in_its_place(
        self, monkeypatch: pytest.MonkeyPatch, portal: str, service: str, question: str
    ) -> None:
        self.keys(monkeypatch, AWS_ENDPOINT_URL=portal)
        session = account.session("eu-central-1")
        with pytest.raises(PlaceUnavailable, match="The answer is not from AWS"):
            calls.call(account.client(session, service, attempts=1), question)

    @pytest.fixture
    def portal(self) -> Iterator[str]:
        with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as server:
            Thread(target=server.serve_forever).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


class Portal(BaseHTTPRequestHandler):
    """A network's page that answers whatever is asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Please accept our terms.<br></html>")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
