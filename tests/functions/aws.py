"""An account with a function in it: moto's, whose environments are processes of our handler."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.becoming import Begun, spawner
from tests.conftest import PROJECT
from tests.testbed import queues
from tests.testbed.drops import Delivery
from tests.testbed.functions import Invoking, Starting, Watched
from tests.testbed.registry import Registered, Registry
from tests.testbed.runtime import Launch, Program, Service

REGION = "us-east-1"
HANDLER = "tests.functions.troubled.handler"
NAME = "offload"
_TRUST = '{"Version": "2012-10-17", "Statement": []}'


@dataclass
class Process:
    """An environment's program as a process of this machine."""

    process: Begun
    lock: threading.Lock = field(default_factory=threading.Lock)

    def alive(self) -> bool:
        """Whether it still runs."""
        with self.lock:
            return self.process.poll() is None

    def freeze(self, *, on: bool) -> None:
        """Have it stand still, or go on."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGSTOP if on else signal.SIGCONT)

    def kill(self) -> None:
        """End it, and what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with self.lock:
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def as_process(_function: Any) -> Launch:
    """A function's program as a process that runs AWS' own runtime client with our handler."""

    def launch(variables: Mapping[str, str]) -> Program:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OFFLOAD_", "AWS_"))}
        environment = {**kept, **variables, "OFFLOAD_MODEL": "builtin"}
        begun = spawner().begin([HANDLER], environment, PROJECT, module="awslambdaric")
        return Process(begun)

    return launch


@dataclass
class Account:
    """An account of AWS that answers at `url`; `service` runs its functions, `delivery` tells them
    of what S3 has, `watched` of each request, and `registered` is its ECR where that is real.
    """

    url: str
    service: Service
    delivery: Delivery
    watched: Watched
    registered: Registered | None = None
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """The variables with which AWS' tools ask this account."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }

    def client(self, service: str) -> Any:
        """boto3's, which takes a while to make."""
        import boto3

        if service not in self.clients:
            self.clients[service] = boto3.client(
                service, REGION, endpoint_url=self.url, aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )  # fmt: skip
        return self.clients[service]

    def function(self, name: str, **more: Any) -> str:
        """A function of our image; its name."""
        iam = self.client("iam")
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName="function", AssumeRolePolicyDocument=_TRUST)
        role = iam.get_role(RoleName="function")["Role"]["Arn"]
        wanted = {"Timeout": 60, "MemorySize": 1769} | more
        self.client("lambda").create_function(
            FunctionName=name, Role=role, PackageType="Image",
            Code={"ImageUri": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/offload:1"}, **wanted,
        )  # fmt: skip
        return name


@contextmanager
def account(
    most: int = 10, starting: Starting = as_process, shelf: Registry | None = None
) -> Iterator[Account]:
    """One that runs at most so many calls at a time, whose functions are started so, and whose ECR
    is a registry if there is one.
    """
    from moto.s3 import notifications
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        """Keeps its connections, and says nothing."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
            """Nobody reads it."""

    queues.mend()
    service = Service(most)
    moto = DomainDispatcherApplication(create_backend_app)
    registered = Registered(moto, shelf) if shelf else None
    app = Invoking(registered or moto, service, starting)
    watched = Watched(app)
    before = notifications._invoke_awslambda
    notifications._invoke_awslambda = app.tell  # it would want an engine
    server = make_server("127.0.0.1", 0, watched, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    try:
        app.endpoint = f"http://127.0.0.1:{server.server_port}"
        yield Account(app.endpoint, service, app.delivery, watched, registered)
    finally:
        notifications._invoke_awslambda = before
        service.rest()
        server.shutdown()
        server.server_close()
        sys.stderr.flush()
