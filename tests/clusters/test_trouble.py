"""What keeps pods from coming up, or a cluster from answering: a sentence and a command each."""

from collections.abc import Callable, Iterator

import pytest

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.drivers.kubernetes.cluster import Cluster
from offload.drivers.kubernetes.manifests import DeploymentSpec
from offload.drivers.kubernetes.rollout import Rollout
from tests.clusters.fake import FakeCluster, Json, running, unschedulable, waiting

SPEC = DeploymentSpec("offload", "offload", "r.example/offload:1", 2, 0.5, "1Gi", "arm64")


@pytest.fixture
def rollout(there: FakeCluster) -> Iterator[Rollout]:
    """Of a deployment, on a clock that each pause moves."""
    now = [0.0]

    def pause(seconds: float) -> None:
        now[0] += seconds

    with Cluster.connected() as cluster:
        for wanted in SPEC.objects("policy/v1", "autoscaling/v2"):
            cluster.apply(wanted)
        yield Rollout(cluster, "offload", "offload", lambda: now[0], pause)


def failed(rollout: Rollout) -> tuple[str, str, float]:
    """What is said, the hint, and after how many seconds."""
    with pytest.raises(PlaceUnavailable) as raised:
        rollout.wait()
    return str(raised.value), raised.value.hint, rollout.clock()


def event(reason: str, message: str) -> Json:
    return {"metadata": {}, "reason": reason, "message": message}


def test_an_image_that_cannot_be_pulled_is_told_with_the_registrys_words_at_once(
    there: FakeCluster, rollout: Rollout
) -> None:
    there.fate = lambda _: waiting("ImagePullBackOff", 'Back-off pulling image "x"')
    there.events = [
        event(
            "Failed", "Failed to pull image: rpc error: code = Unknown desc = no such repository"
        ),
        event("Failed", "Error: ErrImagePull"),
    ]
    said, hint, after_s = failed(rollout)
    assert (
        said == "The node cannot get the container image r.example/offload:1: no such repository."
    )
    assert "--registry HOST/NAME" in hint
    assert "kubectl describe pod offload-" in hint
    assert after_s == 0


@pytest.mark.parametrize(
    ("fate", "log"),
    [
        (waiting("RunContainerError", "exec /opt/x: exec format error"), ""),
        (waiting("CrashLoopBackOff", last={"exitCode": 1}), "exec /opt/x: exec format error"),
        (waiting("ErrImagePull", "no match for platform in manifest: not found"), ""),
        (waiting("ErrImagePull", "no matching manifest for linux/arm64 in the list"), ""),
    ],
)
def test_an_image_for_another_processor_is_told_so(
    there: FakeCluster, rollout: Rollout, fate: Json, log: str
) -> None:
    there.fate, there.log = lambda _: fate, log
    said, hint, _ = failed(rollout)
    assert said == "The container image is not for the processor of the cluster's nodes."
    assert "kubectl describe pod" in hint


def test_a_pod_that_finds_no_room_is_told_within_ten_seconds(
    there: FakeCluster, rollout: Rollout
) -> None:
    there.fate = lambda _: unschedulable("0/1 nodes are available: 1 Insufficient cpu.")
    said, hint, after_s = failed(rollout)
    assert said == (
        "No node of the cluster has room for a pod: 0/1 nodes are available: 1 Insufficient cpu."
    )
    assert "--cpus" in hint
    assert after_s <= 10


def test_no_node_of_that_processor_is_told_so(there: FakeCluster, rollout: Rollout) -> None:
    there.fate = lambda _: unschedulable("1 node(s) didn't match Pod's node affinity/selector.")
    said, hint, _ = failed(rollout)
    assert said.startswith("No node of the cluster runs container images of arm64: 1 node(s)")
    assert "kubectl get nodes" in hint


def test_nodes_that_are_being_added_are_waited_for(there: FakeCluster, rollout: Rollout) -> None:
    there.events = [event("TriggeredScaleUp", "pod triggered scale-up")]
    there.fate = lambda _: (
        running() if rollout.clock() > 20 else unschedulable("0/1 nodes are available.")
    )
    assert len(rollout.wait()) == 2


