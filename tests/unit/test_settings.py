from pathlib import Path

import pytest

from offload.domain.errors import UsageError
from offload.drivers import settings


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_user_file(text: str) -> None:
    file = Path(settings.user_file())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_what_is_secret_is_not_shown() -> None:
    found = settings.load(
        {"OFFLOAD_TOKEN": "sesame", "OFFLOAD_URL": "http://bob:hunter2@host:1/?k=abc"}
    )
    assert (found.token, found.url) == ("sesame", "http://bob:hunter2@host:1/?k=abc")
    shown = str(found.origins)
    assert not any(secret in shown for secret in ("sesame", "hunter2", "abc"))
    assert "sesame" not in str(found)


def test_nothing_set_is_the_defaults() -> None:
    found = settings.load({})
    assert (found.model, found.offline, found.workers) == (None, False, None)
    assert found.hub == "https://tfhub.dev"


def test_a_variable_wins_over_the_folders_file_and_that_over_the_users(here: Path) -> None:
    write_user_file('model = "users"\nhub = "https://users"\ncache = "/users"\n')
    (here / "offload.toml").write_text('model = "folders"\nhub = "https://folders"\n')
    found = settings.load({"OFFLOAD_MODEL": "variables"})
    assert (found.model, found.hub, found.cache) == ("variables", "https://folders", "/users")
    assert found.origins["model"].source == "OFFLOAD_MODEL"
    assert found.origins["hub"].source == "offload.toml"
    assert found.origins["cache"].source == settings.user_file()


def test_a_list_is_set_in_a_file_or_by_a_variable_with_commas(here: Path) -> None:
    assert settings.load({}).keep_local == []
    write_user_file('keep_local = ["faces/**", "[me], at home"]\n')
    assert settings.load({}).keep_local == ["faces/**", "[me], at home"]
    (here / "offload.toml").write_text("keep_local = []\n")
    assert settings.load({}).keep_local == []
    found = settings.load({"OFFLOAD_KEEP_LOCAL": "faces/**, ~/private ,,*.png,"})
    assert found.keep_local == ["faces/**", "~/private", "*.png"]
    assert found.origins["keep_local"].source == "OFFLOAD_KEEP_LOCAL"


@pytest.mark.parametrize("text", ["0", "no", "False", "off"])
def test_a_switch_is_turned_off_in_any_of_the_usual_words(text: str) -> None:
    assert settings.load({"OFFLOAD_OFFLINE": text}).offline is False
    assert settings.load({"OFFLOAD_OFFLINE": "1"}).offline is True


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modle = 1", "no setting 'modle'"),
        ("model = 1", "model must be text, not 1"),
        ("offline = 1", "offline must be true or false"),
        ("workers = 0", "workers must be a whole number from 1"),
        ("workers = true", "workers must be a whole number from 1"),
        ("model = ", "cannot be read"),
        ('keep_local = "faces"', "keep_local must be a list of texts, not 'faces'"),
        ('keep_local = ["faces", ""]', "keep_local must be a list of texts"),
        ("keep_local = [1]", "keep_local must be a list of texts"),
    ],
)
def test_a_wrong_file_is_refused_with_one_sentence(here: Path, text: str, sentence: str) -> None:
    (here / "offload.toml").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        settings.load({})


@pytest.mark.parametrize("text", ["two", "-1", "0", "1.5"])
def test_a_wrong_variable_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="OFFLOAD_WORKERS must be a whole number from 1"):
        settings.load({"OFFLOAD_WORKERS": text})
