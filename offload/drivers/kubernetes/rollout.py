"""Pods that come up: until all of a deployment are ready, how long each phase took, or why not."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from offload.domain.errors import PlaceUnavailable
from offload.domain.measurements import StartPhase
from offload.domain.results import Json
from offload.domain.timing import Clock
from offload.drivers.docker.container_spec import last_words
from offload.drivers.kubernetes.cluster import Cluster, below, deployment_path, selector
from offload.drivers.kubernetes.manifests import labels_of

_LOOK_S = 0.5
_LATE_S = 600.0
_ROOM_S, _REFUSED_S = 8.0, 3.0
"""How long a pod finds no room, or is not taken in, before that is final: others may be ending."""
_SCALES_UP = {"TriggeredScaleUp", "Nominated"}
"""What autoscalers of nodes say of a pod that they make room for."""
_UNPULLED = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_UNSTARTED = {
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "ContainerCannotRun",
    "StartError",
}  # fmt: skip
_OTHER_ARCH = re.compile("exec format error|no match(ing manifest)? for .*(platform|linux/)")
_TOOK = re.compile(r" in (?:(\d+)m)?([\d.]+)(ms|s)\b")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why pods do not come up, what shows more, and how long it may last before that is final."""

    sentence: str
    hint: str
    patience_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """A deployment that is to come up."""

    cluster: Cluster
    namespace: str
    name: str
    clock: Clock = time.monotonic
    pause: Callable[[float], None] = time.sleep
    check: Callable[[], None] = field(default=lambda: None)

    def wait(self) -> list[Json]:
        """Its pods, once there are as many as asked for, all of them ready and as they are to be.
        `check` is called meanwhile, and may end it.

        Raises:
            PlaceUnavailable: they do not come up, and why; or there is no such deployment.
        """
        give_up_s, since_s, last = self.clock() + _LATE_S, self.clock(), ""
        while True:
            deployment = self.cluster.get(deployment_path(self.namespace, self.name))
            if deployment is None:
                raise PlaceUnavailable(f"The deployment {self.namespace}/{self.name} is gone.")
            found = self.pods()
            if _is_done(deployment):
                return [pod for pod in found if is_ready(pod)]
            trouble = self._trouble(deployment, found)
            now_s = self.clock()
            kind = trouble.sentence.partition(":")[0] if trouble else ""
            if kind != last:
                since_s, last = now_s, kind
            if trouble and now_s - since_s >= trouble.patience_s:
                raise PlaceUnavailable(trouble.sentence, hint=trouble.hint)
            if now_s > give_up_s:
                raise PlaceUnavailable(
                    f"The pods of {self.namespace}/{self.name} are not ready after "
                    f"{_LATE_S / 60:.0f} minutes.",
                    hint=f"To see more: kubectl get events --namespace {self.namespace}",
                )
            self.check()
            self.pause(_LOOK_S)

    def pods(self) -> list[Json]:
        """Its pods, the newest first; those that are ending, too."""
        path = below("v1", "Pod", self.namespace)
        found = self.cluster.items(path, labelSelector=selector(labels_of(self.name)))
        return sorted(found, key=lambda pod: str(_about(pod)["creationTimestamp"]), reverse=True)

    def events(self, pod: str) -> list[Json]:
        """What the cluster says of a pod."""
        path = below("v1", "Event", self.namespace)
        return self.cluster.items(path, fieldSelector=f"involvedObject.name={pod}")

    def phases(self, pods: Sequence[Json], before: Sequence[str]) -> dict[str, float]:
        """Seconds of each phase of the slowest of the pods that were not there `before`, as the
        cluster's own clocks tell, which tell whole seconds but for the pull.
        """
        new = [pod for pod in pods if _about(pod)["name"] not in before]
        if not new:
            return {}
        slowest = max(new, key=lambda pod: _seconds(pod)[-1])
        created_s, scheduled_s, started_s, ready_s = _seconds(slowest)
        pulled_s = min(_pulled_s(self.events(_about(slowest)["name"])), started_s - scheduled_s)
        found = {
            StartPhase.SCHEDULED: scheduled_s - created_s,
            StartPhase.PULLED: pulled_s,
            StartPhase.STARTED: started_s - scheduled_s - pulled_s,
            StartPhase.READY: ready_s - started_s,
        }
        return {phase: max(0.0, seconds) for phase, seconds in found.items()}

    def _trouble(self, deployment: Json, pods: Sequence[Json]) -> Trouble | None:
        newest = [pod for pod in pods if _hash(pod) == _hash(pods[0]) and not is_ending(pod)]
        of_pods = (found for pod in newest for found in self._of_pod(pod))
        refused = _condition(deployment["status"], "ReplicaFailure")
        if refused.get("status") == "True" and _is_seen(deployment):
            why = str(refused.get("message")).rpartition(" is forbidden: ")[2].rstrip(".")
            return Trouble(
                f"The cluster refuses a pod: {why}.",
                f"To see more: kubectl describe quota,replicaset --namespace {self.namespace}",
                _REFUSED_S,
            )
        return next(of_pods, None)

    def _of_pod(self, pod: Json) -> Iterator[Trouble]:
        name, status = str(_about(pod)["name"]), pod.get("status") or {}
        more = f"To see more: kubectl describe pod {name} --namespace {self.namespace}"
        placed = _condition(status, "PodScheduled")
        if placed.get("reason") == "Unschedulable":
            if not any(event.get("reason") in _SCALES_UP for event in self.events(name)):
                yield _no_room(pod, str(placed.get("message")), more)
            return
        for container in status.get("containerStatuses") or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            reason, said = waiting.get("reason"), str(waiting.get("message") or "")
            ended = _ended(container) or {}
            if reason in _UNPULLED:
                yield self._unpulled(name, str(container["image"]), said, more)
            elif reason in _UNSTARTED:
                yield _unstarted(said, more)
            elif ended.get("reason") in _UNSTARTED:
                yield _unstarted(str(ended.get("message")), more)
            elif ended and not container.get("ready"):
                yield self._ends(name, container, ended, more)

    def _unpulled(self, pod: str, image: str, said: str, more: str) -> Trouble:
        tried = [str(e.get("message")) for e in self.events(pod) if e.get("reason") == "Failed"]
        why = next((text for text in tried if "pull" in text and text != said), said)
        if _OTHER_ARCH.search(why):
            return _other_arch(more)
        why = why.partition("rpc error: ")[2].rpartition("desc = ")[2] or why
        return Trouble(
            f"The node cannot get the container image {image}: {why[:300].rstrip('.')}.",
            f"{more}; to push ours: --registry HOST/NAME",
        )

    def _ends(self, pod: str, container: Json, ended: Json, more: str) -> Trouble:
        if ended.get("reason") == "OOMKilled":
            return Trouble(
                f"A pod was killed: its memory limit is too small ({pod}).",
                f"{more}; to give more: --memory 2g",
            )
        previous = "false" if "terminated" in (container.get("state") or {}) else "true"
        path = f"{below('v1', 'Pod', self.namespace)}/{pod}/log"
        log = self.cluster.text(path, tailLines="20", previous=previous)
        said = last_words(log) or str(ended.get("message") or "")
        if _OTHER_ARCH.search(said):
            return _other_arch(more)
        what = f" It said: {said}" if said else ""
        return Trouble(
            f"The server in a pod ends with exit code {ended.get('exitCode')}.{what}",
            f"To see more: kubectl logs {pod} --previous --namespace {self.namespace}",
        )


