"""A server in a cluster brought up and taken down: what there is stays, what lacks is made."""

import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

from offload.detectors import source
from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.events import PhaseBegan
from offload.domain.machines import SERVER_PORT, Resource
from offload.domain.measurements import Condition, Measurement, StartPhase
from offload.domain.places import StartState
from offload.domain.results import Json
from offload.drivers.docker.own_image import ModelImage
from offload.drivers.kubernetes import manifests, stream
from offload.drivers.kubernetes.cluster import Cluster, below, deployment_path, path_of, selector
from offload.drivers.kubernetes.manifests import DeploymentSpec
from offload.drivers.kubernetes.rollout import Rollout
from offload.providers import kubernetes as provider
from offload.providers.config import Phases
from offload.service.client.greeting import Address, ask
from offload.usecases.context import Context
from offload.usecases.provision.cluster_image import Delivery, deliver, delivery
from offload.usecases.provision.cluster_options import ClusterOptions
from offload.usecases.provision.launch import Waiter
from offload.usecases.provision.model_image import image_of
from offload.usecases.provision.provisioning import brought_up, condition
from offload.usecases.provision.teardown import Told

_GONE_S = 120.0
_KINDS = {
    "HorizontalPodAutoscaler": "autoscaling/v1", "Deployment": "apps/v1", "Service": "v1",
    "PodDisruptionBudget": "policy/v1", "Secret": "v1",
}  # fmt: skip
"""Of what we make, and where they are listed, in the order in which they are removed."""
_PDB, _HPA = ("policy", ("v1", "v1beta1")), ("autoscaling", ("v2", "v2beta2"))


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """What carrying out a wish means; `objects` are all but the Secret. `before` is the deployment
    that is there, `cluster` None where none answers, `image` None where one is there.
    """

    options: ClusterOptions
    spec: DeploymentSpec
    image: ModelImage | None
    delivery: Delivery
    objects: Sequence[Json]
    before: Json | None
    cluster: Cluster | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClusterUp:
    """A deployment that serves: its pods, the seconds of each phase, where else it is reached, and
    what was added to the history.
    """

    options: ClusterOptions
    context: str
    pods: Sequence[str]
    phases: Mapping[str, float]
    took_s: float
    urls: Sequence[str]
    measurement: Measurement | None


def looked_up(given: Mapping[str, Any], context: Context) -> ClusterPlan:
    """The plan of what was typed, for the cluster of the current context if one answers."""
    try:
        with Cluster.connected() as cluster:
            return planned(given, context, cluster)
    except PlaceUnavailable as error:
        context.reporter.warn(f"{error} The manifests are for a cluster of today.")
        return planned(given, context, None)


def planned(given: Mapping[str, Any], context: Context, cluster: Cluster | None) -> ClusterPlan:
    """What would be done, with everything looked up and nothing changed; `given` are the options
    that were typed.

    Raises:
        OffloadError: it cannot be, as far as can be known before.
    """
    options, before = ClusterOptions(**given), None
    if cluster is not None:
        before = cluster.get(deployment_path(options.namespace, options.name))
    if before is not None:
        options = ClusterOptions(**_lasting(before, given))
    if options.container_image is not None:
        image, to = None, Delivery(options.container_image, None, "present")
    else:
        model = source.chosen(options.model or context.settings.model, context.hub, None)
        image = image_of(model, "server")
        to = delivery(image, options.registry, cluster)
    running = before["spec"].get("replicas", 0) if before else 0
    spec = replace(options.spec(to), running=running)
    versions = [f"{group}/{known[0]}" for group, known in (_PDB, _HPA)]
    if cluster is not None:
        versions = [cluster.version_of(*each) for each in (_PDB, _HPA)]
    objects = spec.objects(*versions)
    if cluster is not None:
        _check_free(cluster, [spec.secret(""), *objects[1:]])
    return ClusterPlan(options, spec, image, to, objects, before, cluster)


