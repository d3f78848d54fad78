"""A machine made to serve, over a connection that says what it is told to."""

import io
import shlex
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError
from offload.domain.events import Stop
from offload.drivers.docker.own_image import OwnImage
from offload.drivers.http.web import OnBytes
from offload.providers.config import Phases, ServedFiles
from offload.usecases.provision.deploy import Deployment
from offload.usecases.provision.launch import Interrupted, Waiter
from tests.contexts import context

TOKEN = "0123456789abcdef"
FILES = ServedFiles({"m.tflite": __file__}, {"OFFLOAD_MODEL": "/model/m.tflite"}, ("--labels",))
CARGO = (FILES, "k1")
NO_CARGO = (ServedFiles({}, {"OFFLOAD_MODEL": "builtin"}), "k0")


@dataclass
class Machine:
    """A shell on a machine: `answers` maps a part of a command to what it prints, or to None where
    it fails. The first that fits counts; all else succeeds in silence.
    """

    answers: dict[str, str | None] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    got: dict[str, bytes] = field(default_factory=dict)
    now_s: float = 0.0
    stop: Stop = field(default_factory=Stop)
    said: list[str] = field(default_factory=list)

    def run(
        self,
        command: str,
        stdin: Iterable[bytes] = (),
        on_line: Callable[[str], None] = lambda _line: None,
    ) -> str:
        del on_line
        self.ran.append(command)
        self.got[command] = b"".join(stdin)
        for part, answer in self.answers.items():
            if part in command:
                if answer is None:
                    raise OffloadError(f"{part} failed.")
                return answer
        return ""

    def pause(self, seconds: float) -> None:
        self.now_s += seconds

    def steps(self) -> Deployment:
        """What is done to it."""
        patience = Waiter(self.stop, lambda: self.now_s, self.pause)
        shell: Any = self
        phases = Phases(lambda: self.now_s)
        return Deployment(shell, patience, phases, context(warn=self.said.append).reporter)

    def with_(self, part: str) -> str:
        """The only command that has this in it."""
        [found] = [command for command in self.ran if part in command]
        return found

    def has(self, part: str) -> bool:
        """Whether any command has this in it."""
        return any(part in command for command in self.ran)


@dataclass(frozen=True)
class Image(OwnImage):
    """Ours, as no engine has to know it."""

    model_runtime: str = "tflite"
    digest: str = "d1"

    def context(self) -> Iterator[bytes]:
        return iter([b"context"])

    def is_marked(self) -> bool:
        return True

    def saved(self, on_bytes: OnBytes) -> Iterator[bytes]:
        on_bytes(5, 5)
        yield b"layers"


REACHES: dict[str, str | None] = {"registry-1.docker.io": "yes\n"}
ALONE: dict[str, str | None] = {"registry-1.docker.io": None}
ABSENT: dict[str, str | None] = {"image inspect": None}


def test_an_image_that_is_there_is_left_as_it_is() -> None:
    machine = Machine({"image inspect": "d1\n"})
    steps = machine.steps()
    assert steps.image(Image(), "auto", "x86_64", "x86_64") == "present"
    assert len(machine.ran) == 1


@pytest.mark.parametrize("way", ["auto", "build"])
def test_an_image_is_built_where_the_registries_are_in_reach(way: str) -> None:
    machine = Machine(ABSENT | REACHES)
    steps = machine.steps()
    assert (
        steps.image(Image(), "build" if way == "build" else "auto", "x86_64", "x86_64") == "built"
    )
    build = machine.with_("docker build")
    assert machine.got[build] == b"context"
    assert "--label offload.source=d1" in build
    assert "--build-arg RUNTIME=tflite" in build
    assert not machine.has("docker load")


@pytest.mark.parametrize("there", [True, False])
def test_the_base_comes_from_the_mirror_that_limits_no_address_if_it_has_it(there: bool) -> None:
    machine = Machine(ABSENT | REACHES | {"docker pull": "sha256:1\n" if there else None})
    assert machine.steps().image(Image(), "auto", "x86_64", None) == "built"
    mirrored = "public.ecr.aws/docker/library/python:3.11-slim"
    assert machine.with_("docker pull").endswith(f" {mirrored}")
    assert (f"--build-arg BASE={mirrored} " in machine.with_("docker build")) == there


def test_an_image_of_another_source_is_replaced() -> None:
    machine = Machine({"image inspect": "d0\n", **ALONE})
    steps = machine.steps()
    assert steps.image(Image(), "auto", "x86_64", "x86_64") == "streamed"
    assert machine.got[machine.with_("docker load")] == b"layers"


def test_a_build_that_fails_is_told_of_and_the_image_is_sent() -> None:
    machine = Machine(ABSENT | REACHES | {"docker build": None})
    steps = machine.steps()
    assert steps.image(Image(), "auto", "x86_64", "x86_64") == "streamed"
    assert machine.said == ["docker build failed. The container image is sent instead."]


def test_a_build_that_was_asked_for_is_not_replaced_by_anything() -> None:
    machine = Machine(ABSENT | {"docker build": None})
    with pytest.raises(OffloadError, match="docker build failed"):
        machine.steps().image(Image(), "build", "x86_64", "x86_64")
    assert not machine.has("docker load")


def test_who_asks_for_sending_has_nothing_built() -> None:
    machine = Machine(ABSENT | REACHES)
    machine.steps().image(Image(), "stream", "x86_64", "x86_64")
    assert not machine.has("docker build")
    assert not machine.has("registry-1.docker.io")