def is_ready(pod: Json) -> bool:
    """Whether a pod takes requests, and goes on doing so as far as is known."""
    return _condition(pod.get("status") or {}, "Ready").get("status") == "True" and not (
        is_ending(pod)
    )


def is_ending(pod: Json) -> bool:
    """Whether a pod is about to go."""
    return bool(_about(pod).get("deletionTimestamp"))


def _is_seen(deployment: Json) -> bool:
    seen = int(deployment["status"].get("observedGeneration") or 0)
    return seen >= int(_about(deployment).get("generation") or 0)


def _is_done(deployment: Json) -> bool:
    """Whether all pods are there and as they are to be, and no others."""
    wanted, status = deployment["spec"]["replicas"], deployment.setdefault("status", {})
    counts = [status.get(f"{kind}eplicas") or 0 for kind in ("r", "updatedR", "availableR")]
    return _is_seen(deployment) and counts == [wanted] * 3


def _about(found: Json) -> Mapping[str, Any]:
    about: Mapping[str, Any] = found["metadata"]
    return about


def _hash(pod: Json) -> object:
    return (_about(pod).get("labels") or {}).get("pod-template-hash")


def _condition(status: Json, kind: str) -> Json:
    found = (each for each in status.get("conditions") or [] if each.get("type") == kind)
    return next(found, {})


def _ended(container: Json) -> Json | None:
    """How a container ended: now, or before it was started again."""
    states = (container.get("state") or {}, container.get("lastState") or {})
    return next((state["terminated"] for state in states if state.get("terminated")), None)


def _no_room(pod: Json, said: str, more: str) -> Trouble:
    arch = pod["spec"].get("nodeSelector", {}).get("kubernetes.io/arch")
    if arch and re.search("node selector|node affinity", said):
        return Trouble(
            f"No node of the cluster runs container images of {arch}: {said.rstrip('.')}.",
            "To see more: kubectl get nodes --label-columns kubernetes.io/arch",
            _ROOM_S,
        )
    return Trouble(
        f"No node of the cluster has room for a pod: {said.rstrip('.')}.",
        f"{more}; to ask for less: --cpus 0.1",
        _ROOM_S,
    )


def _unstarted(said: str, more: str) -> Trouble:
    if _OTHER_ARCH.search(said):
        return _other_arch(more)
    return Trouble(f"A container cannot be started: {said[:300].rstrip('.')}.", more)


def _other_arch(more: str) -> Trouble:
    return Trouble("The container image is not for the processor of the cluster's nodes.", more)


def _seconds(pod: Json) -> tuple[float, float, float, float]:
    """When a pod was created, scheduled, started and ready, in seconds since 1970."""
    status = pod["status"]
    running = (status["containerStatuses"][0]["state"].get("running") or {}).get("startedAt")
    ready = _condition(status, "Ready").get("lastTransitionTime")
    scheduled = _condition(status, "PodScheduled").get("lastTransitionTime")
    created = _about(pod)["creationTimestamp"]
    told = (created, scheduled or created, running or ready, ready)
    return tuple(datetime.fromisoformat(str(text)).timestamp() for text in told)  # type: ignore[return-value] # of four


def _pulled_s(events: Sequence[Json]) -> float:
    """What pulling the image took; 0 where it was there."""
    for event in events:
        if event.get("reason") == "Pulled" and (took := _TOOK.search(str(event.get("message")))):
            return 60 * int(took[1] or 0) + float(took[2]) / (1000 if took[3] == "ms" else 1)
    return 0.0
