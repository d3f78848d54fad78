import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from offload.cli.commands import app
from tests.conftest import PROJECT, Offload

HEAVY = {
    "tensorflow", "tensorflow_hub", "ai_edge_litert", "boto3", "paramiko", "httpx", "matplotlib",
    "numpy", "PIL",
}  # fmt: skip


def modules_after(arguments: list[str]) -> set[str]:
    """The top-level modules a fresh process has imported when the command has ended."""
    code = (
        "import sys; sys.argv = ['offload', *sys.argv[1:]]\n"
        "from offload.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("MODULES")[2].split())


def test_help_imports_nothing_heavy() -> None:
    assert not modules_after(["--help"]) & HEAVY


def test_detecting_with_a_tflite_model_imports_neither_tensorflow_nor_a_network_library() -> None:
    modules = modules_after(["detect", "examples/images", "-m", "builtin", "-q"])
    assert "ai_edge_litert" in modules
    assert not modules & {"tensorflow", "tensorflow_hub", "boto3", "docker", "httpx", "rich"}


@pytest.mark.parametrize("words", [["config", "--json"], ["models", "pull"], ["detect", "-q", "x"]])
def test_what_most_tests_run_is_what_a_shell_runs(
    offload: Offload, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "offload.toml").write_text("workers = 3\n")
    offload("trust", cwd=tmp_path)
    seen = {"env": os.environ | {"OFFLOAD_URL": "http://127.0.0.1:9"}, "cwd": tmp_path}
    became = offload(*words, **seen)
    started = subprocess.run(
        [sys.executable, "-m", "offload", *words], capture_output=True, text=True, check=False,
        env=os.environ | {"OFFLOAD_URL": "http://127.0.0.1:9", "PYTHONPATH": str(PROJECT)},
        cwd=tmp_path,
    )  # fmt: skip
    assert (became.returncode, became.stdout) == (started.returncode, started.stdout)
    assert became.stderr == started.stderr


def every_command() -> list[str]:
    root = get_command(app)
    names = []
    for name, command in root.commands.items():  # type: ignore[attr-defined] # it is a group
        below = getattr(command, "commands", None)
        names += [f"{name} {inner}" for inner in below] if below else [name]
    return names


@pytest.mark.parametrize("name", every_command())
def test_every_command_and_option_explains_itself(name: str) -> None:
    command = get_command(app)
    for part in name.split():
        command = command.commands[part]  # type: ignore[attr-defined] # a group down to the last
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None) or parameter.name == "help", parameter.name


def test_the_command_and_the_library_have_the_same_defaults() -> None:
    from offload.usecases.detect.request import Request

    parameters = get_command(app).commands["detect"].params  # type: ignore[attr-defined]
    command = {parameter.name: parameter.default for parameter in parameters}
    library = Request(sources=("x",))
    differ = {"sources", "formats", "classes", "keep_local", "others"}
    for field in dataclasses.fields(Request):
        if field.name not in differ:
            assert command[field.name] == getattr(library, field.name), field.name
    assert command["formats"] == ",".join(library.formats)


def test_serve_and_what_serves_have_the_same_defaults() -> None:
    from offload.usecases.serve import Options

    parameters = get_command(app).commands["serve"].params  # type: ignore[attr-defined]
    command = {parameter.name: parameter.default for parameter in parameters}
    for field in dataclasses.fields(Options):
        assert command[field.name] == field.default, field.name
