import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from offload import places
from offload.cli.commands import app
from offload.cli.parsing import complete
from offload.drivers import settings
from tests.conftest import PROJECT, Offload

HEAVY = {
    "tensorflow", "tensorflow_hub", "ai_edge_litert", "boto3", "paramiko", "httpx", "matplotlib",
    "numpy", "PIL",
}  # fmt: skip


def modules_after(arguments: list[str], **variables: str) -> set[str]:
    """The top-level modules a fresh process has imported when the command has ended."""
    code = (
        "import sys; sys.argv = ['offload', *sys.argv[1:]]\n"
        "from offload.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True,
        env=os.environ | variables,
    )  # fmt: skip
    return set(done.stdout.rpartition("MODULES")[2].split())


def test_help_imports_nothing_heavy() -> None:
    assert not modules_after(["--help"]) & HEAVY


@pytest.mark.parametrize("words", ["detect --where ", "detect --model ", "ssh "])
def test_completing_a_value_imports_nothing_heavy(words: str) -> None:
    asked = {"_OFFLOAD_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": f"offload {words}"}
    assert not modules_after([], **asked) & HEAVY


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


def every_command(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The words after `offload`, and the command or group; first the root, by no words."""
    yield name, command
    for inner, below in getattr(command, "commands", {}).items():
        yield from every_command(below, f"{name} {inner}".strip())


COMMANDS = dict(every_command(get_command(app)))


def page(name: str) -> str:
    """The help of a command on a terminal of 80 columns."""
    words = [*name.split(), "--help"]
    shown = CliRunner().invoke(app, words, prog_name="offload", env={"COLUMNS": "80"})
    assert shown.exit_code == 0, shown.output
    return shown.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_explains_itself(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None) or parameter.name == "help", parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_page_fits_80_columns_and_begins_with_an_example_and_cuts_nothing(name: str) -> None:
    lines = page(name).splitlines()
    assert max(map(len, lines)) <= 80
    short = name.removesuffix(" run")  # what profile does unless told otherwise
    assert lines[4].startswith(f"    offload {short}".rstrip() + " " * bool(not name)), lines[:5]
    for inner, below in getattr(COMMANDS[name], "commands", {}).items():
        summary = below.help.partition("\n")[0]
        assert any(line.split() == [inner, *summary.split()] for line in lines), inner
    types = re.findall(r"<[a-z]\w*(?:\[\w+\]| range)?>", page(name))
    assert types == []  # as Python calls them


@pytest.mark.parametrize("name", COMMANDS)
def test_every_parameter_is_explained_and_no_page_shows_where(name: str) -> None:
    for parameter in COMMANDS[name].params:
        assert parameter.help or getattr(parameter, "hidden", False), parameter.name
    assert "Parameters:" not in page(name)


def test_the_first_page_has_groups_three_examples_and_where_the_documentation_is() -> None:
    lines = page("").splitlines()
    headings = [line for line in lines if re.fullmatch(r"\S.*:", line)]
    assert headings == ["Run:", "Decide:", "Study:", "Machines:", "Set-up:", "Options:"]
    assert sum(line.startswith("    offload ") for line in lines) == 3
    assert "  Documentation: README.md and docs/ in the source." in lines


def test_the_page_of_detect_has_panels_choices_defaults_and_variables() -> None:
    text = page("detect")
    assert re.findall(r"^(\S.*):$", text, re.MULTILINE) == [
        "Arguments", "Where to run", "What to detect", "Results", "Server (remote)", "Limits",
        "Containers", "Sending images (remote, container)", "Speed", "More options",
    ]  # fmt: skip
    assert "--where [local|container|remote|kubernetes|lambda|fleet|split|auto]\n" in text
    assert "[default: 300; x>=1]" in " ".join(text.split())
    assert text.index("--max-retries") > text.index("More options:")
    for parameter in COMMANDS["detect"].params:
        if parameter.name in settings.KEYS:
            assert f"[env: OFFLOAD_{parameter.name.upper()}]" in text


def test_the_places_that_help_names_are_those_of_the_registries() -> None:
    assert tuple(name for name in places.names() if places.source(name) == "offload") == places.OWN
    assert complete.ways() == [*places.names(), "split", "auto"]


def test_the_profile_of_aws_is_told_from_the_command() -> None:
    for name in ("machines", "down", "doctor", "provision ec2"):
        text = " ".join(page(name).split())
        assert "from ~/.aws/config; not the command offload profile" in text


def test_the_command_and_the_library_have_the_same_defaults() -> None:
    from offload.usecases.detect.request import Request

    parameters = COMMANDS["detect"].params
    command = {parameter.name: parameter.default for parameter in parameters}
    library = Request(sources=("x",))
    differ = {"sources", "formats", "classes", "keep_local", "others"}
    for field in dataclasses.fields(Request):
        if field.name not in differ:
            assert command[field.name] == getattr(library, field.name), field.name
    assert command["formats"] == ",".join(library.formats)


def test_serve_and_what_serves_have_the_same_defaults() -> None:
    from offload.usecases.serve import Options

    parameters = COMMANDS["serve"].params
    command = {parameter.name: parameter.default for parameter in parameters}
    for field in dataclasses.fields(Options):
        assert command[field.name] == field.default, field.name
