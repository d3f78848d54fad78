"""The command that looks for the best place itself."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from offload.domain import profiles
from offload.domain.measurements import Measurement
from offload.domain.ports import ModelIdentity
from offload.drivers.host import machine
from tests.conftest import Offload
from tests.drawing import saved, scene
from tests.measured import container, local, remote
from tests.remote.rows import rows
from tests.remote.served import Served, served

pytestmark = pytest.mark.xdist_group("remote")

BUILTIN = ("-m", "builtin")
AUTO = (*BUILTIN, "--where", "auto", "--json")
BUDGET = ("--budget", "1s", "-q")
ASKED = 1
"""Answers to the question how many there were."""


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """A server on this machine."""
    with served("--workers", 2) as running:
        yield running


def answers(server: Served) -> int:
    """How many requests the server had answered before this one."""
    with urllib.request.urlopen(f"{server.url}/metrics") as stream:
        lines = stream.read().decode().splitlines()
    counts = [line for line in lines if line.startswith("offload_responses_total{")]
    return int(sum(float(line.rpartition(" ")[2]) for line in counts))


def known(offload: Offload, folder: Path, *measurements: Measurement) -> None:
    """Have the history hold these as taken from here, with the model that this machine has."""
    client = machine.describe()
    sha256 = json.loads(offload("models", "show", "builtin", "--json").stdout)["sha256"]
    model = ModelIdentity("builtin", "tflite", sha256)
    ours = [
        replace(m, condition=replace(m.condition, client=client, model=model)) for m in measurements
    ]
    file = folder / "known.json"
    file.write_text(json.dumps(profiles.document(ours, [])))
    assert offload("profile", "import", file).returncode == 0


def at(server: Served, measurement: Measurement) -> Measurement:
    return replace(measurement, condition=replace(measurement.condition, url=server.url))


def where(text: str) -> set[str]:
    return {row["where"] for row in rows(text).values()}


def test_a_machine_that_was_measured_does_it_here_and_says_so_in_one_line(
    offload: Offload, examples: Path
) -> None:
    assert offload("profile", examples, *BUILTIN, *BUDGET).returncode == 0
    done = offload("detect", examples, *AUTO)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("Running ")]
    assert len(said) == 1
    assert said[0].startswith("Running builtin here: 12 images in ")
    assert where(done.stdout) == {"local"}
    assert offload("detect", examples, *AUTO, "-q").stderr == ""


def test_what_is_found_is_what_is_found_here(offload: Offload, examples: Path) -> None:
    chosen = rows(offload("detect", examples, *AUTO).stdout)
    here = rows(offload("detect", examples, *BUILTIN, "--json").stdout)
    assert chosen.keys() == here.keys()
    for path, row in chosen.items():
        for name in ("width", "height", "bytes", "detections", "where", "model_sha256"):
            assert row[name] == here[path][name]


def test_a_machine_that_was_never_measured_does_it_here(offload: Offload, examples: Path) -> None:
    done = offload("detect", examples, *AUTO)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Running builtin here: ")
    assert done.stderr.splitlines()[0].endswith("low confidence: nothing was measured with builtin")
    assert where(done.stdout) == {"local"}


def test_a_history_that_cannot_be_read_is_one_warning_and_it_is_done_here(
    offload: Offload, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "history.sqlite3").mkdir()
    monkeypatch.setenv("OFFLOAD_DATA", str(tmp_path))
    done = offload("detect", examples, *AUTO)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("warning: The measurements cannot be used: ")
    assert where(done.stdout) == {"local"}


def test_a_container_that_was_never_measured_is_never_started(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    known(offload, tmp_path, local(service_s=60, startup_s=600))
    assert where(offload("detect", examples, *AUTO).stdout) == {"local"}


def test_no_server_is_spoken_to_unless_it_is_named(
    offload: Offload,
    examples: Path,
    server: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fast = at(server, remote(service_s=0.001, bytes_per_s=1e9, rtt_s=0.001, startup_s=0.1))
    known(offload, tmp_path, local(service_s=1), container(service_s=1), fast)
    monkeypatch.setenv("OFFLOAD_HISTORY", "false")  # or the first run would be what is known
    before = answers(server)
    here = offload("detect", examples, *AUTO)
    assert where(here.stdout) == {"local"}
    assert answers(server) == before + ASKED
    there = offload("detect", examples, *AUTO, "--url", server.url)
    assert there.returncode == 0, there.stderr
    assert there.stderr.startswith("Running builtin remotely: 12 images in ")
    assert where(there.stdout) == {"remote"}
    assert answers(server) >= before + ASKED + 12
    monkeypatch.setenv("OFFLOAD_URL", server.url)
    by_setting = offload("detect", examples, *AUTO)
    assert where(by_setting.stdout) == {"remote"}
    assert rows(there.stdout).keys() == rows(here.stdout).keys()


def test_a_server_that_is_named_and_slower_is_not_spoken_to(
    offload: Offload, examples: Path, server: Served, tmp_path: Path
) -> None:
    known(offload, tmp_path, local(), at(server, remote(bytes_per_s=1e4)))
    before = answers(server)
    done = offload("detect", examples, *AUTO, "--url", server.url)
    assert where(done.stdout) == {"local"}
    assert answers(server) == before + ASKED


def test_a_server_that_was_never_measured_is_never_chosen(
    offload: Offload, examples: Path, server: Served, tmp_path: Path
) -> None:
    known(offload, tmp_path, local(service_s=60, startup_s=600))
    before = answers(server)
    done = offload("detect", examples, *AUTO, "--url", server.url)
    assert where(done.stdout) == {"local"}
    assert answers(server) == before + ASKED


def test_what_is_known_of_one_server_says_nothing_of_another(
    offload: Offload, examples: Path, server: Served, tmp_path: Path
) -> None:
    fast = at(server, remote(service_s=0.001, bytes_per_s=1e9, rtt_s=0.001, startup_s=0.1))
    known(offload, tmp_path, local(service_s=0.2), fast)
    done = offload("detect", examples, *AUTO, "--url", "http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert where(done.stdout) == {"local"}


def test_where_both_were_measured_the_advice_is_followed(
    offload: Offload, examples: Path, server: Served
) -> None:
    profile = ("profile", examples, "--where", "local,remote", "--url", server.url)
    assert offload(*profile, *BUILTIN, *BUDGET).returncode == 0
    advice = json.loads(offload("advise", examples, "--url", server.url, "--json").stdout)
    done = offload("detect", examples, *AUTO, "--url", server.url)
    assert done.returncode == 0, done.stderr
    chosen = advice["choice"]["place"]
    assert where(done.stdout) <= ({"local", "remote"} if chosen == "split" else {chosen})
    before = answers(server)
    assert where(offload("detect", examples, *AUTO).stdout) == {"local"}
    assert answers(server) == before + ASKED


def test_a_list_on_standard_input_cannot_be_looked_at_twice(
    offload: Offload, tmp_path: Path
) -> None:
    saved(tmp_path / "x.jpg", scene(320, 240))
    done = offload("detect", "-", *AUTO, input="x.jpg\n", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --where auto reads the list twice")
    assert done.stderr.splitlines()[1:] == [
        "  Use a file instead: offload detect list.txt --where auto"
    ]
    (tmp_path / "list.txt").write_text("x.jpg\n")
    assert where(offload("detect", "list.txt", *AUTO, cwd=tmp_path).stdout) == {"local"}
