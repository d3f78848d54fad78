"""The journey on a real account: costs a few cents, and only with `pytest --live-aws`."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import AS_CALLED

NAME = "live-test"
NOTHING_THERE = 2
OFFLINE = "http://127.0.0.1:9"


class Live:
    """The command, with the account and the region of whoever called pytest."""

    def __init__(self, home: Path) -> None:
        self._environment = AS_CALLED | {"OFFLOAD_DATA": str(home), "OFFLOAD_HUB": OFFLINE}

    def __call__(self, *words: object, codes: Sequence[int] = (0,)) -> str:
        """`offload` with these words, which must end with one of `codes`: its standard output."""
        command = [sys.executable, "-m", "offload", *map(str, words)]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=1200,
        )  # fmt: skip
        assert done.returncode in codes, f"{words}: {done.stderr}{done.stdout}"
        return done.stdout


@pytest.fixture
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Live]:
    """Nothing of this name is there before, nor after."""
    if not request.config.getoption("--live-aws"):
        pytest.skip("rents a c7i.large for some minutes, about $0.03; to do that: --live-aws")
    offload = Live(tmp_path)
    _removed(offload)
    yield offload
    _removed(offload)


def _removed(offload: Live) -> None:
    """Nothing of it is left, a half of it neither."""
    offload("down", NAME, codes=(0, NOTHING_THERE))


def test_a_machine_of_a_real_account_serves_and_goes_without_a_trace(
    live: Live, examples: Path
) -> None:
    live("doctor", "aws")
    given = ("--name", NAME, "--yes", "-m", "builtin", "--idle", "10m", "--max-lifetime", "30m")
    up = json.loads(live("provision", "ec2", *given, "--json"))
    assert up["from"] == "new"
    assert {"api", "pending", "boot", "engine", "image", "container"} <= up["phases"].keys()
    there = _found(live("detect", examples, "--where", "remote", "--machine", NAME, "--json"))
    assert there == _found(live("detect", examples, "-m", "builtin", "--json"))
    live("stop", NAME)
    assert json.loads(live("start", NAME, "--json"))["from"] == "stopped"
    live("down", NAME)
    machines = json.loads(live("machines", "--json"))["machines"]
    assert NAME not in {machine["name"] for machine in machines}


def _found(lines: str) -> dict[str, object]:
    rows = [json.loads(line) for line in lines.splitlines()]
    return {row["path"]: row["detections"] for row in rows}
