"""A real Kubernetes 1.20 of one node, on a host of the test bed."""

import fcntl
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.testbed import lab
from tests.testbed.machine import STATE, load, save

HERE = Path(__file__).parent
BUILD = "sudo tests/testbed/cluster/build"
NAME = "cluster"
CACHE = Path(os.environ.get("TESTBED_CACHE", "/var/cache/offload-testbed"))
API_PORT, NODE_PORTS = 6443, (30000, 32767)


@dataclass(frozen=True)
class Cluster:
    """`kubeconfig` lets in whoever may do anything; `host` is its one node, if that is ours."""

    kubeconfig: Path
    host: lab.Host | None = None

    @property
    def address(self) -> str:
        """The node's, where node ports answer."""
        assert self.host is not None
        return self.host.address

    def node(self, script: str) -> str:
        """What a script prints that root runs on the node."""
        assert self.host is not None
        return self.host.ssh(f"sudo bash -euc {shlex.quote(script)}")

    @contextmanager
    def without_api(self) -> Iterator[None]:
        """Meanwhile the API server is down, and every connection by way of it is cut."""
        self.node("kill -9 -- -$(cat /run/kubernetes/apiserver.pid)")
        try:
            yield
        finally:
            self.node("setsid /run/kubernetes/apiserver </dev/null >/dev/null 2>&1 &")
            self.until_ready()

    def until_ready(self, within_s: float = 120) -> None:
        """Wait until the API server answers, the node is ready and pods may have accounts."""
        until_s = time.monotonic() + within_s
        while not self._is_ready():
            assert time.monotonic() < until_s, self._told()
            time.sleep(0.2)

    def _is_ready(self) -> bool:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        core = self.client("CoreV1Api")
        try:
            core.read_namespaced_service_account("default", "default", _request_timeout=5)
            nodes = core.list_node(_request_timeout=5).items
        except (ApiException, HTTPError):
            return False
        states = [{each.type: each.status for each in node.status.conditions} for node in nodes]
        return bool(states) and all(each.get("Ready") == "True" for each in states)

    def client(self, kind: str) -> Any:
        """The official client for a group of the API, say `CoreV1Api`."""
        from kubernetes import client, config

        settings = client.Configuration()
        settings.retries = False
        config.load_kube_config(str(self.kubeconfig), client_configuration=settings)
        return getattr(client, kind)(client.ApiClient(settings))

    def _told(self) -> str:
        return self.node("tail -n 5 /run/kubernetes/log/*") if self.host else "it is not ready"


def built() -> Path | None:
    """What `build` made, if it has."""
    return max(CACHE.glob("kubernetes-*.tar.zst"), default=None)


@contextmanager
def up(*, keep: bool = False) -> Iterator[Cluster]:
    """The cluster that somebody keeps, else a new one, which goes again unless `keep`. What a
    killed process has left is removed first; meanwhile nobody else has one.
    """
    with _alone() as folder:
        kept = load(folder / "kept.json")
        if kept and kept["instance_id"] in _running():
            kept["key"] = Path(kept["key"])
            yield Cluster(folder / "kubeconfig", lab.Host(**kept))
            return
        _remove(folder)
        with ExitStack() as stack:
            one = _started(stack, folder)
            yield one
            if keep:
                stack.pop_all()
                assert one.host is not None
                save(folder / "kept.json", asdict(one.host) | {"key": str(one.host.key)})


def down() -> None:
    """End the cluster that somebody kept, or was killed over."""
    with _alone() as folder:
        _remove(folder)


@contextmanager
def _alone() -> Iterator[Path]:
    folder = STATE / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _running() -> dict[str, str]:
    """The hosts that are or were to be nodes of ours, and the names of their keys."""
    named = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    found = lab.client("ec2").describe_instances(Filters=named)["Reservations"]
    keys = {
        each["InstanceId"]: each.get("KeyName", "") for some in found for each in some["Instances"]
    }
    return {each: key for each, key in keys.items() if key.startswith(NAME)}


def _remove(folder: Path) -> None:
    for instance_id, key in _running().items():
        lab.client("ec2").terminate_instances(InstanceIds=[instance_id])
        lab.client("ec2").delete_key_pair(KeyName=key)
    for name in ("kept.json", "key.pem"):
        (folder / name).unlink(missing_ok=True)


def _started(stack: ExitStack, folder: Path) -> Cluster:
    host = lab.rented(stack, folder, f"{NAME}-{time.time_ns()}", (API_PORT, API_PORT), NODE_PORTS)
    one = Cluster(folder / "kubeconfig", host)
    programs = built()
    assert programs, f"not built: {BUILD}"
    with programs.open("rb") as data:
        host.ssh("sudo mkdir /opt/kubernetes && sudo tar --zstd -xC /opt/kubernetes", data.fileno())
    with (HERE / "node").open("rb") as script:
        host.ssh(f"sudo bash -s {host.address}", script.fileno())
    one.kubeconfig.write_text(host.ssh("cat /run/kubernetes/kubeconfig"))
    one.until_ready()
    return one
