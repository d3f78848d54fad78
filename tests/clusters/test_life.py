"""A deployment from its manifests to nothing, in a cluster that answers by hand."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import offload
from offload import bootstrap
from offload.drivers.kubernetes.manifests import DeploymentSpec, token_of
from tests.clusters.fake import FakeCluster, running
from tests.conftest import Typed
from tests.service.serving import BUILTIN, TOKEN, Server, serving

IMAGE = ("--container-image", "r.example/offload:1")
UP = ("provision", "kubernetes", *IMAGE, "--yes")


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that all pods are."""
    folder = tmp_path_factory.mktemp("pod")
    with serving(folder, *BUILTIN, "--workers", 1, token=TOKEN) as server:
        yield server


@pytest.fixture
def here(there: FakeCluster, pod: Server) -> FakeCluster:
    """A cluster whose pods answer, with the token that it has already."""
    there.port = pod.port
    spec = DeploymentSpec("offload", "offload", "", 1, 1.0, "1Gi")
    there.objects["/api/v1/namespaces/offload/secrets/offload"] = spec.secret(TOKEN)
    return there


def names(there: FakeCluster) -> set[str]:
    return {f"{each['kind']} {each['metadata']['name']}" for each in there.objects.values()}


def test_a_deployment_comes_up_answers_scales_and_goes_with_nothing_but_what_is_its_own(
    here: FakeCluster, typed: Typed, examples: Path
) -> None:
    theirs = {
        "kind": "Service",
        "metadata": {"name": "theirs", "labels": {"app": "x"}},
        "spec": {"type": "ClusterIP"},
    }
    here.objects["/api/v1/namespaces/offload/services/theirs"] = theirs
    code, out, err = typed(*UP, "--replicas", "2", "--cpus", "0.5", "--price", "0.1")
    assert code == 0, err
    assert "offload/offload in kind-test: 2 pods of 0.5 CPU ready in" in out
    assert "offload detect photos/ --where kubernetes" in out
    [secret] = here.of("Secret")
    assert token_of(secret) == TOKEN
    assert TOKEN not in out + err

    found = list(offload.detect(str(examples), model="builtin", where="kubernetes"))
    ours = list(offload.detect(str(examples), model="builtin"))
    assert {row.path: row.detections for row in found} == {row.path: row.detections for row in ours}
    ports = [path for method, path in here.asked if path.endswith("/portforward")]
    assert ports == []  # those are no questions
    assert here.authorizations == {"Bearer secret-of-the-user"}

    list(offload.detect(str(examples), model="builtin", where="kubernetes", replicas=3, cpus=0.25))
    [deployment] = here.of("Deployment")
    assert deployment["spec"]["replicas"] == 3
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": "250m", "memory": "1Gi"}

    code, out, err = typed("provision", "kubernetes", "--replicas", "1", *IMAGE)
    assert code == 0, err
    assert "1 pod of 0.5 CPU" in out  # as was asked for first, and not said again
    assert token_of(here.of("Secret")[0]) == TOKEN

    code, out, err = typed("down", "kubernetes")
    assert code == 0, err
    assert out.splitlines()[0] == "deployment offload/offload of offload"
    assert "pod offload/offload-" in out
    assert names(here) == {"Namespace offload", "Service theirs"}


def test_a_start_is_in_the_history_with_its_phases(here: FakeCluster, typed: Typed) -> None:
    code, _, err = typed(*UP)
    assert code == 0, err
    with bootstrap.context().history() as store:
        [(_, start)] = store.measurements()
    assert start.source == "provision"
    assert start.facts == {"from": "cold", "image": "present"}
    assert list(start.starts[0].phases) == ["applied", "scheduled", "pulled", "started", "ready"]
    assert start.condition.url == "kubernetes:offload/offload@kind-test,1cpu"
    assert start.condition.slots == 1


