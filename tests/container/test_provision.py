"""`offload provision lambda` as a process that is killed, with a real engine and registry."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import offload
from offload.detectors import source
from offload.drivers import settings
from offload.drivers.aws.function.calling import BUCKET
from offload.usecases.provision.model_image import image_of
from tests.becoming import spawner
from tests.contexts import context
from tests.functions.aws import REGION, account
from tests.functions.bench import NAME, Bench, Engine
from tests.functions.containers import as_container, resting
from tests.testbed.registry import Registry, Relay, small_image

pytestmark = pytest.mark.xdist_group("containers")

SIZE_BYTES = 4_000_000
UP = ("provision", "lambda", "--name", NAME, "--drop-box", "-m", "builtin", "--offline", "--yes")
DOWN = ("down", f"lambda:{NAME}", "--region", REGION, "--yes")
ALL = {"function", "repository", "role", "log group", "bucket", "table", "queue"}


@pytest.fixture
def image(docker_engine: Any) -> Iterator[str]:
    """What stands for the function's image, and need not be built: it is never run."""
    made = image_of(source.chosen("builtin", context(settings.load({})).hub, None), "aws")
    before = [i for i in docker_engine.images.list() if made.name in i.tags]
    labels = [f"LABEL {key}={value}" for key, value in made.labels.items()]
    small_image(docker_engine, made.name, SIZE_BYTES, *labels)
    yield made.name
    docker_engine.images.remove(made.name)
    for each in before:
        each.tag(made.name)


@pytest.fixture
def bench(
    image: str, shelf: Registry, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """An account whose ECR is the registry, with nothing in it."""
    with account(shelf=shelf) as one:
        for name, value in one.settings.items():
            monkeypatch.setenv(name, value)
        yield Bench(one, Engine(one))


def killed_after(bench: Bench, operation: str, *words: str) -> None:
    """Begin a command, and kill it once what it asked for is done and before it is told so."""
    is_done, is_killed = threading.Event(), threading.Event()

    def hold(what: str) -> None:
        if what == operation:
            is_done.set()
            is_killed.wait()

    bench.account.watched.done = hold
    killed_when(is_done, *words)
    is_killed.set()
    bench.account.watched.done = lambda _what: None


def killed_when(event: threading.Event, *words: str) -> None:
    with spawner().begin(words) as process:
        while not event.wait(0.02):
            assert process.poll() is None, process.stderr.read()
        process.kill()
        assert process.wait() == -signal.SIGKILL


def test_killed_at_any_step_it_goes_on_and_down_leaves_nothing(
    bench: Bench, shelf: Registry
) -> None:
    ecr = bench.account.registered
    assert ecr is not None
    killed_after(bench, "CreateRepository", *UP)
    relay = Relay(shelf.address, SIZE_BYTES // 2)
    ecr.address = relay.address
    killed_when(relay.full, *UP)
    relay.close()
    ecr.address = ""
    killed_after(bench, "CreateTable", *UP)
    killed_after(bench, "POST /2015-03-31/functions", *UP)
    done = spawner().run(*UP, "--json")
    assert done.returncode == 0, done.stderr
    assert bench.there() == ALL
    up = bench.account.client("lambda").get_function(FunctionName=NAME)
    assert shelf.manifest(NAME, up["Code"]["ImageUri"].rpartition(":")[2])
    s3, variables = bench.account.client("s3"), up["Configuration"]["Environment"]["Variables"]
    bucket = variables[BUCKET]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        s3.put_object(Bucket=bucket, Key="in/a.jpg", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="in/a.jpg")
    killed_after(bench, f"DELETE /2015-03-31/functions/{NAME}", *DOWN)
    down = spawner().run(*DOWN)
    assert down.returncode == 0, down.stderr
    assert not bench.there()


@pytest.mark.soak
def test_what_was_provisioned_is_pulled_and_answers_as_this_process_does(
    docker_engine: Any, shelf: Registry, examples: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLOAD_FUNCTION", NAME)
    with account(2, as_container(docker_engine), shelf) as one:
        for name, value in one.settings.items():
            monkeypatch.setenv(name, value)
        up = spawner().run(*UP, timeout=1200)
        assert up.returncode == 0, up.stderr
        where: dict[str, Any] = {"where": "lambda", "model": "builtin"}
        there = {r.path: r.detections for r in offload.detect(str(examples), **where)}
        ours = {r.path: r.detections for r in offload.detect(str(examples), model="builtin")}
        assert there == ours
        assert (
            resting(docker_engine)[0].container.attrs["Config"]["Image"].startswith(shelf.address)
        )
        one.service.rest()
        assert spawner().run(*DOWN).returncode == 0
    for tag in [tag for i in docker_engine.images.list() for tag in i.tags if shelf.address in tag]:
        docker_engine.images.remove(tag)
