"""Measuring a container, and a host behind a link of its own."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from offload.domain.measurements import Measurement
from offload.domain.typed import read
from offload.drivers.docker.container_spec import MARK
from offload.usecases.profile import probing
from tests.conftest import Offload
from tests.testbed import lab

BUILTIN = ("-m", "builtin")


def exported(offload: Offload) -> list[Measurement]:
    done = offload("profile", "export")
    assert done.returncode == 0, done.stderr
    return [read(Measurement, each) for each in json.loads(done.stdout)["measurements"]]


@pytest.mark.xdist_group("containers")
def test_a_container_is_measured_with_the_phases_of_its_coming_up_and_is_gone(
    offload: Offload, docker_engine: Any, examples: Path
) -> None:
    places = ("--where", "local,container")
    done = offload("profile", examples, *places, *BUILTIN, "--cpus", 1.5, timeout=600)
    assert done.returncode == 0, done.stderr
    container, local = sorted(exported(offload), key=lambda each: each.condition.place)
    assert (local.condition.place, container.condition.place) == ("local", "container")
    assert (local.condition.cpus, container.condition.cpus) == (None, 1.5)
    assert container.condition.host["name"] == local.condition.host["name"]
    phases = [name for name in container.starts[-1].phases if name != "build"]
    assert phases == ["create", "start", "load", "warm-up"]
    for start in container.starts:
        assert sum(start.phases.values()) < start.startup_s
    assert {probe.kind for probe in container.probes} == {"rtt", "up", "down"}
    assert container.images
    assert not docker_engine.containers.list(all=True, filters={"label": MARK})


@pytest.mark.usefixtures("bed")
@pytest.mark.xdist_group("test bed")
def test_behind_a_slow_link_smaller_copies_are_measured_too(offload: Offload, photos: Path) -> None:
    with lab.serving_host("offload", [], {}) as host:
        host.shape(rate_mbit=10, rtt_ms=50)
        done = offload(
            "profile", photos, "-r", "--where", "remote", "--url", host.url,
            env=os.environ | {"OFFLOAD_TOKEN": host.token},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    full, copies = sorted(exported(offload), key=lambda each: len(each.agreements))
    # 95.6 % of the wire's rate is left of 10 Mbit/s by what heads take; a busy computer sends less.
    rate = 1 / probing.seconds_per_byte(full.probes, "up")
    assert 0.5 < rate / (10e6 / 8 * 0.956) < 1.15
    trips_s = [probe.seconds for probe in full.probes if probe.kind == "rtt"]
    assert 0.05 <= min(trips_s) < 0.08
    assert copies.condition.upload_max_side_px == 320
    assert copies.agreements
    assert copies.starts == full.starts
    assert sum(image.sent_bytes for image in copies.images) < 50_000 * len(copies.images)
