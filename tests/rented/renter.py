"""Somebody with an account at the test bed, on a computer of their own."""

import base64
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from offload.domain.machines import MARK
from offload.render.phases import STEPS
from tests.becoming import Begun, Done, spawner
from tests.testbed import lab
from tests.testbed.host import EDGE, Host

SECRET = "the-secret-key-of-their-account"
WITHOUT_IMAGE = ("--tag", "fakecloud-disk=stock")
"""Of a machine to be: it has an engine, and is not given our image with its disk."""
_NOT_THEIRS = ("OFFLOAD_", "AWS_", "XDG_")


@dataclass
class Renter:
    """`home` is the folder that stands for their computer, `seen_at` the address that the world
    sees it at. They rent in `region`.
    """

    home: Path
    checkip: str
    region: str = "us-east-1"
    seen_at: str = EDGE
    extra: dict[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """What their commands see."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_THEIRS)}
        return kept | {
            "HOME": str(self.home),
            "OFFLOAD_HUB": "http://127.0.0.1:9",
            "OFFLOAD_OFFLINE": "1",  # no prices: the bed's AWS has none
            "OFFLOAD_DATA": str(self.home / "data"),
            "OFFLOAD_CHECKIP": f"{self.checkip}{self.seen_at}",
            "AWS_ENDPOINT_URL": lab.ENDPOINT,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.extra,
        }

    def __call__(self, *words: object, **options: Any) -> Done:
        """`offload` with these words, to its end."""
        return spawner(*self.paths).run(*words, env=self.environment, **options)

    def well(self, *words: object, **options: Any) -> str:
        """The same, which must succeed: its standard output."""
        done = self(*words, **options)
        assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        return done.stdout

    def begun(self, *words: object) -> Begun:
        """The same, while it runs; in a group of its own."""
        return spawner(*self.paths).begin(words, env=self.environment)

    def provision(self, name: str, *words: object) -> str:
        """A machine that serves the embedded model."""
        given = ("provision", "ec2", "--name", name, "-y", "--offline", *words)
        return self.well(*given, timeout=300)

    def provisioning(self, name: str, *words: object) -> Begun:
        """The same, while it runs."""
        return self.begun("provision", "ec2", "--name", name, "-y", "-v", "--offline", *words)

    def reached(self, name: str, phase: str, *words: object) -> Begun:
        """A provisioning that has just begun a phase."""
        return comes_to(phase, self.provisioning(name, *words))

    def killed_at(self, name: str, phase: str, *words: object, after_s: float = 0.0) -> None:
        """A provisioning whose client was killed `after_s` into a phase."""
        process = self.reached(name, phase, *words)
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def machine(self, name: str) -> dict[str, Any] | None:
        """What `offload machines` says of a machine; None if nothing."""
        listed = json.loads(self.well("machines", "--json"))["machines"]
        found = [row for row in listed if row["name"] == name]
        assert len(found) < 2, found
        return found[0] if found else None

    def there(self, name: str) -> dict[str, Any]:
        """What the cloud says of a machine."""
        row = self.machine(name)
        assert row is not None
        machine: dict[str, Any] = row["machine"]
        assert machine is not None, row
        return machine

    def client(self, service: str = "ec2") -> Any:
        """boto3's client, for what they would do in a console."""
        return lab.client(service, self.region)

    def user_data(self, name: str) -> str:
        """What a machine was told at its first boot, as anyone with an account may read."""
        answer = self.client().describe_instance_attribute(
            InstanceId=self.there(name)["id"], Attribute="userData"
        )
        return base64.b64decode(answer["UserData"]["Value"]).decode()

    def carrying(self, name: str | None = None) -> list[str]:
        """Everything in the region that carries our mark and is not gone, by kind and id."""
        ec2 = self.client()
        of = {"Name": f"tag:{MARK}", "Values": [name]}
        marked = [of if name else {"Name": "tag-key", "Values": [MARK]}]
        found = [
            f"instance {instance['InstanceId']}"
            for some in ec2.describe_instances(Filters=marked)["Reservations"]
            for instance in some["Instances"]
            if instance["State"]["Name"] != "terminated"
        ]
        kinds = {
            "key pair": ("describe_key_pairs", "KeyPairs", "KeyPairId"),
            "security group": ("describe_security_groups", "SecurityGroups", "GroupId"),
            "volume": ("describe_volumes", "Volumes", "VolumeId"),
            "network interface": (
                "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId",
            ),
        }  # fmt: skip
        for kind, (operation, key, id_) in kinds.items():
            answer = getattr(ec2, operation)(Filters=marked)
            found += [f"{kind} {each[id_]}" for each in answer[key]]
        return found

    def instances(self, name: str) -> list[dict[str, Any]]:
        """Every instance that was ever called so and is still heard of."""
        by_name = [{"Name": f"tag:{MARK}", "Values": [name]}]
        found = self.client().describe_instances(Filters=by_name)["Reservations"]
        return [instance for some in found for instance in some["Instances"]]

    def folder(self, name: str) -> Path:
        """Where their computer keeps what it knows of a machine."""
        return self.home / "data" / "machines" / name

    def ssh(self, name: str, command: str) -> str:
        """What a command on a machine prints."""
        return self.well("ssh", name, "--", command)


@dataclass(frozen=True)
class Rented:
    """A machine that serves the embedded model, and who rents it."""

    renter: Renter
    name: str
    first: str = ""
    """What came of the first job there."""

    @property
    def id(self) -> str:
        """As the cloud has it."""
        return str(self.renter.there(self.name)["id"])

    @property
    def address(self) -> str:
        """Where it is now."""
        return str(self.renter.there(self.name)["address"])


def comes_to(phase: str, process: Begun) -> Begun:
    """The process, which says with `-v` that the phase has just begun."""
    seen = []
    # It may wait for somebody to read its rows; it gives up on a machine before, and says why.
    too_long = threading.Timer(400, process.kill)
    too_long.start()
    try:
        for line in process.stderr:
            seen.append(line)
            if line.strip().endswith((f"{phase} …", f"{STEPS.get(phase, phase)} …")):
                return process
    finally:
        too_long.cancel()
    process.communicate()
    raise AssertionError(f"never came to {phase}: {''.join(seen)}")


def shape(machine_id: str, **limits: float) -> None:
    """Change the link of a machine at once."""
    Host(machine_id).shape(limits)


def is_on(machine_id: str) -> bool:
    """Whether the machine was switched on; the cloud says that it runs a moment before."""
    return "init" in Host(machine_id).meta


def until(found: Callable[[], Any], within_s: float = 180.0, every_s: float = 0.2) -> Any:
    """What `found` gives, once it gives something."""
    give_up_s = time.monotonic() + within_s
    while not (result := found()):
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(every_s)
    return result


def called(what: str) -> str:
    """A name like that."""
    return f"{what}-{time.time_ns() % 10**12:x}"


def give_back(one: Renter) -> None:
    """Leave nothing of a renter's."""
    folders = one.home / "data" / "machines"
    for folder in folders.iterdir() if folders.is_dir() else ():
        if folder.is_dir():
            one("down", folder.name, "-q")


class _Mirror(BaseHTTPRequestHandler):
    """Says back what is asked: the path is the answer."""

    def do_GET(self) -> None:
        body = self.path.lstrip("/").encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: Any) -> None:  # noqa: A002 - the base class' name
        del format, words


@contextmanager
def checkip() -> Iterator[str]:
    """A server that says which address a computer is seen at: the one that its URL ends in."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
