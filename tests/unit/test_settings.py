import os
from pathlib import Path

import pytest

from offload.domain.errors import UsageError
from offload.drivers import settings, settings_file


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
    write_user_file('workers = 1\nthreads = 1\ncache = "/users"\n')
    (here / "offload.toml").write_text("workers = 2\nthreads = 2\n")
    settings.trusted()
    found = settings.load({"OFFLOAD_WORKERS": "3"})
    assert (found.workers, found.threads, found.cache) == (3, 2, "/users")
    assert found.origins["workers"].source == "OFFLOAD_WORKERS"
    assert found.origins["threads"].source == "offload.toml"
    assert found.origins["cache"].source == settings.user_file()


def test_a_folder_from_elsewhere_needs_trust_once_and_again_when_it_changes(here: Path) -> None:
    file = here / "offload.toml"
    for text in ("offline = false\n", "offline = false\nkeep_local = []\n"):
        file.write_text(text)
        with pytest.raises(UsageError, match=r"offload\.toml in this folder sets offline.*trusted"):
            settings.load({})
        assert settings.trusted().keys() == {*settings.KEYS} & {*text.split()}
        assert settings.load({}).origins["offline"].source == "offload.toml"
    file.write_text("# nothing is set\n")
    assert "offline" not in settings.load({}).origins


def test_trust_is_in_one_place(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "offload.toml").write_text("workers = 1\n")
    settings.trusted()
    (here / "elsewhere").mkdir()
    (here / "offload.toml").rename(here / "elsewhere" / "offload.toml")
    monkeypatch.chdir(here / "elsewhere")
    with pytest.raises(UsageError, match="not trusted"):
        settings.load({})


@pytest.mark.parametrize(
    "key",
    ["model", "hub", "cache", "url", "token", "data", "checkip", "ami", "host", "login"],
)
def test_what_only_the_user_may_set_no_folder_sets_trusted_or_not(here: Path, key: str) -> None:
    (here / "offload.toml").write_text(f'{key} = "./.m"\n')
    for asked in (settings.trusted, lambda: settings.load({})):
        with pytest.raises(UsageError, match=f"{key} cannot be set by a folder") as caught:
            asked()
        assert f"OFFLOAD_{key.upper()}=" in caught.value.hint


def test_paths_in_the_users_file_do_not_lead_to_the_folder_one_is_in(here: Path) -> None:
    write_user_file('cache = "models"\ndata = "~/measured"\nmodel = "own.tflite"\n')
    (here / "own.tflite").touch()
    home = Path(settings.user_file()).parent
    assert settings.load({}).cache == str(home / "models")
    assert settings.load({}).data == str(Path("~/measured").expanduser())
    assert settings.load({}).model == "own.tflite", "where it is no file, it is a name"
    (home / "own.tflite").touch()
    assert settings.load({}).model == str(home / "own.tflite")


@pytest.mark.parametrize(
    ("user", "variables", "given_for"),
    [
        ('token = "t"\nurl = "http://a"\n', {"OFFLOAD_URL": "http://b"}, "http://a"),
        ('token = "t"\n', {"OFFLOAD_URL": "http://b"}, None),
        ('url = "http://a"\n', {"OFFLOAD_TOKEN": "t"}, None),
        ('url = "http://a"\n', {"OFFLOAD_TOKEN": "t", "OFFLOAD_URL": "http://b"}, "http://b"),
    ],
)
def test_a_token_is_for_the_address_that_was_set_with_it(
    user: str, variables: dict[str, str], given_for: str | None
) -> None:
    write_user_file(user)
    assert settings.load(variables).token_url == given_for


def test_a_pipe_in_place_of_a_file_is_not_waited_for(here: Path) -> None:
    os.mkfifo(here / "offload.toml")
    assert settings.load({}).workers is None


