"""Labels inside of models, which anybody may have packed."""

import io
import resource
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from offload.detectors import labels, source
from offload.domain.errors import ModelError, UsageError
from offload.usecases.detect.request import Request
from offload.usecases.detect.run import detection
from tests.contexts import context

Change = Callable[[bytearray], object]
NAMES = b"cat\ndog\n"


def model(
    folder: Path, data: bytes = NAMES, kind: int = zipfile.ZIP_DEFLATED, change: Change = bytes
) -> str:
    """A file that ends as a `.tflite` file with labels does, `change`d."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        archive.writestr("labels.txt", data)
    packed = bytearray(out.getvalue())
    change(packed)
    path = folder / "model.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + packed)
    return str(path)


def set_at(sign: bytes, offset: int, value: bytes) -> Change:
    """Overwrite what comes so many bytes after the last `sign`."""

    def change(packed: bytearray) -> None:
        at = packed.rindex(sign) + offset
        packed[at : at + len(value)] = value

    return change


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (zipfile.ZIP_STORED, set_at(b"cat", 0, b"bat")),
        (zipfile.ZIP_DEFLATED, set_at(b"PK\1\2", 8, b"\1")),
        (zipfile.ZIP_DEFLATED, set_at(b"PK\1\2", 10, b"\x63")),
        (zipfile.ZIP_DEFLATED, set_at(b"PK\1\2", 0, b"\0")),
        (zipfile.ZIP_DEFLATED, set_at(b"PK\3\4", 40, b"\xff\xff\xff\xff")),
        (zipfile.ZIP_DEFLATED, set_at(b"PK\3\4", 0, b"\0")),
        (zipfile.ZIP_DEFLATED, set_at(b"PK\3\4", 26, b"\xc8")),
        (zipfile.ZIP_DEFLATED, set_at(b"PK\5\6", 16, struct.pack("<I", 2**32 - 1))),
        (zipfile.ZIP_BZIP2, bytes),
        (zipfile.ZIP_LZMA, bytes),
    ],
)
def test_odd_labels_are_one_sentence(tmp_path: Path, kind: int, change: Change) -> None:
    with pytest.raises(ModelError, match=r"model\.tflite cannot be read: [^\n]+\.$"):
        labels.inside(model(tmp_path, kind=kind, change=change))


@pytest.mark.parametrize("data", [b"9" * 5000 + b" cat\n", "item { id: ² }".encode()])
def test_numbers_that_are_none_are_no_ids(tmp_path: Path, data: bytes) -> None:
    assert set(labels.inside(model(tmp_path, data))) <= {1}


def test_300_kb_that_took_2_6_gb_are_not_unpacked(tmp_path: Path) -> None:
    file = model(tmp_path, bytes(50_000_000), change=set_at(b"PK\1\2", 24, struct.pack("<I", 8)))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="cannot be read"):
        labels.inside(file)
    with pytest.raises(ModelError, match="larger than 1 MB"):
        labels.inside(model(tmp_path, bytes(50_000_000)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 40_000


def test_300_kb_of_unfinished_items_do_not_take_97_seconds() -> None:
    began_s = time.process_time()
    assert len(labels.parse("item{" * 60_000)) == 1
    assert time.process_time() - began_s < 9


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "\ufeffant\r\nbee\r\n\r\n"),
        ("a.txt", "0  ant\n1  bee\n"),
        ("a.txt", "1: ant\n2: bee\n"),
        ("a.txt", "0 background\n1 ant\n2 bee\n"),
        ("a.pbtxt", "item { id: 1 name: 'ant' } item { id: 2 name: 'bee' }"),
        ("data.yaml", "path: photos\nnames:\n  0: ant\n  1: bee\n"),
        ("data.yml", "names: [ant, bee]\nnc: 2\n"),
        ("a.json", '["ant", "bee"]'),
        ("config.json", '{"id2label": {"0": "ant", "1": "bee"}, "label2id": {}}'),
    ],
)
def test_labels_are_read_in_every_form_that_is_about(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    found = dict(labels.read(str(tmp_path / name)))
    found.pop(0, None)
    assert found == {1: "ant", 2: "bee"}


@pytest.mark.parametrize(
    "text", ["", "names: 3", "names: [[ant], [bee]]", "names: {ant: 1}", "[", "- &a [*a]", "{a: b}"]
)
def test_documents_without_names_are_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"data\.yaml"):
        labels.read(str(tmp_path / "data.yaml"))


def test_cocos_labels_are_by_official_id_or_by_place_among_the_eighty() -> None:
    assert labels.read("coco") == labels.read("coco-90") == labels.COCO
    eighty = labels.read("coco-80")
    assert [*eighty] == [*range(1, 81)]
    assert (eighty[1], eighty[80], labels.COCO[90]) == ("person", "toothbrush", "toothbrush")


def test_labels_that_are_set_are_for_models_whose_classes_are_not_known() -> None:
    assert source.usual_labels("own.tflite", "coco") == "coco"
    assert source.usual_labels("builtin", "coco") is None
    assert source.usual_labels(None, "coco") is None


def test_a_model_without_labels_says_once_how_to_name_its_classes(
    tmp_path: Path, examples: Path
) -> None:
    builtin = Path(labels.__file__).parent / "builtin" / "model.tflite"
    bare = str(shutil.copy(builtin, tmp_path / "bare.tflite"))
    warnings: list[str] = []
    for named, said in ((None, 1), ("coco", 1)):
        request = Request((str(examples / "red-bus.jpg"),), model=bare, labels=named)
        with detection(request, context(warn=warnings.append), 0.0) as run:
            (row,) = run
        assert len(warnings) == said
        assert row.detections[0].label.startswith("class ") == (named is None)
    assert "--labels coco " in warnings[0]
