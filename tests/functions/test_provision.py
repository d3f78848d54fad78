"""A function brought up and taken down, in moto's account; the engine only says that it built."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from offload.domain.errors import OffloadError, UsageError
from offload.domain.events import Sent
from offload.drivers.host import machine
from offload.usecases.provision.functions import FunctionOptions, listed, permissions
from tests.conftest import Offload
from tests.contexts import context
from tests.functions.aws import REGION, Account
from tests.functions.bench import NAME, Bench, Clients, Cut

pytestmark = pytest.mark.xdist_group("functions")

WISH_ALL = FunctionOptions(NAME, drop_box=True)
ALL = {"function", "repository", "role", "log group", "bucket"}


def test_it_is_made_of_parts_that_carry_our_tag_and_goes_without_a_trace(bench: Bench) -> None:
    up = bench.up()
    assert (up.name, up.memory_mb, up.arch, up.timeout_s) == (NAME, 1769, "x86_64", 60)
    assert bench.there() == ALL
    assert bench.engine.built == [{"RUNTIME": "tflite", "TARGET": "aws", "MODEL": "builtin"}]
    assert [event for event in bench.told if isinstance(event, Sent)] == [Sent(5, 10)]
    known = bench.account.client("lambda").get_function(FunctionName=NAME)
    assert known["Tags"]["offload:function"] == NAME
    assert known["Configuration"]["PackageType"] == "Image"
    assert bench.down() == ["function", "log group", "role", "bucket", "repository"]
    assert not bench.there()


def test_its_role_may_write_its_own_log_and_nothing_else(bench: Bench) -> None:
    bench.up()
    iam = bench.account.client("iam")
    policy = iam.get_role_policy(RoleName=f"{NAME}-{REGION}", PolicyName="own")["PolicyDocument"]
    [allowed] = policy["Statement"]
    assert allowed["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert allowed["Resource"].endswith(f":log-group:/aws/lambda/{NAME}:*")


def test_large_pictures_may_wait_in_a_bucket_that_is_private_and_empties_itself(
    bench: Bench,
) -> None:
    bucket, s3 = bench.up().bucket, bench.account.client("s3")
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}
    [rule] = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["Expiration"] == {"Days": 1}
    s3.put_object(Bucket=bucket, Key="staged/left", Body=b"x")
    assert "bucket" in bench.down()


def test_a_role_that_is_named_is_used_and_none_is_made(bench: Bench) -> None:
    role = bench.account.client("iam").get_role(RoleName="function")["Role"]["Arn"]
    bench.up(FunctionOptions(NAME, role=role))
    assert bench.there() == ALL - {"role"}
    configured = bench.account.client("lambda").get_function(FunctionName=NAME)["Configuration"]
    assert configured["Role"] == role


def test_the_same_again_changes_nothing_and_pushes_nothing(bench: Bench) -> None:
    bench.up()
    clients = Clients(bench.account)
    bench.up(clients=clients)
    assert len(bench.engine.built) == len(bench.engine.pushed) == 1
    assert not {"create_function", "update_function_code"} & {*clients.made}


def test_what_is_asked_for_otherwise_is_changed(bench: Bench) -> None:
    bench.up()
    assert bench.up(FunctionOptions(NAME, memory_mb=3000)).memory_mb == 3000
    assert len(bench.engine.pushed) == 1


def test_a_client_that_is_killed_at_any_step_goes_on_and_nothing_is_left(bench: Bench) -> None:
    def killed_at_each(work: Callable[[Clients], object]) -> int:
        """Each time one step later than before; how often, until nothing was left to do."""
        for steps in range(40):
            try:
                work(Clients(bench.account, steps))
            except Cut:
                continue
            return steps
        raise AssertionError

    assert killed_at_each(lambda clients: bench.up(clients=clients)) >= 11
    assert bench.there() == ALL
    # Of what is gone nothing is asked to go, so each time one thing less is left.
    bench.down(Clients(bench.account, 0), may_be_cut=True)
    bench.down(Clients(bench.account, 1), may_be_cut=True)
    assert "function" not in bench.there()
    bench.down()
    assert not bench.there()


def test_a_function_of_somebody_else_is_left_alone(bench: Bench) -> None:
    bench.account.function(NAME)
    with pytest.raises(UsageError, match="that offload did not make") as refused:
        bench.up()
    assert "--name NAME" in refused.value.hint
    with pytest.raises(UsageError, match="There is no function photos of offload's"):
        bench.down()
    bench.account.client("lambda").delete_function(FunctionName=NAME)


def test_what_somebody_else_made_goes_only_if_that_is_agreed_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(machine, "owner", lambda: "bob-desk")
        bench.up()
    bench.agrees = False
    assert bench.down() == []
    assert bench.there() == ALL
    bench.agrees = True


def test_a_new_role_is_waited_for_until_lambda_knows_it(bench: Bench) -> None:
    refusals = [OffloadError("AWS does not take it: The role cannot be assumed by Lambda.")] * 3

    class Late(Clients):
        """Whose role Lambda does not know at first."""

        def __call__(self, service: str) -> Any:
            client = super().__call__(service)
            if service == "lambda" and refusals:
                create = client.create_function

                def later(**asked: Any) -> Any:
                    if refusals:
                        raise refusals.pop()
                    return create(**asked)

                client.__dict__["create_function"] = later
            return client

    assert bench.up(clients=Late(bench.account)).name == NAME
    assert not refusals


class Refusing(Clients):
    """Whose account does not permit one operation, or not so."""

    def __init__(self, account: Account, service: str, operation: str, code: str, message: str):
        super().__init__(account)
        self.refused, self.why = (service, operation), (code, message)

    def __call__(self, service: str) -> Any:
        client = super().__call__(service)
        if service == self.refused[0]:
            said = {"Error": {"Code": self.why[0], "Message": self.why[1]}}

            def refuse(*_asked: Any, **_how: Any) -> Any:
                raise ClientError(said, self.refused[1])

            client.__dict__[self.refused[1]] = refuse
        return client


@pytest.mark.parametrize(
    ("refused", "says", "hint"),
    [
        (("iam", "create_role", "AccessDenied", "not authorized to perform: iam:CreateRole"),
         "These credentials may not iam:CreateRole.", "--role ARN"),
        (("ecr", "create_repository", "AccessDeniedException",
          "not authorized to perform: ecr:CreateRepository on resource: x"),
         "These credentials may not ecr:CreateRepository.", "offload provision lambda --plan"),
        (("ecr", "get_authorization_token", "AccessDeniedException",
          "not authorized to perform: ecr:GetAuthorizationToken on resource: *"),
         "These credentials may not ecr:GetAuthorizationToken.", "offload provision lambda --plan"),
        (("dynamodb", "create_table", "AccessDeniedException",
          "not authorized to perform: dynamodb:CreateTable on resource: x"),
         "These credentials may not dynamodb:CreateTable.", "offload provision lambda --plan"),
        (("lambda", "create_function", "AccessDeniedException",
          "not authorized to perform: iam:PassRole on resource: x"),
         "These credentials may not iam:PassRole.", "offload provision lambda --plan"),
        (("lambda", "create_function", "InvalidParameterValueException",
          "'MemorySize' value failed to satisfy constraint: at most 3008"),
         "The account's functions may not have so much memory", "--memory 3008"),
    ],
    ids=["role", "repository", "registry", "table", "pass", "memory"],
)  # fmt: skip
def test_what_aws_refuses_is_one_sentence_and_a_command(
    bench: Bench, refused: tuple[str, str, str, str], says: str, hint: str
) -> None:
    with pytest.raises(OffloadError) as raised:
        bench.up(WISH_ALL, clients=Refusing(bench.account, *refused))
    assert str(raised.value).startswith(says)
    assert hint in raised.value.hint


def test_a_region_without_a_registry_is_one_sentence_and_a_command(bench: Bench) -> None:
    class Nowhere(Clients):
        """Whose region has no ECR."""

        def __call__(self, service: str) -> Any:
            client = super().__call__(service)
            if service == "ecr":

                def fail(**_asked: Any) -> Any:
                    raise EndpointConnectionError(endpoint_url="https://api.ecr.nowhere")

                client.__dict__["create_repository"] = fail
            return client

    with pytest.raises(OffloadError, match="no network, or no such region") as raised:
        bench.up(clients=Nowhere(bench.account))
    assert "aws ec2 describe-regions" in raised.value.hint


def test_an_engine_whose_images_lambda_cannot_run_is_one_sentence_and_a_command(
    bench: Bench,
) -> None:
    bench.engine.arch = "riscv64"
    with pytest.raises(OffloadError, match=r"runs x86_64 and arm64.* builds for riscv64") as raised:
        bench.up()
    assert "DOCKER_HOST" in raised.value.hint
    assert not bench.there()
    assert not bench.engine.built


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"memory_mb": 128}, "--memory takes megabytes from 512"),
        ({"memory_mb": 20_000}, "--memory takes megabytes from 512"),
        ({"name": "Photos!"}, "cannot be called 'Photos!'"),
        ({"role": "LabRole"}, "--role takes the ARN of a role, not 'LabRole'"),
    ],
)
def test_what_aws_would_refuse_is_refused_before(wish: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        FunctionOptions(**wish)
    assert refused.value.hint


def test_a_plan_says_what_would_be_made_and_what_it_costs(here: Account, offload: Offload) -> None:
    done = offload("provision", "lambda", "--name", NAME, "--plan", "-m", "builtin", "--offline")
    assert done.returncode == 0, done.stderr
    assert "It costs nothing while nobody calls it" in done.stdout
    assert "1,000 images" in done.stdout
    refused = offload("provision", "lambda", "--name", NAME, "-m", "builtin", "--offline")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith("--yes")
    gone = offload("down", f"lambda:{NAME}", "--region", REGION)
    assert "There is no function photos of offload's in us-east-1." in gone.stderr


def test_machines_lists_functions_and_down_names_them_and_takes_them_down_with_all(
    bench: Bench, offload: Offload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    bench.up()
    # The other one of the account, which the fixture made, is not of offload's making.
    listed = json.loads(offload("machines", "--json").stdout)
    assert [each["name"] for each in listed["functions"]] == [NAME]
    assert f"\n{NAME}  " in offload("machines").stdout
    done = offload("down")
    stays = f"The function stays; to remove it: offload down lambda:{NAME} --region {REGION}"
    assert (done.returncode, done.stdout.splitlines()) == (0, [stays])
    assert bench.there()
    done = offload("down", "--all")
    assert (done.returncode, len(done.stdout.splitlines()), bench.there()) == (0, 5, set())


def test_who_may_list_no_functions_is_told_so_beside_the_machines(bench: Bench) -> None:
    refused = "not authorized to perform: lambda:ListFunctions on resource: *"
    refusing = Refusing(bench.account, "lambda", "get_paginator", "AccessDeniedException", refused)
    told: list[str] = []
    found = listed(context(warn=told.append), (), None, connect=bench.connect(refusing))
    assert found == []
    assert told == ["Functions are not listed: These credentials may not lambda:ListFunctions."]


def test_the_doctor_says_which_permissions_to_look_for_functions_are_missing(bench: Bench) -> None:
    refused = "not authorized to perform: ecr:DescribeRepositories on resource: *"
    refusing = Refusing(
        bench.account, "ecr", "describe_repositories", "AccessDeniedException", refused
    )
    found = permissions(context(), None, None, bench.connect(refusing))
    assert found.get("missing") == ["ecr:DescribeRepositories"], found
    assert {"lambda:GetFunction", "iam:GetRole", "sqs:GetQueueUrl"} < {*found["allowed"]}
