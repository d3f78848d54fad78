import ast
import fnmatch
import io
import os
import re
import shutil
import tarfile
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from offload.domain.errors import OffloadError
from offload.drivers.docker import own_image
from tests.conftest import PROJECT

DOCKERFILE = (PROJECT / "Dockerfile").read_text()
PYPROJECT: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())
SHIPPED: dict[str, str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
ELSEWHERE = {
    "boto3", "docker", "jinja2", "matplotlib", "obstore", "paramiko", "tomlkit", "typst",
    "zstandard",
}  # fmt: skip
"""What only the machine that sends images away, or decides to, needs."""
FOR_SAVEDMODELS = {"setuptools", "tensorflow", "tensorflow-hub"}


def named(runtime: str) -> set[str]:
    lines = (PROJECT / "container" / f"{runtime}.in").read_text().splitlines()
    names = {line for line in lines if not line.startswith(("#", "-r"))}
    return names | (named("tflite") if "-r tflite.in" in lines else set())


def pinned(file: str) -> dict[str, str]:
    """The versions with their hashes that a lock file has, and whose they are."""
    said = re.sub(r"^ *#.*\n| ;.*", "", (PROJECT / file).read_text(), flags=re.MULTILINE)
    blocks = re.split(r"\n(?! )", said.replace(" \\\n", "\n").strip())
    return {block: block.partition("==")[0] for block in blocks}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(names: Iterable[str]) -> set[str]:
    """The distributions that pip installs for these."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = normal(waiting.pop())
        found.add(name)
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.add(normal(requirement.name))
        waiting -= found
    return found


def imported() -> set[str]:
    """The top-level modules that a server with .tflite models may import."""
    owners_of_the_rest = {
        "drivers/docker/engine.py", "detectors/savedmodel.py", "detectors/onnx.py",
        "render/advice/plots.py", "render/drawing.py", "drivers/settings_file.py",
    }  # fmt: skip
    folders = (
        "drivers/aws/", "drivers/kubernetes/", "drivers/objects/", "drivers/ssh/", "engines/",
        "render/report/",
    )  # fmt: skip
    names: set[str] = set()
    for path in (PROJECT / "offload").rglob("*.py"):
        name = path.relative_to(PROJECT / "offload").as_posix()
        if name in owners_of_the_rest or name.startswith(folders):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names


def test_the_images_libraries_are_those_of_the_project_that_a_server_can_use() -> None:
    ours = {Requirement(line).name for line in PYPROJECT["project"]["dependencies"]}
    assert named("tensorflow") == ours - ELSEWHERE
    assert named("tflite") == ours - ELSEWHERE - FOR_SAVEDMODELS


@pytest.mark.parametrize("part", ["build", "tflite", "tensorflow", "onnx"])
def test_whatever_the_image_installs_is_pinned_with_the_hashes_of_the_lock_file(part: str) -> None:
    lock, image = pinned("requirements.lock"), pinned(f"container/{part}.txt")
    assert named(part) <= set(image.values())
    assert image.keys() <= lock.keys()
    assert all("--hash=sha256:" in block for block in lock)


def test_what_is_known_to_be_vulnerable_cannot_be_installed() -> None:
    found = {r.name: r.specifier for r in map(Requirement, PYPROJECT["project"]["dependencies"])}
    assert "3.20.0" not in found["filelock"]
    assert "0.49.0" not in found["starlette"]
    assert "78.1.0" not in found["setuptools"]


def test_the_default_image_holds_neither_tensorflow_nor_what_sends_images_away() -> None:
    heavy = {"tensorflow", "keras", "setuptools", "boto3", "botocore", "docker", "requests"}
    assert not needed(named("tflite")) & heavy


def test_the_default_image_holds_every_library_that_our_modules_import() -> None:
    providers = metadata.packages_distributions()
    extras = {
        "pillow_heif",
        "matplotlib",
        "pyarrow",
    }  # what is done without them is said where they are used
    outside = {name for name in imported() if name in providers} - {"offload"} - extras
    assert {"fastapi", "uvicorn", "numpy"} <= outside
    there = needed(named("tflite"))
    for name in outside:
        assert {normal(provider) for provider in providers[name]} & there, name


def test_the_dockerfile_names_no_registry_and_needs_no_buildkit() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == [
        "$BASE",
        "libraries",
        "libraries",
        "$BASE",
    ]
    assert f"ARG BASE={own_image.BASE}\n" in DOCKERFILE
    for word in ("http://", "https://", "index-url", "--mount", "<<", "# syntax"):
        assert word not in DOCKERFILE, word


def test_the_image_runs_as_a_user_that_is_a_number_and_not_root() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    assert int(user) > 0


def test_the_health_check_asks_the_port_that_is_served() -> None:
    (port,) = re.findall(r"\bPORT=(\d+)", DOCKERFILE)
    assert f'"--port", "{port}"' in DOCKERFILE
    assert f"EXPOSE {port}\n" in DOCKERFILE
    (check,) = re.findall(r"^HEALTHCHECK .*$", DOCKERFILE, re.MULTILINE)
    assert "os.environ['PORT']" in check
    assert "'/readyz'" in check


def test_whatever_the_dockerfile_copies_is_in_the_context() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    files = own_image.files()
    sources = set(" ".join(copied).split())
    assert sources == {"container/*.txt", "."}
    for source in sources - {"."}:
        assert fnmatch.filter(files, source), source


def test_the_context_is_what_dockerignore_lets_in_and_nothing_else() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    allowed = tuple(line[1:] for line in lines if line.startswith("!"))
    files = own_image.files()
    for name in files:
        assert name in allowed or name.startswith(tuple(f"{entry}/" for entry in allowed)), name
    assert not [name for name in files if "__pycache__" in name]
    assert {"Dockerfile", "offload/version.py", "container/tflite.txt"} <= set(files)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the image is built from, and the package's folder within."""
    for name, path in own_image.files().items():
        copy = tmp_path / "checkout" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return tmp_path / "checkout"


def installed(checkout: Path, site_packages: Path) -> Path:
    """The package as the wheel installs it."""
    package = site_packages / "offload"
    shutil.copytree(checkout / "offload", package)
    for source, target in SHIPPED.items():
        there = site_packages / target
        there.parent.mkdir(exist_ok=True)
        if (checkout / source).is_dir():
            shutil.copytree(checkout / source, there)
        else:
            shutil.copyfile(checkout / source, there)
    return package


def test_an_installed_wheel_has_the_same_context_as_the_checkout(
    checkout: Path, tmp_path: Path
) -> None:
    package = installed(checkout, tmp_path / "site-packages")
    assert set(own_image.files(str(package))) == set(own_image.files())
    assert own_image.digest(str(package)) == own_image.digest(str(checkout / "offload"))


def test_a_package_without_the_projects_files_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        OffloadError, match="without the files to build its container image"
    ) as caught:
        own_image.digest(str(tmp_path / "offload"))
    assert "pip install" in caught.value.hint


