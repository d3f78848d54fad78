"""A function brought up and taken down, in moto's account; the engine only says that it built."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from offload.domain.errors import OffloadError, UsageError
from offload.domain.events import Reporter, Sent
from offload.drivers import settings
from offload.drivers.aws.function_parts import FunctionParts
from offload.usecases.context import Context
from offload.usecases.provision.functions import FunctionOptions, carry_out, planned, remove
from tests.conftest import Offload
from tests.contexts import context
from tests.functions.aws import REGION, Account

pytestmark = pytest.mark.xdist_group("functions")

NAME = "photos"
WISH = FunctionOptions(NAME)
MAKES = ("create_", "put_", "update_", "delete_")


class Cut(BaseException):
    """The client is gone."""


@dataclass
class Clients:
    """boto3's clients of an account; after so many calls that change something we are gone."""

    account: Account
    left: int = 1000
    made: list[str] = field(default_factory=list)

    def __call__(self, service: str) -> Any:
        return _Cutting(self.account.client(service), self)


@dataclass
class _Cutting:
    client: Any
    clients: Clients

    def __getattr__(self, operation: str) -> Any:
        call, clients = getattr(self.client, operation), self.clients
        if not operation.startswith(MAKES):
            return call

        def cut(**asked: Any) -> Any:
            clients.left -= 1
            if clients.left < 0:
                raise Cut
            clients.made.append(operation)
            return call(**asked)

        return cut


@dataclass
class Engine:
    """Has built and pushed what it was told to."""

    account: Account
    arch: str = "x86_64"
    labels: dict[str, Mapping[str, str]] = field(default_factory=dict)
    built: list[Mapping[str, str]] = field(default_factory=list)
    pushed: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """Itself."""
        yield self

    def image_labels(self, image: str) -> Mapping[str, str] | None:
        """Of what was built."""
        return self.labels.get(image)

    def build(
        self, context: Any, tag: str, arguments: Mapping[str, str], labels: Mapping[str, str],
        on_line: Any,
    ) -> None:  # fmt: skip
        """As told."""
        del context
        on_line("Step 1/1")
        self.built.append(arguments)
        self.labels[tag] = labels

    def push(
        self, image: str, repository: str, tag: str, login: tuple[str, str], on_bytes: Any
    ) -> None:
        """What the registry then has."""
        assert image in self.labels
        assert login[0] == "AWS"
        on_bytes(5, 10)
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "tag": tag})
        name = repository.rpartition("/")[2]
        self.account.client("ecr").put_image(
            repositoryName=name, imageManifest=manifest, imageTag=tag
        )
        self.pushed.append((repository, tag))


@dataclass
class Bench:
    """What provisioning takes, and what it told."""

    account: Account
    engine: Engine
    told: list[Any] = field(default_factory=list)

    def up(self, wish: FunctionOptions = WISH, clients: Any = None) -> Any:
        """The function, as asked for."""
        made = self.context()
        found = planned(wish, made, self.connect(clients))
        return carry_out(found, made, self.engine.connected)

    def down(self, clients: Any = None, *, may_be_cut: bool = False) -> list[str]:
        """The kinds of what was removed."""
        gone: list[str] = []
        connect, cut = self.connect(clients), Cut if may_be_cut else ()
        with suppress(cut):
            remove(self.context(), NAME, None, None, lambda r: gone.append(r.kind), connect)
        return gone

    def connect(self, clients: Any = None) -> Any:
        parts = FunctionParts(clients or Clients(self.account), REGION, lambda _s: None)
        return lambda _region, _profile: parts

    def context(self) -> Context:
        configured = settings.load({"OFFLOAD_MODEL": "builtin", "OFFLOAD_OFFLINE": "true"})
        return context(configured, reporter=Reporter(self.told.append))

    def there(self) -> set[str]:
        """What the account has of our name."""
        of = self.account.client
        found = {
            "function": [f["FunctionName"] for f in of("lambda").list_functions()["Functions"]],
            "repository": [
                r["repositoryName"] for r in of("ecr").describe_repositories()["repositories"]
            ],
            "role": [r["RoleName"] for r in of("iam").list_roles()["Roles"]],
            "bucket": [b["Name"] for b in of("s3").list_buckets()["Buckets"]],
            "log group": [g["logGroupName"] for g in of("logs").describe_log_groups()["logGroups"]],
        }
        return {kind for kind, names in found.items() if any(NAME in name for name in names)}


@pytest.fixture
def bench(here: Account) -> Iterator[Bench]:
    one = Bench(here, Engine(here))
    yield one
    if one.there():
        one.down()
    assert not one.there()


ALL = {"function", "repository", "role", "log group", "bucket"}


def test_it_is_made_of_parts_that_carry_our_tag_and_goes_without_a_trace(bench: Bench) -> None:
    up = bench.up()
    assert (up.name, up.memory_mb, up.arch, up.timeout_s) == (NAME, 1769, "x86_64", 60)
    assert bench.there() == ALL
    assert bench.engine.built == [{"RUNTIME": "tflite", "TARGET": "lambda", "MODEL": "builtin"}]
    assert [event for event in bench.told if isinstance(event, Sent)] == [Sent(5, 10)]
    known = bench.account.client("lambda").get_function(FunctionName=NAME)
    assert known["Tags"]["offload:function"] == NAME
    assert known["Configuration"]["PackageType"] == "Image"
    assert bench.down() == ["function", "log group", "role", "repository", "bucket"]
    assert not bench.there()


def test_its_role_may_write_its_own_log_and_nothing_else(bench: Bench) -> None:
    bench.up()
    iam = bench.account.client("iam")
    policy = iam.get_role_policy(RoleName=f"{NAME}-{REGION}", PolicyName="log")["PolicyDocument"]
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
