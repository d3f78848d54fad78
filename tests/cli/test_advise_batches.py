"""Advice about images in a store, and about workers of an engine."""

import json
from pathlib import Path

from offload.domain import profiles
from tests.conftest import PROJECT, Offload
from tests.costmodel.test_engines import batch_of
from tests.measured import local
from tests.stores.s3 import Bucket, Keys, Server, s3

__all__ = ["s3"]
IMAGE = next((PROJECT / "examples" / "images").glob("*.jpg"))


def measured(folder: Path, engine: str = "dask") -> Path:
    """An exported profile of this machine and of an engine's workers."""
    file = folder / "profile.json"
    file.write_text(json.dumps(profiles.document([local(), batch_of(engine)], [])))
    return file


def test_a_store_is_counted_and_a_sample_measured_here(offload: Offload, s3: Server) -> None:
    data = IMAGE.read_bytes()
    s3.buckets["photos"] = Bucket({f"a/{n}.jpg": data for n in range(30)} | {"a/readme": b"-"})
    done = offload("advise", "s3://photos/a/", "--model", "builtin", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "Counting the images in s3://photos/a" in done.stderr
    assert "Measuring this machine with 30 of s3://photos/a" in done.stderr
    assert found["goal"]["images"] == 30
    assert found["goal"]["total_bytes"] == 30 * len(data)
    [here] = [each for each in found["options"] if each["name"] == "local"]
    assert here["terms"]["service_s"]["origin"] == "measured"


def test_the_number_of_a_store_may_be_given_instead_of_counted(
    offload: Offload, s3: Server, tmp_path: Path
) -> None:
    s3.buckets["photos"] = Bucket(keys=Keys(1_000_000), every=b"x" * 1000)
    profile = measured(tmp_path)
    done = offload(
        "advise", "s3://photos/", "-n", 5_000_000, "--from", profile, "-m", "builtin", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert "Counting" not in done.stderr
    goal = json.loads(done.stdout)["goal"]
    assert (goal["images"], goal["total_bytes"]) == (5_000_000, 5e9)


def test_a_store_without_images_is_refused(offload: Offload, s3: Server) -> None:
    s3.buckets["photos"] = Bucket({"readme": b"-"})
    done = offload("advise", "s3://photos/", "-m", "builtin")
    assert done.returncode == 2
    assert "There are no images in s3://photos." in done.stderr


def test_an_engine_that_is_this_machine_is_no_place_of_its_own(offload: Offload) -> None:
    done = offload("advise", "-n", 1000, "--engine", "local", "-m", "builtin")
    assert done.returncode == 2
    assert "share this machine" in done.stderr
    done = offload("advise", "-n", 1000, "--engine", "none-such", "-m", "builtin")
    assert done.returncode == 2
