"""What provisioning takes: moto's account, whose client may be gone, and an engine that only says
that it built.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from offload.domain.events import Reporter
from offload.drivers import settings
from offload.drivers.aws.function.parts import FunctionParts
from offload.usecases.context import Context
from offload.usecases.provision.functions import FunctionOptions, carry_out, planned, remove
from tests.contexts import context
from tests.functions.aws import REGION, Account

NAME = "photos"
WISH = FunctionOptions(NAME)
MAKES = (
    "create_", "put_", "update_", "delete_", "add_", "set_", "suspend_", "enable_", "remove_",
)  # fmt: skip


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
    agrees: bool = True

    def up(self, wish: FunctionOptions = WISH, clients: Any = None) -> Any:
        """The function, as asked for."""
        made = self.context()
        found = planned(wish, made, self.connect(clients))
        return carry_out(found, made, self.engine.connected)

    def down(self, clients: Any = None, *, may_be_cut: bool = False) -> list[str]:
        """The kinds of what was removed."""
        gone: list[str] = []
        connect = self.connect(clients)
        with suppress(Cut) if may_be_cut else nullcontext():
            remove(
                self.context(), NAME, None, None, lambda r: gone.append(r.kind),
                lambda _found: self.agrees, connect,
            )  # fmt: skip
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
            "table": of("dynamodb").list_tables()["TableNames"],
            "queue": of("sqs").list_queues().get("QueueUrls", []),
            "log group": [g["logGroupName"] for g in of("logs").describe_log_groups()["logGroups"]],
        }
        return {kind for kind, names in found.items() if any(NAME in name for name in names)}
