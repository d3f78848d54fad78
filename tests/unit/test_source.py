"""Which model a wish leads to."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

import pytest

from offload.detectors import labels, source
from offload.detectors.catalogue import BUILTIN, NAMED, PREFERRED
from offload.detectors.labels import COCO
from offload.detectors.source import Hub, ModelSource
from offload.domain.errors import ModelError, OffloadError, UsageError
from offload.domain.ports import ModelIdentity
from offload.drivers.folders.files import sha256_of
from offload.drivers.http import web
from offload.drivers.model_cache import ModelCache
from offload.providers.config import served_files
from tests import hub, savedmodels
from tests.hub import ModelHub
from tests.service.serving import until

NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens
LITE = NAMED[PREFERRED].handle
ZOO = "ssd-mobilenet-v2"
PATIENCE_S = 60.0
"""Enough for a hub that answers, on however busy a machine."""


@dataclass
class Asking:
    """A user of the hub, and the warnings they saw."""

    folder: Path
    warnings: list[str] = field(default_factory=list)

    def at(self, base: str, *, offline: bool = False, patience_s: float = PATIENCE_S) -> Hub:
        cache, warn = ModelCache(str(self.folder)), self.warnings.append
        return Hub(base, cache, offline, lambda _have, _total: None, warn, patience_s)


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    return Asking(tmp_path / "cache")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    with hub.serving() as served:
        model = savedmodels.tflite_with_metadata(tmp_path / "served.tflite")
        served.put_tflite(LITE, model.read_bytes())
        known = replace(NAMED[PREFERRED], sha256=sha256_of(str(model)))
        monkeypatch.setitem(NAMED, PREFERRED, known)
        folder = tmp_path / "served"
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"graph")
        served.put_saved_model(NAMED[ZOO].handle, folder)
        yield served


def one_sentence(error: Exception) -> bool:
    text = str(error)
    return text.endswith(".") and not text.endswith("..") and "\n" not in text and ". " not in text


def test_the_default_is_fetched_from_a_hub_that_answers(asking: Asking, served: ModelHub) -> None:
    model = source.chosen(None, asking.at(served.url))
    assert model.identity.name == PREFERRED
    assert model.identity.sha256 == sha256_of(model.path)
    assert model.labels == {1: "zebra", 3: "lion", 4: "ape", 5: "yak"}
    assert model.input == NAMED[PREFERRED].input
    assert asking.warnings == []


def test_the_default_in_the_cache_is_used_without_asking(asking: Asking, served: ModelHub) -> None:
    first = source.chosen(None, asking.at(served.url))
    served.asked.clear()
    for here in (asking.at(served.url), asking.at(NOWHERE), asking.at(served.url, offline=True)):
        assert source.chosen(None, here) == first
    assert served.asked == []
    assert asking.warnings == []


def test_a_hub_that_hangs_is_waited_for_once_an_hour(asking: Asking, served: ModelHub) -> None:
    served.hanging = True
    model = source.chosen(None, asking.at(served.url, patience_s=0.1))
    until(lambda: bool(served.asked), "asked")
    assert model.identity.name == BUILTIN
    (warning,) = asking.warnings
    assert f"offload models pull {PREFERRED}" in warning
    assert len(served.asked) == 1

    assert source.chosen(None, asking.at(served.url)) == model
    assert len(served.asked) == 1, "it was not asked again"
    assert asking.warnings == [warning] * 2

    served.hanging = False
    (mark,) = asking.folder.iterdir()
    long_ago_s = mark.stat().st_mtime - 3700
    os.utime(mark, (long_ago_s, long_ago_s))
    assert source.chosen(None, asking.at(served.url)).identity.name == PREFERRED
    assert [*asking.folder.glob("hub-silent")] == []


@pytest.mark.parametrize("status", [HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR])
def test_a_hub_without_the_default_leads_to_the_embedded_model(
    asking: Asking, served: ModelHub, status: HTTPStatus
) -> None:
    served.status = status
    for _ in range(2):
        assert source.chosen(None, asking.at(served.url)).identity.name == BUILTIN
    assert len(asking.warnings) == 2
    assert len(served.asked) == 1


def test_a_login_page_instead_of_the_default_leads_to_the_embedded_model(
    asking: Asking, served: ModelHub
) -> None:
    served.put_tflite(LITE, b"<html>Welcome to our wireless network</html>")
    assert source.chosen(None, asking.at(served.url)).identity.name == BUILTIN
    assert "neither a model nor an archive" in asking.warnings[0]
    assert f"offload models pull {PREFERRED}" in asking.warnings[0]
    assert len(asking.warnings) == 1


def test_offline_the_hub_is_not_asked(asking: Asking, served: ModelHub) -> None:
    assert source.chosen(None, asking.at(served.url, offline=True)).identity.name == BUILTIN
    with pytest.raises(ModelError, match="offline is set") as caught:
        source.chosen(PREFERRED, asking.at(served.url, offline=True))
    assert one_sentence(caught.value)
    assert served.asked == []


def test_a_cache_that_cannot_be_written_leads_to_the_embedded_model(
    tmp_path: Path, served: ModelHub
) -> None:
    (tmp_path / "file").write_text("in the way")
    asking = Asking(tmp_path / "file" / "models")
    assert source.chosen(None, asking.at(served.url)).identity.name == BUILTIN
    assert "cannot be written" in asking.warnings[0]


@pytest.mark.parametrize(
    "wanted", [PREFERRED, ZOO, "tensorflow/centernet/hourglass_512x512/1", NOWHERE + "/m.tflite"]
)
def test_a_model_asked_for_is_never_replaced_by_another(asking: Asking, wanted: str) -> None:
    with pytest.raises(ModelError) as caught:
        source.chosen(wanted, asking.at(NOWHERE))
    assert str(caught.value).startswith(f"{wanted} cannot be fetched: ")
    assert one_sentence(caught.value)
    assert f"offload models pull {wanted};" in caught.value.hint
    assert caught.value.hint.endswith("offload detect --model builtin")
    assert asking.warnings == []


def test_a_damaged_copy_is_never_replaced_by_another_model(
    asking: Asking, served: ModelHub
) -> None:
    model = source.chosen(PREFERRED, asking.at(served.url))
    with open(model.path, "ab") as file:
        file.write(b"more")
    uses: Sequence[Callable[[], object]] = (
        lambda: source.chosen(PREFERRED, asking.at(served.url)),
        lambda: source.chosen(None, asking.at(served.url)),
        lambda: asking.at(served.url).pull(PREFERRED),
    )
    for use in uses:
        with pytest.raises(ModelError, match="SHA-256 differs") as caught:
            use()
        assert caught.value.hint.endswith(f"offload models pull {PREFERRED} --force")
    assert asking.at(served.url).pull(PREFERRED, force=True) == model


@pytest.mark.parametrize(
    "wanted",
    ["detr", "model.tflite", "./nothing.tflite", "/nothing/here", "~/nothing", "../nothing", ""],
)
def test_an_unknown_name_is_a_usage_error(asking: Asking, wanted: str) -> None:
    with pytest.raises(UsageError) as caught:
        asking.at(NOWHERE).pull(wanted)
    assert one_sentence(caught.value)
    assert "offload models list" in caught.value.hint


def test_a_short_name_a_handle_and_an_address_lead_to_the_same_bytes(
    asking: Asking, served: ModelHub
) -> None:
    handle = NAMED[ZOO].handle
    models = [
        source.chosen(wanted, asking.at(served.url))
        for wanted in (ZOO, handle, f"{served.url}/{handle}")
    ]
    assert len({model.identity.sha256 for model in models}) == 1
    assert {model.identity.runtime for model in models} == {"savedmodel"}
    assert [model.labels for model in models] == [COCO, COCO, COCO]
    assert [model.identity.name for model in models] == [ZOO, handle, f"{served.url}/{handle}"]
    assert len(served.asked) == 3
    assert source.chosen(handle, asking.at(NOWHERE)) == models[1]


def test_the_address_of_a_tflite_file_is_fetched_as_it_stands(
    asking: Asking, served: ModelHub, tmp_path: Path
) -> None:
    served.put("/models/detector.tflite", (tmp_path / "served.tflite").read_bytes())
    model = source.chosen(f"{served.url}/models/detector.tflite", asking.at(NOWHERE))
    assert model.identity.runtime == "tflite"
    assert model.labels[1] == "zebra"


def test_a_container_finds_a_fetched_model_and_learns_no_password(
    asking: Asking, served: ModelHub, tmp_path: Path
) -> None:
    served.put("/detector.tflite", (tmp_path / "served.tflite").read_bytes())
    address = served.url.replace("//", "//me:hunter2@") + "/detector.tflite"
    model = source.chosen(address, asking.at(NOWHERE))
    mounted = served_files(model, address, None, str(asking.folder))
    assert "hunter2" not in str(mounted)
    assert source.resolve_here(mounted.settings["OFFLOAD_MODEL"], asking.at(NOWHERE)) == model


def test_the_embedded_model_needs_neither_hub_nor_cache(asking: Asking) -> None:
    model = source.chosen(BUILTIN, asking.at(NOWHERE))
    assert model == asking.at(NOWHERE).pull(BUILTIN, force=True)
    assert model.labels == {1: "person", 4: "motorcycle", 6: "bus", 17: "cat", 18: "dog"}
    assert model.min_score == 0.5
    assert model.identity.sha256 == sha256_of(model.path)
    assert not asking.folder.exists()


def test_a_file_is_used_where_it_lies_with_the_labels_inside(
    asking: Asking, tmp_path: Path
) -> None:
    file = savedmodels.tflite_with_metadata(tmp_path / "mine.tflite")
    model = source.chosen(str(file), asking.at(NOWHERE))
    assert (model.identity.name, model.identity.runtime, model.path) == (
        "mine",
        "tflite",
        str(file),
    )
    assert model.labels[4] == "ape"
    assert source.chosen(str(savedmodels.BUILTIN), asking.at(NOWHERE)).labels == {}


def test_a_labels_file_wins_over_the_labels_inside(asking: Asking, tmp_path: Path) -> None:
    file = savedmodels.tflite_with_metadata(tmp_path / "mine.tflite")
    (tmp_path / "labels.txt").write_text("5 wolf\n9 hare\n")
    model = source.chosen(str(file), asking.at(NOWHERE), str(tmp_path / "labels.txt"))
    assert model.labels == {5: "wolf", 9: "hare"}
    assert source.chosen(str(file), asking.at(NOWHERE), "coco").labels == COCO


def test_a_folder_that_is_called_as_the_hub_calls_a_model_is_not_that_model(
    asking: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"{NOWHERE}/evil/detector/1"
    for name in (NAMED[ZOO].handle, "somebody/detector/1", url):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"graph")
        with pytest.raises(ModelError, match="cannot be fetched") as caught:
            source.chosen(name, asking.at(NOWHERE))
        assert (f"--model ./{name}" in caught.value.hint) == (name != url)
    assert asking.warnings == []
    (tmp_path / "models").mkdir()
    savedmodels.tflite_with_metadata(tmp_path / "models" / "own.tflite")
    for path in ("./somebody/detector/1", "somebody/detector/1/", "models/own.tflite"):
        assert source.chosen(path, asking.at(NOWHERE)).path == path


def test_a_savedmodel_of_others_says_once_that_it_can_run_code(
    asking: Asking, served: ModelHub, tmp_path: Path
) -> None:
    folder = tmp_path / "exported"
    folder.mkdir()
    for graph in (b"graph", b"another"):
        (folder / "saved_model.pb").write_bytes(graph)
        for _ in range(2):
            source.chosen(str(folder), asking.at(NOWHERE))
            source.chosen(ZOO, asking.at(served.url))
    said = f"{folder} is a SavedModel from elsewhere, which can read and write your files"
    assert [text.startswith(said) for text in asking.warnings] == [True, True]


def test_a_folder_is_a_saved_model_only_if_it_holds_one(asking: Asking, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    folder.mkdir()
    with pytest.raises(UsageError, match="is no model: it holds none"):
        source.chosen(str(folder), asking.at(NOWHERE))
    (folder / "saved_model.pb").write_bytes(b"graph")
    model = source.chosen(f"{folder}/", asking.at(NOWHERE))
    assert (model.identity.name, model.identity.runtime) == ("exported", "savedmodel")


def test_a_file_that_is_no_model_is_a_usage_error(asking: Asking, tmp_path: Path) -> None:
    (tmp_path / "photo.tflite").write_bytes(b"\xff\xd8\xff\xe0 a JPEG")
    with pytest.raises(UsageError, match=r"is not a \.tflite model"):
        source.chosen(str(tmp_path / "photo.tflite"), asking.at(NOWHERE))


def test_labels_with_ids_keep_them() -> None:
    assert labels.parse("1 person\n18  dog\n\n44: wine bottle\n") == {
        1: "person", 18: "dog", 44: "wine bottle",
    }  # fmt: skip


def test_labels_without_ids_count_from_one() -> None:
    assert labels.parse("cat\ndog\n???\nred fox\n") == {1: "cat", 2: "dog", 4: "red fox"}


@pytest.mark.parametrize("first", ["???", "background", "__background__", "Background"])
def test_a_first_label_for_the_background_is_id_zero(first: str) -> None:
    assert labels.parse(f"{first}\ncat\ndog\n") == {1: "cat", 2: "dog"}


def test_a_label_map_is_read_in_all_its_spellings() -> None:
    text = """
    item { id: 1 name: "cat" }
    item {
      name: "/m/0bt9lr"
      id: 18
      display_name: "dog"
    }
    item { name: 'red fox', id: 3 }
    item { id: 4 display_name: "baker's dozen" }
    item { id: 5 }
    item { name: "nobody" }
    """
    assert labels.parse(text) == {
        1: "cat", 18: "dog", 3: "red fox", 4: "baker's dozen", 5: "class 5",
    }  # fmt: skip


def test_labels_that_are_called_by_name_are_no_file_where_a_server_is_brought_up(
    tmp_path: Path,
) -> None:
    (tmp_path / "m.tflite").touch()
    model = ModelSource(ModelIdentity("m", "tflite", "0" * 64), str(tmp_path / "m.tflite"), COCO)
    served = served_files(model, None, "coco-80", str(tmp_path / "cache"))
    assert served.options == ("--labels", "coco-80")
    assert [*served.files] == ["m.tflite"]


def test_the_shared_coco_labels_are_coco(ssd_labels: Path) -> None:
    assert labels.read(str(ssd_labels)) == COCO
    assert len(COCO) == 80


@pytest.mark.parametrize("content", [b"", b"\n\n", b"item { }", b"\xff\xfe\x00"])
def test_a_labels_file_without_labels_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="labels file"):
        labels.read(str(file))


def test_a_labels_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        labels.read(str(tmp_path / "none.txt"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:hunter2@host:8080/m.tflite?token=hunter2#x", "https://host:8080/m.tflite"),
        ("tensorflow/ssd_mobilenet_v2/2", "tensorflow/ssd_mobilenet_v2/2"),
        ("builtin", "builtin"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, shown: str) -> None:
    assert web.without_secrets(url) == shown


@pytest.mark.xdist_group("tensorflow")
@pytest.mark.parametrize("prefix", ["", "https://tfhub.dev/"])
def test_the_handle_of_a_named_model_is_known_for_what_it_is(
    asking: Asking, served: ModelHub, tmp_path: Path, prefix: str
) -> None:
    row = NAMED["efficientdet-d0"]
    handle = prefix.replace("https://tfhub.dev", served.url) + row.handle
    served.put_saved_model(row.handle, savedmodels.zoo(tmp_path / "zoo"))
    found = source.chosen(handle, asking.at(served.url))
    assert found.identity.name == handle
    assert (found.input, found.labels) == (row.input, COCO)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def laid_out(path: Path, members: dict[str, bytes]) -> Path:
    for name, data in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.mark.parametrize("packed", [zipped, tarred, laid_out])
def test_a_model_is_found_in_whatever_it_came_in(
    asking: Asking, tmp_path: Path, packed: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    bytes_ = savedmodels.BUILTIN.read_bytes()
    starter = {"detect.tflite": bytes_, "labelmap.txt": b"???\nperson\nbicycle\n"}
    for _ in range(2):
        model = asking.at(NOWHERE).pull(str(packed(tmp_path / "starter.zip", starter)))
        assert (model.identity.name, model.identity.runtime) == ("detect", "tflite")
        assert model.identity.sha256 == hashlib.sha256(bytes_).hexdigest()
        assert model.labels == {1: "person", 2: "bicycle"}
    zoo = {"net/saved_model/saved_model.pb": b"graph", "net/pipeline.config": b""}
    assert (
        asking.at(NOWHERE)
        .pull(str(packed(tmp_path / "zoo.tar.gz", zoo)))
        .path.endswith("net/saved_model")
    )
    both = packed(tmp_path / "both.zip", {"a.tflite": bytes_, "b.tflite": bytes_})
    with pytest.raises(OffloadError, match=r"several: a\.tflite, b\.tflite"):
        asking.at(NOWHERE).pull(str(both))


def test_an_archive_of_a_hub_that_holds_a_file_is_run_as_what_it_is(
    asking: Asking, served: ModelHub, tmp_path: Path
) -> None:
    data = tarred(tmp_path / "x.tar.gz", {"1.tflite": savedmodels.BUILTIN.read_bytes()})
    served.files["/download?kind=1"] = data.read_bytes()
    model = asking.at(NOWHERE).pull(f"{served.url}/download?kind=1")
    assert model.identity.runtime == "tflite"
    assert model.path.endswith(".tflite")