def archived(package: Path) -> bytes:
    with own_image.opened(str(package)) as stream:
        return stream.read()


def test_time_stamps_and_bytecode_change_neither_the_digest_nor_the_archive(
    checkout: Path,
) -> None:
    package = checkout / "offload"
    before = own_image.digest(str(package)), archived(package)
    os.utime(package / "version.py", (1, 1))
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "version.pyc").write_bytes(b"x")
    assert (own_image.digest(str(package)), archived(package)) == before


def test_a_models_folder_of_the_users_is_not_sent(checkout: Path) -> None:
    before = own_image.digest(str(checkout / "offload"))
    (checkout / "models").mkdir()
    (checkout / "models" / "mine.tflite").write_bytes(b"x")
    assert own_image.digest(str(checkout / "offload")) == before


def test_a_changed_renamed_or_added_file_changes_the_digest(checkout: Path) -> None:
    package = checkout / "offload"
    digests = [own_image.digest(str(package))]
    with (package / "version.py").open("a") as file:
        file.write("# another\n")
    digests.append(own_image.digest(str(package)))
    (package / "version.py").rename(package / "versions.py")
    digests.append(own_image.digest(str(package)))
    (checkout / "container" / "more.txt").touch()
    digests.append(own_image.digest(str(package)))
    assert len(set(digests)) == 4


def test_the_archive_is_read_back_as_the_files_with_dates_a_wheel_can_hold() -> None:
    files = own_image.files()
    with (
        own_image.opened() as stream,
        tarfile.open(fileobj=io.BytesIO(stream.read())) as archive,
    ):
        members = {member.name: member for member in archive}
        regular = {name for name, member in members.items() if member.isfile()}
        assert regular == set(files)
        content = archive.extractfile("offload/version.py")
        assert content is not None
        assert content.read() == (PROJECT / "offload" / "version.py").read_bytes()
    assert all(member.mtime >= 315_532_800 for member in members.values())
    assert {"offload", "offload/drivers", "container"} <= set(members)