def test_an_autoscaler_has_the_version_that_the_cluster_serves_and_goes_again(
    here: FakeCluster, typed: Typed
) -> None:
    here.old = True
    code, _, err = typed(*UP, "--replicas", "2", "--max-replicas", "5")
    assert code == 0, err
    [scaler] = here.of("HorizontalPodAutoscaler")
    assert scaler["apiVersion"] == "autoscaling/v2beta2"
    assert here.of("PodDisruptionBudget")[0]["apiVersion"] == "policy/v1beta1"
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 5)
    [deployment] = here.of("Deployment")
    deployment["spec"]["replicas"] = 4  # as the autoscaler has it meanwhile
    code, _, err = typed(*UP, "--cpus", "0.5")
    assert code == 0, err
    assert deployment["spec"]["replicas"] == here.of("Deployment")[0]["spec"]["replicas"] == 4
    code, _, err = typed(*UP, "--max-replicas", "0")
    assert code == 0, err
    assert here.of("HorizontalPodAutoscaler") == []


@pytest.mark.parametrize("kind", ["apis/apps", "api/v1"])
def test_what_is_not_ours_is_left_alone(there: FakeCluster, typed: Typed, kind: str) -> None:
    plural, name = {"apis/apps": ("deployments", "Deployment"), "api/v1": ("secrets", "Secret")}[
        kind
    ]
    about = {"name": "offload", "labels": {"app": "theirs"}}
    theirs = {
        "kind": name,
        "metadata": about,
        "spec": {"template": {"metadata": {"labels": {}}, "spec": {}}},
    }
    there.objects = {f"/{kind}/namespaces/offload/{plural}/offload": theirs}
    before = json.dumps(theirs["metadata"])
    code, _, err = typed(*UP)
    assert code == 4
    assert f"The {name.lower()} offload/offload in the cluster kind-test is not offload's." in err
    assert "--name NAME" in err
    [left] = there.objects.values()
    assert json.dumps(left["metadata"]) == before


def test_a_server_with_an_open_port_is_told_with_its_address(
    here: FakeCluster, typed: Typed
) -> None:
    code, out, err = typed(*UP, "--expose", "nodeport")
    assert code == 0, err
    assert "--where remote --url http://172.18.0.2:31234" in out
    assert here.of("Service")[0]["spec"]["type"] == "NodePort"


def test_pods_that_are_ending_get_nothing(here: FakeCluster, typed: Typed, examples: Path) -> None:
    code, _, err = typed(*UP, "--replicas", "2")
    assert code == 0, err
    from offload.drivers.kubernetes.cluster import Cluster
    from offload.drivers.kubernetes.rollout import Rollout
    from offload.providers.config import Endpoint
    from offload.providers.kubernetes import Pods

    with Cluster.connected() as cluster:
        pods = Pods(Rollout(cluster, "offload", "offload"), Endpoint(""))
        first, second = (each.url for each in pods)
        here.ending = {first.removeprefix("http://")}
        pods.look()
        assert [each.url for each in pods] == [second]
        here.expired = True  # and what was known last stays
        with pods.watched():
            assert [each.url for each in pods] == [second]


def test_a_deployment_that_is_not_there_is_told_with_the_command_that_makes_it(
    there: FakeCluster, typed: Typed
) -> None:
    code, _, err = typed("detect", "a.jpg", "--where", "kubernetes")
    assert code == 4
    assert "There is no deployment offload/offload of offload's in the cluster kind-test." in err
    assert "offload provision kubernetes --namespace offload --name offload" in err
    code, _, err = typed("down", "kubernetes")
    assert code == 2
    assert "kubectl get deployments -A -l app.kubernetes.io/name=offload" in err


def test_creating_asks_first_and_names_cluster_and_namespace(
    there: FakeCluster, typed: Typed
) -> None:
    there.fate = lambda _: running()
    code, _, err = typed(*UP[:-1], "--namespace", "team")
    assert code == 2
    assert "Cluster kind-test, namespace team: 1 pod of 1 CPU" in err
    assert "Creating a deployment needs --yes." in err
    assert there.objects == {}
