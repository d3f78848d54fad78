"""What a shell is offered, asked as its completion script asks."""

import os
from pathlib import Path

import pytest

from tests.conftest import Offload

PLACES = ["local", "container", "remote", "kubernetes", "lambda", "fleet", "split", "auto"]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that knows a machine."""
    monkeypatch.setenv("OFFLOAD_DATA", str(tmp_path))
    (tmp_path / "machines" / "ana-laptop").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("detect x --where ", PLACES),
        ("detect x --with ", PLACES[:6]),
        ("detect x --format jsonl,c", ["jsonl,coco", "jsonl,coco-results", "jsonl,csv"]),
        ("profile x --where local,", [f"local,{name}" for name in PLACES[1:6]]),
        ("experiment x --where r", ["remote"]),
        ("detect x -m efficientdet-l", ["efficientdet-lite0"]),
        ("serve --log-format ", ["text", "json"]),
        ("models show b", ["builtin"]),
        ("models pull ssd-mobilenet-v2-fpnlite-6", ["ssd-mobilenet-v2-fpnlite-640"]),
        ("detect x --machine ", ["ana-laptop"]),
        ("ssh a", ["ana-laptop"]),
        ("advise --state ", ["warm", "cold", "stopped", "new"]),
        ("provision ec2 --container-image ", ["auto", "build", "stream"]),
        ("doctor ", ["aws"]),
    ],
)
@pytest.mark.usefixtures("data")
def test_bash_is_offered_values(offload: Offload, typed: str, offered: list[str]) -> None:
    words = f"offload {typed}".split(" ")
    asked = {
        "_OFFLOAD_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    assert offload(env=os.environ | asked).stdout.split() == offered


@pytest.mark.parametrize(
    ("shell", "offered"),
    [("zsh", "_arguments '*: :((\"container\"))'\n"), ("fish", "container\n")],
)
def test_zsh_and_fish_are_offered_values(offload: Offload, shell: str, offered: str) -> None:
    asked = {
        "_OFFLOAD_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": "offload detect x --where c",
    }  # fmt: skip
    assert offload(env=os.environ | asked).stdout == offered


@pytest.mark.parametrize("variables", [{}, {"XDG_CONFIG_HOME": "elsewhere"}])
def test_the_file_for_fish_goes_where_fish_looks(
    offload: Offload, home: Path, variables: dict[str, str]
) -> None:
    variables = {name: str(home / folder) for name, folder in variables.items()}
    folder = Path(variables.get("XDG_CONFIG_HOME", home / ".config"))
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = offload("--install-completion", "fish", env=os.environ | named | variables)
    file = folder / "fish" / "completions" / "offload.fish"
    assert done.stdout == (
        f"The completion for fish is in {file}. To use it, open another terminal.\n"
    )
    assert "complete_fish" in file.read_text()
    assert len([*home.rglob("offload.fish")]) == 1
