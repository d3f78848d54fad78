import json
from pathlib import Path

from PIL import Image

from tests.conftest import Offload


def test_doctor_says_what_works_here_without_asking_for_secrets(offload: Offload) -> None:
    done = offload("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["machine"]["usable_cores"] >= 1
    assert found["runtimes"]["ai-edge-litert"][0].isdigit()
    assert "no answer" in found["model_hub"]
    assert found["aws_credentials"].startswith("none")
    assert {"docker", "cached_models", "cache", "settings"} <= set(found)


def test_doctor_names_the_source_of_credentials_and_never_the_credentials(
    offload: Offload, home: Path
) -> None:
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = hunter2\n"
    )
    done = offload("doctor")
    assert "shared-credentials-file" in done.stdout
    assert "AKIATEST" not in done.stdout
    assert "hunter2" not in done.stdout


def test_config_says_where_each_value_came_from(offload: Offload, tmp_path: Path) -> None:
    (tmp_path / "offload.toml").write_text("workers = 3\n")
    refused = offload("config", "--json", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "offload trust" in refused.stderr
    assert offload("trust", cwd=tmp_path).stdout.split() == ["workers", "3"]
    found = json.loads(offload("config", "--json", cwd=tmp_path).stdout)
    assert found["workers"] == {"value": 3, "from": "offload.toml"}
    assert found["hub"]["from"] == "OFFLOAD_HUB"
    assert found["model"] == {"value": None, "from": "not set"}


def test_examples_lays_out_pictures_that_open(offload: Offload, tmp_path: Path) -> None:
    done = offload("examples", tmp_path / "samples")
    assert done.returncode == 0, done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert len(paths) >= 12, "ours, and the photographs of the packages that are here"
    for path in paths:
        with Image.open(path) as picture:
            picture.verify()


def test_the_version_is_shown(offload: Offload) -> None:
    assert offload("--version").stdout.startswith("offload 0.")
