"""Where tests live: an empty home, no outside network, the shared assets if they are there."""

import contextlib
import gc
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.becoming import spawner
from tests.engine import bed, docker_engine

if TYPE_CHECKING:
    from tests.paced import Pace

__all__ = ["bed", "docker_engine"]

# Red means that a change is wrong: so a property has no deadline, and is always tried on the same
# examples. `just attack` tries others.
hypothesis.settings.register_profile("offload", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.register_profile("attack", deadline=None)
hypothesis.settings.load_profile("offload")

_TEST_BED = ("198.18.", "203.0.113.1")
"""Nobody's hosts (RFC 2544 and 5737), but the test bed's here."""

REACHED: set[str] = set()
"""Other hosts that whoever called pytest wants to be reached."""

PROJECT = Path(__file__).parents[1]

AS_CALLED = dict(os.environ)
"""The environment of whoever called pytest, with credentials if they have any."""

Offload = Callable[..., "subprocess.CompletedProcess[str]"]
Typed = Callable[..., tuple[int, str, str]]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has its background jobs ignore Ctrl-C, and what they start would, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What costs money, or long, is done only if asked for."""
    parser.addoption(
        "--live-aws", action="store_true", help="rent a machine of your AWS account: costs cents"
    )
    parser.addoption(
        "--attack", action="store_true", help="in tests/attack try all, not a tenth: takes long"
    )


def pytest_collection_finish() -> None:
    """What was collected stays: no later look for garbage need go through it."""
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """With --attack, properties are tried on other examples each time."""
    if config.getoption("--attack"):
        hypothesis.settings.load_profile("attack")


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    """The exit code of a command in this process, its standard output and error."""
    from offload.cli import commands
    from offload.cli.parsing import usage

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"no picture")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["offload", *words])
        code = usage.exit_code(commands.app)
        return code, *capsys.readouterr()

    return run


def on_a_terminal(*arguments: object, stdout: Any = subprocess.DEVNULL) -> tuple[int, str]:
    """The command with a person watching its standard error: exit code, and what they saw."""
    reader, terminal = pty.openpty()
    command = [sys.executable, "-m", "offload", *map(str, arguments)]
    with subprocess.Popen(command, stdout=stdout, stderr=terminal) as process:
        os.close(terminal)
        seen = b""
        with contextlib.suppress(OSError):  # the terminal's other end closes
            while chunk := os.read(reader, 65536):
                seen += chunk
    os.close(reader)
    return process.returncode, seen.decode()


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every test, and no setting or credential of whoever runs it."""
    folder = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        ours = ("OFFLOAD_", "AWS_", "XDG_", "KUBECONFIG")
        if name.startswith(ours) and name != "OFFLOAD_TEST_ASSETS":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    # The discard port: nothing listens, so a forgotten download fails at once.
    monkeypatch.setenv("OFFLOAD_HUB", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return folder


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches out by accident."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        here = self.family == socket.AF_UNIX or address[0] in {"127.0.0.1", "::1", "localhost"}
        if not here and not address[0].startswith(_TEST_BED) and address[0] not in REACHED:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def assets() -> Path:
    """Real models and photos that may not be copied into the project."""
    folder = Path(os.environ.get("OFFLOAD_TEST_ASSETS", PROJECT.parent / "shared"))
    if not (folder / "models").is_dir() or not (folder / "images").is_dir():
        pytest.skip(f"no test assets in {folder}; OFFLOAD_TEST_ASSETS names their folder")
    return folder


@pytest.fixture(scope="session")
def photos(assets: Path) -> Path:
    """128 COCO photos with YOLO labels beside them."""
    return assets / "images" / "coco128"


@pytest.fixture(scope="session")
def ssd(assets: Path) -> Path:
    """SSD MobileNet v1, quantised, ending in TFLite_Detection_PostProcess."""
    return assets / "models" / "ssd_mobilenet_v1_coco_quant.tflite"


@pytest.fixture(scope="session")
def ssd_labels(assets: Path) -> Path:
    """The labels of `ssd`."""
    return assets / "models" / "coco_labels.txt"


@pytest.fixture
def offload() -> Offload:
    """The command, in a process of its own."""
    return spawner().run


@pytest.fixture(scope="session")
def paced(tmp_path_factory: pytest.TempPathFactory) -> "Pace":
    """A slow computer; whoever slows it down wants `pace`."""
    from tests.paced import Pace

    return Pace(tmp_path_factory.mktemp("paced"))


@pytest.fixture
def pace(paced: "Pace") -> "Pace":
    """The same, as fast as it can be."""
    paced(0)
    return paced


@pytest.fixture(scope="session")
def examples() -> Path:
    """The pictures that ship with the project."""
    return PROJECT / "examples" / "images"
