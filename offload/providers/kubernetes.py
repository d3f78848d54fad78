"""The pods of a deployment in a cluster, each reached through the API server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from offload.costmodel.dollars import Billing
from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.machines import SERVER_PORT
from offload.domain.places import SENDING, PlaceTraits, StartState
from offload.domain.ports import Model
from offload.domain.results import Json
from offload.drivers.kubernetes import manifests, stream
from offload.drivers.kubernetes.cluster import MANAGER, Cluster, below, deployment_path
from offload.drivers.kubernetes.rollout import Rollout, is_ready
from offload.providers.config import Endpoint, Endpoints, PlaceConfig

TRAITS = PlaceTraits(
    "kubernetes",
    title="the cluster",
    phrase="on Kubernetes",
    rented=False,
    has_own_model=True,
    has_prior=False,
    start_states=(StartState.WARM, StartState.COLD),
    options=SENDING | {"replicas", "cpus"},
    simplicity=4,
)

_LOOK_S = 1.0
"""How often pods are looked for: five times while one that is to end still answers."""
_PATIENCE_S = 60.0
_PROVISION = "To bring one up: offload provision kubernetes"


@contextmanager
def open(config: PlaceConfig, model: Model | None) -> Iterator[Endpoints]:  # noqa: A001 - what every provider calls it
    """The pods that are ready, whichever they are at the moment. With `replicas` or `cpus` the
    deployment has as many and as much from now on.

    Raises:
        PlaceUnavailable: the cluster does not answer, or there is no such deployment, or its pods
            are not ready, and why.
    """
    del model
    namespace, name = named(config.deployment)
    with Cluster.connected() as cluster:
        deployment = found(cluster, namespace, name)
        rollout = Rollout(cluster, namespace, name, config.clock)
        if change := _change(config, deployment):
            cluster.patch(deployment_path(namespace, name), change)
            rollout.wait()
            deployment = found(cluster, namespace, name)
        pods = Pods(rollout, _template(cluster, deployment))
        if not tuple(pods):
            rollout.wait()  # or say why there are none
            pods.look()
        with pods.watched():
            yield pods


def check(config: PlaceConfig) -> None:
    """See that the setting names a deployment."""
    named(config.deployment)


def named(text: str) -> tuple[str, str]:
    """The namespace and the name that `NAMESPACE/NAME` or `NAMESPACE` mean.

    Raises:
        UsageError: it is neither.
    """
    namespace, _, name = text.partition("/")
    if not namespace or "/" in name:
        raise UsageError(
            f"{text!r} is no deployment.", hint="To set it: OFFLOAD_DEPLOYMENT=NAMESPACE/NAME"
        )
    return namespace, name or MANAGER


def found(cluster: Cluster, namespace: str, name: str) -> Json:
    """The deployment.

    Raises:
        PlaceUnavailable: there is none, or it is not ours.
    """
    deployment = cluster.get(deployment_path(namespace, name))
    labels = deployment["metadata"].get("labels") or {} if deployment else {}
    if deployment is None or not manifests.labels_of(name).items() <= labels.items():
        raise PlaceUnavailable(
            f"There is no deployment {namespace}/{name} of offload's in the cluster "
            f"{cluster.context}.",
            hint=f"{_PROVISION} --namespace {namespace} --name {name}",
        )
    return deployment


def label(context: str, deployment: Json) -> str:
    """What measurements at this deployment have in common, as long as its pods get as much."""
    about = deployment["metadata"]
    return f"kubernetes:{about['namespace']}/{about['name']}@{context},{cpus_of(deployment):g}cpu"


def cpus_of(deployment: Json) -> float:
    """The cores that each pod may use."""
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return manifests.cores(str(container["resources"]["limits"]["cpu"]))


@dataclass(slots=True)
class Pods:
    """The servers in the pods of a deployment that are ready, as of a second ago at most, or if the
    cluster does not answer as it said last.
    """

    rollout: Rollout
    template: Endpoint
    _now: tuple[Endpoint, ...] = ()
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.look()

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._now)

    def look(self) -> None:
        """See which there are."""
        ready = [str(p["metadata"]["name"]) for p in self.rollout.pods() if is_ready(p)]
        self._now = tuple(self._endpoint(pod) for pod in sorted(ready))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Meanwhile it is looked for them."""
        watcher = threading.Thread(target=self._watch, name="pods", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            with suppress(OffloadError):
                self.look()

    def _endpoint(self, pod: str) -> Endpoint:
        cluster, namespace = self.rollout.cluster, self.rollout.namespace
        return replace(
            self.template,
            url=f"http://{pod}",
            dial=partial(stream.dial, cluster, namespace, pod, SERVER_PORT),
            hint=f"To see why: kubectl logs {pod} --namespace {namespace}",
        )


def _template(cluster: Cluster, deployment: Json) -> Endpoint:
    about = deployment["metadata"]
    secret = cluster.get(f"{below('v1', 'Secret', about['namespace'])}/{about['name']}")
    price = manifests.options_of(deployment).get("price_usd_per_h")
    return Endpoint(
        "",
        manifests.token_of(secret) if secret else None,
        label=label(cluster.context, deployment),
        billing=Billing(float(price), "as provisioned", disk_gb=0) if price else Billing(),
        patience_s=_PATIENCE_S,
    )


def _change(config: PlaceConfig, deployment: Json) -> Json:
    """What is to be changed about a deployment so that it is as the job asks for."""
    spec: Json = {}
    replicas, cpus = config.container.replicas, config.container.cpus
    if replicas is not None and replicas != deployment["spec"]["replicas"]:
        spec["replicas"] = replicas
    if cpus is not None and cpus != cpus_of(deployment):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        limits = manifests.limits(cpus, container["resources"]["limits"]["memory"])
        resources = {"name": container["name"], "resources": {"requests": limits, "limits": limits}}
        spec["template"] = {"spec": {"containers": [resources]}}
    return {"spec": spec} if spec else {}
