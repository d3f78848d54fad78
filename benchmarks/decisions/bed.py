"""Where jobs are run: this machine's core 0, half of it, a container, a host of the test bed."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from decisions.grid import CONTAINER, COPIES, ELSEWHERE, LOCAL, SIDE_PX, SLOWED, Part
from decisions.materials import Model
from tests.testbed import lab

IMAGE = "offload:decision"
"""A tag of our own: whoever builds the image anew meanwhile does not change ours."""
RTT_MS = 20
SLOWED_CORES = 0.5
_PATIENCE_S = 900.0
_READY_S = 60.0
_UNCOMPILED = "PYTHONDONTWRITEBYTECODE"
ROOT = Path(__file__).parents[2]
_WHERE = {LOCAL: "local", SLOWED: "local", CONTAINER: "container"}


class Bed:
    """A rented host with a server for each detector, of which one runs at a time, on one core."""

    def __init__(self, host: lab.Host, models: Mapping[str, Model]) -> None:
        self.host = host
        self._models = models
        self._running: str | None = None
        host.ssh("docker rm -f $(docker ps -aq)")
        for name, model in models.items():
            options = " ".join(model.options("/model"))
            host.ssh(
                f"docker create --name {name} --read-only --tmpfs /tmp -p {lab.PORT}:8080 "
                f"--cpus 1 --cpuset-cpus 1 -v $PWD/model:/model:ro -e OFFLOAD_TOKEN={host.token} "
                f"{IMAGE} serve --host 0.0.0.0 --port 8080 --offline {options}"
            )

    def start_server(self, detector: str, uplink_mbit: int) -> float:
        """Shape the link, and start the server anew; the seconds until it was ready."""
        self.host.shape(uplink_mbit, RTT_MS)
        self.end_server("stop")
        began_s = time.perf_counter()
        self.host.ssh(f"docker start {detector}")
        while not self._ready():
            if time.perf_counter() - began_s > _READY_S:
                raise SystemExit(self.host.ssh(f"docker logs {detector} 2>&1"))
            time.sleep(0.02)
        self._running = detector
        return time.perf_counter() - began_s

    def end_server(self, how: str) -> None:
        """Have what runs `stop`, or `kill` it."""
        if self._running:
            self.host.ssh(f"docker {how} {self._running}")
            self._running = None

    def _ready(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.host.url}/readyz", timeout=5):
                return True
        except OSError:
            return False

    def profile(self, part: Part, folder: Path, budget: str, data: Path) -> float:
        """Measure a place into the history in `data`; the seconds that took."""
        options = ["profile", "run", str(folder), "--budget", budget, *self._options(part)]
        if part.place in ELSEWHERE:
            options += ["--upload-max-side", str(SIDE_PX[part.photos])]
        began_s = time.perf_counter()
        self.run(_cores(part), [*options, "--json"], {"OFFLOAD_DATA": str(data)})
        return time.perf_counter() - began_s

    def detect(self, part: Part, folder: Path, data: Path | None, out: Path) -> Mapping[str, Any]:
        """Run a job; its totals. It is remembered in `data` if that is given."""
        options = ["detect", str(folder), "-q", "--out", str(out), "--overwrite"]
        if part.place == COPIES:
            options += ["--upload-max-side", str(SIDE_PX[part.photos])]
        history = {"OFFLOAD_HISTORY": "false"} if data is None else {"OFFLOAD_DATA": str(data)}
        self.run(_cores(part), [*options, *self._options(part)], history)
        totals: Mapping[str, Any] = json.loads((out / "run.json").read_text())["totals"]
        return totals

    def _options(self, part: Part) -> list[str]:
        if part.place in ELSEWHERE:
            return ["--where", "remote", "--url", self.host.url]
        options = ["--where", _WHERE[part.place], *self._models[part.detector].options()]
        return options + (
            ["--cpus", "1", "--container-image", IMAGE] if part.place == CONTAINER else []
        )

    def run(self, cores: float, arguments: Sequence[str], settings: Mapping[str, str]) -> str:
        """Run our command on so many cores of this machine; what it prints."""
        command = at_cores(cores, offload(*arguments))
        done = subprocess.run(
            command, env=self.environment(settings), cwd=ROOT, capture_output=True, text=True,
            check=False, timeout=_PATIENCE_S,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
        return done.stdout

    def environment(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        """Of our command, which is compiled once, as what is installed is; with the token."""
        kept = {name: value for name, value in os.environ.items() if name != _UNCOMPILED}
        return kept | {"OFFLOAD_TOKEN": self.host.token, **settings}


def _cores(part: Part) -> float:
    return SLOWED_CORES if part.place == SLOWED else 1


def offload(*arguments: str) -> list[str]:
    """Our command."""
    return [sys.executable, "-m", "offload", *arguments]


def at_cores(cores: float, command: Sequence[str]) -> list[str]:
    """The command on this machine's core 0, or on less of it."""
    throttle = [str(lab.HERE / "fakecloud"), "throttle", "--cpus", str(cores), "--"]
    return [*(throttle if cores < 1 else []), "taskset", "-c", "0", *command]


def exported(data: Path) -> str:
    """The history in `data` as a JSON document."""
    environment = os.environ | {"OFFLOAD_DATA": str(data)}
    command = offload("profile", "export")
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


@contextmanager
def opened(models: Mapping[str, Model]) -> Iterator[Bed]:
    """The bed with our image, which is built if need be."""
    picture = ROOT / "examples" / "images" / "woman-close-up.jpg"
    command = offload("detect", str(picture), "-m", "builtin", "-q", "--where", "container")
    subprocess.run(
        command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        env=os.environ | {"OFFLOAD_HISTORY": "false"},
    )  # fmt: skip
    subprocess.run(["docker", "tag", "offload", IMAGE], check=True)
    files = [file for model in models.values() for file in model.files]
    with lab.serving_host(IMAGE, files, {"OFFLOAD_MODEL": "builtin"}) as host:
        yield Bed(host, models)
