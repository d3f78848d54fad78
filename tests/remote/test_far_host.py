"""The remote place on a host of its own, behind a link of its own."""

import json
import os
from pathlib import Path

import pytest

from tests.conftest import Offload
from tests.remote.rows import in_folder
from tests.testbed import lab

pytestmark = [pytest.mark.usefixtures("bed"), pytest.mark.xdist_group("test bed")]


def test_a_host_behind_a_slow_link_answers_as_this_machine_does(
    offload: Offload, examples: Path, tmp_path: Path
) -> None:
    builtin = ("-m", "builtin")
    assert offload("detect", examples, *builtin, "-o", tmp_path / "here").returncode == 0
    with lab.serving_host("offload", [], {}) as host:
        host.shape(rate_mbit=10, rtt_ms=50)
        there = ("--where", "remote", "--url", host.url)
        refused = offload("detect", examples, *there)
        assert refused.returncode == 4
        assert "needs a token" in refused.stderr
        environment = os.environ | {"OFFLOAD_TOKEN": host.token}
        done = offload("detect", examples, *there, "-o", tmp_path / "there", env=environment)
        assert done.returncode == 0, done.stderr
    here, far = in_folder(tmp_path / "here"), in_folder(tmp_path / "there")
    assert here.keys() == far.keys()
    for path, row in far.items():
        assert row["detections"] == here[path]["detections"]
        # 10 Mbit/s carry at most 1.25 bytes a microsecond; a round trip takes 50 ms.
        assert row["durations"]["upload_s"] > 0.05 + row["sent_bytes"] / 1.25e6
    totals = json.loads((tmp_path / "there" / "run.json").read_text())["totals"]
    assert totals["concurrency"] > 2, "as many in flight as hide the round trip"
