"""Our objects in a cluster: the server as a Deployment, and what belongs to it."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from offload.domain.machines import SERVER_PORT
from offload.domain.results import Json
from offload.drivers.kubernetes.cluster import MARK

Exposure = Literal["nodeport", "loadbalancer"]
CONTAINER, TOKEN = "server", "token"
_DRAIN_S, _GRACE_S = 5, 60
"""How long a pod that is to end still answers, until nobody sends it anything any more; and how
long it may take in all for what it has in progress.
"""
# A Service shares out connections: those that are kept move on after so many requests.
_SERVE = "serve", "--offline", "--host", "0.0.0.0", "--max-requests-per-connection", "20"  # noqa: S104 - inside the pod
_USER = 10001
_BUSY_PERCENT = 80
OPTIONS = "offload.options"
"""The annotation of a deployment that says what was asked for."""


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """The server in a cluster. `memory` is in the words of Kubernetes, such as `1Gi`; `arch` that
    of the nodes that its image is for, None where nobody knows. With `max_replicas` the cluster
    chooses how many there are, from `replicas` on; `running` are those of now. `options` are
    remembered, as JSON.
    """

    namespace: str
    name: str
    image: str
    replicas: int
    cpus: float
    memory: str
    arch: str | None = None
    expose: Exposure | None = None
    node_port: int | None = None
    max_replicas: int | None = None
    options: str = "{}"
    running: int = 0

    @property
    def labels(self) -> dict[str, str]:
        """What finds its objects, and none of another's."""
        return labels_of(self.name)

    def objects(self, pdb: str, hpa: str) -> list[Json]:
        """All but its Secret, in the order in which they are applied. `pdb` and `hpa` are the
        versions in which disruption budgets and autoscalers are to be said.
        """
        # Without our label: others may put something into it, so it stays.
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        found = [namespace, self._service(), self._budget(pdb), self._deployment()]
        return [*found, self._autoscaler(hpa)] if self.max_replicas else found

    def secret(self, token: str) -> Json:
        """The object that holds the token."""
        data = {TOKEN: base64.b64encode(token.encode()).decode()}
        return self._object("v1", "Secret") | {"type": "Opaque", "data": data}

    def _object(self, version: str, kind: str, spec: Json | None = None) -> Json:
        about = {"name": self.name, "namespace": self.namespace, "labels": self.labels}
        found: Json = {"apiVersion": version, "kind": kind, "metadata": about}
        return found | ({"spec": spec} if spec is not None else {})

    def _service(self) -> Json:
        kinds = {"nodeport": "NodePort", "loadbalancer": "LoadBalancer"}
        port: Json = {"name": "http", "port": SERVER_PORT, "targetPort": "http", "protocol": "TCP"}
        if self.node_port:
            port["nodePort"] = self.node_port
        kind = kinds[self.expose] if self.expose else "ClusterIP"
        return self._object(
            "v1", "Service", {"type": kind, "selector": self.labels, "ports": [port]}
        )

    def _budget(self, version: str) -> Json:
        spec = {"maxUnavailable": 1, "selector": {"matchLabels": self.labels}}
        return self._object(version, "PodDisruptionBudget", spec)

    def _autoscaler(self, version: str) -> Json:
        target = {"type": "Utilization", "averageUtilization": _BUSY_PERCENT}
        spec = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name},
            "minReplicas": self.replicas,
            "maxReplicas": self.max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        }
        return self._object(version, "HorizontalPodAutoscaler", spec)

    def _deployment(self) -> Json:
        spec: Json = {
            "selector": {"matchLabels": self.labels},
            "strategy": {
                "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "template": {"metadata": {"labels": self.labels}, "spec": self._pod()},
            # Left to an autoscaler it would first be 1 where we had set it before.
            "replicas": max(self.replicas, self.running) if self.max_replicas else self.replicas,
        }  # fmt: skip
        found = self._object("apps/v1", "Deployment", spec)
        found["metadata"]["annotations"] = {OPTIONS: self.options}
        return found

    def _pod(self) -> Json:
        where = {"kubernetes.io/os": "linux"} | (
            {"kubernetes.io/arch": self.arch} if self.arch else {}
        )
        return {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": _GRACE_S,
            "nodeSelector": where,
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": _USER, "runAsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [{
                "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": self.labels},
            }],
            "containers": [self._container()],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}],
        }  # fmt: skip

    def _container(self) -> Json:
        def probe(path: str, period_s: int, failures: int) -> Json:
            # An event loop that shares half a core answers late.
            return {
                "httpGet": {"path": path, "port": "http"}, "periodSeconds": period_s,
                "timeoutSeconds": 5, "failureThreshold": failures,
            }  # fmt: skip

        token = {"secretKeyRef": {"name": self.name, "key": TOKEN}}
        return {
            "name": CONTAINER,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "args": [*_SERVE, "--port", str(SERVER_PORT)],
            "env": [{"name": "OFFLOAD_TOKEN", "valueFrom": token}],
            "ports": [{"name": "http", "containerPort": SERVER_PORT, "protocol": "TCP"}],
            "resources": {"requests": self.limits, "limits": self.limits},
            "startupProbe": probe("/readyz", 1, 300),
            "readinessProbe": probe("/readyz", 2, 3),
            "livenessProbe": probe("/livez", 10, 6),
            # Until everybody knows that it ends, it takes requests; SIGTERM then ends it well.
            "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_DRAIN_S)]}}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - inside the pod
        }

    @property
    def limits(self) -> Json:
        """What each pod is given, and may use: the same, so that measurements hold."""
        return limits(self.cpus, self.memory)


def labels_of(name: str) -> dict[str, str]:
    """The labels of what belongs to the deployment called that."""
    about = {"app.kubernetes.io/name": "offload", "app.kubernetes.io/instance": name}
    return {**about, **MARK}


def limits(cpus: float, memory: str) -> Json:
    """Cores and memory as Kubernetes says them."""
    milli = round(cpus * 1000)
    return {"cpu": f"{milli}m" if milli % 1000 else f"{milli // 1000}", "memory": memory}


def cores(text: str) -> float:
    """The cores that `500m` or `1` mean."""
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)


def as_yaml(objects: Sequence[Json]) -> str:
    """Objects as `kubectl apply -f -` takes them."""
    import yaml

    return str(yaml.safe_dump_all(objects, sort_keys=False))


def options_of(deployment: Json) -> Json:
    """What was asked for when a deployment was brought up."""
    said = (deployment["metadata"].get("annotations") or {}).get(OPTIONS)
    try:
        found = json.loads(said or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def token_of(secret: Json) -> str | None:
    """What a Secret of ours holds."""
    data = (secret.get("data") or {}).get(TOKEN)
    return base64.b64decode(data).decode("utf-8", "replace").strip() if data else None