def test_a_list_is_set_in_a_file_or_by_a_variable_with_commas(here: Path) -> None:
    assert settings.load({}).keep_local == []
    write_user_file('keep_local = ["faces/**", "[me], at home"]\n')
    assert settings.load({}).keep_local == ["faces/**", "[me], at home"]
    (here / "offload.toml").write_text("keep_local = []\n")
    settings.trusted()
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
        ("model = 1", "model must be text, not 1"),
        ("offline = 1", "offline must be true or false"),
        ("workers = 0", "workers must be a whole number from 1"),
        ("workers = true", "workers must be a whole number from 1"),
        ("model = ", "cannot be read"),
        ('keep_local = "faces"', "keep_local must be a list of texts, not 'faces'"),
        ('keep_local = ["faces", ""]', "keep_local must be a list of texts"),
        ("keep_local = [1]", "keep_local must be a list of texts"),
        (f"keep_local = {'[' * 9999}", "cannot be read"),
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


def test_what_is_no_setting_is_a_warning_that_names_what_was_meant(here: Path) -> None:
    write_user_file("min-scor = 0.4\nworkers = 1\n")
    (here / "offload.toml").write_text("whree = 1\n")
    found = settings.load(
        {"OFFLOAD_WORKER": "3", "OFFLOAD_EVENTS": "json", "OFFLOAD_PORT_80_TCP": ""}
    )
    assert found.workers == 1
    assert [text.partition("Did you mean ")[2] for text in found.warnings] == [
        "min-score?", "where?", "OFFLOAD_WORKERS?",
    ]  # fmt: skip


def test_names_have_dashes_as_they_are_typed_or_underscores(here: Path) -> None:
    write_user_file('min-score = 0.4\nkeep-local = ["a"]\nmax_retries = 2\n')
    found = settings.load({})
    assert (found.options, found.keep_local) == ({"min_score": 0.4, "max_retries": 2}, ["a"])


def test_where_to_run_is_as_the_folder_says_only_once_that_is_trusted(here: Path) -> None:
    (here / "offload.toml").write_text('where = "remote"\n')
    with pytest.raises(UsageError, match="sets where and is not trusted"):
        settings.load({})
    settings.trusted()
    assert settings.load({}).options == {"where": "remote"}
    assert settings.load({"OFFLOAD_WHERE": "local"}).options == {"where": "local"}


@pytest.mark.parametrize("key", [key for key in settings.KEYS if not settings.of_folder(key)])
def test_a_folder_sets_no_address_no_code_and_no_price_and_lets_nobody_in(key: str) -> None:
    assert key in {
        "model", "hub", "cache", "url", "token", "data", "checkip", "function", "ami", "host",
        "login", "allow_cidr", "container_image", "instance_type", "max_hourly", "idle",
        "max_lifetime", "spot", "disk_gb", "deployment", "fleet",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("where", "remote", "remote"), ("min_score", "0.4", 0.4), ("max_retries", "2", 2),
        ("strip_metadata", "yes", True), ("class", "dog, cat", ["dog", "cat"]),
        ("idle", "20m", "20m"),
    ],
)  # fmt: skip
def test_what_is_put_is_found_again_and_the_files_comments_stay(
    key: str, text: str, value: object
) -> None:
    write_user_file("# mine\nworkers = 3 # enough\n")
    assert settings_file.put(key, text).value == value
    assert settings.load({}).origins[key].value == value
    assert Path(settings.user_file()).read_text().startswith("# mine\nworkers = 3 # enough\n")


def test_what_is_put_again_keeps_its_line_and_the_file_is_nobody_elses() -> None:
    assert settings_file.put("min_score", "0.3").source == settings.user_file()
    write_user_file("min_score = 0.3\n")
    settings_file.put("min_score", "0.5")
    assert Path(settings.user_file()).read_text() == "min_score = 0.5\n"
    assert Path(settings.user_file()).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("key", "text"), [("workers", "0"), ("min_score", "x"), ("offline", "2")])
def test_what_no_file_may_say_is_not_put(key: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"{key.replace('_', '-')} must be"):
        settings_file.put(key, text)
    assert not Path(settings.user_file()).exists()
