"""Somebody with a cluster: what they type, and what they see in it."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.becoming import Begun, Done, spawner
from tests.testbed.cluster import Cluster

LABEL = "app.kubernetes.io/managed-by=offload"
KINDS = (
    "api/v1/configmaps", "api/v1/pods", "api/v1/secrets", "api/v1/services",
    "apis/apps/v1/deployments", "apis/apps/v1/replicasets",
    "apis/autoscaling/v1/horizontalpodautoscalers", "apis/policy/v1beta1/poddisruptionbudgets",
    "apis/policy/v1/poddisruptionbudgets",
)  # fmt: skip
"""Of what carries our label, and goes with `down`. What follows from a service goes with it."""
SERVED = (
    "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', 8080);"
    "c.request('GET', '/metrics',"
    " headers={'Authorization': 'Bearer ' + os.environ['OFFLOAD_TOKEN']});"
    "print(c.getresponse().read().decode())"
)
Json = dict[str, Any]


@dataclass(frozen=True)
class User:
    """They have a `namespace` of their own, and a kubeconfig that says so."""

    cluster: Cluster
    kubeconfig: Path
    image: str
    namespace: str = field(default_factory=lambda: f"test-{time.time_ns():x}")

    @property
    def environment(self) -> dict[str, str]:
        """What their commands see."""
        return {"KUBECONFIG": str(self.kubeconfig), "OFFLOAD_DEPLOYMENT": self.namespace}

    def begin(self) -> None:
        """Give them the namespace."""
        self.kubeconfig.write_text(self.cluster.kubeconfig.read_text())
        about = {"metadata": {"name": self.namespace}}
        self.ask("POST", "api/v1/namespaces", about)

    def end(self) -> None:
        """Remove it, with all that is in it, at once: the next one has its cores."""
        self.ask("DELETE", f"api/v1/namespaces/{self.namespace}")

        def empty() -> bool:
            pods = self.pods()
            for pod in pods:  # those that a controller still made, too
                self.kill(pod["metadata"]["name"])
            return not pods

        until(empty)

    def provision(self, *words: object, **options: Any) -> Done:
        """`offload provision kubernetes` with these words, to its end."""
        return spawner().run(*self.provisioning(*words), **options)

    def provisioning(self, *words: object) -> tuple[object, ...]:
        """The words of it."""
        given = ("--namespace", self.namespace, "--container-image", self.image, "--yes")
        return ("provision", "kubernetes", *given, *words)

    def down(self) -> None:
        """`offload down kubernetes`, which must succeed."""
        self.well("down", "kubernetes", "-q")

    def well(self, *words: object, **options: Any) -> str:
        """`offload` with these words, which must succeed: its standard output."""
        done = spawner().run(*words, **options)
        assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        return done.stdout

    def begun(self, *words: object) -> Begun:
        """The same, while it runs."""
        return spawner().begin(words)

    def ask(
        self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> Json | None:
        """What the API server answers; None where there is no such thing."""
        api = self.cluster.client("CoreV1Api").api_client
        settings = api.configuration
        token = settings.get_api_key_with_prefix("BearerToken", "authorization")
        patch = "application/strategic-merge-patch+json"
        headers = {"Content-Type": patch if method == "PATCH" else "application/json"}
        if token:
            headers["Authorization"] = token
        url = f"{settings.host}/{path}?{urlencode(query or {})}"
        reply = api.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=30
        )
        answer = json.loads(reply.read() or b"{}")
        if reply.status in {404, 409}:  # not there, or going already
            return None
        assert reply.status < 400, answer
        return dict(answer)

    def path(self, kind: str, name: str = "", group: str = "api/v1") -> str:
        """Where their objects of a kind are, or one of them."""
        return f"{group}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def pods(self) -> list[Json]:
        """The pods in their namespace, of offload or not."""
        found = self.ask("GET", self.path("pods")) or {}
        return list(found.get("items") or [])

    def ready(self) -> list[str]:
        """The names of the pods that are ready, and not about to go."""
        return [
            pod["metadata"]["name"]
            for pod in self.pods()
            if not pod["metadata"].get("deletionTimestamp")
            and {"type": "Ready", "status": "True"}.items()
            <= {k: v for c in pod["status"].get("conditions", []) if c["type"] == "Ready"
                for k, v in c.items()}.items()
        ]  # fmt: skip

    def kill(self, pod: str) -> None:
        """Have a pod end at once, without a word."""
        self.ask("DELETE", self.path("pods", pod), {"gracePeriodSeconds": 0})

    def change(self, spec: Json, name: str = "offload") -> None:
        """Change a deployment as kubectl would."""
        path = self.path("deployments", name, "apis/apps/v1")
        assert self.ask("PATCH", path, {"spec": spec}) is not None

    def rolled_out(self, name: str = "offload") -> bool:
        """Whether all pods of a deployment are ready and as they are to be, and no others."""
        found = self.ask("GET", self.path("deployments", name, "apis/apps/v1")) or {}
        status, wanted = found["status"], found["spec"]["replicas"]
        seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        return seen and all(
            status.get(each, 0) == wanted
            for each in ("replicas", "updatedReplicas", "availableReplicas")
        )

    def carrying(self, label: str = LABEL) -> list[str]:
        """What of theirs carries our label, by kind and name."""
        found = []
        for kind in KINDS:
            group, _, plural = kind.rpartition("/")
            listed = self.ask("GET", self.path(plural, group=group), query={"labelSelector": label})
            items = (listed or {}).get("items") or []
            found += [f"{plural} {each['metadata']['name']}" for each in items]
        return sorted(set(found))

    def token(self) -> str:
        """What a client of the server in the pods has to show."""
        secret = self.ask("GET", self.path("secrets", "offload"))
        assert secret is not None
        return base64.b64decode(secret["data"]["token"]).decode()

    def served(self) -> dict[str, int]:
        """How many images each ready pod has answered."""
        from kubernetes import stream

        core, found = self.cluster.client("CoreV1Api"), {}
        for pod in self.ready():
            there = stream.stream(
                core.connect_get_namespaced_pod_exec, pod, self.namespace,
                command=["python", "-c", SERVED], stdout=True, stderr=True, stdin=False, tty=False,
                _preload_content=False,
            )  # fmt: skip
            there.run_forever(timeout=60)
            said = there.read_all()
            there.sock.shutdown()  # `close` does nothing where the other end closed first
            told = (line for line in said.splitlines() if line and not line.startswith("#"))
            counts = dict(line.rsplit(" ", 1) for line in told)
            found[pod] = int(float(counts["offload_images_total"]))
        return found


def host_of(kubeconfig: Path) -> str:
    """Where the API server of its current context is."""
    from kubernetes import client, config

    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=settings)
    return urlsplit(settings.host).hostname or ""


def until(found: Callable[[], Any], within_s: float = 120.0) -> Any:
    """What `found` gives, once it gives something."""
    give_up_s = time.monotonic() + within_s
    while not (result := found()):
        assert time.monotonic() < give_up_s, "waited in vain"
        time.sleep(0.1)
    return result
