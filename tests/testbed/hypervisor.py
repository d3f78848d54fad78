"""Makes this machine agree with what EC2 says: a host for every instance that runs."""

import base64
import copy
import io
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from tests.testbed import metadata, queues, roles, scaling
from tests.testbed.host import EDGE, Host, Identity, Rule, network_up, sweep
from tests.testbed.machine import STATE, identity, log, save
from tests.testbed.tokens import remembering

PORT = int(os.environ.get("FAKECLOUD_PORT", "5599"))
OURSELVES = "fakecloud"
_AGAIN_S = 0.5
_SERVICES = {"ec2", "autoscaling"}
"""Those whose calls start and end instances."""
_LOGINS = {"ubuntu": "ubuntu", "debian": "admin"}

Instance = Mapping[str, Any]
"""As DescribeInstances gives it."""


class Hypervisor:
    """Looks at the world whenever somebody may have changed it, and never in between."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.wake = threading.Event()
        self._regions: set[str] = set()
        self._clients: dict[tuple[str, str], Any] = {}
        self._live: dict[str, Host] = {}
        self._jobs: dict[str, threading.Thread] = {}  # power operations under way

    def middleware(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """`app` with an eye on it: any call but our own and questions may have changed the world.

        The region is read off the request's signature.
        """

        def wrapped(environ: dict[str, Any], start_response: object) -> Any:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            answer = app(environ, start_response)
            ours = OURSELVES in environ.get("HTTP_USER_AGENT", "")
            asks = environ["REQUEST_METHOD"] == "GET" or body.startswith(b"Action=Describe")
            if not asks and not ours:
                signed = environ.get("HTTP_AUTHORIZATION", "")
                scope = re.search(r"/([a-z]{2}(?:-[a-z]+)+-\d)/(\w+)/", signed)
                if not scope:
                    self.wake.set()
                elif scope[2] in _SERVICES:
                    self.look_at(scope[1])
            return answer

        return wrapped

    def look_at(self, region: str) -> None:
        """Something may have changed there."""
        self._regions.add(region)
        self.wake.set()

    def run(self, stopping: threading.Event) -> None:
        """Go on until `stopping`, then let what is under way finish."""
        while not stopping.is_set():
            self.wake.wait(30)
            time.sleep(0.02)  # a burst of calls is looked at once
            self.wake.clear()
            self._guard(self._reconcile)
        for job in list(self._jobs.values()):
            job.join(20)

    def _reconcile(self) -> None:
        known = set(self._jobs)
        for region in sorted(self._regions):
            ec2 = self._client("ec2", region)
            pages = ec2.get_paginator("describe_instances").paginate()
            seen = {
                instance["InstanceId"]: instance
                for page in pages
                for reservation in page["Reservations"]
                for instance in reservation["Instances"]
            }
            groups = {key: set(_groups(instance)) for key, instance in seen.items()}
            in_use = set[str]().union(*(g for k, g in groups.items() if k in self._live))
            rules = list(_ingress(ec2, in_use))
            for key, instance in seen.items():
                if key not in self._jobs:
                    self._settle(ec2, instance, [r for g, r in rules if g in groups[key]])
            known.update(seen)
        for key in self._live.keys() - known:  # forgotten: POST /moto-api/reset
            self._job(key, partial(self._live.pop(key).off, erase=True))

    def _settle(self, ec2: Any, instance: Instance, rules: Iterable[Rule]) -> None:
        """Make one host agree with what EC2 says of its instance."""
        key, state = instance["InstanceId"], instance["State"]["Name"]
        host = self._live.get(key)
        if state in {"pending", "running"}:
            if not host and instance.get("PublicIpAddress", "").startswith("198.18."):
                host = self._live[key] = Host(key)
                self._job(key, lambda: self._launch(ec2, instance, host))
            elif host and host.alive():
                host.firewall(rules)
            elif host and host.meta.get("init"):
                self._shut_itself_down(ec2, key)
        elif state in {"stopping", "stopped"}:
            if host:
                del self._live[key]
                self._job(key, lambda: host.off(erase=False))
        elif host or (STATE / "hosts" / key).exists():
            self._live.pop(key, None)
            self._job(key, lambda: Host(key).off(erase=True))

    def _shut_itself_down(self, ec2: Any, key: str) -> None:
        name = "instanceInitiatedShutdownBehavior"
        answer = ec2.describe_instance_attribute(InstanceId=key, Attribute=name)
        verb = answer["InstanceInitiatedShutdownBehavior"].get("Value", "stop")
        log(f"{key} powered itself off: {verb}")
        getattr(ec2, f"{verb}_instances")(InstanceIds=[key])
        self.wake.set()

    def _launch(self, ec2: Any, instance: Instance, host: Host) -> None:
        """Switch a host on; where that fails, the next look at the world does it again."""
        try:
            self._boot(ec2, instance, host)
        except BaseException:
            host.off(erase=False)
            del self._live[host.id]
            time.sleep(_AGAIN_S)
            raise

    def _boot(self, ec2: Any, instance: Instance, host: Host) -> None:
        keys = []
        if instance.get("KeyName"):
            names = [instance["KeyName"]]
            pairs = ec2.describe_key_pairs(KeyNames=names, IncludePublicKey=True)["KeyPairs"]
            keys = [pair["PublicKey"] for pair in pairs]
        answer = ec2.describe_instance_attribute(InstanceId=host.id, Attribute="userData")
        user_data = base64.b64decode(answer.get("UserData", {}).get("Value") or "")
        addresses = instance["PublicIpAddress"], instance["PrivateIpAddress"]
        login = _login(ec2, instance["ImageId"])
        stock = {"Key": "fakecloud-disk", "Value": "stock"} in instance.get("Tags", ())
        options = instance.get("MetadataOptions", {})
        hops = int(options.get("HttpPutResponseHopLimit") or 1)
        about = metadata.about(instance, host.dir / "notice", lambda: self._role(instance))
        who = Identity(*addresses, login, keys, user_data, stock, about, hops)
        host.boot(who, self.wake.set)

    def _role(self, instance: Instance) -> str | None:
        """What the role of an instance is called."""
        profile = instance.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2]
        if not profile:
            return None
        found = self._client("iam", "us-east-1").get_instance_profile(InstanceProfileName=profile)
        return next((role["RoleName"] for role in found["InstanceProfile"]["Roles"]), None)

    def _job(self, key: str, work: Callable[[], object]) -> None:
        """One power operation per instance at a time; another look at the world when it is done."""

        def job() -> None:
            self._guard(work)
            del self._jobs[key]
            self.wake.set()

        self._jobs[key] = threading.Thread(target=job, daemon=True)
        self._jobs[key].start()

    def _guard(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 # one bad instance must not stop the others
            log(f"failed: {type(error).__name__}: {error}")

    def _client(self, service: str, region: str) -> Any:
        """A client of moto's; to make one takes a tenth of a second."""
        if (service, region) not in self._clients:
            import boto3
            from botocore.config import Config

            self._clients[service, region] = boto3.client(
                service,
                endpoint_url=self.endpoint,
                region_name=region,
                aws_access_key_id=OURSELVES,
                aws_secret_access_key="x",
                config=Config(user_agent_extra=OURSELVES),
            )
        return self._clients[service, region]