def _lasting(before: Json, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for last, with what is given; another way of the image replaces the last, and
    another model the image that was there.
    """
    last = manifests.options_of(before)
    known = {each.name for each in fields(ClusterOptions)}
    if given.keys() & {"registry", "container_image", "model"}:
        known -= {"container_image"}
    if "container_image" in given:
        known -= {"registry", "model"}
    return {k: v for k, v in last.items() if k in known} | dict(given)


def carry_out(plan: ClusterPlan, context: Context) -> ClusterUp:
    """The deployment, once all of its pods serve. The same plan goes on after any failure.

    Raises:
        OffloadError: it cannot be done, and why.
    """
    cluster, spec, reporter = plan.cluster, plan.spec, context.reporter
    assert cluster is not None
    began_s, patience = time.monotonic(), Waiter(context.stop)
    phases = Phases(time.monotonic, lambda phase: reporter.emit(PhaseBegan(phase)))
    if plan.image is not None and _image_of(plan.before) != plan.delivery.name:
        deliver(plan.delivery, plan.image, context, phases)
    rollout = Rollout(cluster, spec.namespace, spec.name, check=patience.check)
    with phases.of(StartPhase.APPLIED):
        _have_namespace(cluster, plan.objects[0])
        before = [str(pod["metadata"]["name"]) for pod in rollout.pods()]
        token = _have_token(cluster, spec)
        for wanted in plan.objects[1:]:
            cluster.apply(wanted)
            patience.check()
        _prune(cluster, spec, plan.objects)
    reporter.emit(PhaseBegan(StartPhase.READY))
    pods = rollout.wait()
    names = [str(pod["metadata"]["name"]) for pod in pods]
    took_s = time.monotonic() - began_s
    taken = {**phases.taken_s, **rollout.phases(pods, before)}
    measurement = None
    if not before:
        under = _condition(cluster, spec, names, token)
        measurement = brought_up(under, StartState.COLD, taken, plan.delivery.way, took_s, context)
    urls = _urls(cluster, spec)
    return ClusterUp(plan.options, cluster.context, names, taken, took_s, urls, measurement)


def remove(cluster: Cluster, namespace: str, name: str, context: Context, told: Told) -> None:
    """Remove what carries the label of a deployment, and nothing else; `told` is told of each when
    it has gone, of pods when they have ended.

    Raises:
        UsageError: there is nothing of it.
    """
    rollout, labels = Rollout(cluster, namespace, name), manifests.labels_of(name)
    pods = [str(pod["metadata"]["name"]) for pod in rollout.pods()]
    objects = list(_labelled(cluster, namespace, labels))
    if not (objects or pods):
        everywhere = selector({"app.kubernetes.io/name": "offload"})
        raise UsageError(
            f"There is no deployment {namespace}/{name} of offload's in the cluster "
            f"{cluster.context}.",
            hint=f"To see those there are: kubectl get deployments -A -l {everywhere}",
        )
    for kind, path, each in objects:
        if context.stop:
            return
        cluster.delete(path)
        told(Resource(_words(kind), f"{namespace}/{each}", name, cluster.context))
    patience = Waiter(context.stop)

    def gone() -> bool | None:
        left = {str(pod["metadata"]["name"]) for pod in rollout.pods()}
        for pod in [pod for pod in pods if pod not in left]:
            pods.remove(pod)
            told(Resource("pod", f"{namespace}/{pod}", name, cluster.context))
        return None if left else True

    patience.until(gone, _GONE_S, f"Pods of {namespace}/{name} have not ended yet.")


def _labelled(
    cluster: Cluster, namespace: str, labels: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Kind, path and name of all objects with the labels."""
    versions = _KINDS | {"PodDisruptionBudget": cluster.version_of(*_PDB)}
    for kind, version in versions.items():
        path = below(version, kind, namespace)
        for found in cluster.items(path, labelSelector=selector(labels)):
            name = str(found["metadata"]["name"])
            yield kind, f"{path}/{name}", name


def _prune(cluster: Cluster, spec: DeploymentSpec, wanted: Sequence[Json]) -> None:
    """Remove what an earlier wish made and this one does not have."""
    kept = {(each["kind"], each["metadata"]["name"]) for each in wanted} | {("Secret", spec.name)}
    for kind, path, name in _labelled(cluster, spec.namespace, spec.labels):
        if (kind, name) not in kept:
            cluster.delete(path)


def _words(kind: str) -> str:
    """`PodDisruptionBudget` as people write it."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", kind).lower()


def _check_free(cluster: Cluster, objects: Sequence[Json]) -> None:
    """See that nothing of others has the name of anything of ours."""
    for wanted in objects:
        there = cluster.get(path_of(wanted)) or wanted
        labels = there["metadata"].get("labels") or {}
        if not wanted["metadata"]["labels"].items() <= labels.items():
            about = wanted["metadata"]
            raise PlaceUnavailable(
                f"The {_words(wanted['kind'])} {about['namespace']}/{about['name']} in the cluster "
                f"{cluster.context} is not offload's.",
                hint="To use another name: --name NAME; another namespace: --namespace NAME",
            )


def _have_namespace(cluster: Cluster, wanted: Json) -> None:
    with suppress(PlaceUnavailable):  # who may not look may still use one that is there
        if cluster.get(path_of(wanted)) is not None:
            return
        cluster.apply(wanted)


def _have_token(cluster: Cluster, spec: DeploymentSpec) -> str:
    """The token of the deployment: the one it has, else a new one."""
    wanted = spec.secret(secrets.token_hex(16))
    if cluster.get(path_of(wanted)) is None:
        cluster.create(wanted)  # of two clients at once the first
    return manifests.token_of(cluster.get(path_of(wanted)) or wanted) or ""


def _image_of(before: Json | None) -> str | None:
    if before is None:
        return None
    [container] = before["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def _condition(
    cluster: Cluster, spec: DeploymentSpec, pods: Sequence[str], token: str
) -> Condition:
    """What runs at this deployment will be pooled by."""
    dial = partial(stream.dial, cluster, spec.namespace, pods[0], SERVER_PORT)
    address = Address(f"http://{pods[0]}", token, dial=dial)
    with closing(address.connect(time.perf_counter, 1)) as server:
        info = ask(server, address)
    deployment = provider.found(cluster, spec.namespace, spec.name)
    label = provider.label(cluster.context, deployment)
    return condition(info, provider.TRAITS.name, label, len(pods))


def _urls(cluster: Cluster, spec: DeploymentSpec) -> list[str]:
    """Where its Service is reached from outside, as far as is known yet."""
    if spec.expose is None:
        return []
    service = cluster.get(f"{below('v1', 'Service', spec.namespace)}/{spec.name}") or {}
    if spec.expose == "loadbalancer":
        found = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
        return [f"http://{each.get('hostname') or each.get('ip')}:{SERVER_PORT}" for each in found]
    port = service["spec"]["ports"][0]["nodePort"]
    nodes: list[Json] = []
    with suppress(PlaceUnavailable):  # not everybody may see them
        nodes = cluster.items("/api/v1/nodes")
    addresses = [{a["type"]: a["address"] for a in n["status"]["addresses"]} for n in nodes]
    known = (each.get("ExternalIP") or each.get("InternalIP") for each in addresses)
    return [f"http://{address}:{port}" for address in known if address] or [f"http://NODE:{port}"]