def test_a_server_that_crashes_is_told_in_its_last_words(
    there: FakeCluster, rollout: Rollout
) -> None:
    there.fate = lambda _: waiting("CrashLoopBackOff", last={"exitCode": 2, "reason": "Error"})
    there.log = "loading\nerror: There is no model 'x'.\nbye\n"
    said, hint, after_s = failed(rollout)
    assert said == (
        "The server in a pod ends with exit code 2. It said: error: There is no model 'x'."
    )
    assert "kubectl logs offload-" in hint
    assert "--previous" in hint
    assert after_s == 0


def test_a_pod_that_was_killed_for_want_of_memory_is_told_so(
    there: FakeCluster, rollout: Rollout
) -> None:
    there.fate = lambda _: waiting(
        "CrashLoopBackOff", last={"exitCode": 137, "reason": "OOMKilled"}
    )
    said, hint, _ = failed(rollout)
    assert said.startswith("A pod was killed: its memory limit is too small")
    assert "--memory 2g" in hint


def test_a_quota_is_told_within_five_seconds(there: FakeCluster, rollout: Rollout) -> None:
    there.quota = 'pods "offload-1" is forbidden: exceeded quota: small, requested: cpu=500m'
    said, hint, after_s = failed(rollout)
    assert said == "The cluster refuses a pod: exceeded quota: small, requested: cpu=500m."
    assert "kubectl describe quota" in hint
    assert after_s <= 5


def test_an_old_trouble_that_ends_by_itself_is_none(there: FakeCluster, rollout: Rollout) -> None:
    there.fate = lambda _: (
        running() if rollout.clock() > 5 else unschedulable("1 Insufficient cpu.")
    )
    assert len(rollout.wait()) == 2


def test_phases_are_told_by_the_clusters_own_clocks(there: FakeCluster, rollout: Rollout) -> None:
    there.fate = lambda number: running(started=3 + number, ready=5 + 2 * number)
    there.events = [event("Pulled", 'Successfully pulled image "x" in 1.5s (2s including waiting)')]
    phases = rollout.phases(rollout.wait(), [])
    assert phases == {"scheduled": 1, "pulled": 1.5, "started": 1.5, "ready": 3}


@pytest.mark.parametrize(
    ("trouble", "said", "hint"),
    [
        (
            lambda there: setattr(there, "expired", True),
            "The cluster kind-test does not accept your credentials; they may have expired.",
            "kubectl get pods",
        ),
        (
            lambda there: setattr(there, "forbidden", ("deployments",)),
            'The cluster kind-test forbids it: User "bob" cannot patch resource "deployments" in',
            "kubectl auth can-i --list --namespace offload",
        ),
    ],
)
def test_a_refusal_is_a_sentence(
    there: FakeCluster, trouble: Callable[[FakeCluster], None], said: str, hint: str
) -> None:
    trouble(there)
    with Cluster.connected() as cluster, pytest.raises(PlaceUnavailable) as raised:
        cluster.apply(SPEC.objects("policy/v1", "autoscaling/v2")[-1])
    assert said in str(raised.value)
    assert hint in raised.value.hint


def test_a_cluster_that_does_not_answer_is_told_so(
    there: FakeCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    there.url = "http://127.0.0.1:9"
    monkeypatch.setenv("KUBECONFIG", str(there.kubeconfig(tmp_path)))  # type: ignore[arg-type]
    with Cluster.connected() as cluster, pytest.raises(PlaceUnavailable) as raised:
        cluster.get("/version")
    said = "The cluster kind-test at http://127.0.0.1:9 does not answer: Connection refused."
    assert said in str(raised.value).replace("[Errno 111] ", "")


def test_no_cluster_at_all_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    with pytest.raises(OffloadError, match="No Kubernetes cluster") as raised, Cluster.connected():
        pass
    assert "kubectl config get-contexts" in raised.value.hint
