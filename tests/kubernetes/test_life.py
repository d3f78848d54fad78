"""A deployment from its manifests to nothing."""

from pathlib import Path

import pytest

from tests.kubernetes.user import User, until
from tests.remote.rows import assert_same, rows
from tests.rented.pictures import lines, made

pytestmark = pytest.mark.xdist_group("kubernetes")

THERE = ("--where", "kubernetes", "--model", "builtin")


def test_three_pods_answer_as_this_computer_does_and_go_with_all_that_is_ours(
    user: User, examples: Path, tmp_path: Path
) -> None:
    bystander = {"metadata": {"name": "theirs"}, "data": {"kept": "yes"}}
    user.ask("POST", user.path("configmaps"), bystander)
    done = user.provision("--replicas", 3, "--cpus", 0.5)
    assert done.returncode == 0, done.stderr
    assert len(user.ready()) == 3
    for pod in user.pods():
        [container] = pod["spec"]["containers"]
        assert container["resources"]["limits"]["cpu"] == "500m"
        assert container["resources"]["requests"] == container["resources"]["limits"]

    there = rows(user.well("detect", examples, *THERE, "--json"))
    assert_same(there, rows(user.well("detect", examples, "--model", "builtin", "--json")))

    before = user.served()
    out = tmp_path / "many"
    user.well("detect", made(tmp_path), *THERE, "--concurrency", 12, "-o", out)
    shares = {pod: count - before[pod] for pod, count in user.served().items()}
    assert sum(shares.values()) == len(lines(out)) == 100
    assert min(shares.values()) >= 20, shares

    again = user.provision("--replicas", 3, "--cpus", 0.5)
    assert again.returncode == 0, again.stderr
    assert set(shares) == set(user.ready())

    user.down()
    until(lambda: not user.carrying())
    assert until(lambda: not user.pods())
    assert user.ask("GET", user.path("configmaps", "theirs")) is not None
    refused = user.begun("detect", examples, *THERE)
    _, said = refused.communicate(60)
    assert refused.returncode == 4
    assert "offload provision kubernetes" in said


def test_what_the_cluster_stores_is_what_the_plan_says(user: User) -> None:
    """A misspelt field is dropped without a word."""
    import yaml

    planned = user.well(*user.provisioning("--plan"))
    assert user.carrying() == []
    for wanted in yaml.safe_load_all(planned):
        if wanted["kind"] == "Namespace":
            continue
        kind, group = f"{wanted['kind'].lower()}s", wanted["apiVersion"]
        path = user.path(kind, group=f"apis/{group}" if "/" in group else "api/v1")
        stored = user.ask("POST", path, wanted, {"dryRun": "All"})
        assert stored is not None
        missing = list(_missing(wanted, stored, wanted["kind"]))
        assert missing == []


def _missing(wanted: object, stored: object, where: str) -> list[str]:
    if isinstance(wanted, dict) and isinstance(stored, dict):
        return [
            each
            for key, value in wanted.items()
            for each in _missing(value, stored.get(key), f"{where}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(stored, list) and len(wanted) == len(stored):
        return [
            each
            for number, (one, two) in enumerate(zip(wanted, stored, strict=True))
            for each in _missing(one, two, f"{where}[{number}]")
        ]
    return [] if wanted == stored else [f"{where}: {wanted!r} is stored as {stored!r}"]
