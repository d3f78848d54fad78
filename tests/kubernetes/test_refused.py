"""Why pods do not come up: one sentence each, and what shows more."""

import base64
import json
import re
import shlex
import time
from collections.abc import Sequence

import pytest

from tests.becoming import Done
from tests.kubernetes.user import User, until

pytestmark = pytest.mark.xdist_group("kubernetes")

WITHIN_S = 60.0
"""Of seconds that are to be few: this only tells them from minutes."""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--container-image", "127.0.0.1:9/nowhere"), r"cannot get the container image 127"),
        (("--cpus", 64), r"has room for a pod: .*cpu"),
        (("--memory", "16m"), r"memory limit is too small"),
    ],
    ids=["no such image", "no room", "no memory"],
)
def test_pods_that_do_not_come_up_are_explained_within_seconds(
    user: User, words: Sequence[object], said: str
) -> None:
    assert_explained(user, said, *words)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ENV OFFLOAD_MODEL=no-such-model", r"ends with exit code 2.*no-such-model"),
        ('ENTRYPOINT ["/nowhere"]', r"cannot be started: .*/nowhere"),
    ],
    ids=["it ends", "it cannot be started"],
)
def test_a_server_that_does_not_run_is_quoted(user: User, change: str, said: str) -> None:
    if user.cluster.host is None:
        pytest.skip("the nodes are not ours to put an image on")
    dockerfile = f"FROM {user.image}\n{change}\n"
    user.cluster.node(f"printf %s {shlex.quote(dockerfile)} | docker build -q -t broken - >&2")
    assert_explained(user, said, "--container-image", "broken")


def test_a_quota_that_is_used_up_is_quoted(user: User) -> None:
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.cpu": "700m"}}}
    user.ask("POST", user.path("resourcequotas"), quota)
    assert_explained(user, r"refuses a pod: .*exceeded quota: small", "--replicas", 2)


def test_a_verb_that_is_forbidden_is_named(user: User) -> None:
    """They may look at pods, and nothing else."""
    of = {"metadata": {"name": "looker"}}
    user.ask("POST", user.path("serviceaccounts"), of)
    may = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    roles = "apis/rbac.authorization.k8s.io/v1"
    user.ask("POST", user.path("roles", group=roles), of | {"rules": [may]})
    bound = {
        "subjects": [{"kind": "ServiceAccount", "name": "looker", "namespace": user.namespace}],
        "roleRef": {"kind": "Role", "name": "looker", "apiGroup": "rbac.authorization.k8s.io"},
    }
    user.ask("POST", user.path("rolebindings", group=roles), of | bound)
    become(user, "looker")
    assert_explained(user, r"forbids it: .*looker.* cannot \w+ resource")


def become(user: User, account: str) -> None:
    """From now on they are this account of the namespace's."""

    def token() -> str | None:
        listed = user.ask("GET", user.path("secrets")) or {"items": []}
        for secret in listed["items"]:
            marks = secret["metadata"].get("annotations") or {}
            if marks.get("kubernetes.io/service-account.name") == account:
                return base64.b64decode(secret["data"]["token"]).decode()
        return None

    import yaml

    config = yaml.safe_load(user.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": until(token)}
    user.kubeconfig.write_text(json.dumps(config))


def assert_explained(user: User, said: str, *words: object) -> Done:
    began_s = time.monotonic()
    done = user.provision(*words)
    assert time.monotonic() - began_s < WITHIN_S
    assert done.returncode == 4, done.stderr
    error, hint = done.stderr.strip().splitlines()[-2:]
    assert error.startswith("error: "), done.stderr
    assert re.search(said, error), done.stderr
    assert "kubectl" in hint
    return done