def _login(ec2: Any, image_id: str) -> str:
    """The user an image lets in."""
    # A filter: an image that is not known is no error.
    by_id = [{"Name": "image-id", "Values": [image_id]}]
    images = ec2.describe_images(Filters=by_id)["Images"]
    about = f"{images[0].get('Name')} {images[0].get('Description')}".lower() if images else ""
    return next((login for name, login in _LOGINS.items() if name in about), "ec2-user")


def _groups(instance: Instance) -> Iterator[str]:
    """The security groups of an instance; moto names those of its cards nowhere else."""
    for thing in (instance, *instance.get("NetworkInterfaces", ())):
        for group in (*thing.get("SecurityGroups", ()), *thing.get("Groups", ())):
            yield group["GroupId"]


def _ingress(ec2: Any, groups: set[str]) -> Iterator[tuple[str, Rule]]:
    """The groups' rules, each with its group; deleted groups have none."""
    by_id = [{"Name": "group-id", "Values": sorted(groups)}]
    found = ec2.describe_security_groups(Filters=by_id)["SecurityGroups"] if groups else ()
    for group in found:
        for permission in group["IpPermissions"]:
            protocol = permission["IpProtocol"]
            match = "" if protocol == "-1" else f"-p {protocol}"
            if protocol in {"tcp", "udp"}:
                match += f" --dport {permission.get('FromPort')}:{permission.get('ToPort')}"
            for source in permission.get("IpRanges", ()):
                yield group["GroupId"], (source["CidrIp"], match)


def serve() -> None:
    """moto's AWS on 127.0.0.1 with the hypervisor behind it, until SIGTERM or Ctrl-C."""
    # Refuse what EC2 refuses.
    for what in ("EC2_ENABLE_INSTANCE_TYPE", "ENABLE_KEYPAIR", "ENABLE_AMI"):
        os.environ.setdefault(f"MOTO_{what}_VALIDATION", "1")
    from moto.ec2.models import elastic_network_interfaces
    from moto.ec2.models.instances import Instance as Virtual
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    elastic_network_interfaces.random_public_ip = _random_public_ip
    Virtual.terminate = _but_once(Virtual.terminate)
    queues.mend(queues.doubled)
    scaling.mend()
    sweep()
    (STATE / "hosts").mkdir(parents=True, exist_ok=True, mode=0o700)
    network_up()
    hypervisor, stopping = Hypervisor(f"http://127.0.0.1:{PORT}"), threading.Event()
    moto = remembering(DomainDispatcherApplication(create_backend_app))
    app = hypervisor.middleware(roles.checking(moto, metadata.issued))
    servers = [make_server(address, PORT, app, threaded=True) for address in ("127.0.0.1", EDGE)]

    def stop(*_: object) -> None:
        stopping.set()
        hypervisor.wake.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=scaling.run, args=(hypervisor.look_at, stopping), daemon=True).start()
    document = {"pid": identity(os.getpid()), "endpoint": hypervisor.endpoint}
    save(STATE / "daemon.json", document)
    log(f"fakecloud on {hypervisor.endpoint}")
    hypervisor.run(stopping)
    sweep()
    (STATE / "daemon.json").unlink(missing_ok=True)


def _but_once(terminate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What has ended can be ended again, as EC2 has it; moto misses its network card."""

    def wrapped(self: Any) -> Any:
        return copy.copy(self._state) if self._state.name == "terminated" else terminate(self)

    return wrapped


def _random_public_ip() -> str:
    return f"198.18.{random.randrange(256)}.{random.randrange(1, 255)}"
