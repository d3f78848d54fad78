"""A cluster: any that KUBECONFIG names, else one on a host of the test bed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import AS_CALLED, REACHED
from tests.kubernetes.user import User, host_of
from tests.testbed import cluster as bed_cluster
from tests.testbed.cluster import BUILD, Cluster


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster whose nodes have our image, or can pull what OFFLOAD_TEST_IMAGE names."""
    pytest.importorskip("kubernetes")
    named = AS_CALLED.get("KUBECONFIG")
    if named:
        REACHED.add(host_of(Path(named)))
        yield Cluster(Path(named))
        return
    if bed_cluster.built() is None:
        pytest.skip(f"no KUBECONFIG, and no cluster is built; to build one, in minutes: {BUILD}")
    request.getfixturevalue("bed")
    with bed_cluster.up() as one:
        yield one


@pytest.fixture
def user(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    """Somebody who may do anything in a namespace of the cluster that is theirs."""
    one = User(cluster, tmp_path / "kubeconfig", AS_CALLED.get("OFFLOAD_TEST_IMAGE", "offload"))
    one.begin()
    for name, value in one.environment.items():
        monkeypatch.setenv(name, value)
    yield one
    one.end()
