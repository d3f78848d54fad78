import json
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from offload.cli.commands import app
from offload.cli.parsing.configured import parameters
from offload.drivers import settings
from offload.drivers.setting_kinds import OPTIONS
from tests.conftest import Typed


def test_an_option_wins_over_a_variable_over_the_folder_over_your_file(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked_for(*options: str) -> str:
        """The place that there is not."""
        return typed("detect", "a.jpg", *options)[2].split("'")[1]

    file = Path(settings.user_file())
    file.parent.mkdir(parents=True)
    file.write_text('where = "mine"\n')
    assert asked_for() == "mine"
    Path("offload.toml").write_text('where = "of-folder"\n')
    assert "not trusted" in typed("detect", "a.jpg")[2]
    typed("trust")
    assert asked_for() == "of-folder"
    monkeypatch.setenv("OFFLOAD_WHERE", "variable")
    assert asked_for() == "variable"
    assert asked_for("--where", "typed") == "typed"


def test_a_setting_is_set_got_and_shown_as_it_is_typed(typed: Typed) -> None:
    assert typed("config", "get", "min-score") == (0, "", "")
    assert typed("config", "path")[1] == f"{settings.user_file()}\n"
    for name in ("min-score", "min_score"):
        assert typed("config", "set", name, "0.4")[0] == 0
    assert typed("config", "set", "class", "dog,cat")[0] == 0
    assert typed("config", "get", "min_score") == (0, "0.4\n", "")
    assert typed("config", "get", "class") == (0, "dog,cat\n", "")
    assert Path(settings.user_file()).read_text() == 'min-score = 0.4\nclass = ["dog", "cat"]\n'
    shown = json.loads(typed("config", "--json")[1])
    assert shown["min-score"] == {"value": 0.4, "from": settings.user_file()}
    assert shown["keep-local"] == {"value": None, "from": "not set"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("min-score 7", "--min-score takes a number from 0 to 1"),
        ("min-score much", "--min-score takes a number from 0 to 1, not 'much'"),
        ("where locl", "There is no place 'locl'. Did you mean local?"),
        ("format jsonl,xml", "There is no format 'xml'."),
        ("with moon", "There is no place 'moon'."),
        ("memory 3x", "--memory takes a size"),
        ("idle 3x", "--idle takes"),
        ("log-format xml", "--log-format takes text, json, not 'xml'"),
        ("workrs 7", "There is no setting 'workrs'. Did you mean workers?"),
    ],
)
def test_only_what_the_options_take_is_set(typed: Typed, words: str, sentence: str) -> None:
    code, out, err = typed("config", "set", *words.split())
    assert (code, out) == (2, "")
    assert sentence in err
    assert not Path(settings.user_file()).exists()


def test_a_secret_is_set_from_standard_input_and_never_shown(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, _, err = typed("config", "set", "token", "sesame")
    assert (code, "sesame" in err) == (2, False)
    (tmp_path / "secret").write_text("sesame\n")
    with (tmp_path / "secret").open() as secret:
        monkeypatch.setattr(sys, "stdin", secret)
        assert typed("config", "set", "token", "-")[0] == 0
    assert typed("config", "get", "token")[1] == "(hidden)\n"
    assert settings.load({}).token == "sesame"


def test_what_is_set_for_another_place_does_nothing_but_what_is_typed_is_refused(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLOAD_MEMORY", "512m")
    monkeypatch.setenv("OFFLOAD_FALLBACK", "local")
    monkeypatch.setenv("OFFLOAD_FORMAT", "coco")
    assert "There is no model" in typed("detect", "a.jpg", "-m", "nonsense")[2]
    assert "--memory has no effect" in typed("detect", "a.jpg", "--memory", "1g")[2]
    assert "those options are for aws" not in typed("doctor", "aws", "--policy")[2].lower()


def test_who_is_started_by_us_has_been_told_all_with_options(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLOAD_WHERE", "nowhere")
    assert "no place" in typed("detect", "a.jpg", "-m", "nonsense")[2]
    monkeypatch.setenv("OFFLOAD_EVENTS", "json")
    assert "no model" in typed("detect", "a.jpg", "-m", "nonsense")[2]


def test_config_path_works_whatever_the_files_say(typed: Typed) -> None:
    Path("offload.toml").write_text("model = \n")
    assert typed("config", "path")[0] == 0
    assert typed("config", "set", "workers", "2")[0] == 0
    assert typed("detect", "--help")[0] == 0
    assert typed("detect", "a.jpg")[0] == 2


@pytest.mark.parametrize("key", OPTIONS)
def test_every_setting_of_an_option_has_that_option(key: str) -> None:
    for command in OPTIONS[key].commands:
        assert len([*parameters(get_command(app), command, key)]) == 1, command