def test_an_image_that_can_be_had_in_no_way_is_told_of() -> None:
    machine = Machine(ABSENT | ALONE)
    with pytest.raises(OffloadError, match="cannot reach a registry") as caught:
        machine.steps().image(Image(), "auto", "x86_64", None)
    assert caught.value.hint


def test_an_engine_whose_images_are_for_another_processor_is_told_of() -> None:
    machine = Machine(ABSENT | ALONE)
    said = r"^This computer's container images are for arm64, the machine is x86_64\.$"
    with pytest.raises(UsageError, match=said) as caught:
        machine.steps().image(Image(), "auto", "x86_64", "arm64")
    assert caught.value.hint.endswith("for a machine that runs it: --instance-type c7g.large")


def test_sending_stops_when_somebody_asks() -> None:
    machine = Machine(ABSENT | ALONE)
    machine.stop.ask()
    with pytest.raises(Interrupted):
        machine.steps().image(Image(), "auto", "x86_64", "x86_64")


def test_a_server_that_runs_as_wanted_is_left_alone() -> None:
    first = Machine()
    first.steps().container(Image(), *CARGO, TOKEN, ["--max-bytes", "1"])
    run = first.with_("docker run")
    [label] = [word for word in shlex.split(run) if word.startswith("offload.spec=")]
    spec = label.removeprefix("offload.spec=")

    again = Machine({"container inspect": f"true {spec}\n", "test -e": "there"})
    steps = again.steps()
    assert not steps.container(Image(), *CARGO, TOKEN, ["--max-bytes", "1"])
    assert not again.has("docker run")
    stopped = Machine({"container inspect": f"false {spec}\n", "test -e": "there"})
    stopped.steps().container(Image(), *CARGO, TOKEN, ["--max-bytes", "1"])
    assert stopped.has("docker run")


@pytest.mark.parametrize(
    ("digest", "cargo", "token", "options"),
    [
        ("d2", CARGO, TOKEN, ["--max-bytes", "1"]),
        ("d1", NO_CARGO, TOKEN, ["--max-bytes", "1"]),
        ("d1", CARGO, "another", ["--max-bytes", "1"]),
        ("d1", CARGO, TOKEN, ["--max-bytes", "2"]),
    ],
)
def test_a_server_that_differs_in_anything_is_replaced(
    digest: str, cargo: tuple[ServedFiles, str], token: str, options: list[str]
) -> None:
    specs = set()
    for one in (
        (Image(), *CARGO, TOKEN, ["--max-bytes", "1"]),
        (Image(digest=digest), *cargo, token, options),
    ):
        machine = Machine()
        steps = machine.steps()
        assert steps.container(*one)
        words = shlex.split(machine.with_("docker run"))
        specs |= {word for word in words if word.startswith("offload.spec=")}
    assert len(specs) == 2


def test_the_server_listens_on_loopback_and_its_token_is_in_no_command() -> None:
    machine = Machine()
    machine.steps().container(Image(), *CARGO, TOKEN, [])
    run = machine.with_("docker run")
    assert " -p 127.0.0.1:8080:8080 " in run
    assert "--read-only" in run
    assert "docker run --memory $(awk " in run, "what is left keeps the machine able to answer"
    assert machine.got[run] == b"OFFLOAD_TOKEN=0123456789abcdef\nOFFLOAD_MODEL=/model/m.tflite\n"
    assert not machine.has(TOKEN)


def test_files_come_whole_or_not_at_all_and_once() -> None:
    machine = Machine({"test -e /var/lib/offload/k1 ": None})
    machine.steps().container(Image(), *CARGO, TOKEN, [])
    load = machine.with_("tar -x")
    with tarfile.open(fileobj=io.BytesIO(machine.got[load])) as archive:
        assert archive.getnames() == ["m.tflite"]
    assert load.index("k1.part") < load.index("mv ")
    there = Machine({"test -e /var/lib/offload/k1 ": "there\n"})
    there.steps().container(Image(), *CARGO, TOKEN, [])
    assert not there.has("tar -x")
    assert "-v /var/lib/offload/k1:/model:ro" in there.with_("docker run")


def test_the_engine_is_waited_for_and_the_machine_says_why_it_stays_away() -> None:
    machine = Machine({"docker version": None, "tail": "installing\nNo match for docker\n"})
    with pytest.raises(PlaceUnavailable, match=r"does not start\. No match for docker"):
        machine.steps().engine()
    assert machine.now_s > 60


def test_a_new_host_key_travels_in_no_command() -> None:
    machine = Machine()
    machine.steps().host_key("PRIVATE")
    [command] = machine.ran
    assert machine.got[command] == b"PRIVATE"
    assert "PRIVATE" not in command


@pytest.mark.parametrize(
    ("idle_s", "lifetime_s", "text", "net"),
    [
        (1200.0, 14400.0, b"IDLE_S=1200\nLIFETIME_S=14400\n", "shutdown -h +247"),
        (None, None, b"IDLE_S=0\nLIFETIME_S=0\n", "shutdown -c; true"),
    ],
)
def test_limits_are_written_where_the_machine_watches_them(
    idle_s: float | None, lifetime_s: float | None, text: bytes, net: str
) -> None:
    machine = Machine()
    machine.steps().limits(idle_s, lifetime_s)
    [command] = machine.ran
    assert machine.got[command] == text
    assert net in command
