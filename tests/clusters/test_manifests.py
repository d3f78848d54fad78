"""The manifests, against the schemas of versions of today, and as people read them."""

import sys
from collections.abc import Iterator

import kubernetes_validate
import pytest
import yaml

from offload.drivers.kubernetes.manifests import DeploymentSpec
from tests.clusters.fake import Json
from tests.conftest import Typed

SPEC = DeploymentSpec(
    "team", "photos", "r.example/offload:1", 2, 0.5, "1Gi", "amd64", "nodeport", 30080, 6, "{}"
)
VERSIONS = ("1.29", "1.37")


def documents() -> Iterator[Json]:
    yield SPEC.secret("secret")
    yield from SPEC.objects("policy/v1", "autoscaling/v2")


@pytest.mark.parametrize("version", VERSIONS)
def test_they_fit_the_schemas_of_todays_clusters(version: str) -> None:
    for each in documents():
        kubernetes_validate.validate(each, version, strict=True)


def test_pods_may_do_nothing_but_serve() -> None:
    [deployment] = [each for each in documents() if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_plan_is_manifests_without_the_token_and_needs_no_cluster(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    words = ("--replicas", "3", "--cpus", "0.5", "--memory", "512m", "--model", "builtin")
    code, out, err = typed("provision", "kubernetes", *words, "--plan")
    assert code == 0, err
    found = list(yaml.safe_load_all(out))
    kinds = [each["kind"] for each in found]
    assert kinds == ["Namespace", "Service", "PodDisruptionBudget", "Deployment"]
    assert found[-1]["spec"]["replicas"] == 3
    [container] = found[-1]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "512Mi"}
    assert "kubectl create secret generic offload" in out
    assert "No Kubernetes cluster is configured here" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cpus", "0.01"), "--cpus takes cores from 0.05 on."),
        (("--memory", "much"), "--memory takes a size"),
        (("--expose", "ingress"), "--expose takes nodeport, nodeport:PORT or loadbalancer"),
        (("--replicas", "3", "--max-replicas", "2"), "--max-replicas must be more"),
        (("--name", "Photos"), "--name takes small letters"),
        (("--registry", "r", "--container-image", "i"), "name two images"),
        (("--model", "m", "--container-image", "i"), "has its own model"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_cluster_is_asked(
    typed: Typed, words: tuple[str, ...], said: str
) -> None:
    code, _, err = typed("provision", "kubernetes", *words, "--plan")
    assert code == 2
    assert said in err


def test_without_the_library_it_is_told_how_to_install_it(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    code, _, err = typed("detect", "a.jpg", "--where", "kubernetes")
    assert code == 1
    assert "The Kubernetes client library is not installed." in err
    assert "pip install 'offload[kubernetes]'" in err
